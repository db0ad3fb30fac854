"""HDF5 files of training patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError
from napari_w2s.data.catalog import PATCH_DATASET
from napari_w2s.data.lazy import lazy_blocks
from napari_w2s.data.unreadable import check_pixels, reading

if TYPE_CHECKING:
    import dask.array as da
    import numpy.typing as npt

WHAT = "an HDF5 file"
_CHUNK_BYTES = 4 * 2**20


def open_patches(path: Path, key: str = PATCH_DATASET) -> da.Array:
    """Open a dataset of patches lazily; the file is open only while a block of it is read.

    Parameters
    ----------
    path : Path
    key : str
        Name of the dataset, of shape ``(N, 1, P, P)`` or ``(N, P, P)``.

    Returns
    -------
    dask.array.Array
        ``(patch, y, x)``.

    Raises
    ------
    UnreadableFileError
        If the file is truncated, damaged or no HDF5 file.
    InputError
        If there is no such dataset, or it is not one of grey patches.
    """
    import h5py

    with reading(path, WHAT), h5py.File(path, "r") as file:
        dataset = file.get(key)
        if not isinstance(dataset, h5py.Dataset):
            there = ", ".join(file) or "nothing"
            raise InputError(f"{path} has no dataset {key!r} (it has {there}); W2S patches are kept under that name.")
        shape, dtype = tuple(dataset.shape), dataset.dtype
    check_pixels(path, shape, dtype)
    if not (len(shape) == 3 or (len(shape) == 4 and shape[1] == 1)):
        raise InputError(f"{path}: dataset {key!r} has shape {shape}; W2S patches are (N, 1, P, P).")
    frame = shape[-2:]
    native = dtype.newbyteorder("=")
    rows = max(1, _CHUNK_BYTES // (native.itemsize * frame[0] * frame[1]))
    full, rest = divmod(shape[0], rows)
    return lazy_blocks(
        _read_rows,
        ((rows,) * full + ((rest,) if rest else ()), (frame[0],), (frame[1],)),
        native,
        path=path,
        key=key,
        rows=rows,
        frame=frame,
    )


def _read_rows(
    *, block_id: tuple[int, ...], path: Path, key: str, rows: int, frame: tuple[int, int]
) -> npt.NDArray[Any]:
    import h5py

    start = block_id[0] * rows
    with reading(path, WHAT), h5py.File(path, "r") as file:
        pixels: npt.NDArray[Any] = file[key][start : start + rows]
        return pixels.reshape(-1, *frame).astype(pixels.dtype.newbyteorder("="), copy=False)
