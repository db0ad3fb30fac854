"""SRFBN: its keys, and what each of its steps answers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from w2s_networks import image, shapes_of, tiny

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.networks import srfbn


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("srfbn")
    expected = {
        "conv_in.0.weight": (256, 1, 3, 3),
        "conv_in.1.weight": (1,),
        "feat_in.0.weight": (64, 256, 1, 1),
        "block.compress_in.0.weight": (64, 128, 1, 1),
        "block.upBlocks.5.0.weight": (64, 64, 6, 6),
        "block.upBlocks.5.1.weight": (1,),
        "block.downBlocks.0.0.bias": (64,),
        "block.uptranBlocks.4.0.weight": (64, 384, 1, 1),
        "block.downtranBlocks.0.0.weight": (64, 128, 1, 1),
        "block.compress_out.0.weight": (64, 384, 1, 1),
        "out.0.weight": (64, 64, 6, 6),
        "conv_out.0.weight": (1, 64, 3, 3),
        "steps": (),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert "block.uptranBlocks.5.0.weight" not in shapes
    assert len(shapes) == 3 * (5 + 6 + 6 + 5 + 5) + 2 + 1


def test_the_authors_weights_name_no_steps_and_mean_four() -> None:
    network = tiny("srfbn", steps=4)
    state = network.state_dict()
    del state["steps"]
    again = srfbn.build(state)
    x = image(1, 1, 6, 6)
    assert torch.equal(again(x), network(x))
    assert int(again.state_dict()["steps"]) == 4


def test_a_new_network_interpolates() -> None:
    network = srfbn.create(features=4, groups=2, steps=3)
    x = image(1, 1, 5, 6)
    bilinear = F.interpolate(x, scale_factor=2, mode="bilinear")
    assert all(torch.equal(answer, bilinear) for answer in network.answers(x))


def test_activations_neither_vanish_nor_grow() -> None:
    torch.manual_seed(0)
    network = srfbn.create(features=32, groups=3, steps=4)
    found = [float(f.detach().std()) for f in network._findings(image(1, 1, 24, 24))]
    assert 0.2 < found[-1] / found[0] < 5
    assert 0.02 < found[0] < 50


def test_every_step_answers_and_the_last_one_is_the_result() -> None:
    network = tiny("srfbn")
    x = image(2, 1, 6, 7)
    answers = network.answers(x)
    assert [tuple(a.shape) for a in answers] == 3 * [(2, 1, 12, 14)]
    assert torch.equal(answers[-1], network(x))
    assert not torch.allclose(answers[0], answers[1])
    fewer = srfbn.build({**network.state_dict(), "steps": torch.tensor(2)})
    assert len(fewer.answers(x)) == 2
    assert all(torch.equal(a, b) for a, b in zip(fewer.answers(x), answers, strict=False))


def test_the_first_step_is_fed_the_features_themselves() -> None:
    network = tiny("srfbn")
    x = image(1, 1, 6, 6)
    features = network.feat_in(network.conv_in(x))
    first = next(iter(network._findings(x)))
    assert torch.equal(first, network.block(features, features))


def test_no_step_is_remembered_for_the_next_call() -> None:
    network = tiny("srfbn")
    x = image(1, 1, 9, 8)
    result = network(x)
    network(1 - x)
    network.answers(image(1, 1, 4, 4))
    assert torch.equal(network(x), result)


@pytest.mark.parametrize("steps", [0, 2.5, 10**9, [4], float("nan"), 4 + 1j], ids=str)
def test_numbers_of_steps_that_make_no_network(steps: object) -> None:
    with pytest.raises(WeightsError, match=srfbn.ARCHITECTURE):
        srfbn.build({**tiny("srfbn").state_dict(), "steps": torch.tensor(steps)})


def test_a_network_without_groups_or_of_another_width_is_refused() -> None:
    state = tiny("srfbn").state_dict()
    for wrong in (
        {key: value for key, value in state.items() if not key.startswith("block.upBlocks")},
        {**state, "conv_in.0.weight": torch.zeros(12, 1, 3, 3)},
    ):
        with pytest.raises(WeightsError, match=r"SRFBN.*it has weights feat_in"):
            srfbn.build(wrong)


def test_too_many_steps() -> None:
    with pytest.raises(InputError, match="17 steps: give at most 16"):
        tiny("srfbn", steps=17)
