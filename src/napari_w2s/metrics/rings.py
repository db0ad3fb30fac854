"""Rings of equal spatial frequency in the Fourier transform of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError

Float64Array = npt.NDArray[np.float64]
Complex128Array = npt.NDArray[np.complex128]
Taper = Literal["hann", "tukey", "none"]
PixelSize = float | tuple[float, float]

TAPERS: tuple[Taper, ...] = ("hann", "tukey", "none")
TUKEY_SHARE = 0.25
"""Share of a line that a Tukey taper lowers, half at either end."""
_CORNER = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Rings in the half spectrum of images of one shape and pixel size.

    Their width is the frequency step of the transform along the axis where it is coarser. They reach from one step to
    the lower of the two axes' Nyquist frequencies.

    Attributes
    ----------
    frequency : numpy.ndarray, (R,)
        Mean frequency of each ring in cycles per unit.
    counts : numpy.ndarray, (R,)
        Frequencies of the full spectrum in each ring.
    step : float
        Their width, in cycles per unit.
    """

    frequency: Float64Array
    counts: Float64Array
    step: float
    _index: npt.NDArray[np.intp]
    _copies: Float64Array
    _corner: npt.NDArray[np.bool_]

    def sums(self, spectrum: Float64Array) -> Float64Array:
        """Add up a half spectrum, (H, W // 2 + 1), over each ring of the full one."""
        weights = (spectrum * self._copies).ravel()
        return _binned(self._index, weights, self.counts.size)

    def corner_mean(self, spectrum: Float64Array) -> float:
        """Mean of a half spectrum beyond all rings, where no lens transmits if the image is sampled finely enough."""
        weights = self._copies[self._corner]
        return float(np.sum(spectrum[self._corner] * weights) / np.sum(weights))


def rings(shape: tuple[int, int], pixel_size: tuple[float, float]) -> Rings:
    """Return the rings of a shape and pixel size, (y, x) each."""
    return _rings((int(shape[0]), int(shape[1])), (float(pixel_size[0]), float(pixel_size[1])))


@lru_cache(maxsize=8)
def _rings(shape: tuple[int, int], pixel_size: tuple[float, float]) -> Rings:
    (height, width), (along_y, along_x) = shape, pixel_size
    y = np.fft.fftfreq(height, along_y)[:, None]
    x = np.fft.rfftfreq(width, along_x)[None, :]
    frequency = np.hypot(y, x)
    step = max(1 / (height * along_y), 1 / (width * along_x))
    count = int(0.5 / max(along_y, along_x) / step + 1e-9)
    index = np.minimum(np.rint(frequency / step), count + 1).astype(np.intp).ravel()
    copies = np.full(frequency.shape, 2.0)
    copies[:, 0] = 1.0
    if width % 2 == 0:
        copies[:, -1] = 1.0
    counts = _binned(index, copies.ravel(), count)
    mean = _binned(index, (frequency * copies).ravel(), count) / counts
    corner = np.hypot(2 * y * along_y, 2 * x * along_x) > _CORNER
    return Rings(mean, counts, step, index, copies, corner)


def _binned(index: npt.NDArray[np.intp], weights: Float64Array, count: int) -> Float64Array:
    """Add up weights by ring, without frequency 0 and what lies beyond the rings."""
    sums: Float64Array = np.bincount(index, weights, count + 2)[1:-1].astype(np.float64)
    return sums


@lru_cache(maxsize=8)
def taper_window(shape: tuple[int, int], taper: Taper) -> Float64Array:
    """Return a window, (H, W), that falls to 0 at the border, so that opposite borders do not meet as an edge."""
    return np.outer(*taper_lines(shape, taper))


def taper_lines(shape: tuple[int, int], taper: Taper) -> tuple[Float64Array, Float64Array]:
    """Return the two lines, (H,) and (W,), that a taper is the product of."""
    from scipy.signal.windows import tukey

    if taper not in TAPERS:
        raise InputError(f"There is no taper {taper!r}. Choose one of {', '.join(TAPERS)}.")
    share = {"hann": 1.0, "tukey": TUKEY_SHARE, "none": 0.0}[taper]
    along_y, along_x = (np.asarray(tukey(side + 2, share)[1:-1], np.float64) for side in shape)
    return along_y, along_x


def transform(image: Float64Array, window: Float64Array) -> Complex128Array:
    """Half spectrum of an image under a window, its mean taken off; white noise of variance v has mean power v."""
    from scipy import fft

    mean = np.sum(image * window) / np.sum(window)
    scale = 1 / np.sqrt(np.sum(np.square(window)))
    result: Complex128Array = fft.rfft2((image - mean) * window * scale)
    return result


def plane(image: npt.ArrayLike, what: str, least: int) -> Float64Array:
    """Check that an image can be transformed, and return it as floats.

    Raises
    ------
    InputError
        If it is not two-dimensional, is smaller than `least` along an axis, or has pixels that are not finite.
    """
    array = np.asarray(image)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(f"{what} needs a two-dimensional image of numbers; got {array.ndim} axes of {array.dtype}.")
    if min(array.shape) < least:
        height, width = array.shape
        raise InputError(f"{what} needs at least {least} x {least} pixels; this image has {height} x {width}.")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{what} needs finite pixels; this image has NaN or infinite ones. Choose a part without.")
    return values


def is_constant(image: Float64Array) -> bool:
    """Tell whether an image has one intensity but for rounding."""
    return float(np.ptp(image)) <= 1e-12 * float(np.abs(image).max(initial=0.0))


def pixel_sides(pixel_size: Any) -> tuple[float, float]:
    """Read a pixel size given as one number or as (y, x)."""
    sides = tuple(pixel_size) if isinstance(pixel_size, Sequence | np.ndarray) else (pixel_size, pixel_size)
    if len(sides) != 2 or not all(np.isfinite(side) and side > 0 for side in sides):
        raise InputError(f"The pixel size must be one positive number, or two for y and x; got {pixel_size}.")
    return float(sides[0]), float(sides[1])
