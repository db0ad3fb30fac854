"""Where everything stands on a figure's sheet, in inches from its upper left corner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.figure_text import POINTS, fit

TITLE_SIZE, NUMBERS_SIZE, HEADING_SIZE, NOTES_SIZE = 7.0, 6.2, 9.0, 6.0
LINE = 1.3
"""Distance of lines over the size of their font."""

_WIDTH = 7.2
_WIDTHS = {1: 3.4, 2: 5.0}
_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 3, 6: 3, 7: 4, 8: 4, 9: 3, 10: 4, 11: 4, 12: 4}
_MOST_COLUMNS = 6
_PAGE, _WORDS = 9.5, 0.5
_MARGIN, _GAP = 0.06, 0.08
_TALLEST = 1.6
_INSET = 0.45
_WORTH_AN_INSET = 1.6


class Zoom(StrEnum):
    """Where the enlarged part of an image stands."""

    AUTO = "auto"
    """In a corner of the image where it fits there well enlarged, else below."""
    CORNER = "corner"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle on the sheet."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of words on the sheet: the top of the first one, and the middle or the left end of all."""

    lines: tuple[str, ...]
    x: float
    top: float
    size: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One panel: its title, the image, the enlarged part of it, and what stands below."""

    title: Lines
    image: Place
    part: Place | None
    below: Lines


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole sheet."""

    width: float
    height: float
    cells: tuple[Cell, ...]
    heading: Lines
    notes: Lines


def lay_out(
    titles: Sequence[str],
    lines: Sequence[Sequence[str]],
    *,
    area: Box,
    enlarge: Box | None,
    zoom: Zoom,
    heading: str = "",
    notes: str = "",
) -> Layout:
    """Arrange panels in rows on a sheet that is as high as it needs to be.

    Parameters
    ----------
    titles : sequence of str
        Of the panels; at least one.
    lines : sequence of sequence of str
        What stands below each panel.
    area, enlarge : Box
        What each image shows, and what part of it is enlarged.
    zoom : Zoom
    heading, notes : str
    """
    corner = enlarge is not None and (zoom is Zoom.CORNER or (zoom is Zoom.AUTO and _fits_a_corner(enlarge, area)))
    columns = _columns(len(titles), area, None if corner else enlarge)
    width = _WIDTHS.get(columns, _WIDTH)
    inner = width - 2 * _MARGIN
    cell = _cell(columns)
    image = _within(area, cell, cell * _TALLEST)
    head = _lines(fit(heading, inner, HEADING_SIZE, bold=True) if heading else [], width / 2, _MARGIN, HEADING_SIZE)
    top = _MARGIN + (_height(head) + _GAP if heading else 0.0)
    cells: list[Cell] = []
    for start in range(0, len(titles), columns):
        row = range(start, min(start + columns, len(titles)))
        broken = [fit(titles[index], cell, TITLE_SIZE, 2, bold=True) for index in row]
        image_top = top + max(map(len, broken)) * TITLE_SIZE * LINE / POINTS + _GAP / 4
        for column, (index, title) in enumerate(zip(row, broken, strict=True)):
            left = _MARGIN + column * (cell + _GAP)
            middle = left + cell / 2
            title_lines = _lines(
                title, middle, image_top - _GAP / 4 - len(title) * TITLE_SIZE * LINE / POINTS, TITLE_SIZE
            )
            place = Place(middle - image[0] / 2, image_top, *image)
            part = None
            below = image_top + image[1] + _GAP / 2
            if enlarge is not None and corner:
                part = _in_corner(enlarge, area, place)
            elif enlarge is not None:
                size = _within(enlarge, cell, cell)
                part = Place(middle - size[0] / 2, below, *size)
                below += size[1] + _GAP / 2
            text = [short for line in lines[index] for short in fit(line, cell, NUMBERS_SIZE)]
            cells.append(Cell(title_lines, place, part, _lines(text, middle, below, NUMBERS_SIZE)))
        top = max(c.below.top + _height(c.below) for c in cells[start:]) + _GAP
    foot = _lines(fit(notes, inner, NOTES_SIZE) if notes else [], _MARGIN, top, NOTES_SIZE)
    return Layout(width, top + _height(foot) + _MARGIN, tuple(cells), head, foot)


def _cell(columns: int) -> float:
    """Width of one panel of so many in a row."""
    return (_WIDTHS.get(columns, _WIDTH) - 2 * _MARGIN - (columns - 1) * _GAP) / columns


def _columns(count: int, area: Box, below: Box | None) -> int:
    """Return how many panels stand in a row: more of them where the sheet would be higher than a page."""
    columns = fewest = _COLUMNS.get(count, _MOST_COLUMNS - 1)
    for columns in range(fewest, max(fewest, min(count, _MOST_COLUMNS)) + 1):
        cell = _cell(columns)
        height = _within(area, cell, cell * _TALLEST)[1] + _WORDS
        if below is not None:
            height += _within(below, cell, cell)[1]
        if math.ceil(count / columns) * height <= _PAGE:
            break
    return columns


def _lines(lines: Sequence[str], x: float, top: float, size: float) -> Lines:
    return Lines(tuple(lines), x, top, size)


def _height(lines: Lines) -> float:
    return len(lines.lines) * lines.size * LINE / POINTS


def _within(box: Box, width: float, height: float) -> tuple[float, float]:
    """Return the largest width and height of a picture of the box that fits."""
    aspect = (box.bottom - box.top) / (box.right - box.left)
    return (width, width * aspect) if width * aspect <= height else (height / aspect, height)


def _fits_a_corner(enlarge: Box, area: Box) -> bool:
    """Tell whether an inset would enlarge the part enough."""
    down = (area.bottom - area.top) / (enlarge.bottom - enlarge.top)
    across = (area.right - area.left) / (enlarge.right - enlarge.left)
    return _INSET * min(down, across) >= _WORTH_AN_INSET


def _in_corner(enlarge: Box, area: Box, image: Place) -> Place:
    """Return the corner of an image where an inset covers the least of the part itself.

    The lower left corner belongs to the scale bar.
    """
    width, height = _within(enlarge, _INSET * image.width, _INSET * image.height)
    per_unit = image.width / (area.right - area.left)
    left, right = ((edge - area.left) * per_unit for edge in (enlarge.left, enlarge.right))
    top, bottom = ((edge - area.top) * per_unit for edge in (enlarge.top, enlarge.bottom))

    def covered(corner: tuple[float, float]) -> float:
        x, y = corner
        wide, high = min(right, x + width) - max(left, x), min(bottom, y + height) - max(top, y)
        return max(0.0, wide) * max(0.0, high)

    corners = [(image.width - width, 0.0), (image.width - width, image.height - height), (0.0, 0.0)]
    x, y = min(corners, key=covered)
    return Place(image.left + x, image.top + y, width, height)
