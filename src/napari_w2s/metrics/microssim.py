"""Structural similarity that does not depend on the intensity scales of the two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.metrics.rings import Float64Array, is_constant, plane

MIN_SIDE = 11
"""Least height and width in pixels: that of the Gaussian window."""
_BACKGROUND_PERCENTILE = 3.0
_UNIFORM_SIDE = 7
_SIGMA, _TRUNCATE = 1.5, 3.5
_K1, _K2 = 0.01, 0.03


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Local means, variances and covariance of two images, and the constants that keep quotients stable."""

    mean_x: Float64Array
    mean_y: Float64Array
    var_x: Float64Array
    var_y: Float64Array
    cov: Float64Array
    c1: float
    c2: float

    def similarity(self, factor: float) -> float:
        """Mean SSIM of the first image and `factor` times the second."""
        means = 2 * factor * self.mean_x * self.mean_y + self.c1
        means /= self.mean_x**2 + factor**2 * self.mean_y**2 + self.c1
        structure = 2 * factor * self.cov + self.c2
        structure /= self.var_x + factor**2 * self.var_y + self.c2
        return float(np.mean(means * structure))


def micro_ssim(reference: npt.NDArray[Any], image: npt.NDArray[Any]) -> float:
    """MicroSSIM of an image against a reference.

    Parameters
    ----------
    reference, image : numpy.ndarray, (H, W)
        Of one shape, at least 11 x 11 pixels, all finite. Intensity scales may differ.

    Returns
    -------
    float
        1 for an image that equals the reference but for a positive gain and an offset; 0 if the image is constant.

    Raises
    ------
    InputError
        If the shapes differ, or an image is too small or not finite, or the reference is constant.

    Notes
    -----
    A. Ashesh, J. Deschamps and F. Jug, "MicroSSIM: improved structural similarity for comparing microscopy data",
    arXiv:2408.08747, 2024. The 3rd percentile of either image is taken off as background, both are divided by the
    reference's maximum, and the image is scaled by the factor that gives the greatest mean SSIM in a 7 x 7 window; the
    result is SSIM in a Gaussian window (standard deviation 1.5) with that factor, and the reference's range as data
    range. The authors advise one factor for a whole data set; here each pair has its own, as one image is compared.
    """
    from scipy.optimize import minimize_scalar

    x, y = (plane(one, "MicroSSIM", MIN_SIDE) for one in (reference, image))
    if x.shape != y.shape:
        raise InputError(f"An image of shape {y.shape} cannot be compared with a reference of {x.shape}.")
    if is_constant(y) and not is_constant(x):
        return 0.0
    x, y = (one - np.percentile(one, _BACKGROUND_PERCENTILE) for one in (x, y))
    scale = x.max()
    if scale <= 0 or is_constant(x):
        raise InputError("MicroSSIM needs a reference with structure brighter than its background; this one has none.")
    x, y = x / scale, y / scale
    coarse = _uniform(x, y)
    start = float(np.sum(x * y) / np.sum(y * y))
    if start <= 0:
        start = float(x.std() / y.std())
    found = minimize_scalar(lambda factor: -coarse.similarity(float(factor)), bracket=(0.5 * start, start))
    return _gaussian(x, y).similarity(float(found.x))


def _uniform(x: Float64Array, y: Float64Array) -> _Moments:
    from scipy.ndimage import uniform_filter

    return _moments(x, y, lambda one: uniform_filter(one, _UNIFORM_SIDE), _UNIFORM_SIDE)


def _gaussian(x: Float64Array, y: Float64Array) -> _Moments:
    from scipy.ndimage import gaussian_filter

    side = 2 * int(_TRUNCATE * _SIGMA + 0.5) + 1
    return _moments(x, y, lambda one: gaussian_filter(one, _SIGMA, truncate=_TRUNCATE), side)


def _moments(x: Float64Array, y: Float64Array, average: Any, side: int) -> _Moments:
    pad, samples = side // 2, side**2

    def inner(one: Float64Array) -> Float64Array:
        return np.asarray(average(one)[pad:-pad, pad:-pad], np.float64)

    mean_x, mean_y = inner(x), inner(y)
    unbiased = samples / (samples - 1)
    data_range = float(np.ptp(x))
    return _Moments(
        mean_x,
        mean_y,
        unbiased * (inner(x * x) - mean_x**2),
        unbiased * (inner(y * y) - mean_y**2),
        unbiased * (inner(x * y) - mean_x * mean_y),
        (_K1 * data_range) ** 2,
        (_K2 * data_range) ** 2,
    )
