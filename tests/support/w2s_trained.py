"""Trained models in miniature: a DnCNN of three layers, and a U-Net with two outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_w2s._types import Task
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import save
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, RestorationModel
from napari_w2s.models.networks import dncnn, unet


def small_state(seed: int = 0, channels: int = 1) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(dncnn.create(channels, depth=3, width=4).state_dict())


def small_descriptor(**changes: Any) -> ModelDescriptor:
    facts: dict[str, Any] = {
        "name": "mine",
        "title": "Mine",
        "task": Task.DENOISE,
        "summary": "A test.",
        "architecture": "dncnn",
        "build": ARCHITECTURES["dncnn"].build,
        "licence": "BSD-3-Clause",
        "origin": "here",
        "citation": "none",
        "receptive_field": 7,
    }
    return ModelDescriptor(**(facts | changes))


def small_unet(seed: int = 0) -> unet.UNet:
    """A U-Net for sizes that are multiples of 8, none of its layers at rest."""
    torch.manual_seed(seed)
    network = unet.create(widths=(4, 5, 6), blocks=(1, 1, 1), detail=3)
    for parameter in network.parameters():
        if parameter.ndim == 4 and not parameter.any():
            nn.init.kaiming_normal_(parameter)
    return network.eval()


def unet_descriptors(name: str = "pair", **changes: Any) -> tuple[ModelDescriptor, ModelDescriptor]:
    """Describe the two models of `small_unet`, which work on standardised frames."""
    network, method = small_unet(), ARCHITECTURES["unet"]
    both: dict[str, Any] = {
        "architecture": "unet",
        "normalization": Normalization.STANDARD,
        "size_multiple": network.size_multiple,
        "receptive_field": network.receptive_field,
        **changes,
    }
    denoise = {"name": f"{name}-denoise", "output": "denoised", "build": method.build_for("denoised")}
    fine = {"name": f"{name}-jdsr", "output": "sim", "build": method.build_for("sim"), "scale": 2}
    return (
        small_descriptor(**both, **denoise),
        small_descriptor(**both, **fine, task=Task.JDSR, tasks=(Task.SR,), result=Normalization.UNIT),
    )


def save_small(folder: Path, name: str = "mine", seed: int = 0) -> Path:
    """Save the small DnCNN as training would."""
    folder.mkdir(parents=True, exist_ok=True)
    return save(folder / f"{name}.safetensors", small_state(seed), make_card(small_descriptor(name=name)))


def save_pair(folder: Path, name: str = "pair") -> Path:
    """Save both models of the small U-Net in one file, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half() for key, value in small_unet().state_dict().items()}
    return save(folder / f"{name}.safetensors", state, make_card(*unet_descriptors(name)))


def unet_model(output: str) -> RestorationModel:
    """Load one of the two models of `small_unet`."""
    (descriptor,) = [d for d in unet_descriptors() if d.output == output]
    return RestorationModel(descriptor, descriptor.build(small_unet().state_dict()))
