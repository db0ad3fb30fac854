"""RRDB: residual blocks of densely connected convolutions, the generator of ESRGAN and the network of W2S's JDSR.

X. Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018, arXiv:1809.00219; with
the sub-pixel end that R. Zhou et al. give it in "W2S: Microscopy Data with Joint Denoising and Super-Resolution for
Widefield to SIM Mapping", ECCVW 2020, arXiv:2003.05961.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.networks.upsampling import SCALE, convolution, reach, sub_pixel_tail
from napari_w2s.models.state_dict import count_children, fit, require_shape

ARCHITECTURE = "RRDB"

_SLOPE = 0.2
_RESIDUAL_SCALE = 0.2
_FIRST_WEIGHTS = 0.1
_UNUSED = frozenset(
    f"{layer}.{kind}"
    for layer in ("upconv1", "upconv2", "upconv3", "upconv4", "HRconv", "conv_last")
    for kind in ("weight", "bias")
)
"""Weights in the authors' checkpoints that no answer depends on: ESRGAN's own end, which the sub-pixel one replaces."""


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the block's input and the results of all before it.

    Parameters
    ----------
    width : int
        Channels of the input and the result.
    growth : int
        Channels that each of the first four adds.
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.conv1 = convolution(width, growth)
        self.conv2 = convolution(width + growth, growth)
        self.conv3 = convolution(width + 2 * growth, growth)
        self.conv4 = convolution(width + 3 * growth, growth)
        self.conv5 = convolution(width + 4 * growth, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        seen = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, F.leaky_relu(layer(seen), _SLOPE)), dim=1)
        change: torch.Tensor = self.conv5(seen)
        return x + _RESIDUAL_SCALE * change


class ResidualBlock(nn.Module):
    """Three dense blocks in a row, whose result is added to the input at a fifth of its strength.

    Parameters
    ----------
    width, growth : int
        See `DenseBlock`.
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.RDB1 = DenseBlock(width, growth)
        self.RDB2 = DenseBlock(width, growth)
        self.RDB3 = DenseBlock(width, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change: torch.Tensor = self.RDB3(self.RDB2(self.RDB1(x)))
        return x + _RESIDUAL_SCALE * change


class RRDB(nn.Module):
    """A trunk of residual blocks with one skip around it, then a sub-pixel convolution.

    Parameters
    ----------
    blocks : int
        Residual blocks of three dense blocks each.
    width, growth : int
        See `DenseBlock`.

    Attributes
    ----------
    scale : int
        Output pixels per input pixel along y and x.
    """

    scale = SCALE

    def __init__(self, blocks: int, width: int, growth: int) -> None:
        super().__init__()
        self.conv_first = convolution(1, width)
        self.RRDB_trunk = nn.Sequential(*(ResidualBlock(width, growth) for _ in range(blocks)))
        self.trunk_conv = convolution(width, width)
        self.tail = sub_pixel_tail(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map widefield images ``(N, 1, H, W)`` to ``(N, 1, 2 * H, 2 * W)``."""
        features = self.conv_first(x)
        answer: torch.Tensor = self.tail(features + self.trunk_conv(self.RRDB_trunk(features)))
        return answer

    @property
    def receptive_field(self) -> int:
        """Width in input pixels of the square that the output pixels of one input pixel depend on."""
        return reach(self)


def create(blocks: int = 16, width: int = 64, growth: int = 32) -> RRDB:
    """Make an RRDB network with random weights; the defaults are those of the benchmark's JDSR.

    Dense blocks start with a tenth of the usual weights, as in ESRGAN: a deep trunk then begins close to its skip.

    Parameters
    ----------
    blocks : int
        16 for JDSR (the authors' published weights for single frames have 12), 23 for ESRGAN.
    width, growth : int
        See `DenseBlock`.

    Returns
    -------
    RRDB
        In training mode.

    Raises
    ------
    InputError
        If an option is below 1.
    """
    require_positive(ARCHITECTURE, blocks=blocks, width=width, growth=growth)
    network = RRDB(blocks, width, growth)
    with torch.no_grad():
        for layer in network.RRDB_trunk.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                layer.weight.mul_(_FIRST_WEIGHTS)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
    return network


def build(state: Mapping[str, Any] | None) -> RRDB:
    """Rebuild an RRDB network from its weights: the number of blocks and their channels are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`). Weights of the layers ``upconv1`` to
        ``upconv4``, ``HRconv`` and ``conv_last``, which the authors' code holds and does not use, are left aside.

    Returns
    -------
    RRDB
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of an RRDB network with a sub-pixel end.
    """
    used = {key: value for key, value in (state or {}).items() if key not in _UNUSED}
    width = require_shape(used, "conv_first.weight", 4, ARCHITECTURE)[0]
    growth = require_shape(used, "RRDB_trunk.0.RDB1.conv1.weight", 4, ARCHITECTURE)[0]
    blocks = count_children(used, "RRDB_trunk")
    for block in range(blocks):
        require_shape(used, f"RRDB_trunk.{block}.RDB1.conv1.weight", 4, ARCHITECTURE)
    return fit(lambda: RRDB(blocks, width, growth), used, ARCHITECTURE)
