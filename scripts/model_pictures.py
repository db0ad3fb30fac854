"""Draw what each model that needs no training makes of one noisy image: input, result, reference, side by side.

Usage: ``python scripts/model_pictures.py [NAME ...]`` with ``W2S_ROOT`` set. Writes docs/images/models/NAME.png.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread, imwrite

from napari_w2s.engine.predict import predict
from napari_w2s.models.builtin import default_registry

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "models"
PICTURES = {
    "dncnn": ("dncnn-avg1",),
    "memnet": ("memnet-avg1",),
    "vst-nlm": ("vst-nlm",),
    "pure-let": ("pure-let",),
    "vst-bm3d": ("vst-bm3d",),
    "vst-epll": ("vst-epll",),
    "tv-wavelet": ("vst-tv", "vst-wavelet"),
}
IMAGE = "052_0.png"
PART = (slice(160, 352), slice(160, 352))
GAP = 4
ZOOM = 2


def tile(image: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Return the part that is shown, between the reference's darkest and brightest pixels, with larger pixels."""
    shown = np.clip((image[PART].astype(np.float64) - low) / (high - low), 0, 1) * 255
    return np.kron(shown.round().astype(np.uint8), np.ones((ZOOM, ZOOM), np.uint8))


def draw(name: str, models: tuple[str, ...], root: Path) -> None:
    """Draw the picture of one page."""
    noisy, clean = (imread(root / "data/train" / level / IMAGE) for level in ("avg1", "avg400"))
    registry = default_registry()
    made = [predict(registry.load(model, weights=root / "net_data"), noisy) for model in models]
    low, high = (float(v) for v in np.percentile(clean[PART], (0.2, 99.8)))
    tiles = [tile(image, low, high) for image in (noisy, *made, clean)]
    gap = np.full((tiles[0].shape[0], GAP), 255, np.uint8)
    row = [part for one in tiles for part in (one, gap)][:-1]
    FOLDER.mkdir(parents=True, exist_ok=True)
    imwrite(FOLDER / f"{name}.png", np.hstack(row))


if __name__ == "__main__":
    if not os.environ.get("W2S_ROOT"):
        raise SystemExit("Set W2S_ROOT to the folder of the W2S benchmark.")
    for page in sys.argv[1:] or PICTURES:
        draw(page, PICTURES[page], Path(os.environ["W2S_ROOT"]))
