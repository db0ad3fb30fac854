"""Quality against cost."""

from __future__ import annotations

import io
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from napari_w2s._types import Task
from napari_w2s.benchmark.report.tables import Picture
from napari_w2s.benchmark.report.words import LABELS, TASKS
from napari_w2s.benchmark.run import BenchmarkResult
from napari_w2s.benchmark.summary import Summary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dvph<>*"
_DPI = 130
_LEGEND_INCHES = 0.19


def quality_against_cost(result: BenchmarkResult) -> list[Picture]:
    """Return a scatter plot per task: mean score over seconds an image, a panel per level."""
    made = []
    for task in Task:
        metric = comparing_metric(result)
        chosen = [one for one in result.summaries if one.task is task and one.metric == metric and one.mean is not None]
        seconds = _seconds(result, task)
        if not any(seconds.get((one.system, one.level)) for one in chosen):
            continue
        caption = (
            f"{TASKS[task]}: {LABELS[metric]}, mean over fields with its 95 % interval, against the time an image "
            "takes, the median of this benchmark's rows on the machines that they ran on (loading not counted)."
        )
        png = as_png(_scatter(chosen, seconds, metric))
        made.append(Picture(name=f"quality-cost-{task.value}.png", png=png, caption=caption))
    return made


def comparing_metric(result: BenchmarkResult) -> str:
    """Return the metric that compares restorations best: the first that brightness does not decide."""
    measured = result.config.measured
    return next((name for name in measured if name.endswith("_matched")), measured[0])


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": "napari-w2s"})
    return stream.getvalue()


def _seconds(result: BenchmarkResult, task: Task) -> dict[tuple[str, str], float]:
    times: dict[tuple[str, str], list[float]] = {}
    for row in result.rows:
        if row.task is task and not row.error:
            times.setdefault((row.system, row.case.level), []).append(row.seconds)
    return {place: median(values) for place, values in times.items()}


def _plain_ticks(panel: Axes) -> None:
    """Write 0.5, 1, 2 on a logarithmic axis; powers of ten would run into each other where there is but one of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = panel.get_xlim()
    subs = (1.0, 2.0, 5.0) if high < 30 * low else (1.0,)
    panel.xaxis.set_major_locator(LogLocator(subs=subs))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _place: f"{seconds:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _scatter(chosen: Sequence[Summary], seconds: dict[tuple[str, str], float], metric: str) -> Figure:
    from matplotlib.figure import Figure

    levels = list(dict.fromkeys(one.level for one in chosen))
    names = list(dict.fromkeys(one.system for one in chosen))
    wide = 3.1 * len(levels)
    figure = Figure(figsize=(max(5.0, wide + 2.6), max(3.4, 1.2 + _LEGEND_INCHES * len(names))), layout="constrained")
    panels = figure.subplots(1, len(levels), squeeze=False, sharey=False)[0]
    for panel, level in zip(panels, levels, strict=True):
        for place, name in enumerate(names):
            one = next((one for one in chosen if one.system == name and one.level == level), None)
            if one is None or one.mean is None:
                continue
            colour, cost = f"C{place % 10}", seconds.get((name, level), 0.0)
            if cost <= 0:
                panel.axhline(one.mean, color=colour, linestyle="--", linewidth=1, label=name)
                continue
            low, high = one.interval or (one.mean, one.mean)
            panel.errorbar(
                cost,
                one.mean,
                yerr=[[one.mean - low], [high - one.mean]],
                fmt=_MARKERS[place // 10 % len(_MARKERS)],
                color=colour,
                linewidth=1,
                capsize=2,
                label=name,
            )
        panel.set(title=level, xscale="log", xlabel="seconds an image")
        _plain_ticks(panel)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(LABELS[metric])
    handles: dict[str, Artist] = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside right center", fontsize="small", frameon=False)
    return figure
