"""PURE-LET: shrink undecimated Haar coefficients so that the estimated squared error is as small as can be.

F. Luisier, T. Blu, M. Unser, "Image Denoising in Mixed Poisson-Gaussian Noise", IEEE TIP 20, 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_w2s.data.noise import estimate_noise
from napari_w2s.models.classical import haar
from napari_w2s.models.classical.count_size import with_measured_count
from napari_w2s.models.classical.pure_let_risk import PoissonGaussian, risk_estimate, split

LEVELS = 4
"""Of the transform; on training images of W2S a fifth gained nothing."""


@dataclass(frozen=True, slots=True)
class LetFit:
    """What PURE-LET found out about a frame.

    Attributes
    ----------
    noise : PoissonGaussian
    gains : numpy.ndarray, (levels, 3, PARTS)
        Of each band's coefficients below, between and above the thresholds.
    centre : float
        Intensity near the frame's median. It is subtracted first, so that a large bias costs no digits.
    risk : float
        Estimated mean squared error of the result. With noise that was found in the frame itself, on simulated frames
        of 1 to 50 events where they are brightest, it was within 3 % of the noise's mean square of the true one for
        weights that were set, and within 8 % (5 %, from 5 events on) for those found, which follow from the same frame
        (``python -m benchmarks.pure_let_risk``).
    """

    noise: PoissonGaussian
    gains: npt.NDArray[np.float64]
    centre: float
    risk: float


class PureLet(nn.Module):
    """Shrink Haar coefficients by gains that suit the frame.

    Parameters
    ----------
    levels : int
        Levels of the transform, at least 1.
    """

    def __init__(self, levels: int = LEVELS) -> None:
        super().__init__()
        self.levels = levels

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that one output pixel depends on, for given gains."""
        return 2 * haar.reach(self.levels) + 1

    def frame_context(self, frame: npt.ArrayLike) -> LetFit | None:
        """Estimate a frame's noise and find the gains.

        Parameters
        ----------
        frame : array_like, (H, W)
            The whole frame in its own intensities, finite.

        Returns
        -------
        LetFit or None
            None if the frame has no noise, or is too small to tell.
        """
        estimate = estimate_noise(frame)
        noise = PoissonGaussian.of(estimate)
        if noise is None:
            return None
        noise = with_measured_count(noise, frame)
        risk = risk_estimate(frame, noise, self.levels)
        gains = risk.minimise()
        return LetFit(noise, gains, estimate.median, risk.at(gains))

    def forward(self, x: torch.Tensor, fit: LetFit | None) -> torch.Tensor:
        """Denoise.

        Parameters
        ----------
        x : torch.Tensor, (N, 1, H, W)
            Parts of one frame in its own intensities.
        fit : LetFit or None
            What `frame_context` returned for the whole frame. None leaves the pixels as they are.

        Returns
        -------
        torch.Tensor, (N, 1, H, W)
        """
        if fit is None or x.numel() == 0:
            return x.clone()
        noise = fit.noise.below(fit.centre)
        details, means = haar.analyse(haar.extend(x - fit.centre, haar.reach(self.levels)), self.levels)
        out = means[-1]
        for level in reversed(range(self.levels)):
            detail, mean = (haar.within(c, self.levels, level) for c in (details[level], means[level]))
            gains = torch.as_tensor(fit.gains[level], dtype=x.dtype, device=x.device)[:, :, None, None]
            parts = split(detail, mean, noise, level)
            shrunk = torch.stack([g * part for g, part in zip(gains.unbind(1), parts, strict=True)]).sum(0)
            out = haar.raise_all(out, shrunk, level)
        return out + fit.centre


def build(state: Mapping[str, Any] | None) -> PureLet:
    """Make the method; it has no weights."""
    if state:
        raise ValueError("PURE-LET takes no weights")
    return PureLet().eval()
