"""Intensities along a line, and the width of a peak in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError

Float64Array = npt.NDArray[np.float64]

MAX_SAMPLES = 100_000


def line_profile(
    image: npt.NDArray[Any],
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    scale: tuple[float, float],
    origin: tuple[float, float],
    width: float = 0.0,
) -> tuple[Float64Array, Float64Array]:
    """Read an image along a line by bilinear interpolation.

    Parameters
    ----------
    image : numpy.ndarray, (H, W)
    start, end : tuple of float
        (y, x) in world coordinates.
    scale : tuple of float
        (y, x) size of a pixel in world units.
    origin : tuple of float
        (y, x) world coordinates of the centre of the first pixel.
    width : float
        Of the band that is averaged, in world units, half of it on either side of the line: the same band in images of
        any pixel size. It is read along parallel lines in the middles of equal strips no wider than a pixel; 0 is the
        line alone.

    Returns
    -------
    distance : numpy.ndarray, (P,)
        From the start, in world units; samples are at most one pixel apart, the last lies on the end.
    values : numpy.ndarray, (P,)
        NaN outside of the image (beyond the outer edges of its pixels) and next to pixels that are NaN.

    Raises
    ------
    InputError
        If the line has no length or more than 100,000 samples, or an argument is out of range.
    """
    from scipy.ndimage import map_coordinates

    pixels = np.asarray(image, np.float64)
    if pixels.ndim != 2 or not pixels.size:
        raise InputError(f"A profile needs a two-dimensional image; got the shape {pixels.shape}.")
    if not min(scale) > 0 or not 0 <= width < np.inf:
        raise InputError(f"A profile needs a positive pixel size and a width of 0 or more; got {scale} and {width}.")
    first, last = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.hypot(*(last - first)))
    if not (np.isfinite(length) and length > 0):
        raise InputError("The line has no length. Draw it anew.")
    pixel = float(min(scale))
    count = int(np.ceil(length / pixel - 1e-9)) + 1
    lines = max(1, int(np.ceil(width / pixel - 1e-9)))
    if count * lines > MAX_SAMPLES:
        raise InputError(
            f"The line is {count:,} pixels long and {lines:,} wide: too much for a profile. Draw a shorter one, or "
            "make it narrower."
        )
    along = np.linspace(0.0, 1.0, max(count, 2))
    across = (np.arange(lines) - (lines - 1) / 2) * (width / lines)
    direction = (last - first) / length
    normal = np.array([-direction[1], direction[0]])
    world = first + along[:, None, None] * (last - first) + across[None, :, None] * normal
    place = (world - np.asarray(origin, np.float64)) / np.asarray(scale, np.float64)
    edge = np.asarray(pixels.shape) - 0.5
    inside = ((place >= -0.5 - 1e-9) & (place <= edge + 1e-9)).all(axis=-1)
    values = map_coordinates(pixels, np.moveaxis(place, -1, 0), order=1, mode="nearest")
    usable = inside & np.isfinite(values)
    number = usable.sum(axis=1)
    total = np.where(usable, values, 0.0).sum(axis=1)
    return along * length, np.divide(total, number, out=np.full(len(along), np.nan), where=number > 0)


def fwhm(distance: Float64Array, values: Float64Array) -> float | None:
    """Measure the full width at half maximum of the highest peak.

    Half maximum is half way from the lowest value of the profile to the highest; between samples the profile is taken
    as straight.

    Parameters
    ----------
    distance, values : numpy.ndarray, (P,)
        As `line_profile` returns them; `distance` rises. Values that are not finite are left out.

    Returns
    -------
    float or None
        In the unit of `distance`. None if the profile is constant or does not fall to half on both sides of the peak.
    """
    finite = np.isfinite(values)
    x, y = np.asarray(distance, np.float64)[finite], np.asarray(values, np.float64)[finite]
    if y.size < 3 or y.max() == y.min():
        return None
    peak = int(np.argmax(y))
    above = y - (y.max() + y.min()) / 2
    left = np.flatnonzero(above[:peak] <= 0)
    right = np.flatnonzero(above[peak:] <= 0)
    if not left.size or not right.size:
        return None
    begin, end = int(left[-1]), peak + int(right[0])
    return _crossing(x, above, end - 1) - _crossing(x, above, begin)


def _crossing(x: Float64Array, above: Float64Array, i: int) -> float:
    """Place between samples i and i + 1 where a line through them is 0."""
    return float(x[i] + (x[i + 1] - x[i]) * above[i] / (above[i] - above[i + 1]))
