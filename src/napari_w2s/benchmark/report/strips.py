"""Where pipelines did best and worst, as strips of images: what went in, what came out, what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_w2s._types import Task, W2SError
from napari_w2s.benchmark.examples import merit, most_to_show, read_crop
from napari_w2s.benchmark.pixels import read_fine, read_frame, widefield_range
from napari_w2s.benchmark.report.plots import as_png, comparing_metric
from napari_w2s.benchmark.report.tables import Picture
from napari_w2s.benchmark.report.words import LABELS, TASKS, value
from napari_w2s.benchmark.run import BenchmarkResult
from napari_w2s.benchmark.table import Row
from napari_w2s.metrics.reference import match_affine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float64Array = npt.NDArray[np.float64]

MOST = 6
"""Pipelines in one figure: those with the best means."""

_TILE_INCHES = 1.45


@dataclass(frozen=True, slots=True, eq=False)
class _Strip:
    """One example, all three as shares of the range, brought to the reference's brightness."""

    row: Row
    given: Float64Array
    result: Float64Array
    reference: Float64Array


def best_and_worst(result: BenchmarkResult) -> list[Picture]:
    """Return a figure per task for the noisiest and for the least noisy level."""
    made = []
    for task in Task:
        there = {row.case.level for row in result.rows if row.task is task}
        levels = [level for level in result.levels if level in there]
        for level in dict.fromkeys([*levels[:1], *levels[-1:]]):
            lines = [pair for name in _leading(result, task, level) if (pair := _pair(result, name, level)) is not None]
            if not lines:
                continue
            metric = comparing_metric(result)
            caption = (
                f"{TASKS[task]} at {level}: for each pipeline the image on which it did best and the one on which it "
                f"did worst by {LABELS[metric]}: each as input, result with its score, and reference. The part that "
                "varies most, input and result brought to the brightness of the reference by an affine fit."
            )
            png = as_png(_figure(lines, metric))
            made.append(Picture(name=f"examples-{task.value}-{_file_name(level)}.png", png=png, caption=caption))
    return made


def _leading(result: BenchmarkResult, task: Task, level: str) -> list[str]:
    metric = comparing_metric(result)
    means = {
        one.system: merit({metric: one.mean})
        for one in result.summaries
        if one.task is task and one.level == level and one.metric == metric and one.mean is not None
    }
    return sorted(means, key=lambda name: -means[name])[:MOST]


def _pair(result: BenchmarkResult, name: str, level: str) -> tuple[_Strip, _Strip] | None:
    rows = [row for row in result.rows if row.system == name and row.case.level == level and row.values]
    ordered = sorted(rows, key=lambda row: (merit(row.values), row.key))
    worst, best = (_strip(result, row) for row in (ordered[0], ordered[-1]))
    return None if best is None or worst is None else (best, worst)


def _strip(result: BenchmarkResult, row: Row) -> _Strip | None:
    """Return an example; None if its crop or one of its files is gone."""
    crop = read_crop(result.folder / "examples", row.key)
    picture, _name = row.case.reference(row.task)
    if crop is None or picture is None or row.case.source is None:
        return None
    try:
        limits = widefield_range(row.case)
        whole = read_frame(picture, limits) if row.task is Task.DENOISE else read_fine(picture)
        source = read_frame(row.case.source, limits)
    except W2SError:
        return None
    place = most_to_show(whole)
    reference = whole.unit[place]
    if reference.shape != crop.shape:
        return None
    scale = whole.pixels.shape[0] // source.pixels.shape[0]
    given = np.kron(source.unit, np.ones((scale, scale)))[place] if scale > 1 else source.unit[place]
    matched = match_affine(crop.astype(np.float64), reference)
    return _Strip(row, match_affine(given, reference), matched, reference)


def _figure(lines: Sequence[tuple[_Strip, _Strip]], metric: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * _TILE_INCHES + 0.4, len(lines) * (_TILE_INCHES + 0.22) + 0.1), layout="constrained")
    grid = figure.subplots(len(lines), 6, squeeze=False)
    for axes, pair in zip(grid, lines, strict=True):
        for start, strip, word in ((0, pair[0], "best"), (3, pair[1], "worst")):
            low, high = (float(v) for v in np.percentile(strip.reference, (0.1, 99.9)))
            score = value(strip.row.values[metric], metric) + (" dB" if metric.startswith("psnr") else "")
            field, channel = strip.row.case.field, strip.row.case.channel
            where = field if channel is None else f"{field} ch{channel}"
            for axis, image, title in zip(
                axes[start : start + 3],
                (strip.given, strip.result, strip.reference),
                (f"{word}: {where}", f"result: {score}", strip.row.case.reference(strip.row.task)[1]),
                strict=True,
            ):
                _show(axis, image, title, low, high if high > low else low + 1)
        axes[0].set_ylabel(_folded(pair[0].row.system), fontsize=7)
    return figure


def _show(axis: Axes, image: Float64Array, title: str, low: float, high: float) -> None:
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(title, fontsize=7, pad=2)
    axis.set_xticks([])
    axis.set_yticks([])


def _folded(name: str) -> str:
    return name.replace("+", "+\n")


def _file_name(level: str) -> str:
    return level.replace(" ", "-")
