"""A model as one self-contained network: the frame's own intensities in, the restored frame's out.

It does in torch what `napari_w2s.engine.predict.predict` does around a network, so that a program that knows nothing of
this package gets the same answer from the exported graph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.engine.frames import check_range
from napari_w2s.models.descriptor import Normalization, RestorationModel, Stretch

_FRAME = (-2, -1)


class Standalone(nn.Module):
    """A loaded model with its normalisation, padding and brightness built in.

    Its answer for a frame is that of `predict` on the CPU in float32, for a frame that `predict` restores whole. It has
    no tiles: statistics are those of whatever it is given.

    Parameters
    ----------
    model : RestorationModel
        Its network is shared, not copied.
    intensity_range : (float, float), optional
        Intensities that count as 0 and 1. By default the least and the greatest pixel of each frame, which is what
        `predict` takes for all types but uint8 (0-255 there).

    Raises
    ------
    InputError
        If the model needs more than a network and a frame, as classical methods do, or the range is empty.
    """

    def __init__(self, model: RestorationModel, intensity_range: tuple[float, float] | None = None) -> None:
        super().__init__()
        descriptor = model.descriptor
        if descriptor.frame_context:
            raise InputError(f"{descriptor.title} is a procedure, not a network: it cannot be written as a graph.")
        self.network = model.network
        self.scale = descriptor.scale
        self.multiple = descriptor.size_multiple
        self.intensity_range = None if intensity_range is None else check_range(intensity_range)
        self._way_in, self._way_back = descriptor.normalization, descriptor.way_back
        self._stretch = descriptor.stretch
        self.eval()

    @property
    def least_size(self) -> int:
        """Least height and width of a frame in pixels."""
        return max(self.multiple, 8)

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        """Restore frames.

        Parameters
        ----------
        frame : torch.Tensor, (N, 1, H, W), float32
            At least `least_size` pixels high and wide. NaN and infinite pixels stay NaN.

        Returns
        -------
        torch.Tensor, (N, 1, scale * H, scale * W), float32
            In the frame's own intensities.
        """
        height, width = frame.shape[-2], frame.shape[-1]
        finite = torch.isfinite(frame)
        maps, span = self._maps(frame, finite)
        mean = maps[Normalization.STANDARD][0]
        values = torch.where(finite, frame.double(), mean)
        zero, one = maps[self._way_in]
        ready = ((values - zero) / one).float()
        ready = _mirrored(_mirrored(ready, -2, height, self.multiple), -1, width, self.multiple)
        answer = self.network(ready)[:, :1].float()[..., : height * self.scale, : width * self.scale]
        zero, one = maps[self._way_back]
        answer = answer * one.float() + zero.float()
        known = finite
        if self.scale > 1:
            known = F.interpolate(finite.float(), scale_factor=float(self.scale), mode="nearest") > 0
        if self._stretch is not None:
            answer = _stretched(answer, known, self._stretch, maps[Normalization.UNIT][0], span)
        return torch.where(known, answer, torch.nan)

    def _maps(
        self, frame: torch.Tensor, finite: torch.Tensor
    ) -> tuple[dict[Normalization, tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
        """Return what every way of normalising sees as 0 and as 1, in float64, and the span of intensities."""
        mean, low, high = _moments(frame, finite)
        varies = high > low
        mean = torch.where(varies, mean, low)
        change = torch.where(finite, frame.double() - mean, 0.0)
        count = finite.double().sum(_FRAME, keepdim=True).clamp_min(1.0)
        std = (change.square().sum(_FRAME, keepdim=True) / count).sqrt()
        std = torch.where(varies, std, 1.0)
        if self.intensity_range is not None:
            low, high = (torch.full_like(mean, value) for value in self.intensity_range)
        span = torch.where(high > low, high - low, 1.0)
        nothing, unchanged = torch.zeros_like(mean), torch.ones_like(mean)
        maps = {
            Normalization.UNIT: (low, span),
            Normalization.STANDARD: (mean, std),
            Normalization.NONE: (nothing, unchanged),
        }
        return maps, span


def _moments(pixels: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean, least and greatest of the known pixels of every frame, in float64; 0 where none is known."""
    count = known.double().sum(_FRAME, keepdim=True).clamp_min(1.0)
    mean = torch.where(known, pixels.double(), 0.0).sum(_FRAME, keepdim=True) / count
    # The mean lies between the two, so that it may stand in for unknown pixels. Float32 holds the extremes exactly.
    filled = torch.where(known, pixels, mean.float())
    return mean, filled.amin(_FRAME, keepdim=True).double(), filled.amax(_FRAME, keepdim=True).double()


def _stretched(
    answer: torch.Tensor, known: torch.Tensor, stretch: Stretch, low: torch.Tensor, span: torch.Tensor
) -> torch.Tensor:
    """Make frames as bright as `napari_w2s.engine.frames.apply_stretch` does."""
    mean, least, most = _moments(answer, known)
    measured = (most - least) / span
    extent = measured.clamp(stretch.least, stretch.most)
    gain = stretch.gain * extent**stretch.gain_power * (measured / stretch.least).clamp_max(1.0)
    level = low + span * stretch.level * extent**stretch.level_power
    return (answer - mean.float()) * gain.float() + level.float()


def _mirrored(x: torch.Tensor, axis: int, length: int, multiple: int) -> torch.Tensor:
    """Continue an axis by its mirror image to a multiple."""
    if multiple == 1:
        return x
    # Positive numbers only: ONNX rounds quotients towards zero.
    total = (length + multiple - 1) // multiple * multiple
    index = torch.arange(total, device=x.device)
    index = torch.where(index < length, index, 2 * (length - 1) - index)
    return x.index_select(axis, index)
