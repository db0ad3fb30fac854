"""Where a correlation over spatial frequency first falls below its threshold."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_w2s.metrics.rings import Float64Array

Threshold = Literal["1/7", "half-bit"]

THRESHOLDS: tuple[Threshold, ...] = ("1/7", "half-bit")
FIRST_RINGS = 4
"""Rings of so few frequencies that chance alone may lift or lower them beyond a threshold."""

_SMOOTHED_SHARE = 1 / 40
"""Half the width of the local fit to the curve, as a share of half of its rings."""
_AGREEMENT = 1 / 3
"""Mean correlation up to the threshold below which it may be chance: of pairs of pure noise, one in twenty has more."""


def threshold_curve(counts: Float64Array, threshold: Threshold) -> Float64Array:
    """Return the threshold in rings of so many frequencies, (R,)."""
    if threshold == "1/7":
        return np.full(counts.shape, 1 / 7)
    root = np.sqrt(counts)
    curve: Float64Array = (0.2071 * root + 1.9102) / (1.2071 * root + 0.9102)
    return np.minimum(curve, 1.0)


def first_crossing(
    frequency: Float64Array, correlation: Float64Array, counts: Float64Array, threshold: Float64Array
) -> float | None:
    """Return the frequency where a curve, smoothed, is first below its threshold after it was above.

    Parameters
    ----------
    frequency, correlation, counts, threshold : numpy.ndarray, (R,)
        Of each ring, by rising frequency.

    Returns
    -------
    float or None
        None if there is no such frequency, or if it may be chance: among the first rings, or after little agreement.
    """
    smooth = _smoothed(correlation, counts)
    above = smooth - threshold
    first = np.flatnonzero(above[:FIRST_RINGS] > 0)
    below = np.flatnonzero(above[first[0] :] <= 0) if first.size else first
    if not below.size:
        return None
    i = int(first[0] + below[0])
    share = above[i - 1] / (above[i - 1] - above[i])
    if i - 1 + share < FIRST_RINGS - 1 or smooth[:i].mean() < _AGREEMENT:
        return None
    return float(frequency[i - 1] + share * (frequency[i] - frequency[i - 1]))


def _smoothed(curve: Float64Array, counts: Float64Array) -> Float64Array:
    """Local linear fit, weighted by tricube distance and by the number of frequencies in a ring."""
    reach = max(1, round(curve.size * _SMOOTHED_SHARE / 2))
    offset = np.arange(-reach, reach + 1, dtype=np.float64)
    weight = (1 - (np.abs(offset) / (reach + 1)) ** 3) ** 3

    def moment(values: Float64Array, power: int) -> Float64Array:
        return np.convolve(values, (weight * offset**power)[::-1], "same")

    total, first, second = (moment(counts, power) for power in range(3))
    value, slope = (moment(counts * curve, power) for power in range(2))
    determinant = total * second - np.square(first)
    smooth: Float64Array = (second * value - first * slope) / determinant
    return smooth
