"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from napari_w2s.benchmark.report.tables import Cell, Report, Table


def as_markdown(report: Report) -> str:
    """Return a report as Markdown; its pictures are files beside it."""
    parts = [f"# {report.title}", "", *(f"- **{name}:** {_plain(text)}" for name, text in report.facts), ""]
    for note in report.notes:
        parts += [f"> {_plain(note)}", ""]
    for table in report.tables:
        parts += _table(table)
    for picture in report.pictures:
        parts += [f"![{_plain(picture.caption)}]({picture.name})", "", f"*{_plain(picture.caption)}*", ""]
    return "\n".join(parts)


def _table(table: Table) -> Iterable[str]:
    yield from (f"## {_plain(table.title)}", "")
    yield _row(table.corner, table.heads)
    yield _row("---", ["---"] * len(table.heads))
    for block in table.blocks:
        if block.title:
            yield _row(f"*{_escaped(block.title)}*", [""] * len(table.heads))
        for line in block.lines:
            yield _row(_escaped(line.head), map(_cell, line.cells))
    yield from ("", _plain(table.caption), "")


def _row(head: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _cell(cell: Cell) -> str:
    text = _escaped(cell.text)
    return f"**{text}**" if cell.best else text


def _escaped(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Keep what is not meant as mark-up from being it."""
    for letter in "\\`*_<>[]":
        text = text.replace(letter, f"\\{letter}")
    return text
