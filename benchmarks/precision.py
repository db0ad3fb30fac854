"""Measure what a lower precision costs each trained model, on real images.

``python -m benchmarks.precision W2S_ROOT`` finds, for every model with weights, the mean PSNR over FOVs 047-056, three
channels each, in float32 and in bfloat16 (the first and last convolutions in float32, as the engine does): of denoisers
against avg400 (range 255), of those that double the pixels against SIM (range 1, matched affinely). Models that are
blind to the noise level get avg1. A model's descriptor lists the cost; only one of at most 0.05 dB makes the engine
choose bfloat16 by itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread

from napari_w2s._types import Level
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import match_affine, psnr
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.models.registry import Registry

TABLE = Path(__file__).parents[1] / "docs" / "precision-table.md"
FOVS = range(47, 57)
CHANNELS = range(3)

Image = npt.NDArray[Any]


def quality(about: ModelDescriptor, made: Image, reference: Image) -> float:
    """Return the PSNR in dB of a restored image, both in 8-bit intensities."""
    if about.scale == 1:
        return psnr(reference, made, data_range=255)
    sim = reference / 255
    return psnr(sim, match_affine(made / 255, sim), data_range=1)


def row(root: Path, registry: Registry, about: ModelDescriptor, precision: str) -> str:
    """Return the row of the table for one model."""
    model = registry.load(about.name, weights=root / "net_data")
    level = about.level or Level.AVG1
    target = Level.AVG400 if about.scale == 1 else Level.SIM
    exact: list[float] = []
    rough: list[float] = []
    for fov in FOVS:
        for channel in CHANNELS:
            name = f"{fov:03d}_{channel}.png"
            noisy = imread(root / "data/train" / level / name)
            reference = imread(root / "data/train" / target / name)
            for scores, how in ((exact, "float32"), (rough, precision)):
                scores.append(quality(about, predict(model, noisy, precision=how), reference))
    cost = np.subtract(exact, rough)
    figures = (mean(exact), mean(rough), cost.mean(), cost.max())
    return "| {} | {:.2f} | {:.2f} | {:.3f} | {:.3f} |".format(about.name, *figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with data/train and net_data")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float16"])
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="keep the other rows of the table")
    arguments = parser.parse_args()
    head = f"| model | float32 (dB) | {arguments.precision} (dB) | mean cost (dB) | worst image (dB) |"
    before = TABLE.read_text().splitlines()[2:] if arguments.only and TABLE.exists() else []
    rows = {line.split("|")[1].strip(): line for line in before}
    registry = default_registry()
    for about in registry.descriptors():
        asked = about.name in arguments.only if arguments.only else about.weights is not None
        if asked:
            rows[about.name] = row(arguments.root, registry, about, arguments.precision)
            print(rows[about.name], flush=True)
    TABLE.write_text("\n".join([head, "|---|---|---|---|---|", *rows.values()]) + "\n")


if __name__ == "__main__":
    main()
