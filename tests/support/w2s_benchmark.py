"""Small trees of images with something to see, and models that need no weights, for tests of the benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import torch
from torch import nn
from w2s_toys import model

from napari_w2s._types import Level, Task
from napari_w2s.benchmark import BenchmarkConfig, make_config
from napari_w2s.data.protocol import FRAME_INDICES
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.models.registry import Registry

SIZE = 32
NOISE = 24.0
"""Standard deviation of one frame's noise, in 8-bit steps."""


def scene(fov: int, channel: int, size: int = SIZE) -> np.ndarray:
    """Return a smooth field in [60, 200]."""
    y, x = np.mgrid[0:size, 0:size] / size
    wave = np.sin(6 * x + fov) * np.cos(5 * y + channel) + 0.5 * np.sin(11 * y * (1 + 0.1 * fov))
    return np.asarray(130 + 46 * wave)


def burst(fov: int, channel: int, size: int = SIZE) -> np.ndarray:
    """Return 400 noisy frames, (400, H, W); averages of them share frames as the benchmark's do."""
    random = np.random.default_rng(1000 * fov + channel)
    return scene(fov, channel, size) + random.normal(0, NOISE, (400, size, size))


def make_tree(
    root: Path,
    fovs: Iterable[int] = (1, 2),
    channels: Iterable[int] = (0,),
    levels: Iterable[str] = ("avg1", "avg4", "avg8", "avg16", "avg400", "sim"),
    *,
    split: str = "train",
    size: int = SIZE,
) -> Path:
    """Write an 8-bit release and return its root."""
    for fov in fovs:
        for channel in channels:
            frames = burst(fov, channel, size)
            for level in levels:
                if level == "sim":
                    pixels = 2 * (scene(fov, channel, 2 * size) - 80)
                else:
                    indices = FRAME_INDICES[Level(level)]
                    pixels = frames[indices.start : indices.stop].mean(0)
                folder = root / "data" / split / level
                folder.mkdir(parents=True, exist_ok=True)
                iio.imwrite(folder / f"{fov:03d}_{channel}.png", np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    return root


class Blur(nn.Module):
    """The mean of 3 x 3 pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


class Twice(nn.Module):
    """Every pixel as 2 x 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Fails(nn.Module):
    """Raises an error."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("it never works")


class Blank(nn.Module):
    """Answers with NaN."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.nan


def describe(name: str, network: type[nn.Module], *, scale: int = 1, **about: Any) -> ModelDescriptor:
    """Describe a model without weights."""

    def build(_state: Mapping[str, Any] | None) -> nn.Module:
        return network()

    facts = {"receptive_field": 3, "scale": scale, "task": Task.DENOISE if scale == 1 else Task.SR, **about}
    return model(network(), name=name, build=build, **facts).descriptor


TOYS = (
    describe("blur", Blur),
    describe("blur-avg1", Blur),
    describe("blur-avg4", Blur),
    describe("twice", Twice, scale=2),
    describe("twice-again", Twice, scale=2),
    describe("fails", Fails),
    describe("blank", Blank),
)


class CountingRegistry(Registry):
    """The toys; `loads` counts how often each was loaded."""

    def __init__(self, descriptors: Iterable[ModelDescriptor] = TOYS) -> None:
        super().__init__(descriptors)
        self.loads: list[str] = []

    def load(self, name: str, **options: Any) -> Any:
        self.loads.append(name)
        return super().load(name, **options)


def benchmark(root: Path, *pipelines: str, **entries: Any) -> BenchmarkConfig:
    """Return the config of a small benchmark."""
    return make_config({"data": str(root), "pipelines": list(pipelines), **entries})
