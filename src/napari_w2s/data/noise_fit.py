"""The numbers behind the noise estimate: block statistics of a high-pass residual and a robust line through them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_w2s._types import InputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_HIGH_PASS = np.array([1.0, -4.0, 6.0, -4.0, 1.0]) / np.sqrt(70.0)
_REACH = _HIGH_PASS.size // 2
MIN_SIDE = _HIGH_PASS.size
_MAX_SIDE = 1024
_MIN_SHARE = 0.5
_ITERATIONS = 30
_TRUST_LIMIT = 4.7


def measured_frame(image: npt.ArrayLike) -> FloatArray:
    """Return the part of an image that is measured: its middle frame's centre as float64.

    Parameters
    ----------
    image : array_like, (..., H, W)

    Returns
    -------
    numpy.ndarray, (h, w), h and w at most 1024

    Raises
    ------
    InputError
        If the image has less than two axes, or is complex or not numeric.
    """
    # Sliced before conversion: a lazy burst of 400 frames is read one frame deep.
    array: Any = image if hasattr(image, "ndim") and hasattr(image, "shape") else np.asarray(image)
    if array.ndim < 2:
        raise InputError(f"noise is measured on images, and this array has {array.ndim} axes; give at least y and x")
    for _ in range(array.ndim - 2):
        if array.shape[0] == 0:
            return np.zeros((0, 0))
        array = array[array.shape[0] // 2]
    centre = tuple(slice(max(0, (n - _MAX_SIDE) // 2), max(0, (n - _MAX_SIDE) // 2) + _MAX_SIDE) for n in array.shape)
    array = np.asarray(array[centre])
    if array.dtype.kind not in "biuf":
        raise InputError(f"noise is measured on real numbers, and this image holds {array.dtype}; convert it first")
    frame: FloatArray = array.astype(np.float64)
    return frame


def piled_up(frame: FloatArray, values: FloatArray, counts: npt.NDArray[np.int_]) -> BoolArray:
    """Mark the pixels at an end of the range if far more are there than right beside it.

    Parameters
    ----------
    frame : numpy.ndarray, (H, W)
    values, counts : numpy.ndarray
        The finite grey levels of `frame`, ascending, and how many pixels have each.
    """
    piled = np.zeros(frame.shape, bool)
    if values.size < 4:
        return piled
    for end, beside in ((0, slice(1, 4)), (-1, slice(-4, -1))):
        if counts[end] > max(16, 3 * int(counts[beside].max())):
            piled |= frame == values[end]
    return piled


class BlockStatistics(NamedTuple):
    """One entry per image block that has enough usable pixels.

    Attributes
    ----------
    means : numpy.ndarray
        Mean intensity.
    squares : numpy.ndarray
        Mean square of the high-pass residual: the noise variance where there is no sharp structure.
    sizes : numpy.ndarray
        Number of usable pixels.
    """

    means: FloatArray
    squares: FloatArray
    sizes: FloatArray


def block_statistics(scaled: FloatArray, usable: BoolArray) -> BlockStatistics:
    """Measure intensity and residual per block, from the pixels whose whole neighbourhood is usable."""
    residual = scaled
    for axis in (0, 1):
        residual = ndimage.correlate1d(residual, _HIGH_PASS, axis=axis, mode="nearest")
    whole = ndimage.minimum_filter(usable, size=_HIGH_PASS.size, mode="nearest")
    inner = (slice(_REACH, -_REACH),) * 2
    residual, whole, signal = residual[inner], whole[inner], scaled[inner]
    side = int(np.clip(min(residual.shape) // 24, 6, 16))
    side = min(side, *residual.shape)
    share = _block_means(whole.astype(np.float64), side)
    keep = share >= _MIN_SHARE
    means = _block_means(signal * whole, side)[keep] / share[keep]
    squares = _block_means(residual**2 * whole, side)[keep] / share[keep]
    return BlockStatistics(means, squares, share[keep] * side**2)


def _block_means(array: FloatArray, side: int) -> FloatArray:
    rows, columns = (n // side for n in array.shape)
    blocks = array[: rows * side, : columns * side].reshape(rows, side, columns, side)
    result: FloatArray = blocks.mean(axis=(1, 3)).ravel()
    return result


def fit_line(statistics: BlockStatistics) -> tuple[float, float]:
    """Fit ``squares = gain * means + offset`` robustly; `gain` is 0 if it is not twice its standard error."""
    means, squares, sizes = statistics
    typical = float(np.median(squares))
    floor = max(typical, float(squares.mean()) * 1e-3) * 1e-3
    if floor == 0.0:
        return 0.0, 0.0
    gain, offset = 0.0, typical
    trust = np.ones_like(means)
    for _ in range(_ITERATIONS):
        expected = np.maximum(gain * means + offset, floor)
        weight = trust * sizes / expected**2
        new_gain, new_offset, error = _weighted_line(means, squares, weight, expected)
        if new_gain < 2.0 * error:
            new_gain, new_offset = 0.0, float(np.average(squares, weights=weight))
        change = abs(new_gain - gain) * float(np.ptp(means)) + abs(new_offset - offset)
        gain, offset = new_gain, new_offset
        expected = np.maximum(gain * means + offset, floor)
        trust = _trust(squares / expected)
        if not trust.any():
            trust = np.ones_like(means)
        if change < 1e-4 * typical:
            break
    return gain, offset


def _trust(ratio: FloatArray) -> FloatArray:
    """Tukey weight of each block from its measured over its expected variance.

    Measured variances scatter as chi-squared, and the cube root of that is close to normal (E. B. Wilson and
    M. M. Hilferty, 1931), so that a symmetric rule there does not bias the fit. Structure only adds to a variance:
    the spread is taken from the lower half alone.
    """
    root = np.cbrt(ratio)
    centre, spread = 1.0, 0.0
    for _ in range(3):
        below = centre - root[root < centre]
        spread = max(1.4826 * float(np.median(below)) if below.size else 0.0, 1e-3)
        centre = 1.0 - min(spread, 0.5) ** 2
    inside = np.clip(np.abs(root - centre) / (_TRUST_LIMIT * spread), 0.0, 1.0)
    trust: FloatArray = (1.0 - inside**2) ** 2
    return trust


def _weighted_line(
    x: FloatArray, y: FloatArray, weight: FloatArray, expected: FloatArray
) -> tuple[float, float, float]:
    """Weighted least squares; returns slope, intercept and the slope's standard error."""
    total = float(weight.sum())
    centre_x, centre_y = float(weight @ x) / total, float(weight @ y) / total
    spread = float(weight @ (x - centre_x) ** 2)
    if spread <= 0.0:
        return 0.0, centre_y, 0.0
    slope = float(weight @ ((x - centre_x) * (y - centre_y))) / spread
    rest = y - (centre_y + slope * (x - centre_x))
    error = float(np.sqrt(weight**2 @ ((x - centre_x) * np.minimum(np.abs(rest), expected)) ** 2)) / spread
    return slope, centre_y - slope * centre_x, error
