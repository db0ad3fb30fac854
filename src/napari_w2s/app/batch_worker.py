"""What a worker process does for a batch: restore a file, say how far it is, and stop when it is asked to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from napari_w2s._types import InputError, OutputError, Progress, W2SError
from napari_w2s.app.batch_job import Outcome, run_job
from napari_w2s.app.plan import Job
from napari_w2s.app.settings import RestoreSettings

if TYPE_CHECKING:
    from napari_w2s.engine.pipeline import Pipeline

Ended = tuple[Outcome, str, float]
"""Outcome of a job, why, and the seconds it took."""

Heard = tuple[int, int, int]
"""Number of a job, what is done, and all there is to do. Nothing is done when it begins."""

_TELL_SECONDS = 0.5
_SHARE = "The machines of a cluster need the same folders under the same paths."

_stopped: set[str] = set()


@dataclass(frozen=True, slots=True)
class Batch:
    """What all files of a batch share.

    Attributes
    ----------
    name : str
        Of this run alone; the topic of what is said of its progress.
    settings : RestoreSettings
        As they were given.
    overwrite : bool
        Make results again that are there already.
    base : Path or None
        Folder that relative paths are meant from; None if this process has the same.
    threads : int or None
        Threads that a worker computes with; None leaves that to whoever started it.
    token : Path or None
        A file that is seen where the folder of the results is.
    """

    name: str
    settings: RestoreSettings
    overwrite: bool
    base: Path | None = None
    threads: int | None = None
    token: Path | None = None


def ask_to_stop(name: str) -> None:
    """Have this process stop what it does for a batch."""
    _stopped.add(name)


def restore_file(index: int, job: Job, batch: Batch) -> Ended:
    """Restore the file of a job in this process.

    Parameters
    ----------
    index : int
        Number of the job.
    job : Job
        With its paths as they were given.
    batch : Batch
    """
    begin = perf_counter()
    report = _reporter(index, batch.name)
    report(Progress(0, 1))
    here = job
    try:
        if batch.base is not None:
            here = replace(job, source=batch.base / job.source, output=batch.base / job.output)
            _check_shared(here, batch)
        pipeline = _pipeline(_located(batch), batch.threads)
    except W2SError as error:
        return Outcome.FAILED, f"{here.source}: {error}", perf_counter() - begin
    ended = run_job(here, batch.settings, batch.overwrite, pipeline, report, lambda: batch.name in _stopped, given=job)
    return *ended, perf_counter() - begin


def _reporter(index: int, topic: str) -> Callable[[Progress], None]:
    """Return a function that says now and then how far a job is."""
    from distributed import get_worker

    worker = get_worker()
    said = -_TELL_SECONDS

    def report(progress: Progress) -> None:
        nonlocal said
        if not progress.done or monotonic() - said > _TELL_SECONDS:
            said = monotonic()
            heard: Heard = (index, progress.done, progress.total)
            worker.log_event(topic, heard)

    return report


def _check_shared(job: Job, batch: Batch) -> None:
    """Raise if this machine does not have the files."""
    if batch.token is not None and not batch.token.exists():
        raise OutputError(f"The folder {batch.token.parent} is not shared with {socket.gethostname()}. {_SHARE}")
    if not job.source.exists():
        raise InputError(f"{job.source.name} is not there on {socket.gethostname()}. {_SHARE}")


def _located(batch: Batch) -> RestoreSettings:
    """Return the settings with a path of weights that means the same here."""
    settings = batch.settings
    if batch.base is None or settings.weights is None:
        return settings
    return replace(settings, weights=str(batch.base / Path(settings.weights).expanduser()))


@lru_cache(maxsize=1)
def _pipeline(settings: RestoreSettings, threads: int | None) -> Pipeline:
    import torch

    from napari_w2s.app.restore import load_pipeline
    from napari_w2s.engine.device import choose_device

    if threads is not None:
        torch.set_num_threads(threads)
    choose_device(settings.device)
    return load_pipeline(settings)
