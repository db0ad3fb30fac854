"""A training that takes a second: a tiny network, tiny fields, few steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from napari_w2s._types import Task
from napari_w2s.training.config import TrainingConfig, make_config
from napari_w2s.training.fields import Field
from napari_w2s.training.report import Wish

EDGE = 32


def toy_field(number: int, levels: tuple[str, ...] = ("avg1",)) -> Field:
    """Return a field with noise that a network can take away, a clean and a SIM image."""
    rng = np.random.default_rng(number)
    smooth = np.kron(rng.random((EDGE // 8, EDGE // 8)), np.ones((8, 8)))
    clean = 60 + 120 * smooth
    noisy = {level: (clean + 20 * rng.standard_normal(clean.shape)).clip(0, 255).astype(np.uint8) for level in levels}
    return Field(
        name=f"field {number}",
        group=f"group {number}",
        inputs=noisy,
        denoised=clean.astype(np.uint8),
        sim=np.kron(clean, np.ones((2, 2))).astype(np.uint8),
    )


TRAIN = [toy_field(number) for number in range(3)]
VALIDATION = [toy_field(number) for number in (7, 8)]

UNET: Mapping[str, Any] = {"architecture": "unet", "options": {"widths": [4], "blocks": [1], "fold": 2, "detail": 2}}
DNCNN: Mapping[str, Any] = {"architecture": "dncnn", "options": {"depth": 3, "width": 4}}


def stop_after(step: int, validate_every: int = 3, first: int = 0) -> Callable[[], Wish]:
    """Wish for a stop after that step: polls are before the first step, after each step and after each validation."""
    validations = (step - 1) // validate_every - first // validate_every
    left = iter(range(step - first + validations))
    return lambda: Wish.STOP if next(left, None) is None else Wish.GO


def toy_config(**changes: Any) -> TrainingConfig:
    """Return a config of 6 steps with a validation after each 3."""
    entries: dict[str, Any] = {
        "name": "toy",
        "task": Task.DENOISE,
        "network": dict(UNET),
        "train": [],
        "losses": {"denoised": [{"name": "mse"}]},
        "patch": 16,
        "batch": 2,
        "steps": 6,
        "validate_every": 3,
        "validation_crop": 16,
        "schedule": {"kind": "constant", "warmup": 0, "decay": 0},
        "optimizer": {"learning_rate": 1e-2},
    }
    return make_config({**entries, **changes})
