"""RCAN: groups of residual blocks that weigh their channels by what is in the whole image.

Y. Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", ECCV 2018,
arXiv:1807.02758.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.networks.upsampling import SCALE, convolution, sub_pixel_tail
from napari_w2s.models.state_dict import count_children, fit, require_shape

ARCHITECTURE = "RCAN"


class ChannelAttention(nn.Module):
    """Multiplies every channel by a number between 0 and 1, found from the means of all channels over the image.

    Parameters
    ----------
    width : int
        Channels.
    squeezed : int
        Channels between the two layers that find it.
    """

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, squeezed, 1), nn.ReLU(inplace=True), nn.Conv2d(squeezed, width, 1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        share: torch.Tensor = self.conv_du(x.mean((-2, -1), keepdim=True))
        return x * share


class AttentionBlock(nn.Module):
    """Two convolutions and channel attention, whose result is added to the input.

    Parameters
    ----------
    width, squeezed : int
        See `ChannelAttention`.
    """

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(width, width),
            nn.ReLU(inplace=True),
            convolution(width, width),
            ChannelAttention(width, squeezed),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change: torch.Tensor = self.body(x)
        return x + change


class ResidualGroup(nn.Module):
    """Blocks in a row and a convolution, with a skip around them.

    Parameters
    ----------
    blocks : int
        Blocks in a row.
    width, squeezed : int
        See `ChannelAttention`.
    """

    def __init__(self, blocks: int, width: int, squeezed: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(AttentionBlock(width, squeezed) for _ in range(blocks)), convolution(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change: torch.Tensor = self.body(x)
        return x + change


class RCAN(nn.Module):
    """Residual groups with one skip around all of them, then a sub-pixel convolution.

    Parameters
    ----------
    groups : int
        Residual groups.
    blocks : int
        Blocks in each of them.
    width, squeezed : int
        See `ChannelAttention`.

    Attributes
    ----------
    scale : int
        Output pixels per input pixel along y and x.
    receptive_field : None
        Channel attention looks at the whole image.
    """

    scale = SCALE
    receptive_field = None

    def __init__(self, groups: int, blocks: int, width: int, squeezed: int) -> None:
        super().__init__()
        self.head = nn.Sequential(convolution(1, width))
        self.body = nn.Sequential(
            *(ResidualGroup(blocks, width, squeezed) for _ in range(groups)), convolution(width, width)
        )
        self.tail = sub_pixel_tail(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map widefield images ``(N, 1, H, W)`` to ``(N, 1, 2 * H, 2 * W)``."""
        features = self.head(x)
        answer: torch.Tensor = self.tail(features + self.body(features))
        return answer


def create(groups: int = 10, blocks: int = 20, width: int = 64, reduction: int = 16) -> RCAN:
    """Make an RCAN with random weights; the defaults are the paper's and the benchmark's.

    Parameters
    ----------
    groups, blocks, width : int
        See `RCAN`.
    reduction : int
        How many times fewer channels attention is found from, rounded down; one at least is left.

    Returns
    -------
    RCAN
        In training mode.

    Raises
    ------
    InputError
        If an option is below 1.
    """
    require_positive(ARCHITECTURE, groups=groups, blocks=blocks, width=width, reduction=reduction)
    return RCAN(groups, blocks, width, max(1, width // reduction))


def build(state: Mapping[str, Any] | None) -> RCAN:
    """Rebuild an RCAN from its weights: groups, blocks and channels are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`).

    Returns
    -------
    RCAN
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of an RCAN for images of one channel and twice the grid.
    """
    state = state or {}
    width = require_shape(state, "head.0.weight", 4, ARCHITECTURE)[0]
    squeezed = require_shape(state, "body.0.body.0.body.3.conv_du.0.weight", 4, ARCHITECTURE)[0]
    groups, blocks = count_children(state, "body") - 1, count_children(state, "body.0.body") - 1
    for group in range(groups):
        for block in range(blocks):
            require_shape(state, f"body.{group}.body.{block}.body.0.weight", 4, ARCHITECTURE)
    return fit(lambda: RCAN(groups, blocks, width, squeezed), state, ARCHITECTURE)
