"""What a benchmark on worker processes costs: two of them against one, and Dask against plain Python.

``python -m benchmarks.cluster`` prints the rows.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imageio.v3 import imwrite

from benchmarks.timing import Row
from napari_w2s._types import Level
from napari_w2s.benchmark import evaluate, make_config
from napari_w2s.data.simulate import simulated_images
from napari_w2s.engine.cluster import connect

_FIELDS, _FEW = 18, 2
"""Enough that a worker that ends first does not wait for long, beside all."""
_ROUNDS = 2
_PIPELINES = ("w2s-denoise", "w2s-jdsr")
"""Networks are bound by arithmetic; EPLL is bound by memory, which cores share."""

_MIB = 1024


def scaling() -> list[Row]:
    """Time one grid in this process, on one worker and on two, one thread each; and see what the workers held."""
    if (os.cpu_count() or 1) < 2:
        return []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder, connect(1, None) as one, connect(2, None) as two:
            root = Path(folder)
            _write(root / "w2s", _FIELDS)
            for where in ({}, {"scheduler": one.scheduler.address}, *2 * [{"scheduler": two.scheduler.address}]):
                _run(root, _FEW, **where)
            held: list[float] = []
            works = {
                "here": partial(_run, root, _FIELDS),
                "one": partial(_run, root, _FIELDS, scheduler=one.scheduler.address),
                "two": partial(_run, root, _FIELDS, scheduler=two.scheduler.address),
            }
            seconds = _in_turns(works, lambda: held.append(_most_memory(two)))
    finally:
        torch.set_num_threads(threads)
    rows = _FIELDS * len(_PIPELINES)
    return [
        (f"Benchmark of {rows} rows: one worker / two workers", seconds["one"] / seconds["two"], "at least 1.8"),
        ("Benchmark: Dask with one worker / plain Python", seconds["one"] / seconds["here"], "at most 1.05"),
        (
            f"Benchmark: memory of a worker after {_ROUNDS * _FIELDS} fields of view / after {_FIELDS}",
            held[-1] / held[0],
            "at most 1.2",
        ),
        ("Benchmark: memory of a worker, at most (MiB)", held[-1], "-"),
    ]


def _in_turns(works: dict[str, Callable[[], object]], after: Callable[[], object]) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in works}
    for _round in range(_ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            found[name].append(time.perf_counter() - start)
        after()
    return {name: min(times) for name, times in found.items()}


def _run(root: Path, fields: int, **where: Any) -> None:
    entries = {"data": str(root / "w2s"), "fovs": f"1-{fields}", "channels": [0], "pipelines": _PIPELINES}
    with tempfile.TemporaryDirectory(dir=root) as folder:
        result = evaluate(make_config(entries), folder, **where)
    if result.failed:
        raise RuntimeError(result.failed[0].error)


def _write(root: Path, fields: int) -> None:
    for field in range(1, fields + 1):
        for image in simulated_images(field, (0,), 512):
            level = str(image.w2s["level"])
            if level not in (Level.AVG1, Level.AVG400, Level.SIM):
                continue
            folder = root / "data" / "train" / level
            folder.mkdir(parents=True, exist_ok=True)
            imwrite(folder / f"{field:03d}_0.png", np.asarray(image.data).astype(np.uint8))


def _most_memory(client: Any) -> float:
    """Return the peak of the worker that took most memory, in MiB."""
    return max(client.run(_peak).values())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


if __name__ == "__main__":
    for what, figure, target in scaling():
        print(f"{what}: {figure:.2f} ({target})")
