"""Measure what the model that comes with the package makes of a field with nothing in it.

``python -m benchmarks.empty_field`` restores frames of pure shot noise and writes what is left of its standard
deviation, in percent, to docs/empty-field-table.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_w2s.engine.predict import predict
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import RestorationModel

TABLE = Path(__file__).parents[1] / "docs" / "empty-field-table.md"
MODELS = ("w2s-denoise", "w2s-jdsr")
EVENTS = (1, 5, 20, 100)
"""Mean number of events in a pixel."""
SEEDS = (0, 1, 2)
SIZE = 512


def left(model: RestorationModel, events: float) -> float:
    """Return the greatest share of the standard deviation that is left of a frame, in percent."""
    frames = (np.random.default_rng(seed).poisson(events, (SIZE, SIZE)).astype(np.float32) for seed in SEEDS)
    return max(100 * float(np.std(predict(model, frame, precision="float32")) / np.std(frame)) for frame in frames)


def write(found: Mapping[str, Mapping[int, float]]) -> str:
    """Return the table as Markdown: a row for each model, a column for each number of events."""
    lines = [f"| events per pixel | {' | '.join(map(str, EVENTS))} |", "|---|" + "---:|" * len(EVENTS)]
    for name, shares in found.items():
        lines.append(f"| `{name}` | {' | '.join(f'{shares[events]:.1f} %' for events in EVENTS)} |")
    source = (
        f"Standard deviation that is left of pure shot noise, the greatest of {len(SEEDS)} frames of {SIZE} x {SIZE} "
        "pixels; made by `python -m benchmarks.empty_field`."
    )
    return "\n".join([*lines, "", source]) + "\n"


def main() -> None:
    registry = default_registry()
    found: dict[str, dict[int, float]] = {}
    for name in MODELS:
        model = registry.load(name)
        found[name] = {events: left(model, events) for events in EVENTS}
        print(name, {events: f"{share:.1f} %" for events, share in found[name].items()}, flush=True)
    TABLE.write_text(write(found))


if __name__ == "__main__":
    main()
