"""Measure on a Dask cluster. What a denoiser makes of an image stays there until all that goes on from it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from napari_w2s._types import Cancelled, InputError, StopFn
from napari_w2s.benchmark.plan import Group
from napari_w2s.benchmark.work import Job, Scored, Settings, explain, restore, score
from napari_w2s.engine.cluster import ClusterLost, Submitted, lost, result_of, results

if TYPE_CHECKING:
    from distributed import Client, Future


def device_of(client: Client, asked: str) -> str:
    """Return the kind of device that a name stands for on the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
    asked : str
        ``"auto"`` is what the workers choose, and stays ``"auto"`` if there is no worker yet.

    Raises
    ------
    InputError
        If the workers choose different ones: their results would be mixed.
    ClusterLost
        If the scheduler went away.
    """
    if asked != "auto":
        return asked.partition(":")[0]
    try:
        kinds = sorted(set(client.run(_device_here).values()))
    except (OSError, RuntimeError, TimeoutError) as error:
        raise lost() from error
    if len(kinds) > 1:
        raise InputError(
            f"The workers have different devices, {' and '.join(kinds)}, whose numbers would be mixed. Name one of "
            "them: --device cpu."
        )
    return kinds[0] if kinds else asked


def _device_here() -> str:
    from napari_w2s.engine.device import choose_device

    return choose_device().type


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

    def tick() -> None:
        if stop():
            raise Cancelled("Stopped.")

    for job, future in results(client, groups, lambda client, group: _submit(client, group, settings), tick):
        yield _result(future, job)


def _submit(client: Client, group: Group, settings: Settings) -> Submitted[Job]:
    made = None
    if group.shared:
        key = f"restore-{group.jobs[0].key}"
        made = client.submit(restore, group.jobs[0].case, group.shared, settings, key=key, pure=False)
    tasks = [
        (client.submit(score, job, settings, made, len(group.shared), key=f"score-{job.key}", pure=False), job)
        for job in group.jobs
    ]
    return Submitted(tasks, made)


def _result(future: Future, job: Job) -> Scored:
    try:
        scored: Scored = result_of(future)
    except ClusterLost:
        raise
    except Exception as error:
        return Scored(key=job.key, error=explain(error, job.case))
    return scored
