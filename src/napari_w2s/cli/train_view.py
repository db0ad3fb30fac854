"""What a training looks like in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.progress import Progress

from napari_w2s.cli.console import say
from napari_w2s.training.report import NoteReport, Report, StepReport, ValidationReport

if TYPE_CHECKING:
    from napari_w2s.training.config import TrainingConfig
    from napari_w2s.training.split import Loaded


class TrainView:
    """Shows a run as a bar with the loss and the last validation; without a terminal as one line per validation.

    Parameters
    ----------
    bars : rich.progress.Progress
    config : TrainingConfig
    """

    def __init__(self, bars: Progress, config: TrainingConfig) -> None:
        self._bars, self._steps = bars, config.steps
        self._task = bars.add_task("Reading the images", total=config.steps)
        self._loss = self._judged = ""
        self._left: float | None = None

    def report(self, report: Report) -> None:
        """Show what a run reports."""
        if isinstance(report, NoteReport):
            say(report.text, "yellow")
        elif isinstance(report, StepReport):
            self._loss, self._left = f"loss {report.loss:.4g}", report.seconds_left
            self._show(report.step)
        elif isinstance(report, ValidationReport):
            self._judged = decibels(report.metrics)
            self._show(report.step)
            if self._bars.disable:
                left = "" if self._left is None else f"  {duration(self._left)} left"
                best = "  best so far" if report.best else ""
                say(f"step {report.step}/{self._steps}  {self._loss}  {self._judged}{best}{left}")

    def _show(self, step: int) -> None:
        texts = (f"step {step}/{self._steps}", self._loss, self._judged)
        self._bars.update(self._task, completed=step, description="  ".join(filter(None, texts)))


def decibels(metrics: Mapping[str, float]) -> str:
    """Say what validation measured, e.g. ``"denoised 38.4 dB, sim 25.2 dB"``: means over the levels."""
    by_output: dict[str, list[float]] = {}
    for name, value in metrics.items():
        by_output.setdefault(name.partition("_")[0], []).append(value)
    return ", ".join(f"{name} {sum(values) / len(values):.2f} dB" for name, values in by_output.items())


def duration(seconds: float) -> str:
    """Say how long, e.g. ``"1:05:09"`` or ``"0:12"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plan_lines(config: TrainingConfig, loaded: Loaded, weights: int) -> Iterator[tuple[str, str]]:
    """Yield what would be trained, and on what, line by line."""
    from napari_w2s.training.export import model_names

    levels = ", ".join(f"{level} {weight:g}" for level, weight in config.levels.items() if weight > 0)
    start = f", going on from {config.network.start_from}" if config.network.start_from else ""
    yield "models", ", ".join(model_names(config))
    yield "task", config.task.label
    yield "network", f"{config.network.architecture}, {weights:,} weights{start}"
    yield "learns from", f"{len(loaded.train)} fields of {len({one.group for one in loaded.train})} places"
    yield "judged by", f"{len(loaded.validation)} fields of {len({one.group for one in loaded.validation})} places"
    yield "levels", levels
    yield "losses", "; ".join(f"{k}: {', '.join(term.name for term in v)}" for k, v in config.losses.items() if v)
    yield "steps", f"{config.steps}, each of {config.batch} patches of {config.patch} x {config.patch} pixels a device"
    yield "precision", config.precision
