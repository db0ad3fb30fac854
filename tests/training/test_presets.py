"""What a panel's few choices become."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_w2s._types import InputError, Level, Task
from napari_w2s.engine import device
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.training import presets
from napari_w2s.training.adversarial import make_module
from napari_w2s.training.config import Source, TrainingConfig, read_recipe
from napari_w2s.training.presets import (
    DEFAULT_SIZE,
    LEVELS,
    NETWORK_SIZES,
    PRESETS,
    NetworkSize,
    make_training_config,
)
from napari_w2s.training.shipped import find_recipe
from napari_w2s.training.start import begin

UNETS = [size.name for size in NETWORK_SIZES.values() if size.architecture == "unet"]
BENCHMARK = [size for size in NETWORK_SIZES.values() if size.architecture != "unet"]


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("size", list(NETWORK_SIZES))
def test_every_choice_makes_a_network_for_the_task(task: Task, size: str) -> None:
    if task not in NETWORK_SIZES[size].tasks:
        with pytest.raises(InputError, match=f"is not for the task {task}. Choose one of: small, "):
            make_training_config(task, name="mine", size=size)
        return
    for preset in PRESETS:
        config = make_training_config(task, name="mine", size=size, preset=preset)
        assert config.task is task
    output = "denoised" if task is Task.DENOISE else "sim"
    network = begin(config)
    assert config.outputs == (output,)
    assert getattr(network, "outputs", (output,)) == (output,)
    assert make_module(config, network).network is network


def test_sizes_and_times_are_in_order() -> None:
    sizes = [begin(make_training_config(Task.SR, name="x", size=size)) for size in UNETS]
    weights = [sum(p.numel() for p in network.parameters()) for network in sizes]
    assert weights == sorted(weights)
    assert [0.4e6 < n < 4e6 for n in weights] == [True] * 3
    work = [p.steps * p.batch * p.patch**2 for p in PRESETS.values()]
    assert work == sorted(work)
    assert all(p.steps % p.validate_every == 0 for p in PRESETS.values())
    assert 600 <= PRESETS["quick"].steps <= 1000


def test_the_u_nets_come_first_and_suit_every_task() -> None:
    assert list(NETWORK_SIZES)[: len(UNETS)] == UNETS
    assert UNETS[0] == DEFAULT_SIZE
    assert {NETWORK_SIZES[name].tasks for name in UNETS} == {tuple(Task)}


@pytest.mark.parametrize("size", BENCHMARK, ids=lambda size: size.name)
def test_the_benchmarks_networks_are_those_of_their_light_recipes(size: NetworkSize) -> None:
    method = ARCHITECTURES[size.architecture]
    assert dict(size.options) == dict(method.light or read_recipe(find_recipe(size.name)).network.options)
    with torch.device("meta"):
        network = method.create(**size.options)
    weights = sum(p.numel() for p in network.parameters())
    assert f"{weights / 1e6:.2f} million weights" in size.hint


def test_the_benchmarks_networks_take_any_patch() -> None:
    config = make_training_config(Task.SR, name="x", size="rdn-light", patch=33)
    assert begin(config)(torch.zeros(1, 1, 33, 33)).shape == (1, 1, 66, 66)
    with pytest.raises(InputError, match="a multiple of 8, not 33"):
        begin(make_training_config(Task.SR, name="x", patch=33))


def test_a_model_that_is_gone_on_from_brings_what_it_is() -> None:
    config = make_training_config(Task.DENOISE, name="x", start_from="dncnn-avg1")
    assert config.network.start_from == "dncnn-avg1"
    assert "architecture" not in config.network.model_fields_set
    assert "normalization" not in config.model_fields_set
    assert config.optimizer.learning_rate == 1e-4
    assert make_training_config(Task.DENOISE, name="x").optimizer.learning_rate > 5e-4


def losses(config: TrainingConfig) -> list[tuple[str, bool]]:
    ((_, terms),) = config.losses.items()
    return [(term.name, term.matched) for term in terms]


def test_losses_suit_what_is_known_of_the_images() -> None:
    w2s = (Source(),)
    own = (Source(kind="folders", paths={"noisy": ("a",), "sim": ("b",)}),)
    benchmark = make_training_config(Task.JDSR, name="x", sources=w2s)
    assert benchmark.sim_brightness is not None
    assert not any(matched for _, matched in losses(benchmark))
    for sources in (own, (), (*w2s, *own)):
        config = make_training_config(Task.JDSR, name="x", sources=sources)
        assert config.sim_brightness is None
        assert any(matched for _, matched in losses(config))
    assert make_training_config(Task.DENOISE, name="x", sources=w2s).sim_brightness is None
    # The mean of noisy images is the clean one, their median is not.
    blind = make_training_config(Task.DENOISE, name="x", self_supervised="noise2void")
    assert losses(blind) == [("mse", False)]
    assert losses(make_training_config(Task.SR, name="x", loss="charbonnier")) == [("charbonnier", False)]


@pytest.mark.parametrize(
    ("task", "levels", "expected"),
    [
        (Task.DENOISE, None, dict(LEVELS)),
        (Task.SR, None, {Level.AVG400: 1}),
        (Task.JDSR, {Level.AVG2: 0.5}, {Level.AVG2: 0.5}),
        (Task.JDSR, [Level.AVG2, Level.AVG4], {Level.AVG2: 1, Level.AVG4: 1}),
        (Task.JDSR, {}, dict(LEVELS)),
    ],
)
def test_levels_can_be_chosen(task: Task, levels: Any, expected: dict[Level, float]) -> None:
    assert make_training_config(task, name="x", levels=levels).levels == expected


def test_patches_fit_into_the_smallest_image() -> None:
    usual = make_training_config(Task.DENOISE, name="x", preset="long").patch
    edges = [make_training_config(Task.DENOISE, name="x", preset="long", smallest=n).patch for n in (500, 70, 16)]
    assert edges == [usual, 64, 16]
    with pytest.raises(InputError, match="15 pixels wide"):
        make_training_config(Task.DENOISE, name="x", smallest=15)
    assert make_training_config(Task.DENOISE, name="x", smallest=70, patch=32).patch == 32


def test_anything_can_be_changed() -> None:
    config = make_training_config(Task.DENOISE, name="x", steps=7, batch=3, learning_rate=0.5, seed=9)
    assert (config.steps, config.batch, config.optimizer.learning_rate, config.seed) == (7, 3, 0.5, 9)


@pytest.mark.parametrize(("fast", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_bfloat16_is_taken_where_it_is_fast(monkeypatch: pytest.MonkeyPatch, fast: bool, precision: str) -> None:
    asked = []

    def is_fast(where: torch.device) -> bool:
        asked.append(where)
        return fast

    monkeypatch.setattr(device, "is_fast_in_bfloat16", is_fast)
    assert make_training_config(Task.DENOISE, name="x", device="cpu").precision == precision
    assert asked == [torch.device("cpu")]


@pytest.mark.parametrize("wrong", [{"preset": "forever"}, {"size": "huge"}])
def test_what_there_is_not_is_said(wrong: dict[str, str]) -> None:
    (value,) = wrong.values()
    with pytest.raises(InputError, match=f"no .* '{value}'. Choose one of"):
        make_training_config(Task.DENOISE, name="x", **wrong)  # type: ignore[arg-type]


def test_choices_have_words() -> None:
    for choice in (*presets.PRESETS.values(), *presets.NETWORK_SIZES.values()):
        assert choice.title
        assert choice.hint.endswith(".")
