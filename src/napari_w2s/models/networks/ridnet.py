"""RIDNet: blocks of dilated convolutions that weigh their channels by what the whole frame holds.

S. Anwar, N. Barnes, "Real Image Denoising with Feature Attention", ICCV 2019, arXiv:1904.07396.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.state_dict import fit, require_shape

ARCHITECTURE = "RIDNet"

_MEAN = (0.4488 + 0.4371 + 0.4040) / 3
"""Mean over the colours of DIV2K, a set of photographs, which the authors kept for microscopy."""


class MeanShift(nn.Module):
    """Adds a fixed number. It is stored with the weights, but never learned.

    Parameters
    ----------
    shift : float
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(1, 1, 1, 1))
        self.register_buffer("bias", torch.full((1,), shift))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, 1, H, W)`` to the same shape."""
        return x * self.weight + self.bias


class Rectified(nn.Module):
    """A convolution and a nonlinearity.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : int
        Width of the kernel, odd.
    act : torch.nn.Module
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, act: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        out: torch.Tensor = self.body(x)
        return out


class MergeRun(nn.Module):
    """Two branches of dilated convolutions (1 and 2, 3 and 4), merged and added to the input.

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body1 = nn.Sequential(*_dilated(width, 1), *_dilated(width, 2))
        self.body2 = nn.Sequential(*_dilated(width, 3), *_dilated(width, 4))
        self.body3 = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        merged: torch.Tensor = self.body3(torch.cat([self.body1(x), self.body2(x)], dim=1))
        return merged + x


class ResidualBlock(nn.Module):
    """3 x 3 convolutions, and a 1 x 1 one where asked for, whose rectified sum with the input is the result.

    Parameters
    ----------
    width : int
        Channels.
    enhanced : bool
        A third convolution of one pixel.
    """

    def __init__(self, width: int, *, enhanced: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_dilated(width, 1), nn.Conv2d(width, width, 3, padding=1)]
        if enhanced:
            layers += [nn.ReLU(inplace=True), nn.Conv2d(width, width, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        return F.relu(self.body(x) + x)


class ChannelAttention(nn.Module):
    """Weighs every channel by the means of all channels over the frame.

    Parameters
    ----------
    width : int
        Channels.
    reduced : int
        Channels of the layer between.
    """

    def __init__(self, width: int, reduced: int) -> None:
        super().__init__()
        self.c1 = Rectified(width, reduced, 1, nn.ReLU(inplace=True))
        self.c2 = Rectified(reduced, width, 1, nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        weights: torch.Tensor = self.c2(self.c1(x.mean((2, 3), keepdim=True)))
        return x * weights


class AttentionBlock(nn.Module):
    """What the paper calls an enhancement attention module.

    Parameters
    ----------
    width : int
        Channels.
    reduced : int
        See `ChannelAttention`.
    """

    def __init__(self, width: int, reduced: int) -> None:
        super().__init__()
        self.r1 = MergeRun(width)
        self.r2 = ResidualBlock(width, enhanced=False)
        self.r3 = ResidualBlock(width, enhanced=True)
        self.ca = ChannelAttention(width, reduced)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        weighed: torch.Tensor = self.ca(self.r3(self.r2(self.r1(x))))
        return weighed


class RIDNet(nn.Module):
    """Denoiser that adds a correction to its input: ``out = x + (f(x - m) + m)`` with a fixed mean ``m``.

    Parameters
    ----------
    features : int
        Channels inside.
    blocks : int
        Attention blocks in a row.
    reduced : int
        See `ChannelAttention`.
    """

    scale = 1
    receptive_field: int | None = None
    """The whole frame: channels are weighed by their means over it."""

    def __init__(self, features: int = 64, blocks: int = 4, reduced: int = 4) -> None:
        super().__init__()
        self.blocks = blocks
        self.sub_mean = MeanShift(-_MEAN)
        self.add_mean = MeanShift(_MEAN)
        self.head = Rectified(1, features, 3, nn.ReLU(inplace=True))
        for index in range(1, blocks + 1):
            self.add_module(f"b{index}", AttentionBlock(features, reduced))
        self.tail = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a noisy ``(N, 1, H, W)`` in [0, 1] to the denoised image of the same shape."""
        features = self.head(self.sub_mean(x))
        for index in range(1, self.blocks + 1):
            features = self.get_submodule(f"b{index}")(features)
        correction: torch.Tensor = self.add_mean(self.tail(features))
        return correction + x


def create(features: int = 64, blocks: int = 4, reduction: int = 16) -> RIDNet:
    """Make a RIDNet with random weights, which passes its input through; the defaults are the paper's.

    Parameters
    ----------
    features, blocks : int
        See `RIDNet`.
    reduction : int
        The attention's layer between has ``features // reduction`` channels, at least 1.

    Returns
    -------
    RIDNet
        In training mode.

    Raises
    ------
    InputError
        If a number is below 1.
    """
    require_positive(ARCHITECTURE, features=features, blocks=blocks, reduction=reduction)
    network = RIDNet(features, blocks, max(1, features // reduction))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    nn.init.zeros_(network.tail.weight)
    if network.tail.bias is not None:
        nn.init.constant_(network.tail.bias, -_MEAN)
    return network


def build(state: Mapping[str, Any] | None) -> RIDNet:
    """Rebuild a RIDNet from its weights: channels and the number of blocks are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`).

    Returns
    -------
    RIDNet
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of a RIDNet for images of one channel.
    """
    state = state or {}
    features = require_shape(state, "head.body.0.weight", 4, ARCHITECTURE)[0]
    reduced = require_shape(state, "b1.ca.c1.body.0.weight", 4, ARCHITECTURE)[0]
    blocks = 1
    while f"b{blocks + 1}.ca.c1.body.0.weight" in state:
        blocks += 1
    return fit(lambda: RIDNet(features, blocks, reduced), state, ARCHITECTURE)


def _dilated(width: int, dilation: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)
