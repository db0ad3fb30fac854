"""Draw the figure and the plots of docs/compare.md: one field of view, its levels, and two restorations of a frame.

Usage: ``python scripts/compare_pictures.py [FOLDER]`` with ``W2S_ROOT`` set. Writes PNG files into FOLDER, by default
docs/images, at half the resolution of the figures that a user gets.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from imageio.v3 import imread, imwrite

from napari_w2s import RestoreSettings, compare, open_images, restore_image
from napari_w2s.app.compare import Compared

FOLDER = Path(__file__).parents[1] / "docs" / "images"
LEVELS = ("avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "sim")
IMAGE = "050_0.png"
MODELS = ("w2s-denoise", "w2s-jdsr")
PART = (150, 150, 100, 100)
LINE = ((196, 190), (216, 226))


def compared(root: Path) -> Compared:
    """Restore one frame twice, and compare the results with all levels."""
    (noisy,) = open_images(root / "avg1" / IMAGE)
    results = [restore_image(noisy, RestoreSettings(models=(model,))) for model in MODELS]
    return compare([*(root / level / IMAGE for level in LEVELS), *results], contrast="matched")


def shrink(source: Path, target: Path) -> None:
    """Average each 2 x 2 dots of a picture."""
    dots = imread(source)[..., :3].astype(np.float64)
    height, width = (size // 2 for size in dots.shape[:2])
    small = dots[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    grey = np.ptp(small, axis=-1).max() < 1
    imwrite(target, (small[..., 0] if grey else small).round().astype(np.uint8), optimize=True)


def main(folder: Path) -> None:
    shown = compared(Path(os.environ["W2S_ROOT"]) / "data" / "train")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch)
        made = [
            shown.save_figure(full / "compare-figure.png", enlarge=PART),
            shown.save_worth(full / "compare-worth.png"),
            shown.save_profile(full / "compare-profile.png", *LINE),
            shown.save_spectrum(full / "compare-spectrum.png"),
        ]
        for file in made:
            shrink(file, folder / file.name)


if __name__ == "__main__":
    if not os.environ.get("W2S_ROOT"):
        raise SystemExit("Set W2S_ROOT to the folder of the W2S benchmark.")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
