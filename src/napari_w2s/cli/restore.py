"""``napari-w2s restore``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from napari_w2s._types import InputError, Level
from napari_w2s._types import Progress as Done
from napari_w2s.app.batch import BatchCallbacks, BatchResult, JobResult, run_batch
from napari_w2s.app.batch_job import Outcome
from napari_w2s.app.plan import Job, Problem, plan_batch
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.cli.console import (
    EXIT_FAILED,
    EXIT_USAGE,
    Verbose,
    fail,
    progress_bar,
    report_error,
    say,
    stop_on_signal,
)
from napari_w2s.cli.options import Precision, Scheduler, Weights, complete_model, range_option

EXAMPLES = """Examples:

napari-w2s restore cells.tif -o restored

napari-w2s restore 'data/**/*.tif' -m dncnn-avg4+bicubic -o restored

napari-w2s restore W2S/data/train --level avg1 -m dncnn-avg1 -o restored

napari-w2s restore stacks --workers 4 -o restored"""


class NonFinite(StrEnum):
    """Choices of ``--non-finite``."""

    KEEP = "keep"
    FILL = "fill"
    RAISE = "raise"


def restore(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Images, folders, W2S folders, or patterns in quotes such as 'data/**/*.tif'.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results; made if it is not there.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            autocompletion=complete_model,
            show_default="the built-in one",
            help="A model, or two in a row as DENOISER+SR. See: napari-w2s models",
        ),
    ] = None,
    level: Annotated[
        list[Level] | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="Of W2S folders, only this one of avg1, avg2, avg4, avg8, avg16, avg400 and sim; raw bursts are "
            "averaged to it. May be given again.",
        ),
    ] = None,
    glob: Annotated[
        str | None,
        typer.Option("--glob", metavar="PATTERN", help="Of folders, the files that match, e.g. '**/*.tif'."),
    ] = None,
    weights: Weights = None,
    intensity_range: Annotated[
        tuple[float, float] | None, range_option("0 255 for 8-bit images, else each frame's own")
    ] = None,
    non_finite: Annotated[
        NonFinite, typer.Option("--non-finite", help="NaN and infinite pixels stay, are filled in, or are refused.")
    ] = NonFinite.KEEP,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[
        Precision,
        typer.Option(
            "--precision",
            metavar="TYPE",
            help="float32, bfloat16, float16, or auto: lower than float32 only where that was measured to be harmless.",
        ),
    ] = Precision.AUTO,
    tile: Annotated[
        int | None,
        typer.Option("--tile", min=1, metavar="PIXELS", show_default="fits the memory", help="Edge of the tiles."),
    ] = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="Average the results of 8 flips and turns: 8x slower, slightly better.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make results again that are there already.")] = False,
    workers: Annotated[
        int, typer.Option("--workers", min=1, metavar="N", help="Processes here; several files at a time.")
    ] = 1,
    scheduler: Scheduler = None,
    verbose: Verbose = 0,
) -> None:
    """Restore images and write each as STEM_MODEL.ome.tif.

    Results keep the pixel size and say how they were made. What is done is skipped, so a batch that was stopped can
    be run again. A bad file does not end the batch: it is reported at the end, and the exit code is then 1.
    """
    from napari_w2s.engine.frames import check_range
    from napari_w2s.models.builtin import DEFAULT_MODELS, default_registry

    registry = default_registry()
    try:
        models = tuple(DEFAULT_MODELS) if model is None else registry.parse(model)
        for name in models:
            registry.descriptor(name)
        settings = RestoreSettings(
            models=models,
            device=device,
            precision=precision.value,
            tile=tile,
            flips=flips,
            intensity_range=intensity_range,
            non_finite=non_finite.value,
            weights=None if weights is None else str(weights),
        )
        if intensity_range is not None:
            check_range(intensity_range)
    except InputError as error:
        fail(str(error), EXIT_USAGE)

    plan = plan_batch(
        paths, output, model=settings.model, pattern=glob, levels=level or (), model_names=registry.names()
    )
    with stop_on_signal() as stop, progress_bar() as bars:
        view = _BatchView(bars, len(plan.jobs), together=workers > 1 or scheduler is not None)
        result = run_batch(
            plan.jobs,
            settings,
            overwrite=overwrite,
            workers=workers,
            scheduler=scheduler,
            registry=registry,
            callbacks=BatchCallbacks(view.loading, view.started, view.progressed, view.finished),
            should_stop=stop,
        )
    if not _report(result, plan.problems):
        raise typer.Exit(stop.exit_code if result.cancelled else EXIT_FAILED)


class _BatchView:
    """Shows a batch as two bars, all files and the current one; without a terminal as one line per file.

    Of files that are restored together, there is one bar for all.
    """

    def __init__(self, bars: Progress, files: int, *, together: bool = False) -> None:
        self._bars = bars
        self._files = files
        self._together = together
        self._done = 0
        self._under_way: dict[int, float] = {}
        self._all = bars.add_task(f"{files} files", total=files, visible=files > 1 or together)
        self._one = bars.add_task("", total=1.0, visible=False)

    def loading(self, done: Done) -> None:
        self._bars.update(self._one, description="Downloading weights", completed=done.fraction, visible=True)

    def started(self, _index: int, job: Job) -> None:
        self._bars.reset(self._one, description=job.source.name, total=1.0, visible=not self._together)

    def progressed(self, index: int, done: Done) -> None:
        self._under_way[index] = done.fraction
        self._bars.update(self._one, completed=done.fraction)
        self._show()

    def finished(self, index: int, result: JobResult) -> None:
        self._under_way.pop(index, None)
        self._done += 1
        self._show()
        if self._bars.disable and result.outcome is Outcome.DONE:
            say(f"{self._done}/{self._files}  {result.job.output}  {result.seconds:.1f} s")

    def _show(self) -> None:
        self._bars.update(self._all, completed=self._done + sum(self._under_way.values()))


def _report(result: BatchResult, problems: Sequence[Problem]) -> bool:
    """Say what became of a batch; return True if all of it is there now."""
    failed = result.of(Outcome.FAILED)
    for message in [p.message for p in problems] + [r.message for r in failed]:
        report_error(message)
    counts = {
        "restored": len(result.of(Outcome.DONE)),
        "there already": len(result.of(Outcome.SKIPPED)),
        "failed": len(failed) + len(problems),
    }
    summary = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
    say(f"Stopped: {summary or 'nothing restored'}." if result.cancelled else f"{summary or 'Nothing to do'}.")
    return not (failed or problems or result.cancelled)
