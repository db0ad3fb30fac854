"""``napari-w2s info``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from napari_w2s.app.info import ImageSummary, summarise
from napari_w2s.cli.console import EXIT_FAILED, Json, Verbose, out, print_json, report_error

_W2S_KEYS = ("release", "split", "fov", "channel", "level")


def info(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Images or folders, W2S or not.", show_default=False)
    ],
    noise: Annotated[bool, typer.Option(help="Estimate the noise, which reads one frame of each image.")] = True,
    json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Say what an image or a folder holds: size, pixel size, noise, and what it is in W2S."""
    problems: list[str] = []
    summaries = summarise(paths, noise=noise, problem=problems.append)
    if json:
        print_json([s.to_dict() for s in summaries])
    else:
        _print(summaries)
    for problem in problems:
        report_error(problem)
    if problems:
        raise typer.Exit(EXIT_FAILED)


def _print(summaries: Sequence[ImageSummary]) -> None:
    console = out()
    for summary in summaries:
        console.print(summary.name, style="bold", markup=False)
        for label, text in _lines(summary):
            console.print(f"  {label:<11}{text}", markup=False, soft_wrap=True)


def _lines(summary: ImageSummary) -> Iterator[tuple[str, str]]:
    axes = ", ".join(f"{a} {n}" for a, n in zip(summary.axes, summary.shape, strict=True))
    yield "size", f"{axes}; {summary.dtype}, {_bytes(summary.nbytes)}"
    steps = zip(summary.axes, summary.scale, summary.units, strict=True)
    known_steps = [f"{a} {s:g} {'µm' if u == 'um' else u}" for a, s, u in steps if u != "pixel"]
    yield "pixel", ", ".join(known_steps) or "size unknown"
    known = [f"{k} {summary.w2s[k]}" for k in _W2S_KEYS if summary.w2s.get(k) is not None]
    if known:
        yield "W2S", ", ".join(known)
    if summary.noise is not None:
        yield "noise", str(summary.noise)
    restoration = summary.w2s.get("restoration")
    if isinstance(restoration, dict) and restoration.get("command"):
        yield "made by", str(restoration["command"])


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"
