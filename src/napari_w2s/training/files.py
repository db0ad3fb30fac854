"""A user's own files as stacks of grey images, from their headers alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_w2s._types import InputError
from napari_w2s.data.frames import Header, stack_files
from napari_w2s.data.lazy import lazy_map
from napari_w2s.data.npy import open_npy
from napari_w2s.data.png import read_png_header
from napari_w2s.data.tiff import open_tiff

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".npy")
"""Endings of the images that can be learned from."""
PATCH_SUFFIXES = (".h5", ".hdf5")
"""Endings of files of patches."""

_GREY = "Training takes grey images: save each colour as an image of its own, or convert it to greyscale."


def expand(path: str) -> Path:
    """Return a path with ``~`` and environment variables put in.

    Raises
    ------
    InputError
        If a variable is not set, or there is nothing there.
    """
    full = os.path.expandvars(os.path.expanduser(path))
    if "$" in full:
        raise InputError(f"{path} names an environment variable that is not set. Set it, or write the path out.")
    if not Path(full).exists():
        raise InputError(f"{full} does not exist. Check the path.")
    return Path(full)


def list_files(paths: Sequence[str], what: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Return the files that are named and those in the folders that are named, sorted folder by folder.

    Parameters
    ----------
    paths : sequence of str
        Files, and folders; what is in folders inside of these does not count.
    what : str
        What they are, for messages, e.g. ``"noisy"``.
    suffixes : sequence of str
        Endings of files to take from a folder.

    Raises
    ------
    InputError
        If there are none, or a path does not exist or has another ending.
    """
    files: list[Path] = []
    for path in map(expand, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))
            if not inside:
                raise InputError(f"{path} holds no image that can be learned from ({', '.join(suffixes)}).")
            files += inside
        elif path.suffix.lower() in suffixes:
            files.append(path)
        else:
            raise InputError(f"{path} cannot be learned from: its ending is none of {', '.join(suffixes)}.")
    if not files:
        raise InputError(f"No {what} images were named to learn from. Give files or folders.")
    return list(dict.fromkeys(files))


def open_stack(path: Path) -> Any:
    """Open a file of grey images lazily.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        ``(..., y, x)``, in the machine's byte order, memory-mapped where the file allows it.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, or not what its name says.
    InputError
        If it is in colour, holds several images of their own, or no numbers.
    """
    suffix = path.suffix.lower()
    if suffix == ".png":
        shape, dtype = read_png_header(path)
        if len(shape) > 2:
            raise InputError(f"{path} is in colour. {_GREY}")
        return stack_files([path], Header(shape, dtype))[0]
    if suffix == ".npy":
        mapped = open_npy(path)
        if mapped.ndim == 3 and mapped.shape[-1] in (3, 4) and mapped.dtype == np.uint8 and min(mapped.shape[:2]) > 4:
            raise InputError(f"{path} is in colour: its shape is {mapped.shape}. {_GREY}")
        return mapped if mapped.dtype.isnative else lazy_map(mapped)
    return _open_tiff(path)


def _open_tiff(path: Path) -> Any:
    series = open_tiff(path).series
    if len(series) != 1:
        raise InputError(f"{path} holds {len(series)} images. Save each in a file of its own.")
    data, axes = series[0].data, series[0].axes
    if "S" in axes:
        place = axes.index("S")
        if data.shape[place] > 2:
            raise InputError(f"{path} is in colour. {_GREY}")
        # Grey with transparency.
        data, axes = data[(slice(None),) * place + (0,)], axes.replace("S", "")
    if "Y" not in axes or "X" not in axes:
        raise InputError(f"{path} has axes {axes}: an image needs y and x.")
    order = [*(i for i, axis in enumerate(axes) if axis not in "YX"), axes.index("Y"), axes.index("X")]
    return data.transpose(order)
