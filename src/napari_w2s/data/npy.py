"""NumPy files, memory-mapped and never unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s.data.unreadable import check_pixels, reading

if TYPE_CHECKING:
    import numpy.typing as npt

WHAT = "a NumPy array"


def open_npy(path: Path) -> npt.NDArray[Any]:
    """Memory-map a ``.npy`` file, reading its header only.

    Returns
    -------
    numpy.memmap
        Read-only, in the file's own byte order and memory order.

    Raises
    ------
    UnreadableFileError
        If the file is truncated, damaged or no ``.npy`` file.
    InputError
        If it holds objects, complex numbers, text, fewer than two axes or no pixel.
    """
    import numpy as np

    with reading(path, WHAT):
        with path.open("rb") as handle:
            version = np.lib.format.read_magic(handle)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(handle)
        check_pixels(path, tuple(shape), dtype)
        return np.lib.format.open_memmap(path, mode="r")
