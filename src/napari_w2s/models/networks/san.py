"""SAN: groups of residual blocks with second-order channel attention, between two looks at the whole frame.

T. Dai, J. Cai, Y. Zhang, S.-T. Xia, L. Zhang, "Second-order Attention Network for Single Image Super-Resolution",
CVPR 2019.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.networks.san_attention import NonLocal, SecondOrderAttention
from napari_w2s.models.state_dict import count_children, fit, require_shape

ARCHITECTURE = "SAN"

_UNUSED = re.compile(r"conv_last\.|non_local\.soca\.|RG\.\d+\.gamma$")
"""Weights of the authors' networks that none of their answers depends on."""


class ResidualBlock(nn.Module):
    """Two convolutions and a skip.

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_first = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change: torch.Tensor = self.conv_first(x)
        return change + x


class ResidualGroup(nn.Module):
    """Residual blocks, a second-order attention and a convolution, with a skip around them.

    Parameters
    ----------
    width : int
        Channels.
    blocks : int
    reduced : int
        See `napari_w2s.models.networks.san_attention.SecondOrderAttention`.
    """

    def __init__(self, width: int, blocks: int, reduced: int) -> None:
        super().__init__()
        self.rcab = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.soca = SecondOrderAttention(width, reduced)
        self.conv_last = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change = x
        for block in self.rcab:
            change = block(change)
        change = self.conv_last(self.soca(change))
        total: torch.Tensor = change + x
        return total


class Regions(nn.Module):
    """The block that both ends of the body share, under the name that it has in the authors' weights.

    Parameters
    ----------
    width, inner : int
        See `napari_w2s.models.networks.san_attention.NonLocal`.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.non_local = NonLocal(width, inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        found: torch.Tensor = self.non_local(x)
        return found


class SAN(nn.Module):
    """Second-order attention network, which doubles the pixels.

    Its answer at a pixel depends on the whole frame: on how its channels vary together, and on the quarter that the
    pixel lies in. In tiles it is another one.

    Parameters
    ----------
    features : int
        Channels inside.
    groups : int
    blocks : int
        Residual blocks of a group.
    reduced : int
        See `ResidualGroup`.
    inner : int
        See `Regions`.
    channels : int
        Channels of the image.
    """

    scale = 2
    receptive_field: int | None = None
    """The whole frame."""

    def __init__(
        self,
        features: int = 64,
        groups: int = 20,
        blocks: int = 10,
        reduced: int = 4,
        inner: int = 8,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.RG = nn.ModuleList(ResidualGroup(features, blocks, reduced) for _ in range(groups))
        self.non_local = Regions(features, inner)
        self.head = nn.Sequential(nn.Conv2d(channels, features, 3, padding=1))
        self.tail = nn.Sequential(
            nn.Sequential(nn.Conv2d(features, 4 * features, 3, padding=1), nn.PixelShuffle(2)),
            nn.Conv2d(features, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` in [0, 1] to ``(N, C, 2 * H, 2 * W)``."""
        shallow = self.head(x)
        source = features = self.non_local(shallow)
        for group in self.RG:
            features = group(features) + self.gamma * source
        fine: torch.Tensor = self.tail(self.non_local(features) + shallow)
        return fine


def create(features: int = 64, groups: int = 20, blocks: int = 10, reduction: int = 16, channels: int = 1) -> SAN:
    """Make a SAN with random weights; the defaults are the paper's.

    The non-local block and the share-source skips start at rest, as the authors' do.

    Parameters
    ----------
    features, groups, blocks, channels : int
        See `SAN`; at least 1.
    reduction : int
        The attention's layer between has ``features // reduction`` channels, at least 1.

    Returns
    -------
    SAN
        In training mode.

    Raises
    ------
    InputError
        If a number is below 1.
    """
    require_positive(
        ARCHITECTURE, features=features, groups=groups, blocks=blocks, reduction=reduction, channels=channels
    )
    network = SAN(features, groups, blocks, max(1, features // reduction), max(1, features // 8), channels)
    for parameter in network.non_local.non_local.W.parameters():
        nn.init.zeros_(parameter)
    return network


def build(state: Mapping[str, Any] | None) -> SAN:
    """Rebuild a SAN from its weights: channels and numbers of groups and blocks are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`). Weights of the authors' that nothing
        depends on are left out.

    Returns
    -------
    SAN
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of a SAN for twice as many pixels.
    """
    state = {key: value for key, value in (state or {}).items() if not _UNUSED.match(key)}
    features, channels = require_shape(state, "head.0.weight", 4, ARCHITECTURE)[:2]
    reduced = require_shape(state, "RG.0.soca.conv_du.0.weight", 4, ARCHITECTURE)[0]
    inner = require_shape(state, "non_local.non_local.theta.weight", 4, ARCHITECTURE)[0]
    groups, blocks = count_children(state, "RG"), count_children(state, "RG.0.rcab")
    return fit(lambda: SAN(features, groups, blocks, reduced, inner, channels), state, ARCHITECTURE)
