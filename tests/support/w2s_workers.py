"""Worker processes joined over TCP, for tests of work on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MODELS = "NAPARI_W2S_MODELS"

ON_WORKERS = [
    pytest.mark.timeout(600),
    # Sockets of a process that was killed are closed by the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
"""Marks of tests that start and kill processes."""


@contextmanager
def processes(number: int, models: Path) -> Iterator[Any]:
    """Start workers that find their trained models in a folder."""
    from distributed import LocalCluster

    env = {MODELS: str(models)}
    with LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=":0", env=env) as running:
        yield running


def pids(running: Any) -> list[int]:
    """Return the processes of the workers."""
    return [nanny.process.pid for nanny in running.workers.values()]
