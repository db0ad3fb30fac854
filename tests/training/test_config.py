"""Recipes: what comes along, what a fault is called, and that a config survives being written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from w2s_training import toy_config

from napari_w2s._types import InputError, Level
from napari_w2s.training.adversarial import make_module
from napari_w2s.training.config import TrainingConfig, make_config, parse_numbers, read_recipe, write_recipe
from napari_w2s.training.schedule import factor
from napari_w2s.training.shipped import FOLDER, find_recipe, recipe_names
from napari_w2s.training.start import begin


def test_there_is_a_recipe_for_every_network() -> None:
    from napari_w2s.models.architectures import ARCHITECTURES

    made = {read_recipe(find_recipe(name)).network.architecture for name in recipe_names()}
    assert made == {name for name, method in ARCHITECTURES.items() if method.has_weights}


@pytest.mark.parametrize("name", ["dncnn", "memnet"])
def test_the_benchmark_s_denoisers_are_trained_as_its_authors_did(name: str) -> None:
    config = read_recipe(find_recipe(name))
    epoch = -(-47040 // 128)
    assert (config.batch, config.patch, config.steps, config.validate_every) == (128, 64, 50 * epoch, epoch)
    assert config.optimizer.name == "adam"
    assert config.levels == {Level.AVG1: 1}
    rates = [1e-3 * factor(config.schedule, step, config.steps) for step in (0, 30 * epoch - 1, 30 * epoch)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4])


def test_their_loss_is_the_sum_of_squared_errors_by_twice_the_batch() -> None:
    import torch

    config = read_recipe(find_recipe("dncnn"))
    module = make_module(config, begin(config))
    generator = torch.Generator().manual_seed(0)
    answer, target = (torch.rand(3, 1, 64, 64, generator=generator) for _ in range(2))
    batch = {"denoised": target, "denoised_map": torch.tensor([[1.0, 0.0]] * 3)}
    expected = (answer - target).square().sum() / (2 * 3)
    torch.testing.assert_close(module.loss("denoised", answer, batch), expected)


def test_a_config_survives_being_written(tmp_path: Path) -> None:
    config = toy_config(
        levels={"avg1": 0.25, "sim": 0.75},
        train=[{"kind": "folders", "paths": {"noisy": ["a", "b"], "denoised": ["c"]}}],
        sim_brightness={"mean": 0.1, "std": 0.2, "slope": 0.3},
        schedule={"kind": "steps", "milestones": [0.5], "factor": 0.1},
    )
    path = write_recipe(config, tmp_path / "recipe.yaml")
    assert read_recipe(path) == config
    assert make_config(yaml.safe_load(path.read_text())) == config


def test_a_recipe_is_found_by_path_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_recipe("dncnn") == FOLDER / "dncnn.yaml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dncnn").write_text("name: mine")
    assert find_recipe("dncnn") == Path("dncnn")
    with pytest.raises(InputError, match=r"no recipe 'ncnn'.*Did you mean .*dncnn"):
        find_recipe("ncnn")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "My Model"}, "name"),
        ({"steps": 0}, "steps"),
        ({"task": "enlarge"}, "task"),
        ({"losses": {}}, "needs losses for denoised"),
        ({"task": "sr"}, "needs losses for sim"),
        ({"levels": {"avg1": 0}}, "weight 0"),
        ({"levels": {"avg3": 1}}, "levels"),
        ({"optimizer": {"learning_rate": -1}}, r"optimizer\.learning_rate"),
        ({"no_such_entry": 1}, "no_such_entry"),
        ({"losses": {"denoised": [{"nme": "l1"}]}}, r"losses\.denoised\.0\.name"),
    ],
)
def test_a_fault_is_called_by_its_entry(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        toy_config(**changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xff\xfe\x00", "not text"),
        (b"a: [", "not valid YAML"),
        (b"- a\n- b", "holds no entries"),
        (b"", "holds no entries"),
        (b"name: x", "task"),
    ],
)
def test_a_file_that_is_no_recipe_is_said(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text)
    with pytest.raises(InputError, match=words) as error:
        read_recipe(path)
    assert str(path) in str(error.value)


def test_nothing_in_a_recipe_is_run(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: !!python/object/apply:os.system ['touch sprung']")
    with pytest.raises(InputError, match="not valid YAML"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("text", "numbers"), [("1-3", (1, 2, 3)), (" 5 ", (5,)), ("3, 1-2,2", (3, 1, 2)), ("", ()), ("7-7", (7,))]
)
def test_numbers_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_numbers(text) == numbers


@pytest.mark.parametrize("text", ["1-99999999999", "10000", "5,9999-10000"])
def test_numbers_that_no_field_of_view_has_are_refused_at_once(text: str) -> None:
    with pytest.raises(InputError, match="goes beyond 9999"):
        parse_numbers(text)


def test_one_field_of_view_may_be_written_as_a_number() -> None:
    assert toy_config(train=[{"fovs": 41}]).train[0].fovs == "41"
    with pytest.raises(InputError, match="fovs: Input should be a valid string"):
        toy_config(train=[{"fovs": True}])


@pytest.mark.parametrize("text", ["a", "3-1", "-2", "1-", "1.5"])
def test_what_names_no_numbers_is_said(text: str) -> None:
    with pytest.raises(InputError, match="does not name fields of view"):
        parse_numbers(text)


@pytest.mark.parametrize(
    ("schedule", "steps", "expected"),
    [
        ({"kind": "constant", "warmup": 3, "decay": 4}, 12, {0: 0.25, 2: 0.75, 3: 1, 8: 1, 11: 1 - 0.75**0.5, 12: 0}),
        ({"kind": "constant", "warmup": 0.25, "decay": 0.5}, 12, {0: 0.25, 3: 1, 6: 1, 9: 1 - 0.5**0.5, 12: 0}),
        ({"kind": "constant", "warmup": 0, "decay": 0}, 12, {0: 1, 12: 1}),
        ({"kind": "one-cycle", "warmup": 2}, 12, {0: 1 / 3, 1: 2 / 3, 2: 1, 7: 0.5, 12: 0}),
        ({"kind": "steps", "milestones": [0.25, 0.5], "factor": 0.1}, 12, {0: 1, 2: 1, 3: 0.1, 6: 0.01, 12: 0.01}),
    ],
)
def test_the_learning_rate_runs_as_it_is_said(schedule: Any, steps: int, expected: dict[int, float]) -> None:
    config: TrainingConfig = toy_config(schedule=schedule)
    found = {step: factor(config.schedule, step, steps) for step in expected}
    assert found == pytest.approx(expected)
