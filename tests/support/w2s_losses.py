"""Small networks whose features losses can look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_w2s._types import Task
from napari_w2s.models.architectures import architecture
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import save
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.models.networks import dncnn

VGG_WIDTHS = (3, 4, 5, 6, 7)
"""Of the five stages, instead of 64, 128, 256, 512 and 512."""


def save_model(path: Path, network: nn.Module | None = None, **about: Any) -> Path:
    """Save a network as training does; by default a DnCNN of five convolutions with batch norms."""
    torch.manual_seed(3)
    network = network or dncnn.create(depth=5, width=4)
    facts: dict[str, Any] = {
        "name": "tiny",
        "title": "Tiny",
        "task": Task.DENOISE,
        "summary": "Small.",
        "architecture": "dncnn",
        "licence": "none",
        "origin": "here",
        "citation": "none",
        **about,
    }
    descriptor = ModelDescriptor(build=architecture(facts["architecture"]).build, **facts)
    return save(path, network.state_dict(), make_card(descriptor))


def small_vgg() -> nn.Module:
    """Make a VGG-19 with few channels, its layers numbered and named as torchvision's."""
    torch.manual_seed(4)
    layers: list[nn.Module] = []
    before = 3
    for width, count in zip(VGG_WIDTHS, (2, 2, 4, 4, 4), strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
            before = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    network = nn.Module()
    network.features = nn.Sequential(*layers)
    network.classifier = nn.Sequential(nn.Linear(before * 49, 5))
    return network.eval()
