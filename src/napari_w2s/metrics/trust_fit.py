"""How a result becomes the image it was made from: shift, blur, gain and offset by weighted least squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_w2s.metrics.rings import Float64Array, is_constant, taper_window

MAX_BLUR = 6.0
"""Widest Gaussian tried, as standard deviation in input pixels."""
MAX_SHIFT = 8.0
"""Longest shift believed, in input pixels along one axis."""
_BLURS = (0.0, 0.6, 1.2, 2.0, 3.5, MAX_BLUR)
_NEAR, _BLUR_STEP = 0.4, 0.04
_SHIFT_STEPS = 20
_FIT_SIDE = 512
_ROUNDS = 3
_REACH = 4.0
_LEAST_KEPT = 0.05

Agreement = Callable[[Float64Array], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The fitted model; `residual`, (H, W), is what it leaves of the input, `correlation` that of the two."""

    residual: Float64Array
    correlation: float
    shift: tuple[float, float]
    blur: float
    gain: float
    offset: float


def fit_result(
    result: Float64Array, given: Float64Array, variance: Float64Array, background: float, agrees: Agreement
) -> Fit:
    """Fit a result to its input.

    Parameters
    ----------
    result, given, variance : numpy.ndarray, (H, W)
        The result on the input's grid, the input, and the variance of its noise.
    background : float
        Standard deviation of the Gaussian that finds the local background, which is taken off; infinite for none.
    agrees : callable
        Gets the residual, (H, W), and tells which pixels take part in the next round of the fit. It is not followed
        where that would leave less than half of them.

    Returns
    -------
    Fit
        Of large images only the central 512 x 512 pixels are looked at for shift and blur.
    """
    centre = tuple(_middle(side) for side in given.shape)
    shift, blur, kept = (0.0, 0.0), None, np.ones(given.shape, bool)
    for _ in range(_ROUNDS):
        weight = kept / variance
        sharp, observed = (without_background(image, background, kept) for image in (result, given))
        part = Part(sharp[centre], observed[centre], weight[centre])
        if not (is_constant(result[centre]) or is_constant(given[centre])):
            blur = part.best_blur(shift, blur)
            found = part.best_shift(shift, blur)
            if found != shift:
                shift, blur = found, part.best_blur(found)
        seen = without_background(seen_as(result, shift, blur or 0.0), background, kept)
        gain, offset = line(seen, observed, weight)
        residual = observed - gain * seen - offset
        agreeing = agrees(residual)
        if np.array_equal(agreeing, kept) or np.mean(agreeing) < 0.5:
            break
        kept = agreeing
    return Fit(residual, _correlation(seen, observed), shift, blur or 0.0, gain, offset)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The part of a result and of its input that shift and blur are found on, and the weight of each pixel."""

    result: Float64Array
    given: Float64Array
    weight: Float64Array

    def best_blur(self, shift: tuple[float, float], known: float | None = None) -> float:
        """Find the Gaussian that leaves the least weighted error: near the known one, or the best of a whole range."""
        from scipy.optimize import minimize_scalar

        base = moved(self.result, shift)

        def error(blur: float) -> float:
            return self._error(_blurred(base, float(blur)))

        tried = _BLURS if known is None else tuple(sorted({0.0, max(0.0, known - _NEAR), known, known + _NEAR}))
        errors = [error(blur) for blur in tried]
        best = int(np.argmin(errors))
        low, high = tried[max(best - 1, 0)], min(tried[min(best + 1, len(tried) - 1)], MAX_BLUR)
        if low >= high:
            return min(tried[best], MAX_BLUR)
        found = minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": _BLUR_STEP})
        return float(found.x) if found.fun < errors[best] else min(tried[best], MAX_BLUR)

    def best_shift(self, shift: tuple[float, float], blur: float) -> tuple[float, float]:
        """Register the blurred result to the input; the known shift stays if no other explains the input better."""
        from skimage.registration import phase_cross_correlation

        seen = seen_as(self.result, shift, blur)
        gain, offset = line(seen, self.given, self.weight)
        predicted = gain * seen + offset
        target = np.where(self.weight > 0, self.given, predicted)
        window = taper_window((target.shape[0], target.shape[1]), "hann")
        faded = [(image - image.mean()) * window for image in (target, predicted)]
        if not all(image.any() for image in faded):
            return shift
        by, _, _ = phase_cross_correlation(*faded, upsample_factor=_SHIFT_STEPS, normalization=None)
        other = (shift[0] + float(by[0]), shift[1] + float(by[1]))
        if max(map(abs, other)) > MAX_SHIFT:
            return shift
        return other if self._error(seen_as(self.result, other, blur)) < self._error(seen) else shift

    def _error(self, seen: Float64Array) -> float:
        gain, offset = line(seen, self.given, self.weight)
        return float(np.sum(self.weight * np.square(self.given - gain * seen - offset)))


def seen_as(result: Float64Array, shift: tuple[float, float], blur: float) -> Float64Array:
    """Move and blur a result, on the input's grid."""
    return _blurred(moved(result, shift), blur)


