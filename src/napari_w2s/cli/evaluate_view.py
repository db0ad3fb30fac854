"""What ``napari-w2s evaluate`` shows: a bar, and the table at the end."""

from __future__ import annotations

from typing import Any

from rich.progress import Progress
from rich.table import Table

from napari_w2s.benchmark.protocol import find_protocol
from napari_w2s.benchmark.run import BenchmarkResult
from napari_w2s.benchmark.summary import Summary
from napari_w2s.cli.console import out, say


class EvaluateView:
    """A bar of rows; without a terminal a line after every tenth of them."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("Starting", total=None)
        self._tenths = 0

    def progressed(self, done: int, total: int) -> None:
        """Show how many rows are done."""
        self._bars.update(self._task, description=f"{done} of {total} rows", completed=done, total=total)
        tenths = 10 * done // total if total else 10
        if self._bars.disable and tenths > self._tenths:
            say(f"{done}/{total} rows")
        self._tenths = max(tenths, self._tenths)


def print_table(result: BenchmarkResult) -> None:
    """Print means and differences, a table per level and reference."""
    console = out()
    metrics = result.config.measured
    shown: Table | None = None
    block: tuple[Any, str] | None = None
    cells: dict[str, Summary] = {}
    for one in result.summaries:
        if (one.task, one.level) != block:
            if shown is not None:
                console.print(shown, markup=False)
            block = (one.task, one.level)
            shown = Table(box=None, pad_edge=False, header_style="bold")
            against = " or ".join(one.references) or "nothing"
            shown.add_column(f"{one.level} against {against}", no_wrap=True)
            for metric in metrics:
                shown.add_column(metric, justify="right")
            shown.add_column(f"difference in {metrics[0]} (95 %)", justify="right")
        cells[one.metric] = one
        if len(cells) == len(metrics) and shown is not None:
            scores = [_number(cells[metric].mean, metric) for metric in metrics]
            shown.add_row(one.system, *scores, _difference(cells[metrics[0]]))
            cells = {}
    if shown is not None:
        console.print(shown, markup=False)
    protocol = find_protocol(result.config.protocol)
    console.print(f"Protocol {protocol.name}: {protocol.words}.", markup=False, soft_wrap=True)


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if metric.startswith("psnr") else f"{value:.4f}"


def _difference(one: Summary) -> str:
    if one.difference is None:
        return ""
    text = f"{one.difference:+.3f}"
    if one.difference_interval is not None:
        low, high = one.difference_interval
        text += f" ({low:+.3f} to {high:+.3f})"
    return text
