"""Many files as one lazy array: one block per file, its pixels read when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError, UnreadableFileError
from napari_w2s.data.lazy import lazy_blocks
from napari_w2s.data.npy import open_npy
from napari_w2s.data.png import read_png, read_png_header
from napari_w2s.data.tiff import open_tiff

if TYPE_CHECKING:
    import dask.array as da
    import numpy as np
    import numpy.typing as npt

    from napari_w2s.data.image import AnyArray

SIM_INPUT_GRID = (3, 5)
"""Rows and columns of the mosaic of 15 SIM captures."""


@dataclass(frozen=True)
class Header:
    """Shape and type of the pixels of one file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_header(path: Path, *, mosaic: bool = False) -> Header:
    """Return shape and type of a grey image's pixels from its header.

    Parameters
    ----------
    path : Path
        ``.png``, ``.npy`` or ``.tif``.
    mosaic : bool
        True for the mosaic of SIM captures: the shape is that of its ``(15, y, x)`` tiles.

    Raises
    ------
    UnreadableFileError, InputError
        If the file is damaged, or no grey image of numbers.
    """
    if path.suffix.lower() == ".png":
        shape, dtype = read_png_header(path)
        if len(shape) > 2:
            raise InputError(f"{path} is in colour; W2S images are grey. Save it as greyscale.")
    else:
        data = _open(path)
        shape, dtype = _trimmed(data.shape), data.dtype
    if mosaic and _is_mosaic(shape):
        rows, columns = SIM_INPUT_GRID
        shape = (rows * columns, shape[0] // rows, shape[1] // columns)
    if len(shape) > 3:
        raise InputError(f"{path} has shape {shape}; W2S files have the axes y, x or t, y, x.")
    return Header(shape, dtype.newbyteorder("="))


def read_pixels(path: Path, *, mosaic: bool = False) -> npt.NDArray[Any]:
    """Return a file's pixels, memory-mapped if it allows it."""
    import numpy as np

    opened = read_png(path) if path.suffix.lower() == ".png" else _open(path)
    data: npt.NDArray[Any] = opened if isinstance(opened, np.ndarray) else np.asarray(opened)
    data = data.reshape(_trimmed(data.shape))
    if mosaic and _is_mosaic(data.shape):
        rows, columns = SIM_INPUT_GRID
        height, width = data.shape[0] // rows, data.shape[1] // columns
        data = data.reshape(rows, height, columns, width).swapaxes(1, 2).reshape(rows * columns, height, width)
    return data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))


def read_like(path: Path, header: Header, reference: Path, *, mosaic: bool = False) -> npt.NDArray[Any]:
    """Return a file's pixels as `read_pixels`, or raise an error if they do not fit those of the file `reference`."""
    import numpy as np

    pixels = read_pixels(path, mosaic=mosaic)
    if pixels.shape != header.shape:
        raise UnreadableFileError(
            f"{path} has shape {pixels.shape}, but the stack it belongs to has {header.shape} (from {reference.name}). "
            "Open this file by itself."
        )
    if not np.can_cast(pixels.dtype, header.dtype, "safe"):
        raise UnreadableFileError(
            f"{path} holds {pixels.dtype}, but the stack it belongs to holds {header.dtype} (from {reference.name}). "
            "Open this file by itself."
        )
    return pixels


def one_file(path: Path, header: Header, *, mosaic: bool = False) -> AnyArray:
    """Open one file lazily: a memory map where possible, else a dask array of one block."""
    if path.suffix.lower() == ".npy" and not mosaic:
        data = open_npy(path)
        if data.dtype.isnative:
            shaped: npt.NDArray[Any] = data.reshape(header.shape)
            return shaped
    first: AnyArray = stack_files([path], header, mosaic=mosaic)[0]
    return first


def stack_files(paths: Sequence[Path | None], header: Header, *, mosaic: bool = False) -> da.Array:
    """Stack files along a new first axis, reading none of them.

    Parameters
    ----------
    paths : sequence of Path or None
        One per index of the first axis. None stands for a file that does not exist: its pixels are NaN, and the whole
        array is of a floating-point type that holds the others exactly.
    header : Header
        Shape and type that every file must have. One that does not raises an UnreadableFileError naming it, once it is
        looked at.

    Returns
    -------
    dask.array.Array
        ``(file, ...)`` with one block per file. Blocks of ``.npy`` bursts are memory maps: looking at one frame reads
        that frame.
    """
    import numpy as np

    dtype = header.dtype
    if None in paths and dtype.kind != "f":
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    return lazy_blocks(
        _read_block,
        ((1,) * len(paths), *((size,) for size in header.shape)),
        dtype,
        paths=tuple(paths),
        reference=next(path for path in paths if path is not None),
        header=header,
        pixel_type=dtype,
        mosaic=mosaic,
    )


def _read_block(
    *,
    block_id: tuple[int, ...],
    paths: tuple[Path | None, ...],
    reference: Path,
    header: Header,
    pixel_type: np.dtype[Any],
    mosaic: bool,
) -> npt.NDArray[Any]:
    import numpy as np

    path = paths[block_id[0]]
    if path is None:
        return np.full((1, *header.shape), np.nan, pixel_type)
    pixels = read_like(path, header, reference, mosaic=mosaic)
    return pixels.astype(pixel_type, copy=False)[None]


def _open(path: Path) -> AnyArray:
    if path.suffix.lower() == ".npy":
        return open_npy(path)
    content = open_tiff(path)
    if len(content.series) != 1 or "S" in content.series[0].axes:
        raise InputError(f"{path} is in colour or holds several images; W2S images are grey. Save it as greyscale.")
    return content.series[0].data


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without leading axes of length 1."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return tuple(int(size) for size in shape)


def _is_mosaic(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[0] % SIM_INPUT_GRID[0] == 0 and shape[1] % SIM_INPUT_GRID[1] == 0
