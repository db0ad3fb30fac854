"""Measure on a Dask cluster. What a denoiser makes of an image stays there until all that goes on from it is done.

A task that kills its workers costs its own rows only: what waits beside it is blamed for their death too, so each has
another try, by itself. A worker that lacks what all need gets nothing more to do.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from time import sleep
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_w2s._types import Cancelled, InputError, StopFn
from napari_w2s.benchmark.fitness import Needs, Unfit, restore_there, score_there
from napari_w2s.benchmark.plan import Group
from napari_w2s.benchmark.work import Job, Scored, Settings, explain
from napari_w2s.engine.cluster import POLL_SECONDS, ClusterLost, Submitted, WorkersDied, lost, result_of, results

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

_TRIES = 4
"""How many unfit workers may have a row before it is given up."""


def device_of(client: Client, asked: str, stop: StopFn) -> str:
    """Return the kind of device that a name stands for on the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
    asked : str
        ``"auto"`` is what the workers choose; the first of them is waited for.
    stop : callable
        Polled twice a second.

    Raises
    ------
    InputError
        If the workers choose different ones: their results would be mixed. Or if they do not have this package.
    Cancelled
        If `stop` said so.
    ClusterLost
        If the scheduler went away.
    """
    if asked != "auto":
        return asked.partition(":")[0]
    kinds: list[str] = []
    while not kinds:
        try:
            client.wait_for_workers(1, timeout=POLL_SECONDS)
            kinds = sorted(set(client.run(_device_here).values()))
        except TimeoutError:
            if client.status != "running":
                raise lost() from None
        except ImportError as error:
            raise InputError(
                f"The workers cannot import napari-w2s: {error}. Install the same version on all machines."
            ) from error
        except (OSError, RuntimeError) as error:
            raise lost() from error
        if stop():
            raise Cancelled("Stopped before there was a worker. Run it again to go on.")
    if len(kinds) > 1:
        raise InputError(
            f"The workers have different devices, {' and '.join(kinds)}, whose numbers would be mixed. Name one of "
            "them: --device cpu."
        )
    return kinds[0]


def _device_here() -> str:
    from napari_w2s.engine.device import choose_device

    return choose_device().type


def run_on(client: Client, groups: Iterable[Group], settings: Settings, needs: Needs, stop: StopFn) -> Iterator[Scored]:
    """Do the jobs of groups on a cluster and yield each result when it is there.

    Parameters
    ----------
    client : distributed.Client
    groups : iterable of Group
        Taken from one by one, a few ahead of what is done.
    settings : Settings
    needs : Needs
        Of a worker.
    stop : callable
        Polled twice a second.

    Raises
    ------
    InputError
        If no worker has what is needed.
    Cancelled
        If `stop` said so; what was under way is dropped.
    ClusterLost
        If the scheduler went away.
    """
    yield from _Work(client, settings, needs, stop).run(groups)


class _Work:
    """One benchmark's work on a cluster."""

    def __init__(self, client: Client, settings: Settings, needs: Needs, stop: StopFn) -> None:
        self._client, self._settings, self._needs, self._stop = client, settings, needs, stop
        self._unfit: dict[str, str] = {}
        self._proven = False
        self._bound: dict[str, tuple[Future, frozenset[str]]] = {}
        self._stuck: set[str] = set()
        self._misplaced: list[Job] = []
        self._tries: Counter[str] = Counter()

    def run(self, groups: Iterable[Group]) -> Iterator[Scored]:
        """Do all; then what was misplaced; then, one at a time, what may have killed workers."""
        suspects: list[Job] = []

        def suspect(job: Job, _error: WorkersDied) -> None:
            suspects.append(job)

        yield from self._round(groups, suspect)
        while self._misplaced:
            yield from self._round(self._singly(self._misplaced), suspect)
        for job in suspects:
            guilty: list[Scored] = []
            self._misplaced = [job]

            def blame(job: Job, error: WorkersDied, guilty: list[Scored] = guilty) -> None:
                guilty.append(Scored(key=job.key, error=explain(error, job.case)))

            while self._misplaced:
                yield from self._round(self._singly(self._misplaced), blame)
            yield from guilty

    def _singly(self, jobs: list[Job]) -> list[Group]:
        self._misplaced = []
        return [Group((), (job,)) for job in jobs]

    def _round(self, groups: Iterable[Group], died: Callable[[Job, WorkersDied], object]) -> Iterator[Scored]:
        for job, future in results(self._client, groups, self._submit, self._tick):
            self._bound.pop(future.key, None)
            try:
                if future.key in self._stuck:
                    raise WorkersDied("The processes that could do this died, one after the other.")
                came: Scored | Unfit = result_of(future)
                self._proven |= isinstance(came, Scored)
            except WorkersDied as error:
                died(job, error)
                continue
            except ClusterLost:
                raise
            except Exception as error:
                came = Scored(key=job.key, error=explain(error, job.case))
            if isinstance(came, Unfit):
                self._leave_out(came)
                self._tries[job.key] += 1
                if self._tries[job.key] < _TRIES:
                    self._misplaced.append(job)
                    continue
                came = Scored(key=job.key, error=came.reason)
            yield came

    def _submit(self, client: Client, group: Group) -> Submitted[Job]:
        where = self._where()
        bound = {} if where is None else {"workers": sorted(where), "allow_other_workers": False}
        own, made = uuid4().hex, None
        settings, needs = self._settings, self._needs
        if group.shared:
            key = f"restore-{own}"
            made = client.submit(
                restore_there, group.jobs[0].case, group.shared, settings, needs, key=key, pure=False, **bound
            )
        tasks = []
        for place, job in enumerate(group.jobs):
            key = f"score-{own}-{place}"
            arguments = (job, settings, needs, made, len(group.shared))
            future = client.submit(score_there, *arguments, key=key, pure=False, **bound)
            tasks.append((future, job))
            if where is not None:
                self._bound[key] = future, where
        return Submitted(tasks, made)

    def _leave_out(self, unfit: Unfit) -> None:
        if unfit.worker not in self._unfit:
            logger.warning("The worker %s gets no work. %s", unfit.worker, unfit.reason)
            self._unfit[unfit.worker] = unfit.reason

    def _where(self) -> frozenset[str] | None:
        """Return the workers that may have what is submitted now; None if all may.

        Raises
        ------
        InputError
            If there are only unfit ones, and have been no others.
        """
        if not self._unfit:
            return None
        while not (fit := self._alive() - self._unfit.keys()):
            if not self._proven:
                raise InputError(
                    f"No worker can do this: {next(iter(self._unfit.values()))} What is done is kept: then run the "
                    "same command again."
                )
            self._poll()  # they died, and may come back
            sleep(POLL_SECONDS)
        return frozenset(fit)

    def _alive(self) -> set[str]:
        try:
            return set(self._client.nthreads())
        except (OSError, RuntimeError, TimeoutError) as error:
            raise lost() from error

    def _tick(self) -> None:
        """Take back what waits for workers none of which is there any more."""
        self._poll()
        if not self._bound:
            return
        alive = self._alive()
        for key, (future, where) in self._bound.items():
            if key not in self._stuck and where.isdisjoint(alive):
                self._stuck.add(key)
                future.cancel()

    def _poll(self) -> None:
        if self._stop():
            raise Cancelled("Stopped.")
