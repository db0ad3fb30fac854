"""What a restoration is worth in frames: its error, laid on the averaging curve of its own field of view.

An image and the mean of all frames are taken to differ by noise, a gain and an offset. The noise follows from their
correlation r as ``std(reference) * sqrt(1 / r**2 - 1)`` (J. Frank and L. Al-Ali, "Signal-to-noise ratio of electron
micrographs obtained by cross correlation", Nature 256, 1975). It is the error after an affine match, in the
reference's intensities, and it does not become smaller where a noisy image is merely shrunk towards its mean, as a
least-squares match does: the mean of N frames has an error that falls with the square root of N, from the first frame
on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.planes import Plane
from napari_w2s.app.comparing.scores import Reference
from napari_w2s.app.comparing.stopping import poll

FloatArray = npt.NDArray[np.float64]

BURST = "burst"
LEVELS = "levels"
_GROUPS = 8
_WHOLE_BYTES = 2**29
_KEPT_BYTES = 2**28
_AFTER = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)


@dataclass(frozen=True)
class AveragingCurve:
    """Error against the mean of all frames, as a function of the number of frames averaged.

    Attributes
    ----------
    frames : tuple of int
        Ascending; less than `total`.
    errors : tuple of float
        Root mean squared difference after an affine match, in the reference's intensities, falling.
    measured : int
        The last number of frames that was measured; what comes after it follows from the law that variance falls with
        the number of frames.
    total : int
        Frames in the reference, 400 for W2S.
    source : str
        ``"burst"`` or ``"levels"``.
    reference : Plane or None
        What errors are measured against, if that is no image of the comparison: the mean of a burst.
    """

    frames: tuple[int, ...]
    errors: tuple[float, ...]
    measured: int
    total: int
    source: str
    reference: Plane | None = field(default=None, compare=False, repr=False)

    @property
    def note(self) -> str:
        """What a reader of the curve should know, in a few sentences."""
        how = f"Measured on the {'frames of the burst' if self.source == BURST else 'averaging levels'}"
        after = (
            f"; beyond {self.measured} frames the variance is taken to fall with their number"
            if (self.frames[-1] > self.measured)
            else ""
        )
        return (
            f"{how}, against the mean of {self.total}{after}. The averaged frames are among those {self.total}, which "
            "favours them: a restoration is worth somewhat more than it says here."
        )

    def points(self) -> tuple[tuple[int, float], ...]:
        """Return the numbers of frames and the errors that were measured."""
        return tuple((n, e) for n, e in zip(self.frames, self.errors, strict=True) if n <= self.measured)


def error_of(reference: npt.NDArray[Any], image: npt.NDArray[Any]) -> float:
    """Return the error that is laid on the curve.

    Parameters
    ----------
    reference, image : numpy.ndarray
        Of one shape; pixels that are not finite in one of them are left out.

    Returns
    -------
    float
        In the reference's intensities; infinite for an image that does not follow the reference at all, NaN if there
        is nothing to compare.
    """
    return _error(Reference(np.asarray(reference, np.float64), None), image)


def _error(reference: Reference, image: npt.NDArray[Any]) -> float:
    fit = reference.fit(np.asarray(image, np.float64))
    if fit is None:
        return math.nan
    if fit.correlation <= 0:
        return math.inf
    return fit.spread * math.sqrt(max(0.0, fit.correlation**-2 - 1))


def curve_of_levels(
    reference: npt.NDArray[Any], levels: Mapping[int, npt.NDArray[Any]], total: int = 400
) -> AveragingCurve | None:
    """Measure the curve on averages that are there.

    Parameters
    ----------
    reference : numpy.ndarray, (H, W)
        Mean of all frames.
    levels : mapping of int to numpy.ndarray, (H, W)
        By number of frames.
    total : int
        Number of all frames.

    Returns
    -------
    AveragingCurve or None
        None if no level is there, or the error does not fall with the number of frames: there is no noise to speak of.
    """
    against = Reference(np.asarray(reference, np.float64), None)
    errors = {n: _error(against, image) for n, image in sorted(levels.items()) if 0 < n < total}
    return _curve(errors, total, LEVELS)


def curve_of_burst(
    burst: Any, *, order: str = "random", seed: int = 0, stop: StopFn | None = None
) -> AveragingCurve | None:
    """Measure the curve on the frames of a burst, against the mean of all of them.

    Parameters
    ----------
    burst : array, (T, H, W)
        numpy, a memory map, or dask; read at once if it is below 512 MB, else frame by frame.
    order : {"random", "ordered"}
        Which frames are averaged: up to 8 disjoint random subsets for each number of frames, whose squared errors are
        averaged, or the first N as for the levels of the benchmark.
    seed : int
        Of the random subsets.
    stop : callable, optional

    Returns
    -------
    AveragingCurve or None
        Measured at powers of 2 up to half of all frames. None for less than 2 frames, or if the error does not fall.

    Raises
    ------
    InputError
        If `burst` has no frames, or there is no such order.
    Cancelled
        If `stop` returned True.
    """
    if order not in ("random", "ordered"):
        raise InputError(f"Frames are averaged in random order or ordered; got {order!r}.")
    if burst.ndim != 3:
        raise InputError(f"A burst has the axes t, y and x; this array has the shape {tuple(burst.shape)}.")
    total = int(burst.shape[0])
    if total < 2:
        return None
    if math.prod(burst.shape) * burst.dtype.itemsize <= _WHOLE_BYTES:
        burst = np.asarray(burst)
    places = np.random.default_rng(seed).permutation(total) if order == "random" else np.arange(total)
    kept, summed = _sums(burst, places, _groups(burst.shape) if order == "random" else 1, stop)
    mean = summed / total
    against = Reference(mean, None)
    errors = {}
    for count, sums in kept.items():
        poll(stop)
        squares = [_error(against, one / count) ** 2 for one in sums]
        errors[count] = math.sqrt(sum(squares) / len(squares))
    return _curve(errors, total, BURST, Plane(mean, (1.0, 1.0), (0.0, 0.0), "pixel"))


def _groups(shape: tuple[int, ...]) -> int:
    """Return how many subsets of each size fit into memory."""
    sums = int(math.log2(shape[0])) + 1
    return max(1, min(_GROUPS, _KEPT_BYTES // (sums * 4 * max(1, shape[1] * shape[2]))))


def _sums(
    burst: Any, places: npt.NDArray[np.int64], groups: int, stop: StopFn | None
) -> tuple[dict[int, list[npt.NDArray[np.float32]]], FloatArray]:
    """Read each frame once; return the first sums of 1, 2, 4, … frames up to half of all, and that of all."""
    total = len(places)
    kept: dict[int, list[npt.NDArray[np.float32]]] = {}
    # As the digits of a binary counter.
    pending: list[FloatArray | None] = []
    for place in places:
        poll(stop)
        carried, count = np.asarray(burst[int(place)]).astype(np.float64), 1
        for digit in range(len(pending) + 1):
            if count <= total // 2 and len(kept.setdefault(count, [])) < groups:
                kept[count].append(carried.astype(np.float32))
            before = pending[digit] if digit < len(pending) else None
            if before is None:
                pending[digit:] = [carried, *pending[digit + 1 :]]
                break
            pending[digit] = None
            carried += before
            count *= 2
    summed: FloatArray = sum((one for one in pending if one is not None), np.zeros(burst.shape[1:]))
    return kept, summed


def worth_frames(curve: AveragingCurve, error: float) -> float:
    """Return the number of frames whose mean has this error.

    Between the measured numbers of frames the curve is a line in logarithms of both; beyond the last one the law
    ``error**2 = variance * (1 / N - 1 / total)`` goes on from there.

    Returns
    -------
    float
        At least 1 and less than `total`; 0 if the error is greater than that of the fewest frames measured, infinite
        from `total` on. NaN for NaN.
    """
    if math.isnan(error):
        return math.nan
    points = curve.points()
    if error > points[0][1] * (1 + 1e-9):
        return 0.0
    last, least = points[-1]
    if error >= least:
        logs = [-math.log(value) for _, value in points]
        return float(np.exp(np.interp(-math.log(error), logs, [math.log(n) for n, _ in points])))
    frames = 1 / (error**2 / _variance(last, least, curve.total) + 1 / curve.total)
    return math.inf if frames > curve.total - 0.5 else frames


def worth_text(curve: AveragingCurve, frames: float) -> str:
    """Return a worth for a person: ``"23 frames"``, ``"≥ 400 frames"``, ``"< 1 frame"``."""
    if math.isnan(frames):
        return "not to be told"
    if frames == math.inf:
        return f"≥ {curve.total} frames"
    if frames == 0:
        first = curve.frames[0]
        return "< 1 frame" if first == 1 else f"< {first} frames"
    shown = f"{frames:.1f}".removesuffix(".0") if frames < 9.95 else f"{frames:.0f}"
    return f"{shown} frame" if shown == "1" else f"{shown} frames"


def _curve(
    errors: Mapping[int, float], total: int, source: str, reference: Plane | None = None
) -> AveragingCurve | None:
    """Keep what falls, and go on to `total` by the law of averages."""
    kept: list[tuple[int, float]] = []
    for count, error in errors.items():
        if math.isfinite(error) and error > 0 and (not kept or error < kept[-1][1]):
            kept.append((count, error))
    if not kept or len(kept) < min(2, len(errors)):
        return None
    last, least = kept[-1]
    variance = _variance(last, least, total)
    beyond = [n for n in (round(last * factor) for factor in _AFTER) if last < n <= 0.9 * total]
    laid = [*kept, *((n, math.sqrt(variance * (1 / n - 1 / total))) for n in beyond)]
    return AveragingCurve(tuple(n for n, _ in laid), tuple(error for _, error in laid), last, total, source, reference)


def _variance(frames: int, error: float, total: int) -> float:
    """Return the variance of one frame, of an error against the mean of `total` frames that these are among."""
    return error**2 / (1 / frames - 1 / total)
