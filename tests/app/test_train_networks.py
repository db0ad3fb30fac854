"""The benchmark's light networks, chosen as a panel would: each learns, and its model can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_w2s._types import Task
from napari_w2s.app.restore import restore_image
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.data import read_fields
from napari_w2s.app.training.material import Material, pair, suggest_noisy
from napari_w2s.app.training.pace import seconds_of
from napari_w2s.app.training.recipe import recipe
from napari_w2s.app.training.state import MATCHED, Learn
from napari_w2s.data.image import Image
from napari_w2s.models.registry import Registry
from napari_w2s.training.config import changed
from napari_w2s.training.fit import fit
from napari_w2s.training.presets import NETWORK_SIZES, make_training_config
from napari_w2s.training.report import FinishReason, StepReport
from napari_w2s.training.start import begin

EDGE = 40
FOVS = (1, 2)
BENCHMARK = [size for size in NETWORK_SIZES.values() if size.architecture != "unet"]
MULTIPLY_LITTLE = ("srfbn-light", "memnet-light")


def images() -> dict[str, Image]:
    """Return two fields of view, noisy, clean and with twice the pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: 2 * EDGE, : 2 * EDGE] / 2
    fine = np.stack([100 + 80 * np.sin(y / 3 + fov) * np.cos(x / 4) for fov in FOVS])
    clean = fine.reshape(len(FOVS), EDGE, 2, EDGE, 2).mean((2, 4))
    data = {"avg1": clean + rng.normal(0, 9, clean.shape), "avg400": clean, "sim": fine}
    known = {"release": "8-bit", "channel": 0, "fov": None, "fovs": list(FOVS), "intensity_range": [0.0, 255.0]}
    return {
        level: Image(
            data=values.clip(0, 255).astype(np.uint8),
            name=level,
            axes=("fov", "y", "x"),
            scale=(1.0,) * 3,
            units=("pixel",) * 3,
            metadata={"w2s": {**known, "level": level}},
        )
        for level, values in data.items()
    }


def choose(given: dict[str, Image], task: Task, size: str) -> TrainChoice:
    materials = [Material(name, name, one.data.shape, one.axes, one.w2s) for name, one in given.items()]
    scenes = pair(materials, suggest_noisy(materials), MATCHED, MATCHED).scenes
    return TrainChoice(
        learn=Learn.LAYERS, task=task, name="mine", size=size, scenes=scenes, patch=32, batch=2, device="cpu"
    )


@pytest.mark.parametrize("size", [size.name for size in BENCHMARK])
def test_each_learns_three_steps_and_can_be_used(size: str, tmp_path: Path) -> None:
    task = NETWORK_SIZES[size].tasks[0]
    given = images()
    choice = choose(given, task, size)
    brief = {"steps": 3, "validate_every": 3, "validation_crop": 32, "validation_images": 1}
    config = changed(recipe(choice, given), brief)
    assert (config.network.architecture, config.patch, config.batch) == (NETWORK_SIZES[size].architecture, 32, 2)
    data = read_fields(choice, config, given)
    reports: list[Any] = []
    result = fit(
        config,
        tmp_path,
        train=data.train,
        validation=data.validation,
        accelerator="cpu",
        devices=1,
        report=reports.append,
        preview_every=0,
    )
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 3)
    assert all(np.isfinite(one.loss) for one in reports if isinstance(one, StepReport))
    assert result.model is not None
    registry = Registry()
    (model,) = registry.register_trained(result.model)
    assert (model.name, model.task, model.architecture) == ("mine", task, NETWORK_SIZES[size].architecture)
    frame = given["avg1"]
    alone = frame.replace(
        data=frame.data[0], axes=("y", "x"), scale=(1.0, 1.0), units=("pixel",) * 2, translate=(0.0, 0.0)
    )
    restored = restore_image(alone, RestoreSettings(models=("mine",), device="cpu"), registry=registry)
    assert restored.data.shape == (EDGE * model.scale,) * 2
    assert np.isfinite(restored.data).all()


def work(task: Task, size: str) -> float:
    """Return the multiply-adds of one pass, per input pixel."""
    with torch.device("meta"):
        network = begin(make_training_config(task, name="x", size=size)).eval()
        image = torch.zeros(1, 1, 64, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return counter.get_total_flops() / 2 / image.numel()


@pytest.mark.parametrize("size", [size.name for size in NETWORK_SIZES.values() if size.name != "small"])
def test_the_time_that_is_told_goes_with_the_work(size: str) -> None:
    task = NETWORK_SIZES[size].tasks[0] if size in {one.name for one in BENCHMARK} else Task.SR

    def seconds(name: str) -> float:
        known = seconds_of(TrainChoice(learn=Learn.W2S, task=task, name="x", size=name, preset="long"), ("cpu",))
        assert known is not None
        return known

    told, counted = seconds(size) / seconds("small"), work(task, size) / work(task, "small")
    least, most = (1.6, 2.4) if size in MULTIPLY_LITTLE else (0.9, 1.15)
    assert least * counted < told < most * counted
