"""Look-alikes of the authors' networks and files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn


class ResidualBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("passing", torch.ones(2), persistent=False)


class LookAlike(nn.Module):
    """A module tree as people write them: lists, sequences, shared and frozen parameters, plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.body = nn.ModuleList([ResidualBlock(), ResidualBlock()])
        self.tail = nn.Sequential(nn.Conv2d(4, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 1, 3))
        self.frozen = nn.Parameter(torch.arange(6.0).reshape(2, 3).t(), requires_grad=False)
        self.register_parameter("none", None)
        self.register_buffer("count", torch.tensor(7))
        self.options = {"scale": 2, "names": ["a", "b"]}


@pytest.fixture
def look_alike() -> nn.Module:
    torch.manual_seed(0)
    return LookAlike()


@pytest.fixture(params=["zip", "legacy"])
def save_torch(request: pytest.FixtureRequest) -> Callable[[Any, Path], None]:
    """`torch.save` in either of its containers."""

    def save(value: Any, path: Path) -> None:
        with warnings.catch_warnings():
            # The legacy container stores the source of classes, and warns where there is none.
            warnings.simplefilter("ignore")
            torch.save(value, path, _use_new_zipfile_serialization=request.param == "zip")

    return save
