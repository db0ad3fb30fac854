"""Measure the model that comes with the package on whole held-out images, beside what it has to beat.

``python -m benchmarks.default_model W2S_ROOT`` restores every widefield level of FOVs 047-056 (three channels each,
30 images a level), which the model did not learn from, and writes the tables to docs/default-model-table.md. With
``--baseline`` and ``--sr`` (safetensors files made by ``napari-w2s train`` from the recipes beside this module) the
same images go through a simpler network trained on the same fields, and through a plain super-resolution network after
the authors' denoisers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import Any

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
Table = dict[str, dict[str, dict[str, Any]]]


def denoising(root: Path, restore: Callable[[Image], Image], level: Level, *, one_channel: bool = False) -> Scores:
    """Return the mean scores against avg400 (range 255, nothing clipped) over the held-out images of a level."""
    made = [_denoised(restore(noisy), clean, noisy) for noisy, clean in _pairs(root, level, Level.AVG400, one_channel)]
    return _means(made)


def super_resolution(
    root: Path, restore: Callable[[Image], Image], level: Level, *, one_channel: bool = False
) -> Scores:
    """Return the mean scores against SIM (range 1, clipped to it) over the held-out images of a level."""
    pairs = _pairs(root, level, Level.SIM, one_channel)
    return _means([_fine(restore(noisy) / 255, sim / 255) for noisy, sim in pairs])


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


def _pairs(root: Path, level: Level, target: Level, one_channel: bool) -> Iterable[tuple[Image, Image]]:
    for fov in FOVS:
        for channel in (fov % len(CHANNELS),) if one_channel else CHANNELS:
            name = f"{fov:03d}_{channel}.png"
            yield imread(root / "data/train" / level / name), imread(root / "data/train" / target / name)


def _means(scores: list[Scores]) -> Scores:
    return {key: mean(one[key] for one in scores) for key in scores[0]}


def runner(registry: Registry, spec: str, weights: Path, *, flips: bool = False) -> Callable[[Image], Image]:
    """Return the function that restores an 8-bit image with a chain of models."""
    stages = [registry.load(name, weights=weights) for name in registry.parse(spec)]
    model = Pipeline(*stages) if len(stages) > 1 else stages[0]
    return lambda image: predict(model, image, flips=flips)


def fingerprint(registry: Registry, spec: str) -> str:
    """Return what a chain's figures depend on: its names, and the hashes of the weights."""
    if not spec:
        return "as it is"
    names = registry.parse(spec)
    descriptors = [registry.descriptor(name) for name in names]
    facts = [f"{d.name} {d.weights.sha256 if d.weights else ''} {d.stretch}" for d in descriptors]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def systems(baseline: str | None, sr: str | None) -> dict[str, tuple[str, Callable[..., Scores]]]:
    """Return what is measured by name: the chain of models, with N for the level, and how it is scored."""
    table: dict[str, tuple[str, Callable[..., Scores]]] = {
        "noisy": ("", denoising),
        "authors' D_N": ("dncnn-N", denoising),
        "w2s-denoise": ("w2s-denoise", denoising),
        "bicubic": ("bicubic", super_resolution),
        "D_N + bicubic": ("dncnn-N+bicubic", super_resolution),
        "w2s-jdsr": ("w2s-jdsr", super_resolution),
    }
    if baseline:
        table["simpler U-Net, denoise"] = f"{baseline}-denoise", denoising
        table["simpler U-Net"] = f"{baseline}-jdsr", super_resolution
    if sr:
        table["D_N + plain SR network"] = f"dncnn-N+{sr}", super_resolution
    return table


def measure(root: Path, registry: Registry, baseline: str | None, sr: str | None, known: Path | None) -> Table:
    """Return the scores by system and level; what is known for the same weights is not measured again."""
    before = json.loads(known.read_text()) if known is not None and known.exists() else {}
    table: Table = {}
    for system, (chain, score) in systems(baseline, sr).items():
        rows = table[system] = {}
        for level in NOISY_LEVELS:
            spec = chain.replace("-N", f"-{level}")
            mark = fingerprint(registry, spec)
            row = before.get(system, {}).get(level.value)
            if row is None or row["weights"] != mark:
                restore = runner(registry, spec, root / "net_data") if spec else (lambda image: image)
                row = {"weights": mark, **score(root, restore, level)}
            rows[level.value] = row
            print(system, level.value, {k: round(v, 4) for k, v in row.items() if k != "weights"}, flush=True)
            if known is not None:
                known.write_text(json.dumps({**before, **table}, indent=1))
    return table


def flips_gain(root: Path, registry: Registry) -> list[str]:
    """Return the lines that say what the mean over 8 flips brings, on one channel of each field."""
    lines = ["**The mean over 8 flips and turns, on one channel of each field: gain in dB**", ""]
    lines += ["| | avg1 | avg16 |", "|---|---|---|"]
    for name, score, key in (
        ("w2s-denoise", denoising, "psnr"),
        ("w2s-jdsr", super_resolution, "psnr_matched"),
    ):
        gains = []
        for level in (Level.AVG1, Level.AVG16):
            once, mean8 = (
                score(root, runner(registry, name, root / "net_data", flips=flips), level, one_channel=True)[key]
                for flips in (False, True)
            )
            gains.append(f"{mean8 - once:+.2f}")
        lines.append(f"| {name} | {' | '.join(gains)} |")
    return [*lines, ""]


DENOISERS = ("noisy", "authors' D_N", "simpler U-Net, denoise", "w2s-denoise")
FINE = ("bicubic", "D_N + bicubic", "D_N + plain SR network", "simpler U-Net", "w2s-jdsr")


def write(table: Table, flips: list[str]) -> str:
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
    lines += flips
    change = max(scores["mean_change"] for scores in table["w2s-denoise"].values())
    lines.append(f"Denoising changed the mean intensity by {change:.2%} at most (mean over the images of a level).")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with data/train and net_data")
    parser.add_argument("--baseline", type=Path, help="safetensors file of benchmarks/recipes/simpler-unet.yaml")
    parser.add_argument("--sr", type=Path, help="safetensors file of benchmarks/recipes/plain-sr.yaml")
    parser.add_argument("--json", type=Path, help="write the figures there, and go on from those that it has")
    parser.add_argument("--flips", action="store_true", help="also measure what averaging 8 flips brings")
    arguments = parser.parse_args()
    registry = default_registry()
    baseline = arguments.baseline and registry.register_trained(arguments.baseline)[0].name.removesuffix("-denoise")
    sr = arguments.sr and registry.register_trained(arguments.sr)[0].name
    table = measure(arguments.root, registry, baseline, sr, arguments.json)
    flips = flips_gain(arguments.root, registry) if arguments.flips else []
    TABLE.write_text(write(table, flips))


if __name__ == "__main__":
    main()
