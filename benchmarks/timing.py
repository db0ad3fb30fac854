"""Time alternatives against each other on a noisy machine, and compare only within one run."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Row = tuple[str, float, str]
"""What is compared, the figure, and the target in words."""


def best_of(alternatives: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return the shortest time in seconds of each alternative, run in turns so that a busy spell hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for _round in range(rounds + 1):
        for name, work in alternatives.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: min(found[1:]) for name, found in times.items()}


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
