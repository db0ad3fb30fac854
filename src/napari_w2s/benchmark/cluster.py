"""Do the work on a Dask cluster: of this machine, or one that is running elsewhere.

What a denoiser makes of an image stays on the workers until all that goes on from it is done. Only a few images are
under way at a time, whatever the number of rows. A worker that dies costs what it was doing, which the scheduler gives
to another one.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from napari_w2s._types import Cancelled, InputError, StopFn, W2SError
from napari_w2s.benchmark.plan import Group
from napari_w2s.benchmark.work import Job, Scored, Settings, explain, restore, score

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15
_POLL_SECONDS = 0.5
_GROUPS_PER_THREAD = 2
_LOUD = ("batched", "client", "comm", "core", "nanny", "scheduler", "worker")
_KILLED = (
    "The processes that tried this died, one after the other; perhaps memory did not suffice. Take fewer workers, or "
    "another device."
)


class ClusterLost(W2SError):
    """The scheduler went away in the middle."""


@contextmanager
def connect(workers: int, scheduler: str | None) -> Iterator[Client]:
    """Connect to a running scheduler, or start workers here, one thread each, and end them afterwards.

    Parameters
    ----------
    workers : int
        Processes to start.
    scheduler : str or None
        Address such as ``"tcp://node:8786"``; None starts a cluster on this machine.

    Raises
    ------
    InputError
        If `distributed` is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "Several processes need the package distributed. Install it (pip install 'napari-w2s[cluster]'), or take "
            "--workers 1."
        ) from error
    with _quiet():
        yield from _connected(Client, LocalCluster, workers, scheduler)


def _connected(make_client: Any, make_cluster: Any, workers: int, scheduler: str | None) -> Iterator[Client]:
    if scheduler is not None:
        try:
            client = make_client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise InputError(
                f"The scheduler {scheduler} does not answer: {reason}. Check that it runs and that this machine "
                "reaches it (dask scheduler prints its address)."
            ) from error
        with client:
            if not client.nthreads():
                logger.warning("The scheduler %s has no workers yet; waiting for them.", scheduler)
            yield client
        return
    with (
        make_cluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        make_client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(_deaf_workers(), name="napari-w2s-signals")
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own words, tracebacks among them, from those who are told in ours."""
    loggers = [logging.getLogger(f"distributed.{name}") for name in _LOUD]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def default_workers() -> int:
    """Return the number of processes that suit this machine: one a core that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def run_on(client: Client, groups: Iterable[Group], settings: Settings, stop: StopFn) -> Iterator[Scored]:
    """Do the jobs of groups on a cluster and yield each result when it is there.

    Parameters
    ----------
    client : distributed.Client
    groups : iterable of Group
        Taken from one by one, a few ahead of what is done.
    settings : Settings
    stop : callable
        Polled twice a second.

    Raises
    ------
    Cancelled
        If `stop` said so; what was under way is dropped.
    ClusterLost
        If the scheduler went away.
    """
    source = iter(groups)
    under_way: dict[str, tuple[_Open, Job]] = {}
    finished: SimpleQueue[Future] = SimpleQueue()

    def submit_more() -> None:
        while len({id(opened) for opened, _job in under_way.values()}) < _limit(client):
            following = next(source, None)
            if following is None:
                return
            opened = _submit(client, following, settings)
            for future, job in zip(opened.futures, following.jobs, strict=True):
                under_way[future.key] = opened, job
                future.add_done_callback(finished.put)

    submit_more()
    while under_way:
        if stop():
            raise Cancelled("Stopped.")
        try:
            future = finished.get(timeout=_POLL_SECONDS)
        except Empty:
            if client.status != "running":
                raise _lost() from None
            continue
        _opened, job = under_way.pop(future.key)
        yield _result(future, job)
        del future, _opened
        submit_more()


def _limit(client: Client) -> int:
    """Return how many groups may be under way."""
    try:
        threads: int = sum(client.nthreads().values())
    except (OSError, RuntimeError, TimeoutError) as error:
        raise _lost() from error
    return _GROUPS_PER_THREAD * max(1, threads)


@dataclass(eq=False)
class _Open:
    """A group that was submitted; what is held here stays on the cluster.

    Attributes
    ----------
    made : Future or None
        What its jobs share.
    futures : list of Future
        One per job.
    """

    made: Future | None
    futures: list[Future]


def _submit(client: Client, group: Group, settings: Settings) -> _Open:
    made = None
    try:
        if group.shared:
            key = f"restore-{group.jobs[0].key}"
            made = client.submit(restore, group.jobs[0].case, group.shared, settings, key=key, pure=False)
        futures = [
            client.submit(score, job, settings, made, len(group.shared), key=f"score-{job.key}", pure=False)
            for job in group.jobs
        ]
    except (OSError, RuntimeError) as error:
        raise _lost() from error
    return _Open(made, futures)


def _result(future: Future, job: Job) -> Scored:
    from distributed import CancelledError, KilledWorker

    try:
        # A result that went down with its worker is computed again: this waits for it.
        scored: Scored = future.result()
    except CancelledError as error:
        raise _lost() from error
    except KilledWorker:
        return Scored(key=job.key, error=_KILLED)
    except Exception as error:
        return Scored(key=job.key, error=explain(error, job.case))
    return scored


def _lost() -> ClusterLost:
    return ClusterLost(
        "The scheduler went away. What was measured is kept: start the cluster again, and run the same command to go "
        "on."
    )


def _deaf_workers() -> Any:
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):  # type: ignore[misc]
        """Ctrl-C reaches all processes of a terminal; only the one that was started is to stop."""

        def setup(self, worker: Any) -> None:
            del worker
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()
