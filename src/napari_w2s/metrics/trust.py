"""Where a restoration disagrees with the image that it was made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.metrics.rings import Float64Array, plane
from napari_w2s.metrics.trust_fit import averaged, averaged_std, fit_result

Image = npt.NDArray[Any]
NoiseStd = float | npt.NDArray[Any] | Callable[[Float64Array], npt.ArrayLike]

WINDOW = 2.0
"""Standard deviation, in input pixels, of the Gaussian that the residual is averaged with."""
LIMIT = 4.0
"""Averaged residual beyond which it is not noise, in standard deviations that noise alone would give it."""
BACKGROUND = 16.0
"""Standard deviation, in input pixels, of the Gaussian that finds the local background of inputs of finer results."""
MIN_SIDE = 16
"""Least height and width of the input in pixels."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrustMap:
    """Where a result, seen through the input's optics, disagrees with the input.

    Attributes
    ----------
    error : numpy.ndarray, (H, W)
        Locally averaged residual, on the input's grid, in standard deviations that the input's noise alone would give
        it. Positive where the input is brighter than the result explains (something was erased), negative where it is
        darker (something was invented).
    unsupported : numpy.ndarray of bool, (H, W)
        ``abs(error) > limit``.
    share : float
        Fraction of the area that is unsupported, in [0, 1].
    shift : tuple of float
        (y, x) in input pixels by which the result was moved onto the input.
    blur : float
        Standard deviation, in input pixels, of the Gaussian that brought the result to the input's resolution.
    gain, offset : float
        ``gain * result + offset`` matches the input's intensities; with a local background taken off, on average.
    rse : float
        Root of the mean squared residual, in the input's intensities, before any averaging (resolution-scaled error).
        It contains the input's noise.
    rsp : float
        Correlation of the blurred result with the input (resolution-scaled Pearson coefficient), in [-1, 1]; 0 if
        either is constant.
    window, limit : float
        What the map was made with.
    background : float or None
        The same; None if no local background was taken off.
    """

    error: Float64Array
    unsupported: npt.NDArray[np.bool_]
    share: float
    shift: tuple[float, float]
    blur: float
    gain: float
    offset: float
    rse: float
    rsp: float
    window: float
    limit: float
    background: float | None


def resolution_scaled_error(
    result: Image,
    given: Image,
    *,
    noise_std: NoiseStd,
    window: float = WINDOW,
    limit: float = LIMIT,
    background: float | None = None,
) -> TrustMap:
    """Blur a result back to its input's resolution and compare it with the input.

    The result is averaged down to the input's grid, moved by a sub-pixel shift, blurred with a Gaussian and matched in
    gain and offset; shift, blur, gain and offset are those that explain the input best, in the least-squares sense
    weighted by its noise, areas that disagree left out. What remains is averaged over a small window, so that single
    noisy pixels do not count, and divided by the standard deviation that noise alone would leave after the same
    average.

    Parameters
    ----------
    result : numpy.ndarray, (s * H, s * W)
        The restoration; s is a whole number, 1 for a denoiser. It covers the input's area. All pixels finite.
    given : numpy.ndarray, (H, W)
        The input; at least 16 x 16 pixels, all finite. Its noise must be independent from pixel to pixel.
    noise_std : float, numpy.ndarray (H, W) or callable
        Standard deviation of the input's noise, in its own intensities. A callable gets the input's locally averaged
        signal, (H, W), and returns the standard deviation there.
    window : float
        Standard deviation, in input pixels, of the Gaussian that the residual is averaged with.
    limit : float
        Deviation, in expected standard deviations, beyond which a pixel is unsupported. Noise alone exceeds the default
        of 4 in 0.006 % of the area.
    background : float, optional
        Standard deviation, in input pixels, of a wide Gaussian average that is taken off both images first, so that
        structure wider than it is not compared; ``math.inf`` takes off none. By default none is taken off for a result
        on the input's grid, and one of `BACKGROUND` for a finer one: a widefield image has light from out of focus that
        a result as sharp as SIM rightly lacks, and no blur of that result brings it back.

    Returns
    -------
    TrustMap

    Raises
    ------
    InputError
        If the shapes do not fit, pixels are not finite, or noise, window, limit or background are not positive.

    Notes
    -----
    S. Culley et al., "Quantitative mapping and minimization of super-resolution optical imaging artifacts", Nature
    Methods 15, 2018 (SQUIRREL: resolution-scaled error and Pearson coefficient). The local background and the
    comparison with the noise are added here. Agreement does not prove a result: detail finer than the input's
    resolution, or fainter than its noise, leaves no trace in it.
    """
    observed = plane(given, "The input of a trust map", MIN_SIDE)
    restored, factor = _on_grid(plane(result, "A trust map", MIN_SIDE), (observed.shape[0], observed.shape[1]))
    if background is None:
        background = BACKGROUND if factor > 1 else math.inf
    if not (window > 0 and limit > 0 and background > window):
        raise InputError(
            f"Window and limit of a trust map must be positive, and the background wider than the window; "
            f"got {window}, {limit} and {background}."
        )
    variance = np.square(_noise(noise_std, observed, window))
    expected = averaged_std(variance, window) * _left_of_noise(window, background)
    bound = limit * expected

    def agrees(residual: Float64Array) -> npt.NDArray[np.bool_]:
        return np.asarray(np.abs(averaged(residual, window)) <= bound, bool)

    fit = fit_result(restored, observed, variance, background, agrees)
    error = averaged(fit.residual, window) / expected
    unsupported = np.abs(error) > limit
    return TrustMap(
        error=error,
        unsupported=unsupported,
        share=float(np.mean(unsupported)),
        shift=fit.shift,
        blur=fit.blur,
        gain=fit.gain,
        offset=float(fit.offset if math.isinf(background) else np.mean(observed) - fit.gain * np.mean(restored)),
        rse=float(np.sqrt(np.mean(np.square(fit.residual)))),
        rsp=fit.correlation,
        window=float(window),
        limit=float(limit),
        background=None if math.isinf(background) else float(background),
    )


