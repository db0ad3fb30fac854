"""Noisy images drawn anew: the clean image with the noise of the noisy one, so that no network learns one by heart.

The noise of a photon-counting camera follows ``variance = gain * mean + offset``. An electron-multiplying register
spreads every photoelectron over a range of outputs, which doubles the variance: M. Hirsch et al., "A Stochastic Model
for Electron Multiplication Charge-Coupled Devices - From Theory to Practice", PLoS ONE 8(1), 2013.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

_BINS = 40
_LEAST_PIXELS = 64
"""Pixels of a bin: fewer do not tell a variance."""


@dataclass(frozen=True, slots=True)
class NoiseLine:
    """Noise of an image whose clean image is known.

    Attributes
    ----------
    gain : float
        Slope of the variance over the clean intensity, in the image's intensity unit; 0 or more.
    offset : float
        Variance at intensity 0, in squared intensity units; negative for a camera with a bias.
    """

    gain: float
    offset: float


def fit_noise(noisy: Float, clean: Float) -> NoiseLine:
    """Fit the variance of what is left of a noisy image without its clean image as a line over the clean intensity.

    Parameters
    ----------
    noisy, clean : numpy.ndarray
        Of one shape and of the same brightness. NaN and infinite pixels are left out.

    Returns
    -------
    NoiseLine
        Without noise where there are too few pixels; without a slope where noise does not grow with intensity.
    """
    there = np.isfinite(noisy) & np.isfinite(clean)
    order = np.argsort(clean[there], kind="stable")
    intensities, residuals = clean[there][order], (noisy - clean)[there][order]
    bins = min(_BINS, intensities.size // _LEAST_PIXELS)
    if not bins:
        return NoiseLine(0.0, 0.0)
    means = np.array([part.mean() for part in np.array_split(intensities, bins)])
    variances = np.array([part.var() for part in np.array_split(residuals, bins)])
    even = float(np.mean(variances))
    if not even > 0 or not np.ptp(means) > 0:
        return NoiseLine(0.0, even)
    # A variance is known to a share of itself: without the weights the brightest bins would decide the line.
    gain, offset = np.polyfit(means, variances, 1, w=1 / np.maximum(variances, 1e-3 * even))
    return NoiseLine(float(gain), float(offset)) if gain > 0 else NoiseLine(0.0, even)


def draw_noisy(clean: Float, noise: NoiseLine, camera: str, rng: np.random.Generator) -> Float:
    """Draw an image with such noise around a clean one.

    Parameters
    ----------
    clean : numpy.ndarray
    noise : NoiseLine
    camera : str
        A name in `CAMERAS`.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        Of the clean image's mean, with independent pixels; NaN where that is not finite.
    """
    there = np.isfinite(clean)
    noisy = np.full(clean.shape, np.nan)
    if noise.gain > 0:
        bias = noise.offset / noise.gain
        photons = np.maximum(clean[there] + bias, 0) / noise.gain
        noisy[there] = noise.gain * CAMERAS[camera](photons, rng) - bias
    else:
        noisy[there] = clean[there] + np.sqrt(max(noise.offset, 0)) * rng.standard_normal(np.count_nonzero(there))
    return noisy


def _counted(photons: Float, rng: np.random.Generator) -> Float:
    return rng.poisson(photons).astype(np.float64)


def _multiplied(photons: Float, rng: np.random.Generator) -> Float:
    """Return counts whose variance is their mean, half of it from photons and half of it from the multiplication."""
    return rng.gamma(rng.poisson(2 * photons)) / 2


CAMERAS: Mapping[str, Callable[[Float, np.random.Generator], Float]] = MappingProxyType(
    {"scmos": _counted, "emccd": _multiplied}
)
"""What a camera answers to a mean number of photons, in photons, with a variance as large as the mean."""
