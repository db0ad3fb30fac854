"""Measure the model that comes with the package on whole held-out images, beside what it has to beat.

``python -m benchmarks.default_model W2S_ROOT`` restores every widefield level of FOVs 047-056 (three channels each,
30 images a level), which the model did not learn from, and writes the tables to docs/default-model-table.md. With
``--baseline`` and ``--sr`` (safetensors files made by ``napari-w2s train`` from the recipes beside this module) the
same images go through a simpler network trained on the same fields, and through a plain super-resolution network after
the authors' denoisers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread

from napari_w2s._types import NOISY_LEVELS, Level
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import match_affine, psnr, ssim
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.registry import Registry

TABLE = Path(__file__).parents[1] / "docs" / "default-model-table.md"
FOVS = range(47, 57)
CHANNELS = range(3)

Image = npt.NDArray[np.float64]
Scores = dict[str, float]


def denoising(root: Path, restore: Callable[[Image], Image], level: Level) -> Scores:
    """Return the mean scores against avg400 (range 255, nothing clipped) over the held-out images of a level."""
    made = [_denoised(restore(noisy), clean, noisy) for noisy, clean in _pairs(root, level, Level.AVG400)]
    return _means(made)


def super_resolution(root: Path, restore: Callable[[Image], Image], level: Level) -> Scores:
    """Return the mean scores against SIM (range 1, clipped to it) over the held-out images of a level."""
    return _means([_fine(restore(noisy) / 255, sim / 255) for noisy, sim in _pairs(root, level, Level.SIM)])


def _denoised(image: Image, clean: Image, noisy: Image) -> Scores:
    return {
        "psnr": psnr(clean, image, data_range=255),
        "ssim": ssim(clean, image, data_range=255),
        "mean_change": abs(float(image.mean() / noisy.mean()) - 1),
    }


def _fine(image: Image, sim: Image) -> Scores:
    raw, matched = np.clip(image, 0, 1), match_affine(image, sim)
    return {
        "psnr": psnr(sim, raw, data_range=1),
        "ssim": ssim(sim, raw, data_range=1),
        "psnr_matched": psnr(sim, matched, data_range=1),
        "ssim_matched": ssim(sim, matched, data_range=1),
    }


def _pairs(root: Path, level: Level, target: Level) -> Iterable[tuple[Image, Image]]:
    for fov in FOVS:
        for channel in CHANNELS:
            name = f"{fov:03d}_{channel}.png"
            yield imread(root / "data/train" / level / name), imread(root / "data/train" / target / name)


def _means(scores: list[Scores]) -> Scores:
    return {key: mean(one[key] for one in scores) for key in scores[0]}


def runner(registry: Registry, spec: str, weights: Path, *, flips: bool = False) -> Callable[[Image], Image]:
    """Return the function that restores an 8-bit image with a chain of models."""
    stages = [registry.load(name, weights=weights) for name in registry.parse(spec)]
    model = Pipeline(*stages) if len(stages) > 1 else stages[0]
    return lambda image: predict(model, image, flips=flips)


def measure(
    root: Path, registry: Registry, baseline: str | None, sr: str | None, *, flips: bool
) -> dict[str, dict[str, Scores]]:
    """Return the scores by system and level; systems that super-resolve have a name that says so."""
    table: dict[str, dict[str, Scores]] = {}

    def add(system: str, level: Level, spec: str, score: Callable[..., Scores], *, flips: bool = False) -> None:
        restore = (lambda image: image) if not spec else runner(registry, spec, root / "net_data", flips=flips)
        table.setdefault(system, {})[level.value] = score(root, restore, level)
        figures = {key: round(value, 4) for key, value in table[system][level.value].items()}
        print(system, level.value, figures, flush=True)

    for level in NOISY_LEVELS:
        add("noisy", level, "", denoising)
        add("authors' D_N", level, f"dncnn-{level}", denoising)
        add("w2s-denoise", level, "w2s-denoise", denoising)
        add("bicubic", level, "bicubic", super_resolution)
        add("D_N + bicubic", level, f"dncnn-{level}+bicubic", super_resolution)
        if baseline:
            add("simpler U-Net, denoise", level, f"{baseline}-denoise", denoising)
            add("simpler U-Net", level, f"{baseline}-jdsr", super_resolution)
        if sr:
            add("D_N + plain SR network", level, f"dncnn-{level}+{sr}", super_resolution)
        add("w2s-jdsr", level, "w2s-jdsr", super_resolution)
        if flips:
            add("w2s-denoise, 8 flips", level, "w2s-denoise", denoising, flips=True)
            add("w2s-jdsr, 8 flips", level, "w2s-jdsr", super_resolution, flips=True)
    return table


DENOISERS = ("noisy", "authors' D_N", "simpler U-Net, denoise", "w2s-denoise", "w2s-denoise, 8 flips")
FINE = (
    "bicubic",
    "D_N + bicubic",
    "D_N + plain SR network",
    "simpler U-Net",
    "w2s-jdsr",
    "w2s-jdsr, 8 flips",
)


def write(table: dict[str, dict[str, Scores]]) -> str:
    """Return the tables as Markdown."""
    lines = [f"Means over FOVs {FOVS[0]:03d}-{FOVS[-1]:03d}, three channels, whole images, made by", ""]
    lines[0] += " `python -m benchmarks.default_model`."
    parts = (
        ("Denoising, against avg400: PSNR in dB (range 255) / SSIM", DENOISERS, ("psnr", "ssim")),
        ("Against SIM as published: PSNR in dB (range 1) / SSIM", FINE, ("psnr", "ssim")),
        ("Against SIM, matched affinely: PSNR in dB (range 1) / SSIM", FINE, ("psnr_matched", "ssim_matched")),
    )
    for title, systems, (first, second) in parts:
        lines += [f"**{title}**", "", f"| | {' | '.join(NOISY_LEVELS)} |", "|---|" + "---|" * len(NOISY_LEVELS)]
        for system in systems:
            if system in table:
                rows = (table[system][level] for level in NOISY_LEVELS)
                cells = (f"{row[first]:.2f} / {row[second]:.3f}" for row in rows)
                lines.append(f"| {system} | {' | '.join(cells)} |")
        lines.append("")
    change = max(scores["mean_change"] for scores in table["w2s-denoise"].values())
    lines.append(f"Denoising changed the mean intensity by {change:.2%} at most (mean over the images of a level).")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with data/train and net_data")
    parser.add_argument("--baseline", type=Path, help="safetensors file of benchmarks/recipes/simpler-unet.yaml")
    parser.add_argument("--sr", type=Path, help="safetensors file of benchmarks/recipes/plain-sr.yaml")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--flips", action="store_true", help="also measure what averaging 8 flips brings")
    arguments = parser.parse_args()
    registry = default_registry()
    baseline = arguments.baseline and registry.register_trained(arguments.baseline)[0].name.removesuffix("-denoise")
    sr = arguments.sr and registry.register_trained(arguments.sr)[0].name
    table = measure(arguments.root, registry, baseline, sr, flips=arguments.flips)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1))
    TABLE.write_text(write(table))


if __name__ == "__main__":
    main()
