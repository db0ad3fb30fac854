"""Restore many files, here or on a cluster, going on after a bad one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_w2s._types import Progress, ProgressFn, StopFn
from napari_w2s.app.batch_job import Outcome, run_job
from napari_w2s.app.plan import Job
from napari_w2s.app.settings import RestoreSettings

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry


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
    """Whom a batch tells. All are called from the thread that runs it.

    Attributes
    ----------
    loading : callable
        Called with a `Progress` in bytes while weights are fetched.
    started : callable
        Called with the job's index and the job, before its file is opened. On a cluster, a few wait for their turn
        then.
    progressed : callable
        Called with the job's index and its `Progress`, after each tile; on a cluster, now and then.
    finished : callable
        Called with the job's index and its `JobResult`; on a cluster, in the order in which they end.
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
    workers: int = 1,
    scheduler: str | None = None,
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
    workers : int
        Processes on this machine. 1 works in this one, without Dask.
    scheduler : str or None
        Address of a Dask scheduler to work on instead, e.g. ``"tcp://node:8786"``. Its workers need this package, and
        the files under the same paths.
    registry : Registry or None
        Where the models come from; None for the built-in registry. Other processes make their own.
    callbacks : BatchCallbacks or None
    should_stop : callable or None
        Polled before each tile and each file.

    Returns
    -------
    BatchResult
        One result per job that was begun; after a stop those under way are cancelled and the rest are missing.

    Raises
    ------
    InputError
        If a model or the device is unknown, or the scheduler does not answer.
    Cancelled
        If the stop came while weights were fetched.
    WeightsError, DownloadError
        If the weights of a model cannot be had. All of these are raised before the first file is opened.
    OutputError
        If a cluster elsewhere is to work for a folder that cannot be written.
    ClusterLost
        If the scheduler went away in the middle. What was done is kept.
    """
    tell = callbacks or BatchCallbacks()
    stop = should_stop or (lambda: False)
    pipeline = None
    if any(overwrite or not job.output.exists() for job in jobs):
        from napari_w2s.app.restore import load_pipeline
        from napari_w2s.engine.device import choose_device

        if scheduler is None:  # what another machine has is not known here
            choose_device(settings.device)
        load = partial(load_pipeline, settings, registry, progress=tell.loading, should_stop=stop)
        if scheduler is not None or workers > 1:
            from napari_w2s.app.batch_cluster import cluster_batch

            with cluster_batch(workers, scheduler, settings, overwrite) as batch:
                load()  # weights that are not to be had are an error before the first file
                return BatchResult(tuple(batch.run(jobs, tell, stop)))
        pipeline = load()

    results: list[JobResult] = []
    for index, job in enumerate(jobs):
        tell.started(index, job)
        begin = time.perf_counter()
        ended = run_job(job, settings, overwrite, pipeline, partial(tell.progressed, index), stop)
        results.append(JobResult(job, *ended, time.perf_counter() - begin))
        tell.finished(index, results[-1])
        if results[-1].outcome is Outcome.CANCELLED:
            break
    return BatchResult(tuple(results))
