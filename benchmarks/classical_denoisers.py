"""Measure the denoisers without trained weights, on real images, with the noise found in the noisy image alone.

    python -m benchmarks.classical_denoisers W2S_ROOT [--json FILE]

prints a Markdown table of PSNR against avg400 (8-bit range) and processor time on six images of FOVs 047-056, and for
comparison the same of the networks, which learned from such images. ``--docs FILE`` writes the table of means over
levels that the documentation has. With ``--sweep`` it tries out options on images of FOVs 001-046, from which the
defaults were chosen.
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

from napari_w2s._types import NOISY_LEVELS, W2SError
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import psnr
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.classical.pure_let import PureLet
from napari_w2s.models.classical.total_variation import VSTTotalVariation
from napari_w2s.models.classical.wavelet import VSTWavelet

HELD_OUT = ("047_0", "048_1", "050_2", "052_0", "054_1", "056_2")
TRAINING = ("003_0", "014_2", "020_1", "033_2", "038_1", "044_0")

Denoise = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
"""A frame in, the restored frame out."""

DEFAULTS = ("vst-bm3d", "vst-epll", "pure-let", "vst-nlm", "vst-wavelet", "vst-tv", "w2s-denoise", "dncnn-{level}")
"""Registered models; ``{level}`` is the averaging level of the image."""

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


def with_options(make: Callable[[], nn.Module]) -> Denoise:
    """Return a method with options of its own."""
    return partial(denoise, make())


def registered(model: str, level: str, root: Path) -> Denoise:
    """Return a registered model as a user runs it."""
    loaded = default_registry().load(model.format(level=level), weights=root / "net_data")
    return partial(predict, loaded)


def measure(
    root: Path, methods: Mapping[str, Callable[[], Denoise]], level: str, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """PSNR and processor seconds of every method on every image; the first row is that of the noisy images."""
    noisy = {name: imread(root / "data/train" / level / f"{name}.png") for name in names}
    clean = {name: imread(root / "data/train/avg400" / f"{name}.png") for name in names}
    scores = {name: psnr(clean[name], noisy[name], data_range=255) for name in names}
    rows: list[dict[str, Any]] = [{"method": "(noisy)", "level": level, "psnr": scores, "seconds": 0.0}]
    for method, make in methods.items():
        try:
            run = make()
        except W2SError as error:
            print(f"{method} is left out: {error}")
            continue
        scores, seconds = {}, []
        for name in names:
            start = time.process_time()
            result = run(noisy[name])
            seconds.append(time.process_time() - start)
            scores[name] = psnr(clean[name], result, data_range=255)
        rows.append({"method": method.format(level="avgN"), "level": level, "psnr": scores, "seconds": min(seconds)})
    return rows


def table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    """Markdown, one row per method and level."""
    lines = [f"| method | level | {' | '.join(names)} | mean (dB) | processor (s) |", "|---" * (len(names) + 4) + "|"]
    for row in rows:
        figures = [row["psnr"][name] for name in names]
        shown = " | ".join(f"{figure:.2f}" for figure in (*figures, mean(figures)))
        lines.append(f"| {row['method']} | {row['level']} | {shown} | {row['seconds']:.2f} |")
    return "\n".join(lines)


def docs_table(rows: list[dict[str, Any]], levels: list[str]) -> str:
    """Markdown of the means: a row per method, best at the first level first, and a column per level."""
    means = {(row["method"], row["level"]): mean(row["psnr"].values()) for row in rows}
    seconds = {row["method"]: row["seconds"] for row in rows if row["level"] == levels[0]}
    order = sorted(seconds, key=lambda method: -means[method, levels[0]])
    lines = [f"| PSNR (dB) | {' | '.join(levels)} | processor time (s) |", "|---" + "|---:" * (len(levels) + 1) + "|"]
    for method in order:
        figures = " | ".join(f"{means[method, level]:.2f}" for level in levels)
        time_of = f"{seconds[method]:.2f}" if seconds[method] else ""
        lines.append(f"| {f'`{method}`' if time_of else 'noisy'} | {figures} | {time_of} |")
    lines += [
        "",
        f"Means over {len(HELD_OUT)} images of 512 x 512 pixels ({', '.join(HELD_OUT)}), 8-bit release, range 255, "
        "against avg400; noise estimated from the noisy image alone. Processor time is that of one image at the first "
        "level. "
        "avgN stands for the network of that level. Made by `python -m benchmarks.classical_denoisers W2S_ROOT --docs "
        "docs/denoisers-table.md`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with data/train")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--sweep", action="store_true", help="try out options on FOVs 001-046")
    parser.add_argument("--levels", nargs="+", choices=[str(level) for level in NOISY_LEVELS], default=["avg1"])
    parser.add_argument("--only", help="only methods whose name begins with this")
    parser.add_argument("--docs", type=Path, help="also write the documentation's table, of all levels, to this file")
    arguments = parser.parse_args()
    names = TRAINING if arguments.sweep else HELD_OUT
    levels = [str(level) for level in NOISY_LEVELS] if arguments.docs else arguments.levels
    rows: list[dict[str, Any]] = []
    for level in levels:
        methods: dict[str, Callable[[], Denoise]]
        if arguments.sweep:
            methods = {name: partial(with_options, make) for name, make in SWEEP.items()}
        else:
            methods = {name: partial(registered, name, level, arguments.root) for name in DEFAULTS}
        chosen = {name: make for name, make in methods.items() if name.startswith(arguments.only or "")}
        rows += measure(arguments.root, chosen, level, names)
    print(table(rows, names))
    if arguments.docs:
        arguments.docs.write_text(docs_table(rows, levels))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
