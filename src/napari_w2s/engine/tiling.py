"""Plan tiles in integers: which part of a frame to read, which part of the result to keep. Knows no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import ceil

Shape = tuple[int, int]
Span = tuple[int, int]
"""Half-open range ``(start, stop)`` along one axis."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One piece of work.

    Attributes
    ----------
    core : tuple of Span
        Rows and columns of the frame whose result this tile gives.
    read : tuple of Span
        Rows and columns of the frame that it reads: the core and its halo, cut at the frame's border, where the
        network pads as it would for the whole frame.
    """

    core: tuple[Span, Span]
    read: tuple[Span, Span]

    @property
    def read_shape(self) -> Shape:
        """Height and width of what it reads."""
        (top, bottom), (left, right) = self.read
        return bottom - top, right - left

    @property
    def pixels(self) -> int:
        """Number of pixels in the core."""
        (top, bottom), (left, right) = self.core
        return (bottom - top) * (right - left)

    def keep(self, scale: int = 1) -> tuple[slice, slice]:
        """Slices of the core inside the tile's own result."""
        (top, bottom), (left, right) = (
            ((c[0] - r[0]) * scale, (c[1] - r[0]) * scale) for c, r in zip(self.core, self.read, strict=True)
        )
        return slice(top, bottom), slice(left, right)

    def target(self, scale: int = 1) -> tuple[slice, slice]:
        """Slices of the core inside the whole frame's result."""
        rows, columns = (slice(start * scale, stop * scale) for start, stop in self.core)
        return rows, columns


def spans(length: int, size: int, multiple: int = 1) -> list[Span]:
    """Cut ``[0, length)`` into near-equal parts of at most `size`, each starting at a multiple of `multiple`.

    Parameters
    ----------
    length, size, multiple : int
        `size` is raised to `multiple` where it is smaller.
    """
    units = ceil(length / multiple)
    parts = ceil(units / max(1, size // multiple))
    cuts = [min(length, (units * i // parts) * multiple) for i in range(parts + 1)]
    return list(pairwise(cuts))


def plan(shape: Shape, size: Shape, halo: int, multiple: int = 1) -> list[Tile]:
    """Cover a frame with tiles, row by row.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the frame.
    size : (int, int)
        Largest height and width of a core.
    halo : int
        Pixels to read around a core, cut at the border of the frame.
    multiple : int
        Every read starts at a multiple of this, so that a network that pools sees the grid of the whole frame.
    """

    def axis(length: int, edge: int) -> Iterator[tuple[Span, Span]]:
        for start, stop in spans(length, edge, multiple):
            low = max(0, (start - halo) // multiple * multiple)
            yield (start, stop), (low, min(length, ceil((stop + halo) / multiple) * multiple))

    return [
        Tile(core=(row[0], column[0]), read=(row[1], column[1]))
        for row, column in product(axis(shape[0], size[0]), axis(shape[1], size[1]))
    ]


def halves(tile: Tile, halo: int, multiple: int = 1) -> list[Tile]:
    """Cut a tile's core in two along its longer side; neither half reads what the tile did not read."""
    (top, _bottom), (left, _right) = tile.read
    height, width = tile.read_shape
    rows, columns = (stop - start for start, stop in tile.core)
    size = (max(1, (rows + 1) // 2), columns) if rows >= columns else (rows, max(1, (columns + 1) // 2))

    def within(core: Span, start: int, length: int) -> Span:
        low = max(0, (core[0] - start - halo) // multiple * multiple)
        return start + low, start + min(length, ceil((core[1] - start + halo) / multiple) * multiple)

    pieces = []
    for piece in plan((rows, columns), size, 0, multiple):
        core_rows, core_columns = (
            (start + offset, stop + offset) for (start, stop), (offset, _end) in zip(piece.core, tile.core, strict=True)
        )
        read = within(core_rows, top, height), within(core_columns, left, width)
        pieces.append(Tile(core=(core_rows, core_columns), read=read))
    return pieces


def choose_size(shape: Shape, halo: int, max_pixels: int, multiple: int = 1) -> Shape:
    """Choose the core size that computes the fewest pixels while no tile reads more than `max_pixels`.

    The result is the whole frame where that fits. Where even a core as small as its halo does not, the smallest
    sensible one is returned: the limit is then a wish.
    """
    best: tuple[int, Shape] | None = None
    edges = [_candidate_edges(length, halo, multiple) for length in shape]
    for rows, columns in product(*edges):
        read = [min(length, e + 2 * halo) for length, e in zip(shape, (rows, columns), strict=True)]
        if read[0] * read[1] > max_pixels:
            continue
        cost = 1
        for length, edge in zip(shape, (rows, columns), strict=True):
            cost *= length + 2 * halo * (ceil(length / edge) - 1)
        if best is None or cost < best[0]:
            best = cost, (rows, columns)
    if best is None:
        return edges[0][-1], edges[1][-1]
    return best[1]


def _candidate_edges(length: int, halo: int, multiple: int) -> list[int]:
    smallest = max(multiple, min(length, max(16, halo)))
    edges: list[int] = []
    parts = 1
    while parts == 1 or length / parts >= smallest:
        edge = ceil(ceil(length / parts) / multiple) * multiple
        if edge >= smallest and edge not in edges:
            edges.append(edge)
        parts = max(parts + 1, parts * 9 // 8)
    return edges or [smallest]
