"""Numbers of a comparison as a table: for the screen, for a spreadsheet, for a paper."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_w2s._files import write_at_once
from napari_w2s._types import InputError, OutputError
from napari_w2s.app.comparing.numbers import METRICS, OPTIONAL, Numbers, TileNumbers
from napari_w2s.app.comparing.worth import worth_text
from napari_w2s.metrics.definitions import DEFINITIONS

NOTHING = "–"
"""Stands where there is no number."""

TITLE = "title"
"""Stands for the tiles' titles where a column is named."""

_REFERENCE_MARK = "(reference)"
_SEEN_MARK = "(field seen in training)"


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table.

    Attributes
    ----------
    value : float or None
        To sort by; None comes last in either direction.
    text : str
        For a person, without its unit: ``"31.20"``, ``"≥ 400"``, ``"–"``.
    """

    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One tile of a table.

    Attributes
    ----------
    key : str
    title : str
        With a mark where the tile is the reference, or its model learned from this field of view.
    cells : tuple of Cell
        One per column.
    notes : str
        All that there is to know of the numbers; empty if nothing.
    """

    key: str
    title: str
    cells: tuple[Cell, ...]
    notes: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings.

    Attributes
    ----------
    columns : tuple of str
        Keys, as in `napari_w2s.app.comparing.numbers.METRICS`.
    headings : tuple of str
        With units, e.g. ``"PSNR (dB)"``.
    rows : tuple of Row
    caption : str
        What the numbers rest on.
    """

    columns: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str

    def sorted(self, column: str, *, descending: bool = False) -> Table:
        """Return the table sorted by a column, or by ``"title"``; rows without a number come last.

        Raises
        ------
        InputError
            If there is no such column.
        """
        if column == TITLE:
            return replace(self, rows=tuple(sorted(self.rows, key=lambda row: row.title, reverse=descending)))
        if column not in self.columns:
            raise InputError(f"The table has no column {column!r}. It has {', '.join((TITLE, *self.columns))}.")
        place = self.columns.index(column)

        def rank(row: Row) -> tuple[bool, float]:
            value = row.cells[place].value
            return value is None, 0.0 if value is None else -value if descending else value

        return replace(self, rows=tuple(sorted(self.rows, key=rank)))


def table(numbers: Numbers, columns: Sequence[str] = METRICS) -> Table:
    """Lay numbers out as a table; columns in which no tile has a number are left out.

    Raises
    ------
    InputError
        If there is no such number.
    """
    _check(columns)
    kept = tuple(name for name in columns if any(getattr(tile, name) is not None for tile in numbers.tiles))
    rows = tuple(
        Row(
            tile.key,
            _marked(tile),
            tuple(Cell(getattr(tile, name), cell_text(numbers, tile, name)) for name in kept),
            " ".join(tile.notes),
        )
        for tile in numbers.tiles
    )
    return Table(kept, tuple(heading(numbers, name) for name in kept), rows, numbers.caption())


def heading(numbers: Numbers, column: str) -> str:
    """Return the heading of a column with its unit, e.g. ``"PSNR (dB)"``."""
    unit = {"psnr": "dB", "psnr_matched": "dB", "frc": numbers.unit, "frc_two": numbers.unit, "worth": "frames"}
    label = DEFINITIONS[column].label
    return f"{label} ({unit[column]})" if column in unit else label


def cell_text(numbers: Numbers, tile: TileNumbers, column: str) -> str:
    """Return one number for a person, without its unit."""
    value = getattr(tile, column)
    if value is None or math.isnan(value):
        return NOTHING
    if column == "worth":
        return NOTHING if numbers.curve is None else worth_text(numbers.curve, value).rpartition(" ")[0]
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if column.startswith("psnr"):
        return f"{value:.2f}"
    if column.endswith("ssim") or column == "ssim_matched":
        return f"{value:.4f}"
    if column.startswith("frc"):
        least = "≥ " if column == "frc_two" and tile.shares_frames else ""
        return least + (f"{value:.0f}" if numbers.unit == "nm" else f"{value:.2f}")
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def short_text(numbers: Numbers, key: str, columns: Sequence[str] | None = None) -> str:
    """Return a line to stand under a tile, e.g. ``"PSNR 31.2 dB · SSIM 0.914 · worth 23 frames"``.

    Parameters
    ----------
    numbers : Numbers
    key : str
        Of the tile.
    columns : sequence of str, optional
        Keys to show; by default PSNR, SSIM and worth, matched where the tile shares no intensity scale with the
        reference. Where nothing is measured against a reference, FRC and noise.
    """
    tile = numbers.of(key)
    if columns is None:
        suffix = "" if tile.shares_scale else "_matched"
        scored = [f"psnr{suffix}", f"ssim{suffix}", "worth"]
        columns = scored if numbers.reference is not None else ["frc", "noise", "worth"]
    else:
        _check(columns)
    words = [_REFERENCE_MARK.strip("()")] if tile.is_reference else []
    for name in columns:
        value = getattr(tile, name)
        if value is None or math.isnan(value) or (tile.is_reference and name == "worth"):
            continue
        words.append(short_number(numbers, tile, name))
    if tile.seen:
        words.append("field seen in training")
    return " · ".join(words)


def short_number(numbers: Numbers, tile: TileNumbers, name: str) -> str:
    """Return one number that there is with its name and unit, e.g. ``"FRC 118 nm"``."""
    value = getattr(tile, name)
    if name == "worth":
        return f"worth {worth_text(numbers.curve, value)}" if numbers.curve is not None else NOTHING
    label = DEFINITIONS[name].label.removesuffix(" matched")
    after = " matched" if name.endswith("_matched") else ""
    if math.isinf(value):
        return f"{label} ∞{after}"
    if name.startswith("psnr"):
        return f"{label} {value:.1f} dB{after}"
    if name.endswith("ssim") or name == "ssim_matched":
        return f"{label} {value:.3f}{after}"
    unit = f" {numbers.unit}" if name.startswith("frc") else ""
    return f"{label} {cell_text(numbers, tile, name)}{unit}{after}"


def to_csv(numbers: Numbers) -> str:
    """Return all numbers as CSV with a heading line: full precision, one line per tile, notes in the last column.

    Worth is a number too: 0 is less than the fewest frames measured, ``inf`` as many as the reference has.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measured = [name for name in OPTIONAL if any(getattr(tile, name) is not None for tile in numbers.tiles)]
    columns = [*METRICS, *measured]
    units = [heading(numbers, name) for name in columns]
    writer.writerow([TITLE, "key", "reference", *units, "field seen in training", "data range", "area", "notes"])
    for tile in numbers.tiles:
        values = [getattr(tile, name) for name in columns]
        writer.writerow(
            [
                _plain(tile.title),
                tile.key,
                _yes(tile.is_reference),
                *("" if value is None else repr(float(value)) for value in values),
                _yes(tile.seen),
                "" if numbers.data_range is None else repr(float(numbers.data_range)),
                numbers.area,
                " ".join(tile.notes),
            ]
        )
    return text.getvalue()


