"""Restore many files on a Dask cluster: a task per file, whose worker writes the result itself."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_w2s._files import discard, leftovers
from napari_w2s._types import Cancelled, OutputError, Progress, StopFn
from napari_w2s.app.batch import BatchCallbacks, JobResult
from napari_w2s.app.batch_job import Outcome, run_job
from napari_w2s.app.batch_worker import Batch, Ended, Heard, ask_to_stop, restore_file
from napari_w2s.app.plan import Job
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.engine.cluster import Submitted, WorkersDied, connect, default_workers, result_of, results

if TYPE_CHECKING:
    from distributed import Client, Future

_STOPPED = "Stopped."


@contextmanager
def cluster_batch(
    workers: int, scheduler: str | None, settings: RestoreSettings, overwrite: bool
) -> Iterator[ClusterBatch]:
    """Connect to a cluster, or start one here; in the end leave nothing half-written.

    Parameters
    ----------
    workers : int
        Processes to start here.
    scheduler : str or None
        Address of a running scheduler, to work there instead.
    settings : RestoreSettings
    overwrite : bool

    Raises
    ------
    InputError
        If `distributed` is not installed, or the scheduler does not answer.
    """
    elsewhere = scheduler is not None
    batch = Batch(
        name=f"napari-w2s-{uuid4().hex}",
        settings=settings,
        overwrite=overwrite,
        base=Path.cwd() if elsewhere else None,
        threads=None if elsewhere else max(1, default_workers() // workers),
    )
    begun: ClusterBatch | None = None
    try:
        with connect(workers, scheduler) as client:
            begun = ClusterBatch(client, batch)
            yield begun
    finally:
        if begun is not None:
            begun.tidy()


class ClusterBatch:
    """One batch under way on a cluster.

    Parameters
    ----------
    client : distributed.Client
    batch : Batch
    """

    def __init__(self, client: Client, batch: Batch) -> None:
        self._client, self._batch = client, batch
        self._heard: deque[Heard] = deque()
        self._stopping = False
        self._open: dict[int, Job] = {}
        self._submitted: list[Job] = []

    def run(self, jobs: Sequence[Job], tell: BatchCallbacks, stop: StopFn) -> list[JobResult]:
        """Restore the files; return the results of those that were begun, in order.

        Raises
        ------
        ClusterLost
            If the scheduler went away.
        OutputError
            If the folder of the results cannot be made.
        """
        done: dict[int, JobResult] = {}

        def finish(index: int, result: JobResult) -> None:
            self._listen(tell)
            done[index] = result
            self._open.pop(index, None)
            tell.finished(index, result)

        def tick() -> None:
            self._listen(tell)
            if stop():
                self._stop()

        def to_do() -> Iterator[tuple[int, Job]]:
            for index, job in enumerate(jobs):
                tell.started(index, job)
                if self._stopping or stop():
                    finish(index, JobResult(job, Outcome.CANCELLED, _STOPPED))
                    return
                if job.output.exists() and not self._batch.overwrite:
                    begin = perf_counter()
                    ended = run_job(job, self._batch.settings, False, None, lambda _progress: None, stop)
                    finish(index, JobResult(job, *ended, perf_counter() - begin))
                else:
                    self._open[index] = job
                    yield index, job

        self._client.subscribe_topic(self._batch.name, lambda event: self._heard.append(event[1]))
        suspects: list[tuple[int, Job]] = []
        with _shown(jobs, self._batch) as self._batch, suppress(Cancelled):
            for (index, job), future in results(self._client, to_do(), self._submit, tick):
                try:
                    finish(index, _result(job, result_of(future)))
                except WorkersDied:
                    suspects.append((index, job))
            # What waits beside a file that kills its workers is blamed for it: each has another try, by itself.
            for (index, job), future in results(self._client, suspects, self._submit, tick, at_once=1):
                try:
                    finish(index, _result(job, result_of(future)))
                except WorkersDied as error:
                    finish(index, JobResult(job, Outcome.FAILED, f"{job.source}: {error}"))
        for index, job in [*self._open.items()]:
            finish(index, JobResult(job, Outcome.CANCELLED, _STOPPED))
        return [done[index] for index in sorted(done)]

    def tidy(self) -> None:
        """Remove what workers that were killed have half-written."""
        self._listen(BatchCallbacks())
        for job in self._submitted:
            for path in leftovers(job.output):
                discard(path)

    def _submit(self, client: Client, item: tuple[int, Job]) -> Submitted[tuple[int, Job]]:
        index, job = item
        self._submitted.append(job)
        key = f"restore-{index}-{uuid4().hex}"
        future: Future = client.submit(restore_file, index, job, self._batch, key=key, pure=False)
        return Submitted([(future, item)])

    def _stop(self) -> None:
        """Have the workers stop within a tile; asked again and again, since there may be new ones.

        Raises
        ------
        Cancelled
            If there is no worker.
        """
        self._stopping = True
        with suppress(OSError, RuntimeError, TimeoutError):
            if not self._client.run(ask_to_stop, self._batch.name, on_error="ignore"):
                raise Cancelled(_STOPPED)

    def _listen(self, tell: BatchCallbacks) -> None:
        """Pass on what the workers say."""
        while self._heard:
            index, done, total = self._heard.popleft()
            if index not in self._open:
                continue
            tell.progressed(index, Progress(done, total))


def _result(job: Job, ended: Ended) -> JobResult:
    outcome, message, seconds = ended
    if outcome is Outcome.SKIPPED:  # it was not there before: its worker died after it was written
        outcome, message = Outcome.DONE, ""
    return JobResult(job, outcome, message, seconds)


@contextmanager
def _shown(jobs: Sequence[Job], batch: Batch) -> Iterator[Batch]:
    """Put a file where the results go, by which workers elsewhere see whether that folder is theirs too."""
    if batch.base is None:
        yield batch
        return
    folder = batch.base / os.path.commonpath([(batch.base / job.output).parent for job in jobs])
    token = folder / f".{batch.name}"
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        token.touch()
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be written: {error.strerror or error}. Choose another with -o."
        ) from error
    try:
        yield replace(batch, token=token)
    finally:
        token.unlink(missing_ok=True)
        if not there:
            with suppress(OSError):
                folder.rmdir()  # if it is empty
