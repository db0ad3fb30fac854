"""Measure everything and write the table to docs/performance-table.md."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from benchmarks import cluster, compare, compare_window, default_speed, engine, startup, training
from benchmarks.timing import processor

TABLE = Path(__file__).parents[1] / "docs" / "performance-table.md"


def main() -> None:
    measures = (
        startup.importing,
        startup.opening,
        engine.speed,
        engine.large,
        default_speed.speed,
        training.throughput,
        compare.numbers,
        compare_window.window,
        cluster.scaling,
    )
    rows = [row for measure in measures for row in measure()]
    machine = f"{os.cpu_count()} cores of {processor()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
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
