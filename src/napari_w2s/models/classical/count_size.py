"""How large one count is in an image, from how skewed its noise is: whether a camera multiplies electrons is not asked.

Noise of Poisson counts of intensity c has the third cumulant c^2 m where its variance is c m. An electron multiplier
makes the size of a count random, with an exponential distribution behind a long register (A. G. Basden, C. A. Haniff,
C. D. Mackay, "Photon counting strategies with low-light-level CCDs", MNRAS 345, 2003): the variance doubles, the third
cumulant is six times as large, and over variance and slope it is 3/2 instead of 1. Read noise adds a variance and no
third cumulant.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_w2s.models.classical.pure_let_risk import PoissonGaussian, centre

_HIGH_PASS = np.array([-1.0, 2.0, -1.0]) / math.sqrt(6.0)
_REACH = 1
_CUBES = float((_HIGH_PASS**3).sum()) ** 2
_SKEWNESS = 1.25
"""Third cumulant over variance and slope, for want of evidence: between that of counts and of amplified ones."""
_SPREAD = 0.3
_CORRELATED = 1.5
"""Cubes of neighbouring residuals go together: as many pixels tell as much as this times fewer."""
_BOUNDS = (0.5, 2.0)


def with_measured_count(noise: PoissonGaussian, frame: npt.ArrayLike) -> PoissonGaussian:
    """Return a noise model with the count that suits the skewness of an image's noise.

    The estimate of the risk depends on the noise's third cumulant through ``2 gain - count`` times the variance: from
    the cumulant follows the count. That is the gain for a camera that counts, half of it behind an electron
    multiplier, and up to twice of it where read noise is taken for counts (see `PoissonGaussian.of`).

    Parameters
    ----------
    noise : PoissonGaussian
        Returned as it is if its gain is 0.
    frame : array_like, (H, W)
        Finite intensities. Of a large one the middle 1024 x 1024 pixels are measured.

    Returns
    -------
    PoissonGaussian
        Few pixels, or hardly skewed noise, tell little: the count is then drawn to three quarters of the gain.
    """
    pixels = centre(np.asarray(frame, np.float64))
    variance = noise.gain * (float(pixels.mean()) - noise.bias)
    if not noise.gain * variance > 0.0:
        return noise
    skewness = _SKEWNESS
    if min(pixels.shape) > 2 * _REACH:
        residual = pixels
        for axis in (0, 1):
            residual = ndimage.correlate1d(residual, _HIGH_PASS, axis=axis)
        residual = residual[_REACH:-_REACH, _REACH:-_REACH]
        unit = _CUBES * noise.gain * variance
        spread = math.sqrt(15.0 * _CORRELATED / residual.size) * float(residual.std()) ** 3 / unit
        trust = 1.0 / (1.0 + (spread / _SPREAD) ** 2)
        skewness += trust * (float((residual**3).mean()) / unit - _SKEWNESS)
    return replace(noise, count=noise.gain * min(max(2.0 - skewness, _BOUNDS[0]), _BOUNDS[1]))
