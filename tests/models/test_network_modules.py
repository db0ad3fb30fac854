"""What every network module must do: how it is made, rebuilt from weights, and refuses those that are not its own."""

from __future__ import annotations

import inspect
from itertools import count
from typing import Any

import pytest
import torch
from torch import nn
from w2s_networks import (
    CHANGES,
    FAR,
    NETWORKS,
    State,
    added_keys,
    awake,
    grown,
    image,
    measured_reach,
    module_of,
    tiny,
)

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.state_dict import canonical, count_children, fit

COUNTS = [(name, *count) for name, facts in NETWORKS.items() for count in facts.counts]
SIZES = [(name, options) for name, facts in NETWORKS.items() for options in ({}, *facts.others)]
EDGE = 16

each_network = pytest.mark.parametrize("name", NETWORKS)
each_size = pytest.mark.parametrize(("name", "options"), SIZES, ids=str)


def complaint(name: str, state: State | None) -> str:
    """Return what is said of weights that are refused; empty if they are taken."""
    try:
        module_of(name).build(state)
    except WeightsError as error:
        return str(error)
    return ""


def test_no_network_is_left_out() -> None:
    assert set(NETWORKS) == {name for name, method in ARCHITECTURES.items() if method.has_weights}


@pytest.mark.parametrize(("name", "options", "weights", "reach"), COUNTS, ids=str)
def test_number_of_weights_and_receptive_field(
    name: str, options: dict[str, Any], weights: int, reach: int | None
) -> None:
    with torch.device("meta"):
        network = module_of(name).create(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights
    assert network.receptive_field == reach
    assert network.training


@each_size
def test_rebuilt_from_its_weights_alone(name: str, options: dict[str, Any]) -> None:
    made = tiny(name, **options)
    saved, _ = canonical({"model": {f"module.{key}": value for key, value in made.state_dict().items()}})
    again = module_of(name).build(saved)
    assert list(again.state_dict()) == list(made.state_dict())
    assert again.receptive_field == made.receptive_field
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    batch = image(2, options.get("channels", 1), EDGE, 2 * EDGE)
    answer = again(batch)
    assert torch.equal(answer, made(batch))
    for value in saved.values():
        value.detach().zero_()
    assert torch.equal(again(batch), answer)


@each_network
def test_half_precision_weights_become_single(name: str) -> None:
    state = tiny(name).half().state_dict()
    assert {weight.dtype for weight in module_of(name).build(state).parameters()} == {torch.float32}


@each_size
def test_receptive_field_is_what_the_gradient_reaches(name: str, options: dict[str, Any]) -> None:
    network, channels = tiny(name, **options).double(), options.get("channels", 1)
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.02, 0.08)
    if network.receptive_field is None:
        x = image(1, channels, 6, 90).double().requires_grad_()
        network(x)[..., 0].sum().backward()
        assert x.grad.ne(0).all()
    else:
        # The widest that any pixel of a pooled cell needs is what counts.
        least = network.receptive_field - 2 * (getattr(network, "size_multiple", 1) - 1)
        assert least <= measured_reach(network, channels) <= network.receptive_field


@each_network
def test_every_weight_learns(name: str) -> None:
    torch.manual_seed(0)
    network = awake(module_of(name).create(**{**NETWORKS[name].tiny, **NETWORKS[name].learning}))
    answer = network(image(2, 1, EDGE, EDGE))
    (answer - image(*answer.shape, seed=2)).square().mean().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize("name", [name for name, facts in NETWORKS.items() if facts.exports_any_size])
def test_exported_for_any_size(name: str) -> None:
    network = tiny(name)
    batch, other = image(1, 1, EDGE, 2 * EDGE), image(1, 1, 3 * EDGE, EDGE)
    free = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    exported = torch.export.export(network, (batch,), dynamic_shapes=free).module()
    for x in (batch, other):
        torch.testing.assert_close(exported(x), network(x))


