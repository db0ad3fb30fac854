"""A residual U-Net with one trunk and up to two outputs: the denoised image, and the image on a twice finer grid.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015,
arXiv:1505.04597; residual blocks without normalisation layers as in B. Lim et al., "Enhanced Deep Residual Networks for
Single Image Super-Resolution", CVPRW 2017, arXiv:1707.02921; sub-pixel outputs after W. Shi et al., CVPR 2016,
arXiv:1609.05158.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.models.state_dict import count_children, fit, mismatch, require_shape

ARCHITECTURE = "U-Net"
OUTPUTS = ("denoised", "sim")
"""What the heads are called: the restored image on the input's grid, and the one on the twice finer grid."""

_RESIDUAL_SCALE = 0.5


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added at half strength.

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        change: torch.Tensor = self.conv2(F.relu(self.conv1(x)))
        return x + _RESIDUAL_SCALE * change


class UNet(nn.Module):
    """Residual U-Net.

    Parameters
    ----------
    widths : sequence of int
        Channels at each resolution, finest first.
    blocks : sequence of int
        Residual blocks at each resolution on the way down; all but the last are repeated on the way up.
    outputs : sequence of {"denoised", "sim"}
    fold : int
        Edge of the squares of pixels that become channels at the entrance: the finest resolution inside is 1 / fold of
        the image's.
    detail : int
        Channels of the ``sim`` head where it leaves the trunk's resolution.
    channels : int
        Channels of the image.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int],
        outputs: Sequence[str],
        fold: int,
        detail: int,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.fold = fold
        self.stem = nn.Conv2d(channels * fold**2, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_row(w, n) for w, n in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_row(w, n) for w, n in zip(widths[:-1], blocks[:-1], strict=True))
        heads: dict[str, nn.Module] = {}
        if "denoised" in outputs:
            heads["denoised"] = nn.Conv2d(widths[0], channels * fold**2, 3, padding=1)
        if "sim" in outputs:
            heads["sim"] = _fine_head(widths[0], detail, fold, channels)
        self.heads = nn.ModuleDict(heads)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the heads that there are."""
        return tuple(self.heads)

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        multiple: int = self.fold * 2 ** len(self.down)
        return multiple

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that the output pixels of one input pixel depend on, wherever it lies."""
        # The stem and a head reach as far as a convolution on the trunk's grid; the sim head has finer ones besides.
        reach: int = self.fold * (1 + (2 if "sim" in self.heads else 1))
        pixel = self.fold
        for level, row in enumerate(self.encoder):
            convs = 2 * len(row) * (1 if level == len(self.down) else 2)  # type: ignore[arg-type]
            reach += convs * pixel
            pixel *= 2
        # A pixel at one edge of a cell of the coarsest grid sees all of the cell, besides what the cell sees.
        return 2 * (reach + self.size_multiple - 1) + 1

    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` to the features ``(N, widths[0], H / fold, W / fold)`` that all heads share."""
        features: torch.Tensor = self.stem(F.pixel_unshuffle(x, self.fold))
        kept = []
        for level, row in enumerate(self.encoder):
            features = row(features)
            if level < len(self.down):
                kept.append(features)
                features = self.down[level](features)
        for level in reversed(range(len(self.down))):
            features = F.pixel_shuffle(self.up[level](features), 2) + kept[level]
            features = self.decoder[level](features)
        return features

    def restore(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what every head makes of ``(N, C, H, W)``: ``denoised`` of that shape, ``sim`` twice as large."""
        features = self.trunk(x)
        made = {name: head(features) for name, head in self.heads.items()}
        if "denoised" in made:
            made["denoised"] = x + F.pixel_shuffle(made["denoised"], self.fold)
        return made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the last head makes of ``(N, C, H, W)``."""
        return self.restore(x)[self.outputs[-1]]


def create(
    widths: Sequence[int] = (64, 96, 128),
    blocks: Sequence[int] = (4, 3, 4),
    outputs: Sequence[str] = OUTPUTS,
    *,
    fold: int = 2,
    detail: int = 32,
    channels: int = 1,
) -> UNet:
    """Make a U-Net with random weights; it starts out passing its input through to ``denoised``.

    Parameters
    ----------
    widths, blocks, outputs, fold, detail, channels
        See `UNet`.

    Returns
    -------
    UNet
        In training mode.

    Raises
    ------
    InputError
        If the numbers describe no network.
    """
    unknown = [name for name in outputs if name not in OUTPUTS]
    if unknown or not outputs:
        raise InputError(f"A U-Net has the outputs {', '.join(OUTPUTS)}; {', '.join(unknown) or 'none'} was asked for.")
    if len(widths) != len(blocks) or not widths or min(*widths, *blocks, fold, detail, channels) < 1:
        raise InputError("A U-Net needs as many widths as numbers of blocks, and all of its numbers at least 1.")
    if fold not in (1, 2):
        raise InputError(f"A U-Net folds squares of 1 or 2 pixels into channels, not {fold}.")
    network = UNet(widths, blocks, [name for name in OUTPUTS if name in outputs], fold, detail, channels)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.conv2.weight)
    for head in network.heads.values():
        last = head if isinstance(head, nn.Conv2d) else head[-1]  # type: ignore[index]
        nn.init.zeros_(last.weight)
    return network


