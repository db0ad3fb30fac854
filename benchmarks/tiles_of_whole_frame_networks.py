"""Measure how far a frame restored in tiles is from the same one restored at once, for networks that see all of it.

``python -m benchmarks.tiles_of_whole_frame_networks W2S_ROOT WEIGHTS`` restores one channel of six held-out fields of
view with the networks of a folder that holds ``rcan-light.safetensors`` and so on (made by
``scripts/train_light_models.py``), and prints the largest and the mean difference in grey levels of 255, and what the
tiles cost in dB against the reference: avg400 for a denoiser, SIM matched in brightness for the others. A large frame
comes in the tiles that its model states; here smaller ones are forced, where a benchmark's frame would fit into one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread

from napari_w2s._types import Level, Task
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import match_affine, psnr
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import RestorationModel

HELD_OUT = ("047_0", "048_1", "050_2", "052_0", "054_1", "056_2")

Image = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """What a network is measured on.

    Attributes
    ----------
    edge : int
        Of the central square of the frames, in pixels.
    tiles : tuple of int
        Edges of the tiles, without the 32 pixels by which they overlap on each side.
    """

    edge: int
    tiles: tuple[int, ...]


CASES: Mapping[str, Case] = {
    "ridnet-light": Case(512, (256, 128)),
    "rcan-light": Case(512, (256, 128, 64)),
    # Of 512 x 512 pixels the attention of all to all takes more memory than most machines have.
    "san-light": Case(256, (64,)),
}


def central(image: Image, edge: int) -> Image:
    """Return the central square of an image."""
    top, left = ((n - edge) // 2 for n in image.shape)
    return image[top : top + edge, left : left + edge]


def score(model: RestorationModel, result: Image, reference: Image) -> float:
    """Return the PSNR of a result in dB, on a range of 255."""
    matched = result if model.descriptor.task is Task.DENOISE else match_affine(result, reference)
    return psnr(reference, matched, data_range=255)


def measure(model: RestorationModel, root: Path, case: Case) -> dict[int, list[tuple[float, float, float, float]]]:
    """Return the largest and the mean difference, the PSNR at once and what tiles cost, by tile and image."""
    denoises = model.descriptor.task is Task.DENOISE
    source, target = (Level.AVG1, Level.AVG400) if denoises else (Level.AVG400, Level.SIM)
    found: dict[int, list[tuple[float, float, float, float]]] = {tile: [] for tile in case.tiles}
    for name in HELD_OUT:
        frame, reference = (
            central(imread(root / "data/train" / level / f"{name}.png"), edge)
            for level, edge in ((source, case.edge), (target, case.edge * model.descriptor.scale))
        )
        whole = predict(model, frame, device="cpu", precision="float32", tile=case.edge)
        # 255 grey levels of the input, whatever scale the answer is on.
        unit = 255.0 if denoises else float(np.ptp(whole))
        at_once = score(model, whole, reference)
        for tile in case.tiles:
            tiled = predict(model, frame, device="cpu", precision="float32", tile=tile)
            apart = np.abs(tiled - whole) * 255.0 / unit
            cost = at_once - score(model, tiled, reference)
            found[tile].append((float(apart.max()), float(apart.mean()), at_once, cost))
            print(f"{model.descriptor.name} {name} tiles of {tile}:", np.round(found[tile][-1], 3), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Tiles against the whole frame, for networks that see all of it.")
    parser.add_argument("root", type=Path, help="W2S folder with data/train")
    parser.add_argument("weights", type=Path, help="folder with NAME.safetensors")
    parser.add_argument("--models", nargs="*", default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    rows = []
    for name in options.models:
        file = options.weights / f"{name}.safetensors"
        if not file.exists():
            raise SystemExit(f"{file} is missing. Make it with scripts/train_light_models.py.")
        model = default_registry().load(name, weights=file)
        for tile, images in measure(model, options.root, CASES[name]).items():
            largest, average, at_once, cost = zip(*images, strict=True)
            rows.append(
                f"| {name} | {CASES[name].edge} | {tile} | {max(largest):.1f} | {mean(average):.2f} | "
                f"{mean(at_once):.2f} | {mean(cost):+.3f} | {max(cost, key=abs):+.3f} |"
            )
    print("| network | frame | tiles | largest | mean | PSNR at once (dB) | cost of tiles (dB) | largest of an image |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
