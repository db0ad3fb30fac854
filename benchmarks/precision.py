"""Measure what a lower precision costs each trained model, on real images.

``python -m benchmarks.precision W2S_ROOT`` prints, for every model with weights for an averaging level, the mean PSNR
against avg400 (range 255) over FOVs 047-056, three channels each, in float32 and in bfloat16 (the first and last
convolutions in float32, as the engine does). A model's descriptor lists the cost; only one of at most 0.05 dB makes
the engine choose bfloat16 by itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

import numpy as np
from imageio.v3 import imread

from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import psnr
from napari_w2s.models.builtin import default_registry

TABLE = Path(__file__).parents[1] / "docs" / "precision-table.md"
FOVS = range(47, 57)
CHANNELS = range(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with data/train and net_data")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float16"])
    arguments = parser.parse_args()
    root, precision = arguments.root, arguments.precision
    registry = default_registry()
    head = f"| model | float32 (dB) | {precision} (dB) | mean cost (dB) | worst image (dB) |"
    lines = [head, "|---|---|---|---|---|"]
    for about in registry.descriptors():
        if about.weights is None or about.level is None:
            continue
        model = registry.load(about.name, weights=root / "net_data")
        exact, rough = [], []
        for fov in FOVS:
            for channel in CHANNELS:
                name = f"{fov:03d}_{channel}.png"
                noisy = imread(root / "data/train" / about.level / name)
                clean = imread(root / "data/train/avg400" / name)
                for scores, how in ((exact, "float32"), (rough, precision)):
                    scores.append(psnr(clean, predict(model, noisy, precision=how), data_range=255))
        cost = np.subtract(exact, rough)
        figures = (mean(exact), mean(rough), cost.mean(), cost.max())
        lines.append("| {} | {:.2f} | {:.2f} | {:.3f} | {:.3f} |".format(about.name, *figures))
        print(lines[-1], flush=True)
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
