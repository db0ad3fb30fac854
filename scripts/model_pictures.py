"""Draw what each model makes of one real image: input, result, reference, side by side.

Usage: ``python scripts/model_pictures.py [PAGE ...] [--weights FOLDER]`` with ``W2S_ROOT`` set. Writes
docs/images/models/PAGE.png. Models that users train take their weights from FOLDER/MODEL.safetensors, e.g.
``rcan-light.safetensors``; without such a file their page is left out.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread, imwrite

from napari_w2s._types import Task
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import match_affine
from napari_w2s.models.builtin import default_registry

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "models"
PICTURES = {
    "w2s-unet": ("w2s-denoise", "w2s-jdsr"),
    "dncnn": ("dncnn-avg1",),
    "memnet": ("memnet-avg1",),
    "vst-nlm": ("vst-nlm",),
    "pure-let": ("pure-let",),
    "vst-bm3d": ("vst-bm3d",),
    "vst-epll": ("vst-epll",),
    "tv-wavelet": ("vst-tv", "vst-wavelet"),
}
TRAINED = {
    "ridnet": ("ridnet-light",),
    "rcan": ("rcan-light",),
    "rdn": ("rdn-light",),
    "san": ("san-light",),
    "srfbn": ("srfbn-light",),
    "epsr": ("epsr-light",),
    "esrgan": ("esrgan-light",),
    "jdsr": ("jdsr-light",),
}
IMAGE = "052_0.png"
TOP, LEFT, EDGE = 160, 160, 192
"""The part that is shown, in widefield pixels."""
GAP = 4
SHOWN = 2 * EDGE

Pixels = npt.NDArray[np.generic]


def part(image: Pixels) -> npt.NDArray[np.float64]:
    """Return the part of a widefield or SIM-sized image that is shown."""
    zoom = image.shape[0] // 512
    rows, columns = (slice(zoom * start, zoom * (start + EDGE)) for start in (TOP, LEFT))
    return image[rows, columns].astype(np.float64)


def tile(shown: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Return a part between two intensities, with as many pixels as all the others."""
    grey = np.clip((shown - low) / (high - low), 0, 1) * 255
    zoom = SHOWN // grey.shape[0]
    return grey.round().astype(np.uint8).repeat(zoom, axis=0).repeat(zoom, axis=1)


def limits(reference: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(reference, (0.2, 99.8))
    return float(low), float(high)


def draw(page: str, models: tuple[str, ...], root: Path, weights: Path | None) -> None:
    """Draw the picture of one page: what comes out at the SIM size is shown as bright as the SIM image."""
    registry = default_registry()
    images: dict[str, Pixels] = {
        level: imread(root / "data/train" / level / IMAGE) for level in ("avg1", "avg400", "sim")
    }
    tasks = [registry.descriptor(model).task for model in models]
    given = "avg400" if Task.SR in tasks else "avg1"
    clean = limits(part(images["avg400"]))
    tiles = [tile(part(images[given]), *clean)]
    for model, task in zip(models, tasks, strict=True):
        source = root / "net_data" if weights is None else weights / f"{model}.safetensors"
        made = predict(registry.load(model, weights=source), images[given])
        if task is Task.DENOISE:
            tiles.append(tile(part(made), *clean))
        else:
            sim = part(images["sim"])
            tiles.append(tile(match_affine(part(made), sim), *limits(sim)))
    if Task.DENOISE in tasks:
        tiles.append(tile(part(images["avg400"]), *clean))
    if set(tasks) - {Task.DENOISE}:
        tiles.append(tile(part(images["sim"]), *limits(part(images["sim"]))))
    gap = np.full((SHOWN, GAP), 255, np.uint8)
    row: list[Any] = [piece for one in tiles for piece in (one, gap)][:-1]
    FOLDER.mkdir(parents=True, exist_ok=True)
    imwrite(FOLDER / f"{page}.png", np.hstack(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="all by default")
    parser.add_argument("--weights", type=Path, help="folder of trained weights")
    arguments = parser.parse_args()
    if not os.environ.get("W2S_ROOT"):
        raise SystemExit("Set W2S_ROOT to the folder of the W2S benchmark.")
    root = Path(os.environ["W2S_ROOT"])
    for page, models in (PICTURES | TRAINED).items():
        if arguments.pages and page not in arguments.pages:
            continue
        folder = arguments.weights if page in TRAINED else None
        if page in TRAINED and (folder is None or not all((folder / f"{m}.safetensors").exists() for m in models)):
            print(f"{page} is left out: its weights are not in --weights.")
            continue
        draw(page, models, root, folder)


if __name__ == "__main__":
    main()
