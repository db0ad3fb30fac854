"""Miniatures of the W2S releases, written with numpy: 16 x 16 pixels where the real files have 512 x 512."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import imageio.v3 as iio
import numpy as np

SIZE = 16
LEVELS = ("avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "sim")


def pixels(seed: int, shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    """Return random pixels in [0, 255]."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def seed_of(fov: int, channel: int, level: str) -> int:
    return 1000 * fov + 10 * LEVELS.index(level) + channel


def frame(fov: int, channel: int, level: str, dtype: type = np.uint8) -> np.ndarray:
    """Return the pixels that a miniature holds for one image."""
    size = 2 * SIZE if level == "sim" else SIZE
    return pixels(seed_of(fov, channel, level), (size, size), dtype)


def make_8bit(
    folder: Path, fovs: Iterable[int], channels: Iterable[int] = range(3), levels: Iterable[str] = LEVELS
) -> Path:
    """Write ``folder/LEVEL/NNN_C.png``; give a folder named train or test."""
    for level in levels:
        (folder / level).mkdir(parents=True, exist_ok=True)
        for fov in fovs:
            for channel in channels:
                iio.imwrite(folder / level / f"{fov:03d}_{channel}.png", frame(fov, channel, level))
    return folder


def make_normalized(folder: Path, fovs: Iterable[int], levels: Iterable[str] = ("avg1", "sim")) -> Path:
    """Write ``folder/LEVEL/NNN_0.npy`` as z-scores."""
    for level in levels:
        (folder / level).mkdir(parents=True, exist_ok=True)
        for fov in fovs:
            np.save(folder / level / f"{fov:03d}_0.npy", (frame(fov, 0, level, np.float64) - 154.5) / 66.0)
    return folder


def make_raw(folder: Path, fovs: Iterable[int], channels: Iterable[int] = (0,), frames: int = 4) -> Path:
    """Write ``folder/ImageNNN/{wf,sim,sim_input}_channelC.npy``."""
    for fov in fovs:
        image = folder / f"Image{fov:03d}"
        image.mkdir(parents=True)
        for channel in channels:
            np.save(image / f"wf_channel{channel}.npy", pixels(fov, (frames, SIZE, SIZE), np.uint16))
            np.save(image / f"sim_channel{channel}.npy", pixels(fov + 1, (2 * SIZE, 2 * SIZE), np.uint16))
            np.save(image / f"sim_input_channel{channel}.npy", mosaic(fov))
    return folder


def mosaic(fov: int) -> np.ndarray:
    """Return 3 x 5 tiles; all pixels of tile i are 100 * fov + i."""
    rows = [
        np.hstack([np.full((SIZE, SIZE), 100 * fov + 5 * row + i, np.uint16) for i in range(5)]) for row in range(3)
    ]
    return np.vstack(rows)


def make_patches(path: Path, count: int = 5, side: int = 8) -> np.ndarray:
    """Write an HDF5 file of patches in [0, 1]; return them as (N, 1, P, P)."""
    data = pixels(3, (count, 1, side, side), np.float32) / np.float32(255)
    with h5py.File(path, "w") as file:
        file["data"] = data
    return data