def build(state: Mapping[str, Any] | None, output: str | None = None) -> UNet:
    """Rebuild a U-Net from its weights: resolutions, widths, blocks and heads are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
    output : str, optional
        The one head to keep. By default all, and the last of them answers.

    Returns
    -------
    UNet
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of a U-Net, or it has no such head.
    """
    state = state or {}
    levels = count_children(state, "encoder")
    widths, blocks = [], []
    for level in range(levels):
        widths.append(require_shape(state, f"encoder.{level}.0.conv1.weight", 4, ARCHITECTURE)[0])
        blocks.append(count_children(state, f"encoder.{level}"))
    if not levels:
        raise mismatch(ARCHITECTURE, state, reason="it has weights encoder.0.0.conv1.weight, …")
    folded = require_shape(state, "stem.weight", 4, ARCHITECTURE)[1]
    heads = {key.split(".")[1] for key in state if key.startswith("heads.")}
    outputs = [name for name in OUTPUTS if name in heads]
    if heads - set(OUTPUTS) or not outputs:
        raise mismatch(ARCHITECTURE, state, reason=f"its heads are {', '.join(OUTPUTS)}")
    last = f"heads.sim.{count_children(state, 'heads.sim') - 1}.weight"
    if "sim" in outputs:
        channels, detail = require_shape(state, last, 4, ARCHITECTURE)[:2]
    else:
        # A stem of 4 channels could fold one channel or take four: images here have one.
        channels, detail = (1 if folded in (1, 4) else folded), 1
    fold = {channels: 1, 4 * channels: 2}.get(folded)
    if fold is None:
        raise mismatch(ARCHITECTURE, state, reason=f"its stem takes {folded} channels")
    network = fit(lambda: UNet(widths, blocks, outputs, fold, detail, channels), state, ARCHITECTURE)
    if output is not None:
        if output not in outputs:
            raise mismatch(ARCHITECTURE, state, reason=f"it has no output {output!r}, only {', '.join(outputs)}")
        for name in outputs:
            if name != output:
                del network.heads[name]
    return network


def _row(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))


def _fine_head(width: int, detail: int, fold: int, channels: int) -> nn.Sequential:
    """Layers from the trunk's resolution to twice the image's."""
    layers: list[nn.Module] = []
    for _ in range(1 + (fold == 2)):
        layers += [nn.Conv2d(width, 4 * detail, 3, padding=1), nn.PixelShuffle(2), nn.ReLU()]
        width = detail
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))
