"""Small networks with known needs, and descriptors around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_w2s._types import Task
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, RestorationModel


class Residual(nn.Module):
    """Convolutions, batch norms, a skip, a concatenation: all that a band has to get right."""

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.a = nn.Sequential(nn.Conv2d(6, 6, 3, padding=2, dilation=2), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.b = nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, 5, padding=2, bias=False), nn.PReLU(6))
        self.gate = nn.Conv2d(12, 6, 1)
        self.tail = nn.Conv2d(6, scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        self.last = nn.Conv2d(1, 1, 3, padding=1)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        head = self.bn(self.head(x))
        body = torch.cat([self.a(head), self.b(head) + head], dim=1)
        out = self.last(self.shuffle(self.tail(self.gate(body))))
        return x - out if self.scale == 1 else out


class GlobalMean(nn.Module):
    """Adds the mean of whatever it is given: no halo makes its tiles exact."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.mean(dim=(2, 3), keepdim=True)


class PoolUp(nn.Module):
    """Halves and doubles: sizes must be even."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"odd size {tuple(x.shape)}")
        return nn.functional.interpolate(nn.functional.avg_pool2d(x, 2), scale_factor=2.0, mode="nearest")


class SubtractContext(nn.Module):
    """Subtracts the greatest value of the whole frame."""

    def frame_context(self, frame: np.ndarray) -> float:
        return float(frame.max())

    def forward(self, x: torch.Tensor, context: float) -> torch.Tensor:
        return x - context


def build_nothing(_state: Mapping[str, Any] | None) -> nn.Module:
    return nn.Identity()


def model(network: nn.Module, **about: Any) -> RestorationModel:
    """Wrap a network; every random weight, batch-norm statistics included, is drawn from a fixed seed."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) - (0.0 if "var" in name else 0.5))
    facts = {
        "name": "toy",
        "title": "Toy",
        "task": Task.DENOISE,
        "summary": "A toy.",
        "architecture": "toy",
        "licence": "none",
        "origin": "here",
        "citation": "none",
        "build": build_nothing,
        "receptive_field": 1,
        "normalization": Normalization.NONE,
    }
    return RestorationModel(ModelDescriptor(**{**facts, **about}), network.eval())


RESIDUAL_RECEPTIVE_FIELD = 3 + 4 + 2 + 2
"""Of `Residual`: head 3, the wider of the dilated 3 x 3 and the 5 x 5 (+4), tail +2, last +2."""


def residual(scale: int = 1, **about: Any) -> RestorationModel:
    return model(Residual(scale), scale=scale, receptive_field=RESIDUAL_RECEPTIVE_FIELD, **about)
