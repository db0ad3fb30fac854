"""How well a perfect restoration would score against a reference that is noisy itself."""

from __future__ import annotations

import numpy as np

from napari_w2s.benchmark.pixels import Frame

_ROUNDING = 2 / 12
"""Variance that rounding two images to whole values adds to their difference."""


def noise_floor_db(reference: Frame, half: Frame) -> float | None:
    """Return the PSNR of the noise-free image against a noisy mean of frames.

    With ``a`` the mean of all frames, ``h`` that of half of them and independent noise, ``var(h - a)`` is
    ``s^2 (1/n - 1/2n) = s^2 / 2n`` for n frames in h: the variance of the noise in ``a``.

    Parameters
    ----------
    reference : Frame
        Mean of 2n frames, (H, W).
    half : Frame
        Mean of n of the same frames.

    Returns
    -------
    float or None
        In dB, for a range of 1; None if no noise is found.
    """
    difference = half.unit - reference.unit
    variance = float(np.var(difference))
    if reference.pixels.dtype == np.uint8 and half.pixels.dtype == np.uint8:
        variance -= _ROUNDING / 255**2
    return None if variance <= 0 else float(-10 * np.log10(variance))
