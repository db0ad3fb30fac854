"""A report as LaTeX: tables for a paper, with the package booktabs."""

from __future__ import annotations

from collections.abc import Iterable

from napari_w2s.benchmark.report.tables import Cell, Report, Table

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

_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
"""


def as_latex(report: Report) -> str:
    """Return a report as a LaTeX document; its pictures are files beside it."""
    parts = [_HEAD, rf"\section*{{{escape(report.title)}}}", r"\begin{description}"]
    parts += [rf"\item[{escape(name)}] {escape(text)}" for name, text in report.facts]
    parts += [r"\end{description}", *(f"{escape(note)}\n" for note in report.notes)]
    for table in report.tables:
        parts += _table(table)
    for picture in report.pictures:
        parts += [
            r"\begin{figure}\centering",
            rf"\includegraphics[width=\linewidth,height=0.8\textheight,keepaspectratio]{{{picture.name}}}",
            rf"\caption{{{escape(picture.caption)}}}",
            r"\end{figure}",
        ]
    return "\n".join([*parts, r"\end{document}", ""])


def escape(text: str) -> str:
    """Return text as LaTeX prints it; a letter that its usual fonts lack becomes a question mark."""
    return "".join(_SPECIAL.get(letter, letter if letter < _BEYOND else "?") for letter in text)


def _table(table: Table) -> Iterable[str]:
    columns = len(table.heads) + 1
    yield from (r"\begin{table}\centering\footnotesize", rf"\caption{{{escape(table.title)}. {escape(table.caption)}}}")
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