def moved(image: Float64Array, shift: tuple[float, float]) -> Float64Array:
    """Move an image by a sub-pixel shift, (y, x), with cubic splines; what comes in from outside repeats the border."""
    from scipy.ndimage import shift as moved_by

    if shift == (0.0, 0.0):
        return image
    return np.asarray(moved_by(image, shift, order=3, mode="nearest"), np.float64)


def line(seen: Float64Array, given: Float64Array, weight: Float64Array) -> tuple[float, float]:
    """Return the gain and offset of the weighted least-squares line from `seen` to `given`."""
    total = weight.sum()
    mean_seen, mean_given = np.sum(weight * seen) / total, np.sum(weight * given) / total
    centred = seen - mean_seen
    variance = np.sum(weight * np.square(centred))
    if is_constant(seen) or variance <= 0:
        return 0.0, float(mean_given)
    gain = np.sum(weight * centred * (given - mean_given)) / variance
    return float(gain), float(mean_given - gain * mean_seen)


def averaged(image: Float64Array, window: float) -> Float64Array:
    """Average with a Gaussian of standard deviation `window`; at the border over what is there."""
    kernel = _kernel(window)
    return _separable(image, kernel) / _within(image, kernel)


def without_background(image: Float64Array, background: float, kept: npt.NDArray[np.bool_]) -> Float64Array:
    """Take off the local average of the pixels that are kept; none if `background` is infinite.

    What is not kept would leave a halo of the other sign. Where next to nothing is kept, the plain average is taken.
    """
    if math.isinf(background):
        return image
    if kept.all():
        return image - averaged(image, background)
    share = averaged(kept.astype(np.float64), background)
    mean = averaged(np.where(kept, image, 0.0), background) / np.maximum(share, _LEAST_KEPT)
    if share.min() <= _LEAST_KEPT:
        mean = np.where(share > _LEAST_KEPT, mean, averaged(image, background))
    return np.asarray(image - mean, np.float64)


def averaged_std(variance: Float64Array, window: float) -> Float64Array:
    """Return the standard deviation of `averaged` for independent noise of the given variance."""
    kernel = _kernel(window)
    squared = _separable(variance, np.square(kernel))
    return np.asarray(np.sqrt(squared) / _within(variance, kernel), np.float64)


def _correlation(first: Float64Array, second: Float64Array) -> float:
    if is_constant(first) or is_constant(second):
        return 0.0
    return float(np.clip(np.corrcoef(first.ravel(), second.ravel())[0, 1], -1.0, 1.0))


def _middle(side: int) -> slice:
    size = min(side, _FIT_SIDE)
    return slice((side - size) // 2, (side + size) // 2)


def _blurred(image: Float64Array, blur: float) -> Float64Array:
    from scipy.ndimage import gaussian_filter

    return image if blur == 0 else np.asarray(gaussian_filter(image, blur, mode="nearest"), np.float64)


def _kernel(window: float) -> Float64Array:
    reach = max(1, int(_REACH * window + 0.5))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / window))
    return np.asarray(kernel / kernel.sum(), np.float64)


def _within(image: Float64Array, kernel: Float64Array) -> Float64Array:
    """Part of a separable kernel, around each pixel, that lies within the image."""
    from scipy.ndimage import correlate1d

    along_y, along_x = (correlate1d(np.ones(side), kernel, mode="constant") for side in image.shape)
    return np.outer(along_y, along_x)


def _separable(image: Float64Array, kernel: Float64Array) -> Float64Array:
    from scipy.ndimage import correlate1d

    return np.asarray(
        correlate1d(correlate1d(image, kernel, axis=0, mode="constant"), kernel, axis=1, mode="constant"), np.float64
    )
