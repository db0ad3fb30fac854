"""Dask arrays whose blocks are read from files when they are looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

if TYPE_CHECKING:
    import dask.array as da
    import numpy as np
    import numpy.typing as npt


def lazy_blocks(
    read: Callable[..., npt.NDArray[Any]], chunks: tuple[tuple[int, ...], ...], dtype: np.dtype[Any], **arguments: Any
) -> da.Array:
    """Make an array whose blocks are what a function returns.

    Parameters
    ----------
    read : callable
        Called with ``block_id``, the block's index along each axis, and `arguments`.
    chunks : tuple of tuple of int
        Sizes of the blocks along each axis.
    dtype : numpy.dtype
    **arguments
        Handed to `read`.

    Returns
    -------
    dask.array.Array
        Every call makes a name of its own. Dask would derive one from the arguments alone, and a viewer's cache would
        go on showing a file that has been replaced since.
    """
    import dask.array as da
    import numpy as np

    array = da.map_blocks(  # type: ignore[no-untyped-call]
        read,
        name=f"w2s-{uuid4().hex}",
        chunks=chunks,
        dtype=dtype,
        meta=np.empty((0,) * len(chunks), dtype),
        **arguments,
    )
    return cast("da.Array", array)


def lazy_map(mapped: npt.NDArray[Any], *, frame_axes: int = 2) -> da.Array:
    """Wrap a memory map: one block per frame of `frame_axes` axes, in the machine's own byte order."""
    import dask.array as da

    leading = mapped.ndim - frame_axes
    chunks = (1,) * leading + mapped.shape[leading:]
    array = da.from_array(mapped, chunks=chunks, name=f"w2s-{uuid4().hex}")  # type: ignore[no-untyped-call]
    return cast("da.Array", array.astype(mapped.dtype.newbyteorder("="), copy=False))