def to_markdown(shown: Table) -> str:
    """Return a table as Markdown, its caption below."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(_escaped(cell) for cell in cells)} |"

    lines = [line(["", *shown.headings]), "|" + "---|" * (len(shown.headings) + 1)]
    lines += [line([row.title, *(cell.text for cell in row.cells)]) for row in shown.rows]
    return "\n".join([*lines, "", shown.caption, ""])


def save_csv(numbers: Numbers, path: str | Path) -> Path:
    """Write `to_csv` to a file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    return write_text(to_csv(numbers), path)


def write_text(text: str, path: str | Path) -> Path:
    """Write a text file as UTF-8, whole or not at all; its folder is made if it is not there.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_at_once(path, text)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Choose another folder.") from error


def _check(columns: Sequence[str]) -> None:
    known = (*METRICS, *OPTIONAL)
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise InputError(f"There is no number {unknown[0]!r}. Choose among {', '.join(known)}.")


def _marked(tile: TileNumbers) -> str:
    marks = [_REFERENCE_MARK] * tile.is_reference + [_SEEN_MARK] * tile.seen
    return " ".join([tile.title, *marks])


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _plain(title: str) -> str:
    """Keep a spreadsheet from taking a title for a formula."""
    return f"'{title}" if title[:1] in ("=", "+", "-", "@", "\t", "\r") else title


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
