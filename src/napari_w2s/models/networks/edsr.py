"""EDSR: residual blocks without normalisation layers, the generator of EPSR.

B. Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017, arXiv:1707.02921; for
EPSR it is trained against a discriminator: S. Vasu, N. T. Madam, A. N. Rajagopalan, "Analyzing Perception-Distortion
Tradeoff using Enhanced Perceptual Super-resolution Network", ECCVW 2018, arXiv:1811.00344.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.networks.upsampling import SCALE, convolution, reach, sub_pixel_tail
from napari_w2s.models.state_dict import count_children, fit, require_shape

ARCHITECTURE = "EDSR"

_BASELINE_WIDTH = 64
_RESIDUAL_SCALE = 0.1
_SHIFTS = ("sub_mean", "add_mean")


def residual_scale(width: int) -> float:
    """Return what the change of a block is multiplied by before it is added.

    It stands in no checkpoint, so it follows from the width as in the paper: its baseline of 64 features adds the whole
    change, and the wide network a tenth of it, since it could not be trained otherwise.
    """
    return _RESIDUAL_SCALE if width > _BASELINE_WIDTH else 1.0


class MeanShift(nn.Module):
    """A 1 x 1 convolution that stands in checkpoints and never learns.

    Parameters
    ----------
    by : float
        Number that it adds when it is made.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, by: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(1, 1, 1, 1))
        self.register_buffer("bias", torch.full((1,), by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, 1, H, W)`` to the same shape."""
        return self.weight * x + self.bias


class ResidualBlock(nn.Module):
    """Two convolutions with a ReLU between them, whose result is added to the input.

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(width, width), nn.ReLU(inplace=True), convolution(width, width))
        self.strength = residual_scale(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change: torch.Tensor = self.body(x)
        return x + self.strength * change


class EDSR(nn.Module):
    """Residual blocks with one skip around all of them, then a sub-pixel convolution.

    Parameters
    ----------
    blocks : int
        Residual blocks.
    width : int
        Channels inside.
    mean : float or None
        Brightness that is taken away first and added to the answer; None for a network without that.

    Attributes
    ----------
    scale : int
        Output pixels per input pixel along y and x.
    """

    scale = SCALE

    def __init__(self, blocks: int, width: int, mean: float | None = None) -> None:
        super().__init__()
        self.sub_mean = nn.Identity() if mean is None else MeanShift(-mean)
        self.add_mean = nn.Identity() if mean is None else MeanShift(mean)
        self.head = nn.Sequential(convolution(1, width))
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), convolution(width, width))
        self.tail = sub_pixel_tail(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map widefield images ``(N, 1, H, W)`` to ``(N, 1, 2 * H, 2 * W)``."""
        features = self.head(self.sub_mean(x))
        answer: torch.Tensor = self.add_mean(self.tail(features + self.body(features)))
        return answer

    @property
    def receptive_field(self) -> int:
        """Width in input pixels of the square that the output pixels of one input pixel depend on."""
        return reach(self)


def create(blocks: int = 32, width: int = 256, *, mean: float | None = None) -> EDSR:
    """Make an EDSR with random weights; the defaults are the paper's.

    Parameters
    ----------
    blocks, width, mean
        See `EDSR`.

    Returns
    -------
    EDSR
        In training mode.

    Raises
    ------
    InputError
        If an option is below 1.
    """
    require_positive(ARCHITECTURE, blocks=blocks, width=width)
    return EDSR(blocks, width, mean)


def build(state: Mapping[str, Any] | None) -> EDSR:
    """Rebuild an EDSR from its weights: blocks, width, and whether it shifts the mean are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`).

    Returns
    -------
    EDSR
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of an EDSR for images of one channel and twice the grid.
    """
    state = state or {}
    width = require_shape(state, "head.0.weight", 4, ARCHITECTURE)[0]
    require_shape(state, "body.0.body.0.weight", 4, ARCHITECTURE)
    blocks = count_children(state, "body") - 1
    for block in range(blocks):
        require_shape(state, f"body.{block}.body.0.weight", 4, ARCHITECTURE)
    shifted = any(key.split(".", 1)[0] in _SHIFTS for key in state)
    return fit(lambda: EDSR(blocks, width, 0.0 if shifted else None), state, ARCHITECTURE)
