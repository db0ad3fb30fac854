"""Restore many files: one after the other, going on after a bad one, never twice, never half."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_w2s._types import Cancelled, InputError, OutputError, Progress, ProgressFn, StopFn, W2SError
from napari_w2s.app.plan import Job
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import METADATA_KEY, Image

if TYPE_CHECKING:
    from napari_w2s.engine.pipeline import Pipeline
    from napari_w2s.models.registry import Registry

logger = logging.getLogger(__name__)

_DECISIVE = ("models", "weights", "flips", "intensity_range", "non_finite")
"""Settings that decide what a result looks like; the others decide how fast it comes."""


class Outcome(StrEnum):
    """What became of a job."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class JobResult:
    """The end of one job.

    Attributes
    ----------
    job : Job
    outcome : Outcome
    message : str
        For a failed or skipped job: why, and what to do.
    seconds : float
        How long it took.
    """

    job: Job
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of all jobs that were begun, in order."""

    results: tuple[JobResult, ...]

    def of(self, outcome: Outcome) -> tuple[JobResult, ...]:
        """Return the results with this outcome."""
        return tuple(r for r in self.results if r.outcome is outcome)

    @property
    def cancelled(self) -> bool:
        """True if the batch was stopped before its end."""
        return any(r.outcome is Outcome.CANCELLED for r in self.results)


@dataclass(frozen=True, slots=True)
class BatchCallbacks:
    """Whom a batch tells. All are called from the thread that works.

    Attributes
    ----------
    loading : callable
        Called with a `Progress` in bytes while weights are fetched.
    started : callable
        Called with the job's index and the job, before its file is opened.
    progressed : callable
        Called with the job's index and its `Progress`, after each tile.
    finished : callable
        Called with the job's index and its `JobResult`.
    """

    loading: ProgressFn | None = None
    started: Callable[[int, Job], object] = lambda _index, _job: None
    progressed: Callable[[int, Progress], object] = lambda _index, _progress: None
    finished: Callable[[int, JobResult], object] = lambda _index, _result: None


def run_batch(
    jobs: Sequence[Job],
    settings: RestoreSettings,
    *,
    overwrite: bool = False,
    registry: Registry | None = None,
    callbacks: BatchCallbacks | None = None,
    should_stop: StopFn | None = None,
) -> BatchResult:
    """Restore the files of `jobs` and write each result atomically.

    Parameters
    ----------
    jobs : sequence of Job
        From `plan_batch`.
    settings : RestoreSettings
    overwrite : bool
        Make results again that are there already. Otherwise they are skipped: what is there is complete.
    registry : Registry or None
        Where the models come from; None for the built-in registry.
    callbacks : BatchCallbacks or None
    should_stop : callable or None
        Polled before each tile and each file.

    Returns
    -------
    BatchResult
        One result per job that was begun; after a stop the last one is cancelled and the rest are missing.

    Raises
    ------
    InputError
        If a model or the device is unknown.
    Cancelled
        If the stop came while weights were fetched.
    WeightsError, DownloadError
        If the weights of a model cannot be had. All are raised before the first file is opened.
    """
    tell = callbacks or BatchCallbacks()
    stop = should_stop or (lambda: False)
    results: list[JobResult] = []
    pipeline = None
    if any(overwrite or not job.output.exists() for job in jobs):
        from napari_w2s.app.restore import load_pipeline
        from napari_w2s.engine.device import choose_device

        choose_device(settings.device)
        pipeline = load_pipeline(settings, registry, progress=tell.loading, should_stop=stop)

    for index, job in enumerate(jobs):
        tell.started(index, job)
        begin = time.perf_counter()
        outcome, message = _run_job(job, settings, overwrite, pipeline, partial(tell.progressed, index), stop)
        result = JobResult(job, outcome, message, time.perf_counter() - begin)
        results.append(result)
        tell.finished(index, result)
        if outcome is Outcome.CANCELLED:
            break
    return BatchResult(tuple(results))


def _run_job(
    job: Job,
    settings: RestoreSettings,
    overwrite: bool,
    pipeline: Pipeline | None,
    progress: Callable[[Progress], object],
    stop: StopFn,
) -> tuple[Outcome, str]:
    try:
        if stop():
            raise Cancelled("Stopped.")
        if job.output.exists() and not overwrite:
            _check_made_like(job, settings)
            return Outcome.SKIPPED, f"{job.output} is there already."
        _restore_file(job, settings, overwrite, pipeline, progress, stop)
    except Cancelled as error:
        return Outcome.CANCELLED, str(error)
    except W2SError as error:
        logger.debug("%s failed", job.source, exc_info=True)
        message = str(error)
        named = job.source.name in message or str(job.output.parent) in message
        return Outcome.FAILED, message if named else f"{job.source}: {message}"
    except Exception as error:  # a batch goes on, whatever one file does
        logger.info("%s failed", job.source, exc_info=True)
        reason = str(error) or type(error).__name__
        return Outcome.FAILED, f"{job.source} could not be restored: {reason}. Run it alone with -v for the details."
    return Outcome.DONE, ""


def _restore_file(
    job: Job,
    settings: RestoreSettings,
    overwrite: bool,
    pipeline: Pipeline | None,
    progress: Callable[[Progress], object],
    stop: StopFn,
) -> None:
    from napari_w2s.app.restore import restore_image
    from napari_w2s.data.ometiff import write_ome_tiff

    images = open_job(job)
    results = []
    for number, image in enumerate(images):

        def report(p: Progress, number: int = number) -> None:
            progress(Progress(number * p.total + p.done, len(images) * p.total, p.region))

        result = restore_image(image, settings, pipeline=pipeline, progress=report, should_stop=stop)
        results.append(_with_command(result, job, settings))
    try:
        job.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {job.output.parent} cannot be made: {error.strerror or error}. Choose another with -o."
        ) from error
    write_ome_tiff(results, job.output, overwrite=overwrite, should_stop=stop)


def _with_command(result: Image, job: Job, settings: RestoreSettings) -> Image:
    """Say in the provenance which command makes this very file."""
    command = settings.command([job.source], job.output.parent)
    if job.level is not None:
        command += f" --level {job.level}"
    restoration = {**result.w2s["restoration"], "source": str(job.source.absolute()), "command": command}
    known = {**result.w2s, "restoration": restoration}
    return result.replace(metadata={**result.metadata, METADATA_KEY: known})


def open_job(job: Job) -> list[Image]:
    """Open the images of a job lazily, averaged to its level if it has one."""
    from napari_w2s.data.stacks import average_image, open_images

    images = open_images([job.source])
    return images if job.level is None else [average_image(image, job.level) for image in images]


def _check_made_like(job: Job, settings: RestoreSettings) -> None:
    """Raise if the file in the way of a result is something else."""
    from napari_w2s.data.ometiff import read_ome_tiff

    advice = "Give --overwrite to replace it, or another folder with -o."
    try:
        images = read_ome_tiff(job.output)
    except InputError as error:
        raise OutputError(f"{job.output} is in the way and cannot be read. {advice}") from error
    for image in images:
        made = image.w2s.get("restoration")
        if not made:
            raise OutputError(f"{job.output} is in the way and is no result of a restoration. {advice}")
        source = made.get("source")
        if source is not None and Path(source).resolve() != job.source.resolve():
            raise OutputError(f"{job.output} is the result of another file, {source}. {advice}")
        before = RestoreSettings.from_dict(made["settings"])
        changed = [name for name in _DECISIVE if getattr(before, name) != getattr(settings, name)]
        if changed:
            raise OutputError(f"{job.output} was made with other settings ({', '.join(changed)}). {advice}")
