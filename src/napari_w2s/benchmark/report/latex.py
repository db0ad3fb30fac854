"""A report as LaTeX: tables for a paper, with the package booktabs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from napari_w2s.benchmark.report.tables import Block, Cell, Report, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "…": r"\ldots{}",
}

_BEYOND = "\u0180"
"""Letters from here on are in none of the usual fonts."""

_LINES = 32
"""Lines of a table that fit on a page with its caption, a heading of a block among them."""

_FEWEST = 5
"""Lines at the end of a page that are worth a block."""

_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\setlength{\belowcaptionskip}{4pt}
\begin{document}
"""


def as_latex(report: Report) -> str:
    """Return a report as a LaTeX document; its pictures are files beside it."""
    parts = [_HEAD, rf"\section*{{{escape(report.title)}}}", r"\begin{description}"]
    parts += [rf"\item[{escape(name)}] {escape(text)}" for name, text in report.facts]
    parts += [r"\end{description}", *(f"{escape(note)}\n" for note in report.notes)]
    for table in report.tables:
        for part in _parts(table):
            parts += _table(part)
    for picture in report.pictures:
        parts += [
            r"\begin{figure}[!htbp]\centering",
            rf"\includegraphics[width=\linewidth,height=0.8\textheight,keepaspectratio]{{{picture.name}}}",
            rf"\caption{{{escape(picture.caption)}}}",
            r"\end{figure}",
        ]
    return "\n".join([*parts, r"\end{document}", ""])


def escape(text: str) -> str:
    """Return text as LaTeX prints it; a letter that its usual fonts lack becomes a question mark."""
    return "".join(_SPECIAL.get(letter, letter if letter < _BEYOND else "?") for letter in text)


def _parts(table: Table) -> Iterable[Table]:
    """Cut a table into some that fit on a page each."""
    pages: list[list[Block]] = [[]]
    room = _LINES
    for block in table.blocks:
        lines = block.lines
        while lines:
            if room < _FEWEST:
                pages.append([])
                room = _LINES
            pages[-1].append(replace(block, lines=lines[: room - 1]))
            lines, room = lines[room - 1 :], room - 1 - len(lines[: room - 1])
    for number, blocks in enumerate(pages):
        if number:
            yield replace(table, title=f"{table.title} (continued)", caption="", blocks=tuple(blocks))
        else:
            yield replace(table, blocks=tuple(blocks))


def _table(table: Table) -> Iterable[str]:
    columns = len(table.heads) + 1
    caption = ". ".join(filter(None, (table.title, table.caption)))
    yield from (r"\begin{table}[!htbp]\centering\footnotesize", rf"\caption{{{escape(caption)}}}")
    yield r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    yield from (rf"\begin{{tabular}}{{l{'r' * len(table.heads)}}}", r"\toprule")
    yield _row(table.corner, [escape(head) for head in table.heads])
    for block in table.blocks:
        yield r"\midrule"
        if block.title:
            yield rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{escape(block.title)}}}}} \\"
        for line in block.lines:
            yield _row(line.head, [_cell(cell) for cell in line.cells])
    yield from (r"\bottomrule", r"\end{tabular}}", r"\end{table}", "")


def _row(head: str, cells: Iterable[str]) -> str:
    return rf"{' & '.join([escape(head), *cells])} \\"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return rf"\textbf{{{text}}}" if cell.best else text
