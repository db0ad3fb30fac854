"""Go through images of one shape in blocks of rows that stay in a core's own cache.

Cores share the way to memory: work that goes through whole images again and again is slowed by its neighbours, and has
memory cleared for every temporary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError

Float64Array = npt.NDArray[np.float64]

BLOCK_VALUES = 16_384
"""Of one image in a block: 128 KiB in float64, a dozen of which fit into the second-level cache of today's cores."""


class RowBlocks:
    """Blocks of rows of some images, as float64.

    Parameters
    ----------
    *images : numpy.ndarray, (H, ...)
        Of one shape and any real type, not empty; without axes, they count as one row.
    reach : int
        Rows that a block shares with the next one.

    Attributes
    ----------
    shape : tuple of int
        Of the largest block.
    """

    def __init__(self, *images: npt.NDArray[Any], reach: int = 0) -> None:
        self._images = [np.atleast_1d(image) for image in images]
        self._reach = reach
        height, *rest = self._images[0].shape
        self._step = max(1, BLOCK_VALUES * height // self._images[0].size)
        self.shape = (min(height, self._step + reach), *rest)

    def __iter__(self) -> Iterator[tuple[Float64Array, ...]]:
        """Yield a block of each image. They may be changed, and are overwritten by the next ones."""
        blocks = [np.empty(self.shape) for _image in self._images]
        height = len(self._images[0])
        for top in range(0, height - self._reach, self._step):
            bottom = min(height, top + self._step + self._reach)
            for block, image in zip(blocks, self._images, strict=True):
                block[: bottom - top] = image[top:bottom]
            yield tuple(block[: bottom - top] for block in blocks)


def check_alike(reference: npt.NDArray[Any], image: npt.NDArray[Any]) -> None:
    """Refuse images that cannot be compared pixel by pixel.

    Raises
    ------
    InputError
        If their shapes differ, or they are empty.
    """
    if reference.shape != image.shape:
        raise InputError(f"An image of shape {image.shape} cannot be compared with a reference of {reference.shape}.")
    if not reference.size:
        raise InputError("Empty images cannot be compared.")
