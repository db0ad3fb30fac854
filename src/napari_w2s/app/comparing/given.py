"""A result and the image that it was made from."""

from __future__ import annotations

import numpy as np

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.grid import Grid, Plane, full_position, readable_planes
from napari_w2s.app.comparing.select import input_of


def given_tile(comparison: Comparison, key: str, given: str | None) -> Tile:
    """Return the input of a result: the one that is given, or that its metadata tell of.

    Raises
    ------
    InputError
        If it is neither among the tiles nor among the averages of the comparison.
    """
    tiles = {tile.key: tile for tile in (*comparison.averages, *comparison.tiles)}
    found = given if given is not None else input_of({k: tile.image for k, tile in tiles.items()}, key)
    if found is None or found not in tiles:
        raise InputError(f"The image that {tiles[key].title} was made from is not in the comparison. Add it.")
    if found == key:
        raise InputError(f"{tiles[key].title} cannot be compared with itself. Choose what it was made from.")
    return tiles[found]


def planes_of(comparison: Comparison, tiles: tuple[Tile, ...], stop: StopFn | None) -> dict[str, Plane]:
    """Return the frames that are shown of some tiles, by key.

    Raises
    ------
    InputError
        If one cannot be shown, or has no finite pixel.
    """
    chosen = comparison.replace(tiles=tiles, reference=None, averages=(), position=full_position(comparison))
    found, problems = readable_planes(chosen, stop=stop)
    if problems:
        raise InputError(next(iter(problems.values())))
    for tile in tiles:
        if not np.isfinite(found[tile.key].pixels).any():
            raise InputError(f"{tile.title} has no finite pixel at this place.")
    return found


def grid_of(one: Plane) -> Grid:
    """Return where the pixels of a plane are."""
    height, width = one.pixels.shape
    return Grid((height, width), one.scale, one.origin, one.unit)
