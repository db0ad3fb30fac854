"""One frame's way into a model's intensity range and back: range, non-finite pixels, reading a part of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.models.descriptor import Normalization, Stretch

Float = npt.NDArray[np.float32]

_ROWS_AT_ONCE = 512
_PIXELS_AT_ONCE = 2**16
_GREATEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Intensities:
    """The affine maps between a frame's own intensities and a model's.

    Attributes
    ----------
    low, high : float
        Own intensities that count as 0 and 1.
    mean : float
        Of the finite pixels. It stands in for NaN and infinite ones, too.
    has_non_finite : bool
    std : float or None
        Standard deviation of the finite pixels; None if it was not asked for.
    """

    low: float
    high: float
    mean: float
    has_non_finite: bool
    std: float | None = None

    @property
    def span(self) -> float:
        """The own intensity difference that counts as 1; 1 for a constant frame."""
        return self.high - self.low if self.high > self.low else 1.0

    @property
    def fill(self) -> float:
        """Own intensity that stands in for NaN and infinite pixels."""
        return self.mean

    def to_model(self, pixels: npt.NDArray[Any], normalization: Normalization) -> Float:
        """Map own intensities of any real dtype to a model's, as a new float32 array without NaN or inf."""
        # A mean has more digits than float32, in which whole numbers of two bytes are exact.
        exact = pixels.dtype.itemsize > 2 or normalization is Normalization.STANDARD
        values: npt.NDArray[np.floating[Any]] = pixels.astype(np.float64 if exact else np.float32)
        if self.has_non_finite:
            values[~np.isfinite(values)] = self.fill
        zero, one = self._map(normalization)
        if (zero, one) != (0.0, 1.0):
            values = (values - zero) / one
        return values.astype(np.float32, copy=False)

    def from_model(self, values: Float, normalization: Normalization) -> Float:
        """Map a model's result back to own intensities."""
        zero, one = self._map(normalization)
        if (zero, one) != (0.0, 1.0):
            values = values * np.float32(one)
            values += np.float32(zero)
        return values

    def standardised_by(self, other: Intensities) -> Intensities:
        """Return the same range with the mean and standard deviation of other pixels."""
        return replace(self, mean=other.mean, std=other.std)

    def _map(self, normalization: Normalization) -> tuple[float, float]:
        """Return the own intensity that a model sees as 0, and the difference that it sees as 1."""
        if normalization is Normalization.UNIT:
            return self.low, self.span
        if normalization is Normalization.STANDARD:
            if self.std is None:
                raise ValueError("the frame's standard deviation was not measured")
            return self.mean, self.std or 1.0
        return 0.0, 1.0


def check_range(intensity_range: tuple[float, float]) -> tuple[float, float]:
    """Return an intensity range as floats, or raise an InputError if it is empty or not finite."""
    low, high = map(float, intensity_range)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"The intensity range {low:g} to {high:g} is not finite. Give two numbers.")
    if low >= high:
        raise InputError(f"The intensity range {low:g} to {high:g} is empty. Give its lower end first.")
    return low, high


def measure(
    frame: npt.NDArray[Any], intensity_range: tuple[float, float] | None, non_finite: str, *, spread: bool = False
) -> Intensities:
    """Find a frame's intensity range and its non-finite pixels.

    Parameters
    ----------
    frame : numpy.ndarray
        ``(H, W)``, any real dtype.
    intensity_range : (float, float) or None
        None: 0-255 for uint8 and 0-1 for bool, the range of their type; for any other type the least and
        the greatest finite pixel of the frame.
    non_finite : str
        ``"raise"`` refuses a frame with NaN or infinite pixels.
    spread : bool
        Find the standard deviation too, which takes several times as long.

    Raises
    ------
    InputError
        If the range is empty or not finite, if float32 cannot hold the pixels, or if `non_finite` is ``"raise"`` and
        there is such a pixel.
    """
    low, high, total, count = np.inf, -np.inf, 0.0, 0
    moments = _Moments()
    for start in range(0, frame.shape[0], _ROWS_AT_ONCE):
        rows = frame[start : start + _ROWS_AT_ONCE]
        good = rows[np.isfinite(rows)] if rows.dtype.kind == "f" else rows
        if good.size:
            low, high = min(low, float(good.min())), max(high, float(good.max()))
            if (peak := max(-low, high)) > _GREATEST:
                raise InputError(f"Intensities reach {peak:.3g}, which float32 cannot hold. Divide them by a constant.")
            total += float(good.sum(dtype=np.float64))
            count += good.size
            if spread:
                moments.add(good)
    has_bad = count < frame.size
    if has_bad and non_finite == "raise":
        raise InputError(
            f"{frame.size - count} of {frame.size} pixels are NaN or infinite. Keep them as NaN in the result "
            "(non-finite: keep), fill them (fill), or repair the image first."
        )
    constant = not low < high
    mean = (low if constant else total / count) if count else 0.0
    std = (0.0 if constant else moments.std) if spread else None
    if intensity_range is not None:
        low, high = check_range(intensity_range)
    elif frame.dtype == np.uint8:
        low, high = 0.0, 255.0
    elif frame.dtype == np.bool_ or not count:
        low, high = 0.0, 1.0
    return Intensities(low, high, mean, has_bad, std)


