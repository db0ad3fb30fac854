"""Measure everything and write the table to docs/performance-table.md."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from benchmarks import default_speed, engine, startup, training

TABLE = Path(__file__).parents[1] / "docs" / "performance-table.md"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    measures = (
        startup.importing,
        startup.opening,
        engine.speed,
        engine.large,
        default_speed.speed,
        training.throughput,
    )
    rows = [row for measure in measures for row in measure()]
    machine = (
        f"{os.cpu_count()} cores of {_processor()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    lines = [
        f"Measured by `make bench` on {machine}.",
        "",
        "| what | measured | target |",
        "|---|---|---|",
        *(f"| {what} | {figure:.2f} | {target} |" for what, figure, target in rows),
    ]
    TABLE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