def numbers_of(name: str) -> list[str]:
    """Return the options of an architecture that are numbers of something, or several of them."""
    options = inspect.signature(module_of(name).create).parameters.values()
    return [one.name for one in options if one.annotation in ("int", "Sequence[int]")]


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize(("name", "option"), [(name, one) for name in NETWORKS for one in numbers_of(name)])
def test_numbers_that_make_no_network(name: str, option: str, number: int) -> None:
    several = isinstance(NETWORKS[name].tiny.get(option), tuple)
    with pytest.raises(InputError, match="at least"):
        tiny(name, **{option: (number, 1) if several else number})


def test_every_number_is_looked_at() -> None:
    assert numbers_of("unet") == ["widths", "blocks", "fold", "detail", "channels"]
    assert numbers_of("edsr") == ["blocks", "width"]
    assert all(set(facts.tiny) <= set(numbers_of(name)) for name, facts in NETWORKS.items())


@each_network
def test_no_weights_and_foreign_weights_are_refused(name: str) -> None:
    title, needs = module_of(name).ARCHITECTURE, NETWORKS[name].needs
    for state in (None, {}, {"encoder.weight": torch.zeros(3, 3)}):
        said = complaint(name, state)
        assert said.startswith(f"these weights do not fit {title}; it ")
        assert needs in said
    assert "encoder.weight" in said


@each_network
@pytest.mark.parametrize("change", CHANGES)
def test_a_weight_that_does_not_fit_is_refused(name: str, change: str) -> None:
    state = tiny(name).state_dict()
    wrong = {key: value for key, weight in state.items() if (value := CHANGES[change](weight)) is not None}
    said = {key: complaint(name, {**state, key: value}) for key, value in wrong.items()}
    assert said
    assert [key for key in said if module_of(name).ARCHITECTURE not in said[key]] == []


@each_network
def test_a_weight_that_is_lost_is_missed(name: str) -> None:
    state = tiny(name).state_dict()
    may_be_missing = {key for key in state if key.endswith("num_batches_tracked")} | NETWORKS[name].optional
    taken = {key for key in state if not complaint(name, {k: v for k, v in state.items() if k != key})}
    assert taken == may_be_missing


@each_network
def test_weights_of_more_than_the_network_are_refused(name: str) -> None:
    state = tiny(name).state_dict()
    added = {"extra.weight": next(iter(state.values())), "sub_mean.scale": torch.ones(1, 1, 1, 1)}
    added |= {key: state[origin] for key, origin in added_keys(state) if key not in state}
    assert any(str(FAR) in key for key in added) or name == "ridnet"
    said = {key: complaint(name, {**state, key: value}) for key, value in added.items()}
    assert [key for key in said if module_of(name).ARCHITECTURE not in said[key]] == []


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("dncnn", "ridnet")])
def test_names_that_ask_for_a_huge_network_cost_nothing(name: str) -> None:
    """Were it made before its weights are compared, it would take minutes, and gigabytes."""
    state = grown(tiny(name).state_dict(), 200)
    assert len(state) > 400
    assert module_of(name).ARCHITECTURE in complaint(name, state)


def test_a_network_without_end_is_refused() -> None:
    def make() -> nn.Module:
        return nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in count()))

    with pytest.raises(WeightsError, match=r"do not fit Endless; .* a network of far more than these 2 weights"):
        fit(make, {"0.weight": torch.zeros(1, 1, 1, 1), "0.bias": torch.zeros(1)}, "Endless")


def test_forged_indices_make_no_large_network() -> None:
    state = {"blocks.0.w": 1, "blocks.999999999.w": 1, "blocks.1e9.w": 1, "blocks.99999999999.w": 1, "other": 1}
    assert count_children(state, "blocks") == len(state)
    assert count_children(state, "none") == 0
    assert count_children({"blocks.2.w": 1, "blocks.0.w": 1, "blocks.1.w": 1}, "blocks") == 3
