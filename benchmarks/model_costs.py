"""Count and time every model, and write the tables to the package and to docs/model-costs-table.md.

``python -m benchmarks.model_costs`` needs no weights: how long a network takes does not depend on them. A network of
more than 5 million weights is timed on a frame of 128 x 128 and its time taken 16-fold.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import processor
from napari_w2s._types import InputError
from napari_w2s.engine.predict import predict
from napari_w2s.models import cost
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.builtin import BUILTIN
from napari_w2s.models.descriptor import ModelDescriptor, RestorationModel

DATA = Path(cost.__file__).with_name("costs.json")
TABLE = Path(__file__).parents[1] / "docs" / "model-costs-table.md"
_LARGE = 5e6


def seconds(descriptor: ModelDescriptor, parameters: int) -> float:
    """Return the shorter of two times for a frame of 512 x 512."""
    method = ARCHITECTURES[descriptor.architecture]
    state = None
    if method.has_weights:
        torch.manual_seed(0)
        state = method.create(**descriptor.options).state_dict()
    model = RestorationModel(descriptor, descriptor.build(state))
    part = 4 if parameters > _LARGE else 1
    frame = np.random.default_rng(0).poisson(60, (512 // part, 512 // part)).astype(np.uint8)
    times = []
    for _round in range(2):
        start = time.perf_counter()
        predict(model, frame, device="cpu", precision="float32")
        times.append(time.perf_counter() - start)
    return min(times) * part**2


def measure(names: list[str]) -> None:
    """Put the costs of some models into the package's table, those of the others staying as they are."""
    before = json.loads(DATA.read_text()) if DATA.exists() else {"models": {}}
    found: dict[str, dict[str, object]] = {}
    same: dict[tuple[object, ...], cost.Cost] = {}
    for descriptor in BUILTIN:
        if names and descriptor.name not in names:
            if descriptor.name in before["models"]:
                found[descriptor.name] = before["models"][descriptor.name]
            continue
        # Models of one network differ in their weights only.
        key = descriptor.architecture, descriptor.output, str(descriptor.options)
        if key not in same:
            counted = cost.count(descriptor)
            try:
                same[key] = replace(counted, seconds=round(seconds(descriptor, counted.parameters), 2))
            except InputError as error:
                print(descriptor.name, error)
                same[key] = counted
        found[descriptor.name] = asdict(same[key])
        print(descriptor.name, same[key], flush=True)
    machine = f"{os.cpu_count()} cores of {processor()}, PyTorch {torch.__version__}, float32"
    DATA.write_text(json.dumps({"machine": machine, "models": found}, indent=1) + "\n")


def write() -> None:
    """Write the table of the docs."""
    table = json.loads(DATA.read_text())
    lines = [
        f"Times on {table['machine']}; written by `python -m benchmarks.model_costs`.",
        "",
        "| model | weights | multiply-adds per input pixel | receptive field (px) | 512 x 512 (s) |",
        "|---|---|---|---|---|",
    ]
    for descriptor in BUILTIN:
        known = cost.known_cost(descriptor.name)
        if known is None:
            continue
        reach = "whole frame" if descriptor.receptive_field is None else str(descriptor.receptive_field)
        cells = (*known.words(), reach, "-" if known.seconds is None else f"{known.seconds:.3g}")
        lines.append(f"| {descriptor.name} | {cells[0]} | {cells[1]} | {cells[2]} | {cells[3]} |")
    TABLE.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="keep the figures of the others")
    measure(parser.parse_args().only)
    write()


if __name__ == "__main__":
    main()
