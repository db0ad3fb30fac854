"""The model that a run leaves: its card, its names, and that it restores as it was judged."""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from w2s_training import DNCNN, TRAIN, VALIDATION, toy_config, toy_field

from napari_w2s._types import Level, Task
from napari_w2s.engine.predict import predict
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.models.registry import Registry
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.export import descriptors
from napari_w2s.training.fit import fit
from napari_w2s.training.report import TrainingResult
from napari_w2s.training.start import begin

BOTH = {"denoised": [{"name": "mse"}], "sim": [{"name": "mse"}]}
W2S = [{"kind": "w2s"}]


def run(folder: Path, config: TrainingConfig, **options: Any) -> TrainingResult:
    given = {"train": TRAIN, "validation": VALIDATION, "preview_every": 0, "accelerator": "cpu", "devices": 1}
    return fit(config, folder, **{**given, **options})


def described(config: TrainingConfig) -> list[ModelDescriptor]:
    return list(descriptors(config, begin(config)))


def test_the_card_says_what_it_is_and_how_it_was_made(tmp_path: Path) -> None:
    config = toy_config(licence="CC0-1.0", title="Toy model", summary="To try.", network=dict(DNCNN))
    result = run(tmp_path, config)
    assert result.model is not None
    card = load_state_dict(result.model).card
    assert card is not None
    (model,) = card["models"]
    assert (model["name"], model["title"], model["summary"]) == ("toy", "Toy model", "To try.")
    assert (model["licence"], model["architecture"], model["receptive_field"]) == ("CC0-1.0", "dncnn", 7)
    training = card["training"]
    assert training["config"] == config.model_dump(mode="json")
    assert training["data"] == {
        "train": {"fields": 3, "groups": 3, "fovs": []},
        "validation": {"fields": 2, "groups": 2, "fovs": []},
    }
    assert training["step"] in (3, 6)
    assert training["seconds"] >= 0
    assert training["device"] == "cpu"
    assert card["metrics"] == {key: round(value, 3) for key, value in result.metrics.items()}
    assert date.fromisoformat(card["date"])
    assert card["versions"]["torch"] == torch.__version__
    assert card["versions"]["lightning"] == lightning.__version__
    assert card["versions"]["python"] == platform.python_version()
    assert set(card["versions"]) == {"napari-w2s", "torch", "lightning", "python"}
    json.dumps(card, allow_nan=False)


@pytest.mark.parametrize("half", [False, True])
def test_the_saved_model_restores_as_well_as_it_was_judged(tmp_path: Path, half: bool) -> None:
    config = toy_config(task="jdsr", losses=BOTH, steps=30, validate_every=15, average=0.8)
    result = run(tmp_path, config, validation=VALIDATION[:1], half=half)
    assert result.model is not None
    assert {t.dtype for t in load_state_dict(result.model).state.values()} == {torch.float16 if half else torch.float32}
    registry = Registry()
    registry.register_trained(result.model)
    field = VALIDATION[0]
    centre = slice(8, 24)
    restored = {name: predict(registry.load(f"toy-{name}"), field.inputs["avg1"]) for name in ("denoise", "jdsr")}
    error = np.square((restored["denoise"][centre, centre] - field.denoised[centre, centre]) / 255).mean()
    # The engine sees the whole image, validation its centre alone: its surroundings matter a little.
    assert -10 * np.log10(error) == pytest.approx(result.metrics["denoised_avg1"], abs=0.5)
    assert restored["jdsr"].shape == (64, 64)
    assert 0 < restored["jdsr"].mean() < 255


def test_one_output_has_the_name_of_the_config_and_two_have_their_tasks(tmp_path: Path) -> None:
    (one,) = described(toy_config())
    assert (one.name, one.task, one.scale, one.output, one.result) == ("toy", Task.DENOISE, 1, "denoised", None)
    denoise, fine = described(toy_config(name="w2s", task="jdsr", losses=BOTH))
    assert (denoise.name, denoise.task, denoise.scale) == ("w2s-denoise", Task.DENOISE, 1)
    assert (fine.name, fine.task, fine.scale, fine.output) == ("w2s-jdsr", Task.JDSR, 2, "sim")
    assert (fine.normalization, fine.result) == ("standard", "unit")
    (sr,) = described(toy_config(task="sr", losses={"sim": [{"name": "mse"}]}, normalization="unit"))
    assert (sr.name, sr.task, sr.scale, sr.result) == ("toy", Task.SR, 2, None)


def test_sizes_are_read_off_the_network() -> None:
    (plain,) = described(toy_config(network=dict(DNCNN)))
    assert (plain.size_multiple, plain.receptive_field, plain.output) == (1, 7, None)
    deep = {"architecture": "unet", "options": {"widths": [2, 2, 2], "blocks": [1, 1, 1]}}
    config = toy_config(network=deep)
    (unet,) = described(config)
    assert (unet.size_multiple, unet.receptive_field) == (8, begin(config).receptive_field)


@pytest.mark.parametrize(
    ("train", "levels", "expected"),
    [
        (W2S, {"avg4": 1}, Level.AVG4),
        (W2S, {"avg4": 1, "avg1": 0}, Level.AVG4),
        (W2S, {"avg4": 1, "avg1": 1}, None),
        ([], {"avg4": 1}, None),
        ([{"kind": "folders", "paths": {}}], {"avg1": 1}, None),
    ],
)
def test_the_level_is_said_where_there_is_one(train: Any, levels: Any, expected: Level | None) -> None:
    (model,) = described(toy_config(train=train, levels=levels))
    assert model.level is expected


def test_a_model_that_saw_clean_images_serves_super_resolution_too() -> None:
    losses = {"sim": [{"name": "mse"}]}
    (blind,) = described(toy_config(task="jdsr", losses=losses, train=W2S, levels={"avg1": 1, "avg400": 1}))
    (noisy,) = described(toy_config(task="jdsr", losses=losses, train=W2S, levels={"avg1": 1}))
    assert (blind.tasks, noisy.tasks) == ((Task.SR,), ())


def test_a_generative_model_says_so() -> None:
    losses = {"sim": [{"name": "mse"}]}
    (model,) = described(toy_config(task="sr", losses=losses, adversarial={"width": 4}, summary="Sharp."))
    assert model.summary.startswith("Sharp. Generative")


def test_fields_of_view_are_counted(tmp_path: Path) -> None:
    from dataclasses import replace

    fields = [replace(toy_field(n), fov=fov, group=str(fov)) for n, fov in ((1, 7), (2, 7), (3, 9))]
    result = run(tmp_path, toy_config(steps=1, validate_every=1), train=fields)
    assert result.model is not None
    card = load_state_dict(result.model).card
    assert card is not None
    assert card["training"]["data"]["train"] == {"fields": 3, "groups": 2, "fovs": [7, 9]}