def spread(images: Sequence[Image]) -> Float64Array:
    """Return the standard deviation per pixel over several restorations of one image.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        At least two of one shape, e.g. what a model makes of all flips and turns of its input, turned back. These are
        the whole set, so that the squared deviations are divided by their number.

    Returns
    -------
    numpy.ndarray
        In the images' intensities; NaN where one of them is.

    Raises
    ------
    InputError
        If there are less than two images, or their shapes differ.

    Notes
    -----
    It shows where a model contradicts itself, which is not where it is wrong: orientations may share an error.
    """
    if len(images) < 2:
        raise InputError(f"A spread needs at least two images; got {len(images)}.")
    if len({np.shape(image) for image in images}) > 1:
        raise InputError("A spread needs images of one shape.")
    mean = np.zeros(np.shape(images[0]))
    squares = np.zeros_like(mean)
    for number, image in enumerate(images, 1):
        step = np.asarray(image, np.float64) - mean
        mean += step / number
        squares += step * (image - mean)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0) / len(images)), np.float64)


def _on_grid(result: Float64Array, shape: tuple[int, int]) -> tuple[Float64Array, int]:
    (height, width), (rows, columns) = result.shape, shape
    factor = height // rows
    if (height, width) != (factor * rows, factor * columns) or factor < 1:
        raise InputError(
            f"A result of {height} x {width} pixels is no whole multiple of its input of {rows} x {columns}. "
            "Choose the image that it was made from."
        )
    return np.asarray(result.reshape(rows, factor, columns, factor).mean(axis=(1, 3)), np.float64), factor


def _left_of_noise(window: float, background: float) -> float:
    """Share of the averaged noise's standard deviation that taking off a local background leaves."""
    narrow, wide = window**2, window**2 + background**2
    return 1.0 if math.isinf(background) else math.sqrt(1 + narrow / wide - 4 * narrow / (narrow + wide))


def _noise(noise_std: NoiseStd, given: Float64Array, window: float) -> Float64Array:
    std = np.asarray(noise_std(averaged(given, window)) if callable(noise_std) else noise_std, np.float64)
    if std.shape not in ((), given.shape):
        raise InputError(f"The noise has the shape {std.shape}, the input {given.shape}. They must be the same.")
    if not (np.isfinite(std).all() and (std > 0).all()):
        raise InputError("The noise must be positive: without it nothing tells an error from noise.")
    return np.broadcast_to(std, given.shape)