class _Moments:
    """Standard deviation of pixels that come in parts.

    Squares are summed about each part's own mean, so that an offset costs no digits, and parts are joined after
    T. F. Chan et al., "Algorithms for Computing the Sample Variance", The American Statistician 37, 1983.
    """

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, pixels: npt.NDArray[Any]) -> None:
        flat = pixels.ravel()
        for start in range(0, flat.size, _PIXELS_AT_ONCE):
            part = flat[start : start + _PIXELS_AT_ONCE].astype(np.float64)
            own = float(part.mean())
            part -= own
            count, change = self._count + part.size, own - self._mean
            self._squares += float(np.square(part, out=part).sum()) + change**2 * self._count * part.size / count
            self._mean += change * part.size / count
            self._count = count

    @property
    def std(self) -> float:
        """Standard deviation of all that was added."""
        return sqrt(self._squares / self._count)


def apply_stretch(result: Float, stretch: Stretch, intensities: Intensities) -> None:
    """Make a finished frame as bright as a stretch says, in place.

    Parameters
    ----------
    result : numpy.ndarray
        ``(H, W)`` in the input's own intensities. NaN stays.
    stretch : Stretch
    intensities : Intensities
        Of the input frame.
    """
    own = measure(result, None, "keep")
    measured = (own.high - own.low) / intensities.span
    extent = min(max(measured, stretch.least), stretch.most)
    gain = np.float32(stretch.gain * extent**stretch.gain_power * min(1.0, measured / stretch.least))
    level = np.float32(intensities.low + intensities.span * stretch.level * extent**stretch.level_power)
    result -= np.float32(own.mean)
    result *= gain
    result += level


def put_nan(result: Float, region: tuple[slice, slice], frame: npt.NDArray[Any], zoom: int) -> None:
    """Write NaN into a region of a result, in place, wherever the frame's pixel under it is NaN or infinite.

    Parameters
    ----------
    result : numpy.ndarray
        ``(zoom * H, zoom * W)``.
    region : tuple of slice
        Rows and columns of `result`.
    frame : numpy.ndarray
        ``(H, W)``.
    zoom : int
    """
    rows, columns = (np.arange(s.start, s.stop) // zoom for s in region)
    bad = ~np.isfinite(frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    if bad.any():
        result[region][bad[rows - rows[0]][:, columns - columns[0]]] = np.nan


class Padded:
    """A frame seen as if it were continued by its mirror image to a multiple of some size.

    Parameters
    ----------
    frame : numpy.ndarray
        ``(H, W)`` with at least one pixel.
    multiple : int
    """

    def __init__(self, frame: npt.NDArray[Any], multiple: int) -> None:
        self._frame = frame
        height, width = frame.shape
        self.shape = -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def read(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return rows and columns of the padded frame; a view where nothing is padded."""
        height, width = self._frame.shape
        if rows.stop <= height and columns.stop <= width:
            return self._frame[rows, columns]
        return self._frame[np.ix_(_mirrored(rows, height), _mirrored(columns, width))]


def _mirrored(part: slice, length: int) -> npt.NDArray[np.intp]:
    """Return the indices that reflection at the last element (not repeated) gives."""
    if length == 1:
        return np.zeros(part.stop - part.start, np.intp)
    period = 2 * (length - 1)
    index = np.arange(part.start, part.stop) % period
    return np.where(index < length, index, period - index)
