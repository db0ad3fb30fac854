"""Restore one file of many: never twice, never half, and with an outcome instead of an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from napari_w2s._types import Cancelled, InputError, OutputError, Progress, StopFn, W2SError
from napari_w2s.app.plan import Job
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import METADATA_KEY, Image

if TYPE_CHECKING:
    from napari_w2s.engine.pipeline import Pipeline

logger = logging.getLogger(__name__)

_DECISIVE = ("models", "weights", "flips", "intensity_range", "non_finite")
"""Settings that decide what a result looks like; the others decide how fast it comes."""


class Outcome(StrEnum):
    """What became of a job."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


def run_job(
    job: Job,
    settings: RestoreSettings,
    overwrite: bool,
    pipeline: Pipeline | None,
    progress: Callable[[Progress], object],
    stop: StopFn,
    *,
    given: Job | None = None,
) -> tuple[Outcome, str]:
    """Restore the file of a job, unless that is done.

    Parameters
    ----------
    job : Job
    settings : RestoreSettings
    overwrite : bool
        Make a result again that is there already.
    pipeline : Pipeline or None
        The models; None where none is needed, or to load them for this file.
    progress : callable
        Called after each tile.
    stop : callable
        Polled before each tile.
    given : Job, optional
        The same job with its paths as they were given, which the result's command has.

    Returns
    -------
    outcome, message
        For a failed or skipped job, why, and what to do.
    """
    try:
        if stop():
            raise Cancelled("Stopped.")
        if job.output.exists() and not overwrite:
            _check_made_like(job, settings)
            return Outcome.SKIPPED, f"{job.output} is there already."
        _restore_file(job, settings, overwrite, pipeline, progress, stop, given or job)
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
    given: Job,
) -> None:
    from napari_w2s.app.restore import restore_image
    from napari_w2s.data.ometiff import write_ome_tiff

    images = open_job(job)
    results = []
    for number, image in enumerate(images):

        def report(p: Progress, number: int = number) -> None:
            progress(Progress(number * p.total + p.done, len(images) * p.total, p.region))

        result = restore_image(image, settings, pipeline=pipeline, progress=report, should_stop=stop)
        results.append(_with_command(result, given, job.source, settings))
    try:
        job.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {job.output.parent} cannot be made: {error.strerror or error}. Choose another with -o."
        ) from error
    write_ome_tiff(results, job.output, overwrite=overwrite, should_stop=stop)


def _with_command(result: Image, job: Job, source: Path, settings: RestoreSettings) -> Image:
    """Say in the provenance which command makes this very file."""
    command = settings.command([job.source], job.output.parent)
    if job.level is not None:
        command += f" --level {job.level}"
    restoration = {**result.w2s["restoration"], "source": str(source.absolute()), "command": command}
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
