"""The frame that is shown of each compared image, and where it lies in the world."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import Cancelled, InputError, StopFn, W2SError
from napari_w2s.app.comparing.comparison import Box, Comparison, Tile
from napari_w2s.app.comparing.stopping import poll

_KEPT_BYTES = 256 * 2**20
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Plane:
    """One frame of an image.

    Attributes
    ----------
    pixels : numpy.ndarray, (H, W)
        In the image's own data type; NaN (float32) where the image has no frame.
    scale : tuple of float
        Size of a pixel along y and x, in `unit`.
    origin : tuple of float
        World coordinates (y, x) of the centre of the first pixel.
    unit : str
        ``"um"`` or ``"pixel"``.
    """

    pixels: npt.NDArray[Any]
    scale: tuple[float, float]
    origin: tuple[float, float]
    unit: str

    @property
    def box(self) -> Box:
        """The area that it covers, to the outer edges of its pixels."""
        (height, width), (dy, dx), (y, x) = self.pixels.shape, self.scale, self.origin
        return Box(y - dy / 2, x - dx / 2, y + (height - 0.5) * dy, x + (width - 0.5) * dx)

    def part(self, box: Box) -> tuple[slice, slice] | None:
        """Return the rows and columns whose centres lie in a box; None if there are none."""
        cuts = []
        for size, step, first, (low, high) in zip(
            self.pixels.shape, self.scale, self.origin, ((box.top, box.bottom), (box.left, box.right)), strict=True
        ):
            start = max(0, int(np.ceil((low - first) / step - _TOLERANCE)))
            stop = min(size, int(np.floor((high - first) / step + _TOLERANCE)) + 1)
            if start >= stop:
                return None
            cuts.append(slice(start, stop))
        return cuts[0], cuts[1]

    def cut(self, box: Box) -> Plane | None:
        """Return the pixels whose centres lie in a box; None if there are none. Nothing is copied."""
        part = self.part(box)
        if part is None:
            return None
        rows, columns = part
        origin = (self.origin[0] + rows.start * self.scale[0], self.origin[1] + columns.start * self.scale[1])
        return replace(self, pixels=self.pixels[part], origin=origin)


def plane(tile: Tile, position: Sequence[float] = ()) -> Plane:
    """Return the frame of a tile at a place along the axes before y and x.

    Parameters
    ----------
    tile : Tile
        Of a lazy image only this frame is read; the last ones that were read are kept.
    position : sequence of float
        As in `Comparison`. Axes that it does not tell of are at their first frame.

    Returns
    -------
    Plane
        Of NaN if the image has no frame there.

    Raises
    ------
    InputError
        If the image has less than two axes, no pixels, or no real numbers.
    """
    image = tile.image
    _check(tile)
    *_lead, height, width = (int(size) for size in image.data.shape)
    index = _index(tile, position)
    pixels = np.full((height, width), np.nan, np.float32) if index is None else _frame(image.data, index)
    dy, dx = float(image.scale[-2]), float(image.scale[-1])
    y, x = float(image.translate[-2]), float(image.translate[-1])
    if dy < 0:
        pixels, y, dy = pixels[::-1], y + (height - 1) * dy, -dy
    if dx < 0:
        pixels, x, dx = pixels[:, ::-1], x + (width - 1) * dx, -dx
    known = image.units[-2] == image.units[-1] == "um"
    return Plane(pixels, (dy, dx), (y, x), "um" if known else "pixel")


def first_position(tiles: Sequence[Tile]) -> tuple[float, ...]:
    """Return the first place along the axes before y and x where every tile has a frame, counted from the last axis."""
    images = [tile.image for tile in tiles]
    deepest = max((len(image.axes) for image in images), default=2)
    position = []
    for axis in range(-deepest, -2):
        there = [image for image in images if len(image.axes) >= -axis and image.data.shape[axis]]
        steps = [abs(float(image.scale[axis])) for image in there]
        edges = [
            min(first, first + (image.data.shape[axis] - 1) * image.scale[axis]) - step / 2
            for image, step in zip(there, steps, strict=True)
            for first in [float(image.translate[axis])]
        ]
        position.append(max(edges) + min(steps) / 2 if there else 0.0)
    return tuple(position)


def full_position(comparison: Comparison) -> tuple[float, ...]:
    """Return the position of a comparison, completed to all axes of its tiles; see `first_position`."""
    first = first_position(comparison.tiles)
    return first[: max(0, len(first) - len(comparison.position))] + comparison.position


def planes(comparison: Comparison) -> dict[str, Plane]:
    """Return the frames that are shown of all tiles, by key, laid out in one world.

    Images without a known pixel size are taken to cover the area of the others if the numbers of pixels of the two are
    whole multiples.

    Raises
    ------
    InputError
        If a tile cannot be shown, or it is not known how two lie on one another.
    """
    found, problems = readable_planes(comparison)
    if problems:
        raise InputError(next(iter(problems.values())))
    return found


def readable_planes(comparison: Comparison, *, stop: StopFn | None = None) -> tuple[dict[str, Plane], dict[str, str]]:
    """Return the frames of the tiles that can be shown, and why the others cannot, by key; see `planes`."""
    from napari_w2s.app.comparing.world import lay_out

    position = full_position(comparison)
    found: dict[str, Plane] = {}
    problems: dict[str, str] = {}
    for tile in comparison.tiles:
        poll(stop)
        try:
            found[tile.key] = plane(tile, position)
        except Cancelled:
            raise
        except W2SError as error:
            problems[tile.key] = str(error)
    titles = {tile.key: tile.title for tile in comparison.tiles}
    laid, lost = lay_out(found, titles, comparison.reference)
    return laid, problems | lost


def _check(tile: Tile) -> None:
    data, title = tile.image.data, tile.title
    if data.ndim < 2:
        raise InputError(f"{title} has no axes y and x (shape {tuple(data.shape)}). Choose another image.")
    if 0 in data.shape:
        raise InputError(f"{title} has no pixels (shape {' × '.join(map(str, data.shape))}). Choose another image.")
    if data.dtype.kind not in "buif":
        raise InputError(f"{title} holds {data.dtype} values, and only real numbers can be compared. Convert it first.")
    if not all(np.isfinite(step) and step != 0 for step in tile.image.scale):
        raise InputError(f"{title} has a pixel size of {tile.image.scale}. Give it one that is not zero.")


def _index(tile: Tile, position: Sequence[float]) -> tuple[int, ...] | None:
    """Return the index of the frame at a position; None outside of the image."""
    image = tile.image
    lead = image.data.ndim - 2
    given = tuple(position)[max(0, len(position) - lead) :]
    index = [0] * (lead - len(given))
    for axis, place in zip(range(lead - len(given), lead), given, strict=True):
        step = round((place - image.translate[axis]) / image.scale[axis])
        if not 0 <= step < image.data.shape[axis]:
            return None
        index.append(step)
    return tuple(index)


class _Kept:
    """Frames of lazy arrays that were read last, up to a number of bytes.

    A lazy array is known by its name, which no other has, and never changes.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0
        self._frames: OrderedDict[tuple[str, tuple[int, ...]], npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, data: Any, index: tuple[int, ...]) -> npt.NDArray[Any]:
        key = (str(data.name), index)
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key]
        pixels = np.asarray(data[index])
        with self._lock:
            if key not in self._frames and pixels.nbytes <= self._limit:
                self._frames[key] = pixels
                self._bytes += pixels.nbytes
            while self._bytes > self._limit:
                self._bytes -= self._frames.popitem(last=False)[1].nbytes
        return pixels


_kept = _Kept(_KEPT_BYTES)


def _frame(data: Any, index: tuple[int, ...]) -> npt.NDArray[Any]:
    lazy = type(data).__module__.split(".")[0] == "dask"
    return _kept.read(data, index) if lazy else np.asarray(data[index])
