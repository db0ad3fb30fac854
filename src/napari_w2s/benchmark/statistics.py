"""Statistics over fields of view, which are the units: channels and noise levels of one field are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
CONFIDENCE = 0.95

Float64Array = npt.NDArray[np.float64]


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation (n - 1) of finite values; None for fewer than two, or if one is infinite."""
    numbers = np.asarray(values, np.float64)
    if numbers.size < 2 or not np.isfinite(numbers).all():
        return None
    return float(numbers.std(ddof=1))


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of the mean, by resampling the values (Efron 1979).

    Parameters
    ----------
    values : sequence of float
        One per unit.
    seed : int
        The same values give the same interval.

    Returns
    -------
    (float, float) or None
        None for fewer than two values, or if one is infinite.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size < 2 or not np.isfinite(numbers).all():
        return None
    draws = np.random.default_rng(seed).integers(0, numbers.size, (RESAMPLES, numbers.size))
    means = numbers[draws].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def ranks(values: Sequence[float], *, higher_is_better: bool) -> list[float]:
    """Return the place of each value, 1 for the best; equal values share the mean of their places."""
    numbers = np.asarray(values, np.float64)
    signed = -numbers if higher_is_better else numbers
    better = (signed[None, :] < signed[:, None]).sum(axis=1)
    equal = (signed[None, :] == signed[:, None]).sum(axis=1)
    return [float(place) for place in better + (equal + 1) / 2]
