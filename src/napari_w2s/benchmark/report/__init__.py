"""A benchmark as a report: Markdown, LaTeX, and one HTML page that needs no other file."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_w2s._files import write_at_once
from napari_w2s._types import OutputError
from napari_w2s.benchmark.journal import write_whole
from napari_w2s.benchmark.report.tables import Picture, Report
from napari_w2s.benchmark.run import BenchmarkResult

__all__ = ["make_report", "write_report"]

FILES = ("report.html", "report.md", "report.tex")


def make_report(result: BenchmarkResult) -> Report:
    """Return what a report of a benchmark says; reads the files of the best and the worst images again."""
    from napari_w2s.benchmark.report.content import facts, notes, tables
    from napari_w2s.benchmark.report.plots import quality_against_cost
    from napari_w2s.benchmark.report.strips import best_and_worst

    return Report(
        title="Benchmark of restoration pipelines",
        facts=facts(result, _version()),
        notes=notes(result),
        tables=tables(result),
        pictures=(*quality_against_cost(result), *best_and_worst(result)),
    )


def write_report(result: BenchmarkResult) -> tuple[Path, ...]:
    """Write the report of a benchmark into its folder.

    Parameters
    ----------
    result : BenchmarkResult

    Returns
    -------
    tuple of Path
        ``report.html``, ``report.md`` and ``report.tex``; the pictures of the last two lie beside them as PNG.

    Raises
    ------
    OutputError
        If a file cannot be written; each is as it was or whole.
    """
    from napari_w2s.benchmark.report.html import as_html
    from napari_w2s.benchmark.report.latex import as_latex
    from napari_w2s.benchmark.report.markdown import as_markdown

    report = make_report(result)
    for picture in report.pictures:
        _write(result.folder / picture.name, picture)
    texts = (as_html(report), as_markdown(report), as_latex(report))
    return tuple(write_whole(result.folder / name, text) for name, text in zip(FILES, texts, strict=True))


def _write(path: Path, picture: Picture) -> None:
    try:
        write_at_once(path, picture.png)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. Free space, and run it again."
        ) from error


def _version() -> str:
    try:
        return version("napari-w2s")
    except PackageNotFoundError:
        return "0+unknown"
