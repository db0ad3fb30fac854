"""Measure everything and write the table to docs/performance-table.md.

``python -m benchmarks --only compare compare_window`` measures what some modules here do, and keeps the other rows.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from benchmarks import cluster, compare, compare_window, default_speed, engine, startup, training
from benchmarks.timing import processor

TABLE = Path(__file__).parents[1] / "docs" / "performance-table.md"


MEASURES = (
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


def main() -> None:
    modules = sorted({measure.__module__.rpartition(".")[2] for measure in MEASURES})
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write the table.")
    parser.add_argument("--only", nargs="+", choices=modules, metavar="MODULE", help=f"of {', '.join(modules)}")
    only = parser.parse_args().only or modules
    rows = {
        what: f"| {what} | {figure:.2f} | {target} |"
        for measure in MEASURES
        if measure.__module__.rpartition(".")[2] in only
        for what, figure, target in measure()
    }
    if set(only) != set(modules):
        rows = _known() | rows
    machine = f"{os.cpu_count()} cores of {processor()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
    head = [f"Measured by `make bench` on {machine}.", "", "| what | measured | target |", "|---|---|---|"]
    TABLE.write_text("\n".join([*head, *rows.values()]) + "\n")
    print(TABLE.read_text())


def _known() -> dict[str, str]:
    """Return the rows that the table has, by what they measure."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


if __name__ == "__main__":
    main()
