"""Small parts of results, kept where a pipeline did best and worst, to look at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_w2s._files import write_at_once
from napari_w2s._types import OutputError
from napari_w2s.benchmark.pixels import Frame
from napari_w2s.benchmark.protocol import HIGHER_IS_BETTER

if TYPE_CHECKING:
    from napari_w2s.benchmark.table import Row
    from napari_w2s.benchmark.work import Scored

Crop = npt.NDArray[np.float16]

SHARE = 8
"""The edge of a crop is this part of the image's."""


def cut(frame: Frame, reference: Frame) -> Crop:
    """Return the part of a result where its reference has most to show, as shares of the range, clipped to [-1, 2]."""
    rows, columns = most_to_show(reference)
    part = Frame(frame.pixels[rows, columns], *frame.range)
    return np.clip(part.unit, -1, 2).astype(np.float16)


def most_to_show(reference: Frame) -> tuple[slice, slice]:
    """Return the square of an eighth of the image's shorter edge, on a grid of half that, that varies most."""
    pixels = reference.unit
    edge = max(1, min(pixels.shape) // SHARE)
    step = max(1, edge // 2)
    best, place = -1.0, (0, 0)
    for top in range(0, pixels.shape[0] - edge + 1, step):
        for left in range(0, pixels.shape[1] - edge + 1, step):
            spread = float(pixels[top : top + edge, left : left + edge].std())
            if spread > best:
                best, place = spread, (top, left)
    return slice(place[0], place[0] + edge), slice(place[1], place[1] + edge)


def merit(values: dict[str, float]) -> float:
    """Return what tells the best result of a pipeline from the worst: its first metric, the higher the better.

    What is matched to the reference goes before what is not: else brightness decides.
    """
    name = next((name for name in values if name.endswith("_matched")), next(iter(values)))
    return values[name] if HIGHER_IS_BETTER[name] else -values[name]


class Extremes:
    """Crops of the best and the worst result of every pipeline and level, as files.

    Parameters
    ----------
    folder : Path
        Made when there is something to put in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._best: dict[tuple[str, str, bool], tuple[float, str]] = {}
        self._written: set[str] = set()

    def know(self, row: Row, scored: Scored) -> None:
        """Take account of a result that an earlier run has measured; it kept the crop if it was an extreme."""
        self._rank(row, scored)

    def add(self, row: Row, scored: Scored) -> None:
        """Take account of a new result, and keep its crop if it is an extreme.

        Raises
        ------
        OutputError
            If that cannot be written.
        """
        if self._rank(row, scored) and scored.crop is not None and scored.key not in self._written:
            self._write(scored.key, scored.crop)
        kept = {key for _merit, key in self._best.values()}
        for key in self._written - kept:
            path_of(self._folder, key).unlink(missing_ok=True)
        self._written &= kept

    def _rank(self, row: Row, scored: Scored) -> bool:
        if not scored.values:
            return False
        own, extreme = merit(scored.values), False
        for best in (True, False):
            place = (row.system, row.case.level, best)
            value = own if best else -own
            if place not in self._best or (value, scored.key) > self._best[place]:
                self._best[place] = (value, scored.key)
                extreme = True
        return extreme

    def _write(self, key: str, crop: Crop) -> None:
        path = path_of(self._folder, key)
        data = io.BytesIO()
        np.save(data, crop, allow_pickle=False)
        try:
            self._folder.mkdir(exist_ok=True)
            write_at_once(path, data.getvalue())
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}. Free space, and go on.") from error
        self._written.add(key)


def path_of(folder: Path, key: str) -> Path:
    """Return the file of a crop."""
    return folder / f"{key}.npy"


def read_crop(folder: Path, key: str) -> Crop | None:
    """Return a crop; None if there is none."""
    try:
        crop: Crop = np.load(path_of(folder, key), allow_pickle=False)
    except (OSError, ValueError):
        return None
    return crop if crop.ndim == 2 else None
