"""From one grid of pixels to another along y and x: averages of areas, or bicubic interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FloatArray = npt.NDArray[np.float64]

_TOLERANCE = 1e-3
_ALPHA = -0.5
_REACH = 3


@dataclass(frozen=True, slots=True)
class Axis:
    """Pixels along one axis.

    Attributes
    ----------
    size : int
        Their number.
    step : float
        Their size.
    first : float
        Coordinate of the centre of the first.
    """

    size: int
    step: float
    first: float


def resample(pixels: npt.NDArray[Any], source: tuple[Axis, Axis], target: tuple[Axis, Axis]) -> FloatArray:
    """Return an image on another grid.

    Along each axis pixels that lie on those of the target are taken as they are. Smaller ones are averaged over each
    pixel of the target, by the length that they share with it. Larger ones, and those that are shifted, are
    interpolated with the cubic convolution of R. G. Keys, "Cubic convolution interpolation for digital image
    processing", IEEE Transactions on Acoustics, Speech, and Signal Processing 29, 1981 (a = -0.5); the outermost
    pixels are repeated beyond the edge.

    Parameters
    ----------
    pixels : numpy.ndarray, (H, W)
        Any real dtype. Pixels of the target that depend on one that is not finite become NaN.
    source, target : tuple of Axis
        y and x. The target should not reach beyond the source.

    Returns
    -------
    numpy.ndarray, (target y size, target x size), float64
    """
    cuts = [_needed(own, wanted) for own, wanted in zip(source, target, strict=True)]
    part = pixels[cuts[0], cuts[1]].astype(np.float64)
    if pixels.dtype.kind == "f":
        part[~np.isfinite(part)] = np.nan
    axes = [
        Axis(cut.stop - cut.start, own.step, own.first + cut.start * own.step)
        for own, cut in zip(source, cuts, strict=True)
    ]
    rows, columns = (_weights(own, wanted) for own, wanted in zip(axes, target, strict=True))
    if rows is not None:
        part = rows @ part
    if columns is not None:
        part = np.ascontiguousarray((columns @ np.ascontiguousarray(part.T)).T)
    return part


def _is_shifted_only(source: Axis, target: Axis) -> bool:
    """Tell whether the target's pixels are some of the source's."""
    shift = (target.first - source.first) / target.step
    alike = abs(source.step / target.step - 1) * max(source.size, target.size) < _TOLERANCE
    return alike and abs(shift - round(shift)) < _TOLERANCE


def _needed(source: Axis, target: Axis) -> slice:
    """Return the pixels of the source that the target depends on."""
    if _is_shifted_only(source, target):
        start = round((target.first - source.first) / target.step)
        return slice(max(0, start), min(source.size, start + target.size))
    last = target.first + (target.size - 1) * target.step
    reach = _REACH + target.step / source.step
    start = int(np.floor((target.first - source.first) / source.step - reach))
    stop = int(np.ceil((last - source.first) / source.step + reach)) + 1
    start = min(max(0, start), source.size - 1)
    return slice(start, max(start + 1, min(source.size, stop)))


@lru_cache(maxsize=32)
def _weights(source: Axis, target: Axis) -> csr_array | None:
    """Return the matrix from source to target pixels; None if it is the identity."""
    from scipy.sparse import coo_array

    if _is_shifted_only(source, target) and source.size == target.size:
        return None
    places = target.first + np.arange(target.size, dtype=np.float64) * target.step
    centres = ((places - source.first) / source.step).astype(np.float64)
    ratio = target.step / source.step
    columns, values = _areas(centres, ratio) if ratio > 1 + _TOLERANCE / target.size else _cubic(centres)
    columns = np.clip(columns, 0, source.size - 1)
    rows = np.broadcast_to(np.arange(target.size)[:, None], columns.shape)
    matrix = coo_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=(target.size, source.size)).tocsr()
    matrix.eliminate_zeros()
    return matrix


def _areas(centres: FloatArray, ratio: float) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return which source pixels each target pixel overlaps, and the share of its length."""
    # In units of source pixels, whose outer edges are whole numbers.
    low, high = centres - ratio / 2 + 0.5, centres + ratio / 2 + 0.5
    first = np.floor(low + _TOLERANCE).astype(np.int64)
    columns = first[:, None] + np.arange(int(np.ceil(ratio)) + 1)
    shared = np.minimum(high[:, None], columns + 1) - np.maximum(low[:, None], columns)
    shared[shared < _TOLERANCE] = 0.0
    return columns, shared / shared.sum(axis=1, keepdims=True)


def _cubic(centres: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return the four source pixels around each target pixel, and their weights."""
    first = np.floor(centres + 1e-9).astype(np.int64)
    columns = first[:, None] + np.arange(-1, 3)
    x = np.abs(centres[:, None] - columns)
    near = ((_ALPHA + 2) * x - (_ALPHA + 3)) * x**2 + 1
    far = ((_ALPHA * x - 5 * _ALPHA) * x + 8 * _ALPHA) * x - 4 * _ALPHA
    values = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
    values[np.abs(values) < 1e-9] = 0.0
    return columns, values
