"""A report as one HTML page that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from napari_w2s.benchmark.report.tables import Picture, Report


def as_html(report: Report) -> str:
    """Return a report as HTML. Whatever stands in names and messages is shown as it is, never read as mark-up."""
    return _template().render(report=report, source=_source)


def _source(picture: Picture) -> str:
    return f"data:image/png;base64,{b64encode(picture.png).decode()}"


@cache
def _template() -> Template:
    loader = PackageLoader("napari_w2s", "benchmark/report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2")
