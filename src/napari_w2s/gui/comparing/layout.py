"""How many rows and columns show most of each tile."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any


def best_shape(count: int, size: tuple[int, int], aspect: float) -> tuple[int, int]:
    """Return the rows and columns of the grid in which tiles are shown largest.

    Parameters
    ----------
    count : int
        Number of tiles.
    size : tuple of int
        Height and width of the canvas in pixels.
    aspect : float
        Width over height of a tile.

    Returns
    -------
    rows, columns : int
        With room for all of them; of shapes that show them equally large, the one with the fewest empty cells.
    """
    best, shape = (-1.0, 0), (1, 1)
    height, width = (max(1, n) for n in size)
    for columns in range(1, max(1, count) + 1):
        rows = ceil(max(1, count) / columns)
        score = (round(min(height / rows, width / columns / aspect), 3), count - rows * columns)
        if score > best:
            best, shape = score, (rows, columns)
    return shape


def aspect_of(layers: Iterable[Any]) -> float:
    """Return width over height of the first of some layers in the world; 1 if there is none."""
    for layer in layers:
        low, high = layer.extent.world
        height, width = (high - low)[-2:]
        if height > 0 and width > 0:
            return float(width / height)
    return 1.0
