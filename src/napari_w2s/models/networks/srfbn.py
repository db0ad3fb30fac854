"""SRFBN: one block run several times, each time with what it found before beside the image's features.

Z. Li, J. Yang, Z. Liu, X. Yang, G. Jeon, W. Wu, "Feedback Network for Image Super-Resolution", CVPR 2019,
arXiv:1903.09814.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.state_dict import count_children, fit, mismatch, require_shape

ARCHITECTURE = "SRFBN"

_STEPS = 4
_MAX_STEPS = 16
_SLOPE = 0.2


class FeedbackBlock(nn.Module):
    """Projections up to the fine grid and down again in turn, each of which sees all that were made before.

    Parameters
    ----------
    features : int
        Channels.
    groups : int
        Pairs of an up- and a down-projection.
    """

    def __init__(self, features: int, groups: int) -> None:
        super().__init__()
        self.compress_in = _conv(2 * features, features, 1)
        self.upBlocks = nn.ModuleList(_up(features) for _ in range(groups))
        self.downBlocks = nn.ModuleList(_down(features) for _ in range(groups))
        self.uptranBlocks = nn.ModuleList(_conv(n * features, features, 1) for n in range(2, groups + 1))
        self.downtranBlocks = nn.ModuleList(_conv(n * features, features, 1) for n in range(2, groups + 1))
        self.compress_out = _conv(groups * features, features, 1)

    def forward(self, x: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Map the image's features and what was found before, both ``(N, features, H, W)``, to the same shape."""
        coarse = [self.compress_in(torch.cat([x, found], dim=1))]
        fine: list[torch.Tensor] = []
        for index, (up, down) in enumerate(zip(self.upBlocks, self.downBlocks, strict=True)):
            fine.append(up(_merged(coarse, self.uptranBlocks, index)))
            coarse.append(down(_merged(fine, self.downtranBlocks, index)))
        result: torch.Tensor = self.compress_out(torch.cat(coarse[1:], dim=1))
        return result


class SRFBN(nn.Module):
    """Feedback network: every step's answer is a correction of the image interpolated to twice as many pixels.

    What a step found goes to the next step of the same call only: calls do not depend on one another.

    Parameters
    ----------
    features : int
        Channels inside.
    groups : int
        See `FeedbackBlock`.
    steps : int
        How often the block is run. It is stored with the weights, since no weight tells it.
    channels : int
        Channels of the image.
    """

    scale = 2
    steps: torch.Tensor

    def __init__(self, features: int = 64, groups: int = 6, steps: int = _STEPS, channels: int = 1) -> None:
        super().__init__()
        self._steps = steps
        self.register_buffer("steps", torch.tensor(steps))
        self.conv_in = _conv(channels, 4 * features, 3)
        self.feat_in = _conv(4 * features, features, 1)
        self.block = FeedbackBlock(features, groups)
        self.out = _up(features)
        self.conv_out = nn.Sequential(nn.Conv2d(features, channels, 3, padding=1))

    def answers(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what each step makes of ``(N, C, H, W)``, first to last: every one ``(N, C, 2 * H, 2 * W)``."""
        base = _doubled(x)
        return tuple(base + self.conv_out(self.out(found)) for found in self._findings(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` in [0, 1] to ``(N, C, 2 * H, 2 * W)``: the answer of the last step."""
        *_, found = self._findings(x)
        correction: torch.Tensor = self.conv_out(self.out(found))
        return _doubled(x) + correction

    def _findings(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        features = found = self.feat_in(self.conv_in(x))
        for _ in range(self._steps):
            found = self.block(features, found)
            yield found

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that the output pixels of one input pixel depend on.

        Going up and down again reaches 2 pixels further to each side, and so does the way out.
        """
        return 1 + 2 * (1 + 2 * self._steps * len(self.block.upBlocks) + 2)


def create(features: int = 64, groups: int = 6, steps: int = _STEPS, channels: int = 1) -> SRFBN:
    """Make an SRFBN with random weights; the defaults are the paper's. It starts out as bilinear interpolation.

    Parameters
    ----------
    features, groups, steps, channels : int
        See `SRFBN`; at least 1, and at most 16 steps.

    Returns
    -------
    SRFBN
        In training mode.

    Raises
    ------
    InputError
        If a number is below 1, or there are more steps than 16.
    """
    require_positive(ARCHITECTURE, features=features, groups=groups, steps=steps, channels=channels)
    if steps > _MAX_STEPS:
        raise InputError(f"{ARCHITECTURE} cannot be made with {steps} steps: give at most {_MAX_STEPS}.")
    network = SRFBN(features, groups, steps, channels)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            # A transposed convolution of stride 2 sums over a quarter of its kernel; its weights' axes are swapped.
            transposed = isinstance(module, nn.ConvTranspose2d)
            nn.init.kaiming_normal_(module.weight, a=_SLOPE, mode="fan_out" if transposed else "fan_in")
            if transposed:
                module.weight.data.mul_(2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    last = network.conv_out[0]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)
    return network


def build(state: Mapping[str, Any] | None) -> SRFBN:
    """Rebuild an SRFBN from its weights: channels and groups are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`). The number of steps is the entry
        ``steps``; the authors' checkpoints have none, and were all made with 4.

    Returns
    -------
    SRFBN
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of an SRFBN for twice as many pixels.
    """
    state = {"steps": torch.tensor(_STEPS), **(state or {})}
    wide, channels = require_shape(state, "conv_in.0.weight", 4, ARCHITECTURE)[:2]
    features = require_shape(state, "feat_in.0.weight", 4, ARCHITECTURE)[0]
    groups = count_children(state, "block.upBlocks")
    require_shape(state, "steps", 0, ARCHITECTURE)
    steps = state["steps"].item()
    if steps not in range(1, _MAX_STEPS + 1):
        raise mismatch(ARCHITECTURE, state, reason=f"it has {steps:g} steps, expected 1 to {_MAX_STEPS}")
    if wide != 4 * features or not groups:
        raise mismatch(ARCHITECTURE, state, reason="it has weights feat_in.0.weight, block.upBlocks.0.0.weight, …")
    return fit(lambda: SRFBN(features, groups, int(steps), channels), state, ARCHITECTURE)


def _merged(parts: list[torch.Tensor], merge: nn.ModuleList, index: int) -> torch.Tensor:
    """Return the first part alone, or all parts put together by one of the layers that do so."""
    if index == 0:
        return parts[0]
    together: torch.Tensor = merge[index - 1](torch.cat(parts, dim=1))
    return together


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.PReLU(init=_SLOPE))


def _up(width: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(width, width, 6, stride=2, padding=2), nn.PReLU(init=_SLOPE))


def _down(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 6, stride=2, padding=2), nn.PReLU(init=_SLOPE))
