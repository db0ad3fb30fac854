"""Calibrate and measure the level guess on the real 8-bit release.

    W2S_ROOT=... python benchmarks/level_guess.py

prints the calibration constants fitted on FOVs 001-046 (to be kept in ``napari_w2s/data/noise.py``) and the confusion
table of the constants in use, on the FOVs of the calibration and on FOVs 047-056.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_w2s._types import Level
from napari_w2s.data.noise import LevelGuess, NoiseEstimate, dark_events, estimate_noise, guess_level, range_ratio
from napari_w2s.data.protocol import CHANNELS, FRAME_INDICES

CALIBRATION_FOVS = range(1, 47)
HELD_OUT_FOVS = range(47, 57)
LEVELS = tuple(FRAME_INDICES)

Measured = tuple[int, Level, NoiseEstimate, LevelGuess]


def measure(root: Path) -> list[Measured]:
    """Estimate the noise of every image of FOVs 001-056."""
    measured = []
    for fov in (*CALIBRATION_FOVS, *HELD_OUT_FOVS):
        for channel in CHANNELS:
            for level in LEVELS:
                image = iio.imread(root / "data" / "train" / level / f"{fov:03d}_{channel}.png")
                noise = estimate_noise(image)
                measured.append((fov, level, noise, guess_level(image, noise)))
    return measured


def calibrate(measured: Sequence[Measured]) -> None:
    """Fit and print the constants, from avg1 to avg16 (avg400 is mostly rounding)."""
    rows, targets, ratios = [], [], []
    for _, level, noise, _ in measured:
        octaves = np.log2(len(FRAME_INDICES[level]))
        if level is Level.AVG400:
            continue
        ratios.append(range_ratio(noise) + octaves / 2)
        events = dark_events(noise)
        if events is not None:
            rows.append((1.0, events[2], events[1]))
            targets.append(events[0] - octaves)
    table, wanted = np.array(rows), np.array(targets)
    weights = np.linalg.lstsq(table, wanted, rcond=None)[0]
    constants = ", ".join(f"{w:.3f}" for w in weights)
    print(f"DARK_EVENTS_CALIBRATION = ({constants})")
    print(f"DARK_EVENTS_SPREAD = {np.std(wanted - table @ weights):.2f}")
    print(f"RANGE_RATIO_CALIBRATION = {np.mean(ratios):.2f}")
    print(f"RANGE_RATIO_SPREAD = {2 * np.std(ratios):.2f}")


def report(title: str, measured: Sequence[Measured]) -> None:
    """Print the confusion table: true level down, guessed level across."""
    counts = np.zeros((len(LEVELS), len(LEVELS)), int)
    for _, level, _, guess in measured:
        counts[LEVELS.index(level), LEVELS.index(guess.level)] += 1
    steps = np.abs(np.subtract.outer(np.arange(len(LEVELS)), np.arange(len(LEVELS))))
    print(f"\n{title}: right {counts[steps == 0].sum() / counts.sum():.1%}, ", end="")
    print(f"within one level {counts[steps <= 1].sum() / counts.sum():.1%} of {counts.sum()} images")
    print("true \\ guess" + "".join(f"{level:>8}" for level in LEVELS))
    for level, row in zip(LEVELS, counts, strict=True):
        print(f"{level:>12}" + "".join(f"{count:8d}" for count in row))


def main() -> None:
    """Calibrate, then report on both sets of FOVs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=os.environ.get("W2S_ROOT"), help="folder of the real W2S files")
    root = parser.parse_args().root
    if root is None:
        parser.error("give --root or set W2S_ROOT to the folder of the real W2S files")
    measured = measure(Path(root))
    known = [m for m in measured if m[0] in CALIBRATION_FOVS]
    calibrate(known)
    report("FOVs 001-046 (calibrated on)", known)
    report("FOVs 047-056 (held out)", [m for m in measured if m[0] in HELD_OUT_FOVS])


if __name__ == "__main__":
    main()
