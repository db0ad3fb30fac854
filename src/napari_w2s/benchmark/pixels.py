"""Pixels of the images of a benchmark, on a scale where 0 and 1 mean the same for all of one field."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, W2SError
from napari_w2s.benchmark.cases import Case, Picture
from napari_w2s.data.average import average
from napari_w2s.data.frames import read_pixels

Pixels = npt.NDArray[Any]
Float64Array = npt.NDArray[np.float64]

EIGHT_BIT = (0.0, 255.0)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image and the intensities that count as 0 and 1.

    Attributes
    ----------
    pixels : numpy.ndarray, (H, W)
        In the file's own intensities.
    low, high : float
        0 and 255 for 8-bit images.
    """

    pixels: Pixels
    low: float
    high: float

    @property
    def unit(self) -> Float64Array:
        """The pixels as shares of the range, float64, not clipped."""
        values = self.pixels.astype(np.float64)
        values -= self.low
        values /= self.high - self.low
        return values

    @property
    def range(self) -> tuple[float, float]:
        """Both intensities."""
        return self.low, self.high


def read_picture(picture: Picture) -> Pixels:
    """Read one image.

    Returns
    -------
    numpy.ndarray, (H, W)

    Raises
    ------
    InputError
        If it cannot be read, or is no single image.
    """
    pixels = read_pixels(picture.path)
    if picture.average is not None:
        try:
            return np.asarray(average(pixels, picture.average))
        except W2SError as error:
            raise InputError(f"{picture.path}: {error}") from error
    if pixels.ndim != 2:
        raise InputError(f"{picture.path} has the shape {pixels.shape}; a benchmark takes single images, y and x.")
    return np.asarray(pixels)


def widefield_range(case: Case) -> tuple[float, float]:
    """Return the intensities that count as 0 and 1 in the widefield images of a case.

    8-bit images have 0 and 255. Others have the least and the greatest intensity of their noisiest image, since that is
    how the authors made their 8-bit release; of a pair of folders, those of the noisy image.

    Raises
    ------
    InputError
        If the image cannot be read, or holds one intensity only.
    """
    if case.range_of is None:
        return EIGHT_BIT
    return _own_range(read_picture(case.range_of), case.range_of.path)


def read_frame(picture: Picture, limits: tuple[float, float]) -> Frame:
    """Read a widefield image of a case, whose range is `limits`."""
    pixels = read_picture(picture)
    return Frame(pixels, *(EIGHT_BIT if pixels.dtype == np.uint8 else limits))


def read_fine(picture: Picture) -> Frame:
    """Read a super-resolved reference, which has a range of its own: 0 to 255 if 8-bit, else that of its pixels."""
    pixels = read_picture(picture)
    return Frame(pixels, *_own_range(pixels, picture.path))


def as_eight_bit(frame: Frame) -> Frame:
    """Return a frame in whole steps of 1/255 of its range, clipped to it, as uint8."""
    if frame.pixels.dtype == np.uint8:
        return frame
    return Frame(np.rint(np.clip(frame.unit, 0, 1) * 255).astype(np.uint8), *EIGHT_BIT)


def _own_range(pixels: Pixels, path: Path) -> tuple[float, float]:
    if pixels.dtype == np.uint8:
        return EIGHT_BIT
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{path} has NaN or infinite pixels. Repair the image first.")
    if not low < high:
        raise InputError(f"{path} holds one intensity only. There is nothing to compare.")
    return low, high


class Hashes:
    """SHA-256 of files, each read once."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Return the hash of a file.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        if path not in self._known:
            try:
                with path.open("rb") as stream:
                    self._known[path] = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        return self._known[path]
