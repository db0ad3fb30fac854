"""Compared images on one grid of pixels, within the area that they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.planes import Plane, first_position, full_position, plane, planes, readable_planes
from napari_w2s.app.comparing.resample import Axis, resample
from napari_w2s.app.comparing.stopping import poll

__all__ = [
    "Aligned",
    "Grid",
    "Plane",
    "align",
    "aligned",
    "common_grid",
    "first_position",
    "full_position",
    "on_grid",
    "plane",
    "planes",
    "readable_planes",
]

FloatArray = npt.NDArray[np.float64]

_TOLERANCE = 1e-3
_LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of aligned images are.

    Attributes
    ----------
    shape : tuple of int
        (H, W).
    scale, origin : tuple of float
        As in `Plane`.
    unit : str
    """

    shape: tuple[int, int]
    scale: tuple[float, float]
    origin: tuple[float, float]
    unit: str

    @property
    def box(self) -> Box:
        """The area that it covers, to the outer edges of its pixels."""
        (height, width), (dy, dx), (y, x) = self.shape, self.scale, self.origin
        return Box(y - dy / 2, x - dx / 2, y + (height - 0.5) * dy, x + (width - 0.5) * dx)


@dataclass(frozen=True, eq=False)
class Aligned:
    """The tiles of a comparison on one grid.

    Attributes
    ----------
    grid : Grid
        That of the reference, or without one of the finest tile, cropped to what all tiles and the box have in common.
    pixels : mapping of str to numpy.ndarray, (H, W)
        float64, by the tile's key; NaN where a tile has no finite value.
    problems : mapping of str to str
        Tiles that could not be brought onto the grid, and why; they are not in `pixels`.
    """

    grid: Grid
    pixels: Mapping[str, FloatArray]
    problems: Mapping[str, str]


def aligned(comparison: Comparison, *, stop: StopFn | None = None) -> Aligned:
    """Bring the tiles onto one grid: that of the reference, or without one of the finest tile.

    Images with smaller pixels are averaged over the area of each pixel of the grid, others interpolated (bicubic), by
    world coordinates. Pixels that lie on those of the grid are taken as they are. Only what the box needs is resampled.

    Raises
    ------
    InputError
        If no tile can be shown, or the box lies outside of the images.
    Cancelled
        If `stop` returned True.
    """
    found, problems = readable_planes(comparison, stop=stop)
    return align(comparison, found, problems, stop=stop)


def align(
    comparison: Comparison,
    found: Mapping[str, Plane],
    problems: Mapping[str, str] | None = None,
    *,
    stop: StopFn | None = None,
) -> Aligned:
    """Bring planes that were read before onto one grid; see `aligned` and `readable_planes`."""
    grid, lost = common_grid(comparison, found, problems)
    pixels = {}
    for key, one in found.items():
        poll(stop)
        if key not in lost:
            pixels[key] = on_grid(one, grid)
    return Aligned(grid, pixels, lost)


def common_grid(
    comparison: Comparison, found: Mapping[str, Plane], problems: Mapping[str, str] | None = None
) -> tuple[Grid, dict[str, str]]:
    """Return the grid of `align`, and the tiles that cannot be brought onto it."""
    lost = dict(problems or {})
    if not found:
        raise InputError(next(iter(lost.values()), "There is nothing to compare: choose images."))
    titles = {tile.key: tile.title for tile in comparison.tiles}
    finest = min(found, key=lambda key: found[key].scale[0] * found[key].scale[1])
    reference = comparison.reference
    base = reference if reference is not None and reference in found else finest
    area: Box | None = found[base].box
    if comparison.box is not None:
        area = found[base].box.shared(comparison.box)
        if area is None:
            raise InputError(f"The box lies outside of {titles[base]}. Draw it on the image.")
    assert area is not None
    for key, one in found.items():
        common = area.shared(one.box)
        if common is None or common.area < _LEAST_SHARE * area.area:
            where = "this part" if comparison.box is not None else "what the others show"
            lost[key] = f"{titles[key]} does not cover {where}. Move the box, or leave the image out."
        else:
            area = common
    return _grid(found[base], area, comparison.box), lost


def on_grid(one: Plane, grid: Grid) -> FloatArray:
    """Return the pixels of a plane on a grid that it covers; see `aligned`."""
    own = [Axis(*axis) for axis in zip(one.pixels.shape, one.scale, one.origin, strict=True)]
    wanted = [Axis(*axis) for axis in zip(grid.shape, grid.scale, grid.origin, strict=True)]
    return resample(one.pixels, (own[0], own[1]), (wanted[0], wanted[1]))


def _grid(base: Plane, area: Box, box: Box | None) -> Grid:
    """Return the pixels of a plane that lie in an area; edges that the user drew go to the next pixel's edge."""
    own, starts, sizes = base.box, [], []
    for axis, (low, high) in enumerate(((area.top, area.bottom), (area.left, area.right))):
        edge, step = (own.top, own.left)[axis], base.scale[axis]
        drawn = () if box is None else ((box.top, box.bottom), (box.left, box.right))[axis]
        first, last = (low - edge) / step, (high - edge) / step
        start = round(first) if low in drawn else int(np.ceil(first - _TOLERANCE))
        stop = round(last) if high in drawn else int(np.floor(last + _TOLERANCE))
        start = min(start, base.pixels.shape[axis] - 1)
        starts.append(start)
        sizes.append(max(1, stop - start))
    origin = (base.origin[0] + starts[0] * base.scale[0], base.origin[1] + starts[1] * base.scale[1])
    return Grid((sizes[0], sizes[1]), base.scale, origin, base.unit)
