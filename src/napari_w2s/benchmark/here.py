"""Do the work in this process, one job after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from napari_w2s._types import Cancelled, StopFn
from napari_w2s.benchmark.loading import Models
from napari_w2s.benchmark.plan import Group
from napari_w2s.benchmark.work import Scored, Settings, restore, score


def run_here(groups: Iterable[Group], settings: Settings, models: Models, stop: StopFn) -> Iterator[Scored]:
    """Do the jobs of groups and yield each result.

    Raises
    ------
    Cancelled
        If `stop` said so.
    """
    for group in groups:
        made, done = None, len(group.shared)
        if group.shared:
            made = restore(group.jobs[0].case, group.shared, settings, models, stop)
        for job in group.jobs:
            if stop():
                raise Cancelled("Stopped.")
            yield score(job, settings, made, done, models, stop)
