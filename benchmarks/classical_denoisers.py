"""Measure the denoisers without trained weights, on real images, with the noise found in the noisy image alone.

    python -m benchmarks.classical_denoisers W2S_ROOT [--json FILE]

prints a Markdown table of PSNR against avg400 (8-bit range) and processor time on six images of FOVs 047-056. With
``--sweep`` it tries out options on images of FOVs 001-046, from which the defaults were chosen.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from imageio.v3 import imread
from torch import nn

from napari_w2s._types import NOISY_LEVELS, InputError
from napari_w2s.metrics.reference import psnr
from napari_w2s.models.classical.bm3d import VSTBM3D
from napari_w2s.models.classical.nlm import VSTNonLocalMeans
from napari_w2s.models.classical.pure_let import PureLet
from napari_w2s.models.classical.total_variation import VSTTotalVariation
from napari_w2s.models.classical.wavelet import VSTWavelet

HELD_OUT = ("047_0", "048_1", "050_2", "052_0", "054_1", "056_2")
TRAINING = ("003_0", "014_2", "020_1", "033_2", "038_1", "044_0")

DEFAULTS: Mapping[str, Callable[[], nn.Module]] = {
    "vst-nlm": VSTNonLocalMeans,
    "vst-bm3d": VSTBM3D,
    "pure-let": PureLet,
    "vst-tv": VSTTotalVariation,
    "vst-wavelet": VSTWavelet,
}

SWEEP: Mapping[str, Callable[[], nn.Module]] = {
    **{f"pure-let, {levels} levels": partial(PureLet, levels) for levels in (2, 3, 4, 5)},
    **{
        f"vst-tv, weight {weight}, {steps} iterations": partial(VSTTotalVariation, weight, steps)
        for weight, steps in ((1.0, 8), (1.25, 8), (1.5, 8), (2.0, 8), (1.25, 12), (1.5, 12), (0.8, 100), (1.0, 100))
    },
    **{
        f"vst-wavelet, {name}, {levels} levels, {rule}": partial(VSTWavelet, name, levels, rule)
        for name, levels, rule in (
            ("db1", 4, "BayesShrink"),
            ("db2", 4, "BayesShrink"),
            ("sym4", 3, "BayesShrink"),
            ("sym4", 4, "BayesShrink"),
            ("sym4", 5, "BayesShrink"),
            ("sym4", 4, "VisuShrink"),
        )
    },
}


def denoise(network: nn.Module, noisy: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Run a method on one frame as the engine does, in one piece."""
    with torch.inference_mode():
        batch = torch.from_numpy(noisy.astype(np.float32))[None, None]
        result: npt.NDArray[np.float32] = network(batch, network.frame_context(noisy))[0, 0].numpy()
    return result


def measure(
    root: Path, methods: Mapping[str, Callable[[], nn.Module]], level: str, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """PSNR and processor seconds of every method on every image; the first row is that of the noisy images."""
    noisy = {name: imread(root / "data/train" / level / f"{name}.png") for name in names}
    clean = {name: imread(root / "data/train/avg400" / f"{name}.png") for name in names}
    scores = {name: psnr(clean[name], noisy[name], data_range=255) for name in names}
    rows: list[dict[str, Any]] = [{"method": "(noisy)", "level": level, "psnr": scores, "seconds": 0.0}]
    for method, make in methods.items():
        try:
            network = make()
        except InputError as error:
            print(f"{method} is left out: {error}")
            continue
        scores, seconds = {}, []
        for name in names:
            start = time.process_time()
            result = denoise(network, noisy[name])
            seconds.append(time.process_time() - start)
            scores[name] = psnr(clean[name], result, data_range=255)
        rows.append({"method": method, "level": level, "psnr": scores, "seconds": min(seconds)})
    return rows


def table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    """Markdown, one row per method and level."""
    lines = [f"| method | level | {' | '.join(names)} | mean (dB) | processor (s) |", "|---" * (len(names) + 4) + "|"]
    for row in rows:
        figures = [row["psnr"][name] for name in names]
        shown = " | ".join(f"{figure:.2f}" for figure in (*figures, mean(figures)))
        lines.append(f"| {row['method']} | {row['level']} | {shown} | {row['seconds']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with data/train")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--sweep", action="store_true", help="try out options on FOVs 001-046")
    parser.add_argument("--levels", nargs="+", choices=[str(level) for level in NOISY_LEVELS], default=["avg1"])
    parser.add_argument("--only", help="only methods whose name begins with this")
    arguments = parser.parse_args()
    methods, names = (SWEEP, TRAINING) if arguments.sweep else (DEFAULTS, HELD_OUT)
    methods = {name: make for name, make in methods.items() if name.startswith(arguments.only or "")}
    rows = [row for level in arguments.levels for row in measure(arguments.root, methods, level, names)]
    print(table(rows, names))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
