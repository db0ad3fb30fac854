"""Measure how well PURE-LET knows its own error, with the noise found in the noisy image alone.

``python -m benchmarks.pure_let_risk`` simulates frames of cameras that count photons and of ones that multiply
electrons, at several numbers of events, and prints how far the estimated mean squared error is from the true one, in
percent of the noise's mean square: for weights that were set (0.5, 0.8 and 1) and for those that PURE-LET finds, whose
error it must take for less, as they follow from the same frame.

``python -m benchmarks.pure_let_risk W2S_ROOT`` prints instead how large a count is found to be on avg1 of FOVs 047-056
(three channels each), as a share of the variance's slope.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from imageio.v3 import imread

from napari_w2s._types import Level
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.models.classical.pure_let import LetFit, PureLet
from napari_w2s.models.classical.pure_let_risk import border, risk_estimate

NOISE = ((0.02, 0.02), (0.05, 0.1), (0.2, 0.05), (0.2, 0.005), (1.0, 0.05))
"""Slope of the variance and read noise, over the range of the clean image."""
CHANNELS = (0, 1, 2)
SEEDS = (0, 1)
FOVS = range(47, 57)
SIZE = 256
SET = np.tile((0.5, 0.8, 1.0), (4, 3, 1))

Image = npt.NDArray[Any]


def scene(channel: int) -> Image:
    """Return a simulated clean image in [0, 1]."""
    clean = simulate_fov(11, channel, SIZE).clean.astype(np.float64)
    image: Image = (clean - clean.min()) / np.ptp(clean)
    return image


def exposed(clean: Image, gain: float, read: float, seed: int, *, multiplied: bool) -> Image:
    """Return a noisy frame of which the variance is ``gain * clean + read^2``."""
    rng = np.random.default_rng(seed)
    counts: Image
    if multiplied:
        counts = gain / 2 * rng.standard_gamma(rng.poisson(clean / (gain / 2)).astype(np.float64))
    else:
        counts = gain * rng.poisson(clean / gain)
    frame: Image = counts + read * rng.standard_normal(clean.shape)
    return frame


def errors(clean: Image, frame: Image) -> tuple[float, float, float]:
    """Return count over gain, and the error of the risk in percent of the noise: weights that were set, and found."""
    network = PureLet()
    found = network.frame_context(frame)
    if found is None:
        raise SystemExit("no noise was found")
    rim = border(clean.shape, network.levels)
    inner = (slice(rim, -rim), slice(rim, -rim))
    noise = float(np.mean((frame - clean)[inner] ** 2))
    risk = risk_estimate(frame, found.noise, network.levels)

    def apart(fit: LetFit) -> float:
        result = network(torch.from_numpy(frame)[None, None], fit)[0, 0].numpy()
        return 100 * (risk.at(fit.gains) - float(np.mean((result - clean)[inner] ** 2))) / noise

    chosen = LetFit(found.noise, SET, found.centre, risk.at(SET))
    return found.noise.count / max(found.noise.gain, 1e-12), apart(chosen), apart(found)


def count_sizes(root: Path) -> None:
    """Print how large a count is on real images, over the slope of the variance."""
    network, sizes = PureLet(), []
    for fov in FOVS:
        for channel in CHANNELS:
            found = network.frame_context(imread(root / "data/train" / Level.AVG1 / f"{fov:03d}_{channel}.png"))
            if found is not None:
                sizes.append(found.noise.count / found.noise.gain)
    print(f"count / slope of {len(sizes)} images: {min(sizes):.2f} to {max(sizes):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, nargs="?", help="folder with data/train: measure its images")
    root = parser.parse_args().root
    if root is None:
        errors_of_risk()
    else:
        count_sizes(root)


def errors_of_risk() -> None:
    """Print the table of simulated frames."""
    print("| camera | slope | read noise | count / slope | weights set: mean, largest | weights found: mean, largest |")
    print("|---|---:|---:|---:|---:|---:|")
    for gain, read in NOISE:
        for multiplied in (False, True):
            found = [
                errors(clean, exposed(clean, gain, read, seed, multiplied=multiplied))
                for clean in map(scene, CHANNELS)
                for seed in SEEDS
            ]
            count, given, own = zip(*found, strict=True)
            words = " | ".join(f"{mean(of):+.1f} %, {max(of, key=abs):+.1f} %" for of in (given, own))
            camera = "multiplies" if multiplied else "counts"
            print(f"| {camera} | {gain:g} | {read:g} | {mean(count):.2f} | {words} |", flush=True)


if __name__ == "__main__":
    main()
