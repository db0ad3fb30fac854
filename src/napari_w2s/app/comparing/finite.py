"""The part of an image in which every pixel has a finite value."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCKS = 64


def finite_part(*images: npt.NDArray[Any]) -> tuple[slice, slice] | None:
    """Return a large rectangle in which all images are finite; None if there is none.

    Parameters
    ----------
    *images : numpy.ndarray, (H, W)
        Of one shape.

    Returns
    -------
    tuple of slice or None
        The whole image if it is finite, else the largest rectangle of whole blocks, 64 of which make a side.
    """
    shape = images[0].shape
    finite = np.ones(shape, bool)
    for image in images:
        if image.dtype.kind == "f":
            finite &= np.isfinite(image)
    if finite.all():
        return slice(0, shape[0]), slice(0, shape[1])
    side = max(1, -(-max(shape) // _BLOCKS))
    rows, columns = (size // side for size in shape)
    blocks: npt.NDArray[np.bool_] = (
        finite[: rows * side, : columns * side].reshape(rows, side, columns, side).min(axis=(1, 3))
    )
    found = _largest_rectangle(blocks)
    if found is None:
        return None
    top, left, bottom, right = (edge * side for edge in found)
    return slice(top, bottom), slice(left, right)


def _largest_rectangle(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return top, left, bottom and right of the largest rectangle of True."""
    best, found = 0, None
    heights = [0] * mask.shape[1]
    for row, line in enumerate(mask):
        heights = [height + 1 if on else 0 for height, on in zip(heights, line, strict=True)]
        stack: list[tuple[int, int]] = []
        for column, height in enumerate([*heights, 0]):
            start = column
            while stack and stack[-1][1] >= height:
                start, tall = stack.pop()
                if tall * (column - start) > best:
                    best, found = tall * (column - start), (row + 1 - tall, start, row + 1, column)
            stack.append((start, height))
    return found
