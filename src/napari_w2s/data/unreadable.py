"""One way to report a file whose pixels cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError, UnreadableFileError, W2SError

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an error that names the file.

    Decoders raise nearly anything on a damaged file (`SyntaxError`, `struct.error`, `zlib.error`, …), hence the
    breadth of this handler; the original error stays attached as the cause.

    Parameters
    ----------
    path : Path
        File that is being read.
    what : str
        What it should be, e.g. ``"a PNG image"``.

    Raises
    ------
    InputError
        If the file is missing or may not be read.
    UnreadableFileError
        If it is damaged, or not what its name says.
    """
    try:
        yield
    except (W2SError, MemoryError):
        raise
    except FileNotFoundError as exc:
        raise InputError(f"{path} does not exist. Check the path.") from exc
    except PermissionError as exc:
        raise InputError(f"{path} may not be read by this user. Check the file's permissions.") from exc
    except IsADirectoryError as exc:
        raise InputError(f"{path} is a folder, not {what}.") from exc
    except Exception as exc:
        reason = f"{type(exc).__name__}: {exc}".rstrip(". ")
        raise UnreadableFileError(
            f"{path} cannot be read as {what} ({reason}). "
            "The file may be truncated or damaged: copy or download it again."
        ) from exc


def check_pixels(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise an InputError that says what to do if an array is no image of real numbers."""
    if dtype.hasobject:
        raise InputError(
            f"{path} holds Python objects, which are never unpickled because that can run code. "
            "Save it again as an array of numbers."
        )
    if dtype.kind == "c":
        raise InputError(f"{path} holds complex numbers. Save its magnitude (numpy.abs) and open that.")
    if dtype.kind not in "buif":
        raise InputError(f"{path} holds {dtype.name} values, not numbers. Save it again as an array of numbers.")
    if len(shape) < 2:
        raise InputError(f"{path} has {len(shape)} axes (shape {shape}); an image needs at least 2, y and x.")
    if 0 in shape:
        raise InputError(f"{path} is empty (shape {shape}): there is no pixel to open.")
