"""Structural similarity in blocks of rows: scikit-image's numbers, with its uniform window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s.metrics.affine import PLAIN, Affine
from napari_w2s.metrics.row_blocks import Float64Array, RowBlocks

WINDOW = 7
"""Edge of the window in pixels."""

_SAMPLES = WINDOW**2
_UNBIASED = _SAMPLES / (_SAMPLES - 1)
_K1, _K2 = 0.01, 0.03


def mean_ssim(
    reference: npt.NDArray[Any],
    image: npt.NDArray[Any],
    *,
    data_range: float,
    fits: Sequence[Affine] = (PLAIN,),
    skip_missing: bool = False,
) -> tuple[float, ...]:
    """Return the mean structural similarity (Wang et al. 2004) of an image that is scaled in some ways.

    The windows' moments are found once: those of ``gain * image + offset`` follow from those of the image.

    Parameters
    ----------
    reference, image : numpy.ndarray, (H, W)
        Of one shape, at least 7 x 7.
    data_range : float
        Positive. See `napari_w2s.metrics.reference.ssim`.
    fits : sequence of Affine
        What is done to the image's intensities.
    skip_missing : bool
        Leave out the windows that hold a pixel that is not finite. Otherwise one such pixel makes the mean NaN.

    Returns
    -------
    tuple of float
        One for each of `fits`. NaN if no window is left.
    """
    blocks = RowBlocks(image, reference, reach=WINDOW - 1)
    moments = _Moments(blocks.shape)
    totals, count = [0.0] * len(fits), 0
    with np.errstate(invalid="ignore", over="ignore"):
        for x, y in blocks:
            seen = moments.blank(x, y) if skip_missing else None
            moments.take(x, y)
            for place, fit in enumerate(fits):
                local = moments.similarity(fit, data_range)
                totals[place] += float((local if seen is None else local[seen]).sum())
            count += local.size if seen is None else int(seen.sum())
    return tuple(total / count if count else float("nan") for total in totals)


class _Moments:
    """Means, variances and covariance of an image and a reference in each window of a block.

    All is computed on rows laid end to end, which is three times as fast as row by row; what windows over the end
    of a row come to is cut off at last. Buffers are used again from block to block.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the largest block.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        height, self._width = shape
        self._product, self._pairs, self._columns, self._rows = np.empty((4, height * self._width))
        self._kept = np.zeros((8, height * self._width))
        self._cut(height)

    def _cut(self, height: int) -> None:
        """Have as many windows as a block of that height."""
        self._windows = height - WINDOW + 1
        self._mean_x, self._mean_y, self._var_x, self._var_y, self._cov, *self._work = self._kept[
            :, : self._windows * self._width
        ]

    def blank(self, x: Float64Array, y: Float64Array) -> npt.NDArray[np.bool_] | None:
        """Set what is not finite in both to 0; return the windows that hold no such pixel, or None if all do not."""
        finite = np.isfinite(x)
        finite &= np.isfinite(y)
        if finite.all():
            return None
        x[~finite] = y[~finite] = 0
        self._cut(len(x))
        share = self._work[0]
        self._mean(finite.astype(np.float64).ravel(), share)
        return self._whole(share) > 1 - 0.5 / _SAMPLES

    def take(self, x: Float64Array, y: Float64Array) -> None:
        """Find the moments of a block of the image and of the reference."""
        self._cut(len(x))
        first, second = (x.ravel(), self._mean_x), (y.ravel(), self._mean_y)
        product, work = self._product[: x.size], self._work[0]
        for values, mean in (first, second):
            self._mean(values, mean)
        for one, other, out in (
            (first, first, self._var_x),
            (second, second, self._var_y),
            (first, second, self._cov),
        ):
            self._mean(np.multiply(one[0], other[0], out=product), out)
            out -= np.multiply(one[1], other[1], out=work)
            out *= _UNBIASED

    def similarity(self, fit: Affine, data_range: float) -> Float64Array:
        """Return the similarity in each window, the image being scaled; the next call overwrites it."""
        c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
        local, other, mean = self._work
        np.multiply(self._mean_x, fit.gain, out=mean)
        mean += fit.offset
        np.multiply(mean, self._mean_y, out=local)
        local *= 2
        local += c1
        np.multiply(self._cov, 2 * fit.gain, out=other)
        other += c2
        local *= other
        mean *= mean
        mean += np.multiply(self._mean_y, self._mean_y, out=other)
        mean += c1
        local /= mean
        np.multiply(self._var_x, fit.gain**2, out=other)
        other += self._var_y
        other += c2
        local /= other
        return self._whole(local)

    def _mean(self, values: Float64Array, out: Float64Array) -> None:
        columns = _sums(values, self._width, self._pairs, self._columns)
        sums = _sums(columns, 1, self._pairs, self._rows)
        np.divide(sums, _SAMPLES, out=out[: sums.size])

    def _whole(self, values: Float64Array) -> Float64Array:
        """Return what belongs to windows that lie within the rows."""
        return values.reshape(self._windows, self._width)[:, : self._width - WINDOW + 1]


def _sums(values: Float64Array, step: int, pairs: Float64Array, out: Float64Array) -> Float64Array:
    """Return the sums of each 7 values that are a step apart, in `out`."""
    two = np.add(values[:-step], values[step:], out=pairs[: values.size - step])
    four = np.add(two[: -2 * step], two[2 * step :], out=out[: values.size - 3 * step])
    seven: Float64Array = four[: -3 * step]
    seven += two[4 * step : -step]
    seven += values[6 * step :]
    return seven
