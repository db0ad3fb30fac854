"""The authors' checkpoints on the real images."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from napari_w2s._types import NOISY_LEVELS, Level
from napari_w2s.models.builtin import BUILTIN, default_registry
from napari_w2s.models.classical.nlm import VSTNonLocalMeans
from napari_w2s.models.descriptor import ModelDescriptor, RestorationModel, WeightsPlace

AUTHORS = [d for d in BUILTIN if d.weights is not None and d.weights.place is WeightsPlace.UPSTREAM]
UPSTREAM = [pytest.param(d, id=d.name) for d in AUTHORS]
CROP = (slice(128, 384), slice(128, 384))


def read(root: Path, level: Level, name: str = "001_0") -> np.ndarray:
    return iio.imread(root / "data" / "train" / level / f"{name}.png").astype(np.float64)


def psnr(reference: np.ndarray, image: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((reference - image) ** 2)))


def restore(model: RestorationModel, image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        result = model.network(torch.from_numpy((image / 255).astype(np.float32))[None, None])
    return result[0, 0].numpy().astype(np.float64) * 255


def test_every_level_has_both_networks() -> None:
    levels = [(d.architecture, d.level) for d in AUTHORS]
    assert sorted(levels) == sorted((a, level) for a in ("dncnn", "memnet") for level in NOISY_LEVELS)


@pytest.mark.parametrize("descriptor", UPSTREAM)
def test_checkpoint_fits_and_denoises(descriptor: ModelDescriptor, w2s_root: Path) -> None:
    """Loading is strict: every key is matched, and the hash is the published one."""
    model = default_registry().load(descriptor.name, weights=w2s_root)
    assert model.descriptor == descriptor
    assert model.weights_sha256 == descriptor.weights.sha256
    clean, noisy = read(w2s_root, Level.AVG400)[CROP], read(w2s_root, descriptor.level)[CROP]
    gain = psnr(clean, restore(model, noisy)) - psnr(clean, noisy)
    assert gain > {1: 12, 2: 11, 4: 9, 8: 7, 16: 4}[descriptor.level.frames]


def test_dncnn_lifts_a_whole_avg1_image_above_37_db(w2s_root: Path) -> None:
    model = default_registry().load("dncnn-avg1", weights=w2s_root / "net_data")
    clean, noisy = read(w2s_root, Level.AVG400), read(w2s_root, Level.AVG1)
    assert psnr(clean, noisy) < 24.5
    assert psnr(clean, restore(model, noisy)) > 37


def test_nlm_denoises_with_the_noise_it_finds_itself(w2s_root: Path) -> None:
    network = VSTNonLocalMeans()
    results = []
    for name in ("047_0", "048_1", "050_2", "052_0", "054_1", "056_2"):
        clean, noisy = read(w2s_root, Level.AVG400, name), read(w2s_root, Level.AVG1, name).astype(np.float32)
        batch = torch.from_numpy(noisy)[None, None]
        results.append(psnr(clean, network(batch, network.frame_context(noisy))[0, 0].numpy()))
    assert np.mean(results) > 34.3
