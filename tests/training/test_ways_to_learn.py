"""Every kind of source, from files to a model."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import w2s_tree
from w2s_fields import BOTH, textured
from w2s_sources import save, source_config

from napari_w2s._types import InputError, Task
from napari_w2s.training.fit import fit
from napari_w2s.training.report import FinishReason


def write_all(folder: Path) -> None:
    """Write images for every kind of source; those of the folders have gaps."""
    rng = np.random.default_rng(0)
    for name in "abc":
        clean = textured(ord(name), 32)
        clean[3, 4] = np.nan
        save(folder / "noisy" / f"{name}.npy", clean + rng.normal(0, 9, clean.shape))
        save(folder / "clean" / f"{name}.npy", clean)
        save(folder / "sim" / f"{name}.npy", np.kron(clean, np.ones((2, 2))))
        save(folder / "bursts" / f"{name}.npy", clean + rng.normal(0, 9, (6, *clean.shape)))
    for level, edge in (("avg1", 16), ("sim", 32)):
        with h5py.File(folder / f"{level}_{edge}_8.h5", "w") as file:
            file["data"] = rng.random((12, 1, edge, edge)).astype(np.float32)
    w2s_tree.make_8bit(folder / "w2s" / "train", [1, 2, 3], [0])


SR = {"task": Task.JDSR, "losses": BOTH}
SIM_ONLY = {"task": Task.JDSR, "losses": {"sim": [{"name": "l1"}]}}
FOLDERS = {"noisy": "noisy", "denoised": "clean", "sim": "sim"}
PATCHES = {"noisy": "avg1_16_8.h5", "sim": "sim_32_8.h5"}


@pytest.mark.parametrize(
    ("kind", "paths", "changes"),
    [
        ("w2s", {"root": "w2s"}, SR),
        ("folders", FOLDERS, SR),
        ("patches", PATCHES, SIM_ONLY),
        ("burst", {"noisy": "bursts"}, {"self_supervised": "noise2noise"}),
        ("burst", {"noisy": "bursts"}, {"self_supervised": "noise2void"}),
        ("images", {"noisy": "noisy"}, {"self_supervised": "noise2void"}),
    ],
)
def test_a_model_comes_of_it(tmp_path: Path, kind: str, paths: dict[str, str], changes: dict[str, Any]) -> None:
    write_all(tmp_path)
    config = source_config(kind, **{role: tmp_path / name for role, name in paths.items()}, **changes, steps=3)
    result = fit(config, tmp_path / "run", preview_every=1e-6, accelerator="cpu")
    assert result.reason is FinishReason.COMPLETED
    assert result.model is not None
    assert result.metrics
    assert all(isfinite(value) for value in result.metrics.values())


def test_a_damaged_image_met_in_training_is_an_input_error_that_names_it(tmp_path: Path) -> None:
    write_all(tmp_path)
    for broken in (tmp_path / "w2s" / "train" / "avg2").glob("*.png"):
        broken.write_bytes(broken.read_bytes()[:60])
    config = source_config("w2s", root=tmp_path / "w2s", levels={"avg1": 1, "avg2": 3}, steps=3, validation_images=1)
    with pytest.raises(InputError, match=r"avg2.00\d_0\.png"):
        fit(config, tmp_path / "run", preview_every=0, accelerator="cpu")
