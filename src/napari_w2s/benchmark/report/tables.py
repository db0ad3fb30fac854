"""A table as data, before it is Markdown, LaTeX or HTML."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text : str
    best : bool
        The best of its row or block, to be set in bold.
    """

    text: str
    best: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table.

    Attributes
    ----------
    head : str
    cells : tuple of Cell
    """

    head: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines under a common heading.

    Attributes
    ----------
    title : str
        Empty for no heading.
    lines : tuple of Line
    """

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table.

    Attributes
    ----------
    title : str
    caption : str
        What the numbers are, the protocol included.
    corner : str
        Head of the first column.
    heads : tuple of str
        Heads of the other columns.
    blocks : tuple of Block
    """

    title: str
    caption: str
    corner: str
    heads: tuple[str, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure that was drawn.

    Attributes
    ----------
    name : str
        Of its file, without the folder.
    png : bytes
    caption : str
    """

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a report says.

    Attributes
    ----------
    title : str
    facts : tuple of (str, str)
        What was measured, and how.
    notes : tuple of str
    tables : tuple of Table
    pictures : tuple of Picture
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...] = ()
