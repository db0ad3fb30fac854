"""PNG files: their shape from the header, their pixels on demand."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError, UnreadableFileError
from napari_w2s.data.unreadable import check_pixels, reading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WHAT = "a PNG image"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6


def read_png_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of the pixels that `read_png` gives, from the first 29 bytes of the file.

    Returns
    -------
    shape : tuple of int
        ``(y, x)`` for a grey image, ``(y, x, 3)`` for one in colour; transparency does not count.
    dtype : numpy.dtype

    Raises
    ------
    UnreadableFileError
        If this is no PNG file.
    InputError
        If it has 16 bits per colour, which no decoder here keeps.
    """
    import numpy as np

    with reading(path, WHAT):
        with path.open("rb") as handle:
            head = handle.read(29)
        if len(head) < 29 or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
            raise UnreadableFileError(
                f"{path} is not a PNG image, whatever its name says: its header is wrong or cut off."
            )
        width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    if colour not in (_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA):
        raise UnreadableFileError(f"{path} is a damaged PNG image: colour type {colour} does not exist.")
    if depth == 16 and colour != _GREY:
        raise InputError(
            f"{path} is a PNG with 16 bits per colour, which would be cut to 8. Save it as greyscale or as TIFF."
        )
    shape = (height, width) if colour in (_GREY, _GREY_ALPHA) else (height, width, 3)
    dtype = np.dtype(np.uint16 if depth == 16 else np.uint8)
    check_pixels(path, shape, dtype)
    return shape, dtype


def read_png(path: Path) -> npt.NDArray[Any]:
    """Decode a PNG file.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` uint8 or uint16, or ``(y, x, 3)`` uint8. Transparency is dropped, a palette is applied.

    Raises
    ------
    UnreadableFileError, InputError
        As for `read_png_header`; also if the pixels are truncated or damaged.
    """
    import imageio.v3 as iio
    import numpy as np

    shape, dtype = read_png_header(path)
    with reading(path, WHAT):
        pixels = np.asarray(iio.imread(path, plugin="pillow", index=0))
    if pixels.ndim == 3 and len(shape) == 2:
        pixels = pixels[..., 0]
    elif pixels.ndim == 3:
        pixels = pixels[..., :3]
    if pixels.shape != shape:
        raise UnreadableFileError(f"{path} holds {pixels.shape} pixels where its header says {shape}. Save it again.")
    # 1-bit images are decoded as bool; 0 and 1 are what they hold.
    return pixels.astype(dtype, copy=False)
