"""Wavelet shrinkage on variance-stabilised intensities, the mean over shifts of the grid.

S. G. Chang, B. Yu, M. Vetterli, "Adaptive Wavelet Thresholding for Image Denoising and Compression", IEEE TIP 9, 2000
(BayesShrink); D. L. Donoho, I. M. Johnstone, "Ideal Spatial Adaptation by Wavelet Shrinkage", Biometrika 81, 1994
(VisuShrink); both as scikit-image has them. R. R. Coifman, D. L. Donoho, "Translation-Invariant De-Noising", Lecture
Notes in Statistics 103, 1995, for the mean over shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from napari_w2s.models.classical.stabilised import Stabilised, mirrored
from napari_w2s.models.classical.vst import FloatArray

WAVELET = "sym4"
LEVELS = 4
RULE = "BayesShrink"
"""The best on training images of W2S, avg1 to avg16, of db1, db2 and sym4 with 3 to 5 levels, though a fifth level is
as good and takes twice as long. VisuShrink is 4 to 5 dB worse: no noise at all may pass it."""


_SPIKE = 10.0
"""A pixel that differs by as much from the median about it is left as it is: one of them raises a band's spread."""


class VSTWavelet(Stabilised):
    """Stabilise the noise, shrink wavelet coefficients, go back.

    Parameters
    ----------
    wavelet : str
        An orthogonal wavelet by the name that PyWavelets has for it.
    levels : int
        Of the transform; the mean is over ``2^levels`` shifts of its grid.
    rule : {"BayesShrink", "VisuShrink"}
        How thresholds are found: for each band from its own spread, or one for all that noise does not reach.
    """

    receptive_field = None
    """Thresholds follow from all that is given at once."""

    def __init__(self, wavelet: str = WAVELET, levels: int = LEVELS, rule: str = RULE) -> None:
        super().__init__()
        self.wavelet = wavelet
        self.levels = levels
        self.rule = rule

    def smooth(self, stable: FloatArray) -> FloatArray:
        """Shrink the coefficients of an image whose noise has the standard deviation 1."""
        from scipy.ndimage import median_filter
        from skimage.restoration import denoise_wavelet

        median = median_filter(stable, 3)
        spikes = np.abs(stable - median) > _SPIKE
        margin = 2**self.levels
        # The coarsest level has at least one coefficient that no border touches; PyWavelets warns otherwise.
        longest = int(import_module("pywt").Wavelet(self.wavelet).dec_len) * margin
        extended = mirrored(np.where(spikes, median, stable), margin, longest + margin)
        height, width = stable.shape
        total: FloatArray = np.zeros_like(stable)
        for row, column in _shifts(self.levels):
            smooth = denoise_wavelet(
                extended[row:, column:],
                sigma=1.0,
                wavelet=self.wavelet,
                wavelet_levels=self.levels,
                method=self.rule,
                rescale_sigma=True,
            )
            top, left = margin - row, margin - column
            total += smooth[top : top + height, left : left + width]
        kept: FloatArray = np.where(spikes, stable, total / margin)
        return kept


def _shifts(levels: int) -> list[tuple[int, int]]:
    """Return ``2^levels`` shifts that are spread evenly over the grid of every level at once.

    The column's bits are those of the row, turned round: any ``2^k`` x ``2^(levels - k)`` cells hold one shift each.
    """
    return [(row, int(f"{row:0{levels}b}"[::-1], 2)) for row in range(2**levels)]


def build(state: Mapping[str, Any] | None) -> VSTWavelet:
    """Make the method; it has no weights."""
    if state:
        raise ValueError("wavelet shrinkage takes no weights")
    return VSTWavelet().eval()
