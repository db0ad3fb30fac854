"""Work on a Dask cluster: of this machine, or one that is running elsewhere. Knows nothing of the work itself.

Only a few pieces are under way at a time, whatever their number. A worker that dies costs what it was doing, which the
scheduler gives to another one.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari_w2s._types import InputError, W2SError

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15
POLL_SECONDS = 0.5
_PER_THREAD = 2
_LOUD = ("batched", "client", "comm", "core", "nanny", "scheduler", "worker")
_KEEP_ALL = {"MALLOC_ARENA_MAX": 1, "MALLOC_MMAP_MAX_": 0, "MALLOC_TRIM_THRESHOLD_": 2**30}
"""Of glibc, in bytes: freed memory is kept for the next image, up to 1 GiB at the end of one heap."""
_KEEP_SMALL = {"MALLOC_TRIM_THRESHOLD_": 256 * 2**20, "MALLOC_MMAP_THRESHOLD_": 32 * 2**20}
"""The same without what networks hold, each array of which is returned at once. Other systems do not look at either."""
_UNWATCHED = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "500ms"}
"""Of Dask: no statistical profile of each worker a hundred times a second, which nobody looks at here."""
_ENOUGH = 4 * 2**30
"""Bytes of memory for a worker. With less, Dask might pause one for what it keeps."""

Item = TypeVar("Item")
Name = TypeVar("Name")


class ClusterLost(W2SError):
    """The scheduler went away in the middle."""


class WorkersDied(W2SError):
    """Every worker that tried a piece of work died."""


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
        _undisturbed(),
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


def _deaf_workers() -> Any:
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):  # type: ignore[misc]
        """Ctrl-C reaches all processes of a terminal; only the one that was started is to stop."""

        def setup(self, worker: Any) -> None:
            del worker
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


def _undisturbed() -> Any:
    """Let new workers keep the memory of a freed image for the next one, and not be watched at every moment.

    Dask has them return memory at once: returning and clearing it again takes a third of the processor time of a
    benchmark, and workers slow each other down by it.
    """
    import dask
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    kept = _KEEP_ALL if MEMORY_LIMIT >= _ENOUGH * CPU_COUNT else _KEEP_SMALL
    before = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    return dask.config.set({"distributed.nanny.pre-spawn-environ": {**before, **kept}, **_UNWATCHED})


def default_workers() -> int:
    """Return the number of processes that suit this machine: one a core that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(eq=False)
class Submitted(Generic[Name]):
    """Tasks that were given to a cluster together.

    Attributes
    ----------
    tasks : list of (Future, Name)
        Each with what its caller knows it by.
    held : Future or None
        What the tasks share; it stays on the cluster until the last of them is done.
    """

    tasks: list[tuple[Future, Name]]
    held: Future | None = None


def results(
    client: Client,
    items: Iterable[Item],
    submit: Callable[[Client, Item], Submitted[Name]],
    tick: Callable[[], object],
    *,
    at_once: int | None = None,
) -> Iterator[tuple[Name, Future]]:
    """Give work to a cluster, a few items ahead of what is done, and yield each task when it has ended.

    Parameters
    ----------
    client : distributed.Client
    items : iterable
        Taken from one by one.
    submit : callable
        Gives an item to the cluster.
    tick : callable
        Called before each wait, at least twice a second; what it raises ends the work, and what is under way is
        dropped.
    at_once : int, optional
        Items under way; by default two for each thread that the cluster has at the time.

    Yields
    ------
    name, future
        Of a task that has ended, well or badly: see `result_of`.

    Raises
    ------
    ClusterLost
        If the scheduler went away.
    """
    source = iter(items)
    under_way: dict[str, tuple[Submitted[Name], Name]] = {}
    ended: SimpleQueue[Future] = SimpleQueue()

    def submit_more() -> None:
        most = at_once or _PER_THREAD * threads(client)
        while len({id(one) for one, _name in under_way.values()}) < most:
            following = next(source, None)
            if following is None:
                return
            try:
                submitted = submit(client, following)
            except (OSError, RuntimeError) as error:
                raise lost() from error
            for future, name in submitted.tasks:
                under_way[future.key] = submitted, name
                future.add_done_callback(ended.put)

    submit_more()
    while under_way:
        tick()
        try:
            future = ended.get(timeout=POLL_SECONDS)
        except Empty:
            if client.status != "running":
                raise lost() from None
            continue
        _submitted, name = under_way.pop(future.key)
        yield name, future
        del future, _submitted
        submit_more()


def result_of(future: Future) -> Any:
    """Return what a task that has ended came to.

    Raises
    ------
    ClusterLost
        If the scheduler went away.
    WorkersDied
        If the workers that tried it died.
    Exception
        What the task raised.
    """
    from distributed import CancelledError, KilledWorker

    try:
        # A result that went down with its worker is computed again: this waits for it.
        return future.result()
    except CancelledError as error:
        raise lost() from error
    except KilledWorker as error:
        raise WorkersDied(
            "The processes that tried this died, one after the other; perhaps memory did not suffice. Take fewer "
            "workers, or another device."
        ) from error


def threads(client: Client) -> int:
    """Return how many tasks the cluster can work on at a time; at least 1.

    Raises
    ------
    ClusterLost
        If the scheduler went away.
    """
    try:
        total: int = sum(client.nthreads().values())
    except (OSError, RuntimeError, TimeoutError) as error:
        raise lost() from error
    return max(1, total)


def lost() -> ClusterLost:
    """Return the error of a scheduler that went away."""
    return ClusterLost(
        "The scheduler went away. What was done is kept: start the cluster again, and run the same command to go on."
    )
