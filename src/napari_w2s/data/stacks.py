"""Open anything: W2S files, folders and roots, and a user's own images, all lazily."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from napari_w2s._types import InputError
from napari_w2s.data.average import average, average_image
from napari_w2s.data.catalog import Catalog, as_paths, classify, looks_like_w2s, scan
from napari_w2s.data.colours import colour_images, plain_image
from napari_w2s.data.frames import Header, stack_files
from napari_w2s.data.hdf5 import open_patches
from napari_w2s.data.image import Image
from napari_w2s.data.lazy import lazy_map
from napari_w2s.data.npy import open_npy
from napari_w2s.data.ometiff import read_ome_tiff
from napari_w2s.data.png import read_png_header
from napari_w2s.data.w2s import Opened, open_records

__all__ = ["SUFFIXES", "Opened", "average", "average_image", "open_all", "open_images"]

log = logging.getLogger(__name__)

SUFFIXES = (".tif", ".tiff", ".png", ".npy", ".h5", ".hdf5")
"""Endings of the files that can be opened."""


def open_images(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Image]:
    """Open images lazily, whatever they are.

    Parameters
    ----------
    paths : path or sequence of path
        W2S files, or folders at any level of the dataset; or any TIFF, OME-TIFF, PNG, NPY and HDF5 files, or folders of
        them. Files of W2S that differ in the field of view only become one stack.

    Returns
    -------
    list of Image
        Single-channel images. W2S images come first, sorted by level and channel. A part that cannot be opened is left
        out and logged.

    Raises
    ------
    InputError
        If a path does not exist, or if nothing could be opened: then the first reason is given.
    """
    opened = open_all(paths)
    for problem in opened.problems:
        log.warning("%s", problem)
    for note in opened.notes:
        log.warning("%s", note)
    return opened.images


def open_all(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Opened:
    """Open images lazily, as `open_images`, and hand back what went wrong instead of logging it."""
    given = as_paths(paths)
    if not given:
        raise InputError("There is nothing to open: no path was given.")
    benchmark: list[Path] = []
    own: list[Path] = []
    for path in given:
        if not path.exists():
            raise InputError(f"{path} does not exist. Check the path.")
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is neither a file nor a folder. Give an image or a folder.")
        (benchmark if looks_like_w2s(path) else own).append(path)
    catalog = scan(benchmark) if benchmark else Catalog(())
    opened = open_records(catalog)
    left_out = [path for path in catalog.ignored if path.suffix.lower() in SUFFIXES]
    if left_out:
        count = "1 image is" if len(left_out) == 1 else f"{len(left_out)} images are"
        opened.notes.append(
            f"{count} not named like W2S and not shown with it, {left_out[0].name} for one. "
            "Open such images by themselves."
        )
    for path in own:
        for file in _files(path):
            try:
                opened.images += open_own(file)
            except InputError as exc:
                opened.problems.append(exc)
    if not opened.images:
        if opened.problems:
            raise opened.problems[0]
        raise InputError(f"{given[0]} holds no image that can be opened ({', '.join(SUFFIXES)}).")
    return opened


def open_own(path: Path) -> list[Image]:
    """Open one file that is not named like the benchmark's.

    Raises
    ------
    UnreadableFileError
        If it is truncated, damaged, or not what its name says.
    InputError
        If it is of a kind that cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix in {".tif", ".tiff"}:
        return read_ome_tiff(path)
    if suffix == ".png":
        return _open_png(path)
    if suffix == ".npy":
        return _open_npy(path)
    if suffix in {".h5", ".hdf5"}:
        return [plain_image(open_patches(path), path, axes=("patch", "y", "x"))]
    raise InputError(f"{path} cannot be opened: its ending is none of {', '.join(SUFFIXES)}. Save it as TIFF.")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and classify(file) is None)


def _open_png(path: Path) -> list[Image]:
    shape, dtype = read_png_header(path)
    data = stack_files([path], Header(shape, dtype))[0]
    return [plain_image(data, path)] if len(shape) == 2 else colour_images(data, path)


def _open_npy(path: Path) -> list[Image]:
    import numpy as np

    mapped = open_npy(path)
    data = mapped if mapped.dtype.isnative else lazy_map(mapped)
    looks_coloured = mapped.ndim == 3 and mapped.shape[-1] in (3, 4) and mapped.dtype == np.uint8
    if looks_coloured and min(mapped.shape[:2]) > 4:
        return colour_images(data, path)
    return [plain_image(data, path)]
