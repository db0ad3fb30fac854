"""SRFBN: what each of its steps answers, and how it is rebuilt from its weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from napari_w2s._types import WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.networks import srfbn
from napari_w2s.models.state_dict import canonical

SMALL = {"features": 4, "groups": 2, "steps": 3}


def made(**options: int) -> srfbn.SRFBN:
    """Return a small network whose last layer, which starts at zero, says something."""
    torch.manual_seed(0)
    network = srfbn.create(**{**SMALL, **options}).eval()
    nn.init.normal_(network.conv_out[0].weight, std=0.1)
    return network


def image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_numbers_of_parameters() -> None:
    with torch.device("meta"):
        full, light = srfbn.create(), srfbn.create(**ARCHITECTURES["srfbn"].light)
    assert sum(p.numel() for p in full.parameters()) == 2_134_748
    assert sum(p.numel() for p in light.parameters()) == 157_624
    assert full.training
    assert (full.receptive_field, light.receptive_field) == (103, 31)


def test_names_and_shapes_of_the_authors() -> None:
    with torch.device("meta"):
        state = srfbn.create().state_dict()
    shapes = {
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
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    assert "block.uptranBlocks.5.0.weight" not in state
    assert len(state) == 3 * (5 + 6 + 6 + 5 + 5) + 2 + 1


@pytest.mark.parametrize("options", [{}, {"features": 3, "groups": 1, "steps": 1, "channels": 2}], ids=str)
def test_rebuilt_from_its_weights_alone(options: dict[str, int]) -> None:
    network = made(**options)
    saved, _ = canonical({"model": {f"module.{key}": value for key, value in network.state_dict().items()}})
    again = srfbn.build(saved)
    x = image(2, options.get("channels", 1), 7, 9)
    assert torch.equal(again(x), network(x))
    assert list(again.state_dict()) == list(network.state_dict())
    assert again.receptive_field == network.receptive_field
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())


def test_the_authors_weights_name_no_steps_and_mean_four() -> None:
    network = made(steps=4)
    state = network.state_dict()
    del state["steps"]
    again = srfbn.build(state)
    x = image(1, 1, 6, 6)
    assert torch.equal(again(x), network(x))
    assert int(again.state_dict()["steps"]) == 4


def test_a_new_network_interpolates() -> None:
    network = srfbn.create(**SMALL)
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
    network = made()
    x = image(2, 1, 6, 7)
    answers = network.answers(x)
    assert [tuple(a.shape) for a in answers] == 3 * [(2, 1, 12, 14)]
    assert torch.equal(answers[-1], network(x))
    assert not torch.allclose(answers[0], answers[1])
    fewer = srfbn.build({**network.state_dict(), "steps": torch.tensor(2)})
    assert len(fewer.answers(x)) == 2
    assert all(torch.equal(a, b) for a, b in zip(fewer.answers(x), answers, strict=False))


def test_the_first_step_is_fed_the_features_themselves() -> None:
    network = made()
    x = image(1, 1, 6, 6)
    features = network.feat_in(network.conv_in(x))
    first = next(iter(network._findings(x)))
    assert torch.equal(first, network.block(features, features))


@pytest.mark.parametrize("options", [{}, {"groups": 1, "steps": 1}, {"groups": 3, "steps": 2}], ids=str)
def test_receptive_field_is_what_the_gradient_reaches(options: dict[str, int]) -> None:
    network = made(**options).double()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.05, 0.2)
    width = network.receptive_field
    x = torch.rand(1, 1, 3, width + 8, dtype=torch.double, requires_grad=True)
    column = width // 2 + 3
    network(x)[..., 2 * column : 2 * column + 2].sum().backward()
    touched = x.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert (int(touched.min()), int(touched.max())) == (column - width // 2, column + width // 2)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (13, 17)], ids=str)
def test_any_size_is_doubled(size: tuple[int, int]) -> None:
    result = made()(image(1, 1, *size))
    assert result.shape == (1, 1, 2 * size[0], 2 * size[1])
    assert torch.isfinite(result).all()


def test_calls_do_not_depend_on_one_another() -> None:
    network = made()
    x = image(3, 1, 9, 8)
    before = x.clone()
    result = network(x)
    network(1 - x)
    network.answers(image(1, 1, 4, 4))
    assert torch.equal(network(x), result)
    assert torch.equal(x, before)
    torch.testing.assert_close(torch.cat([network(x[i : i + 1]) for i in range(3)]), result)
    assert network(x[:0]).shape == (0, 1, 18, 16)


def test_lower_precision_is_close() -> None:
    network = made()
    x = image(1, 1, 16, 16)
    result = network(x)
    rough = copy.deepcopy(network).bfloat16()(x.bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), result, rtol=0, atol=0.05)
    torch.testing.assert_close(copy.deepcopy(network).double()(x.double()).float(), result)


def test_traced_and_exported() -> None:
    network = made()
    x = image(2, 1, 9, 8)
    assert torch.equal(fx.symbolic_trace(network)(x), network(x))
    free = ({2: torch.export.Dim("height", min=2), 3: torch.export.Dim("width", min=2)},)
    exported = torch.export.export(network, (x,), dynamic_shapes=free).module()
    for shape in ((2, 1, 9, 8), (2, 1, 20, 5)):
        torch.testing.assert_close(exported(image(*shape)), network(image(*shape)))


def test_gradients_reach_every_weight() -> None:
    network = made().train()
    sum(answer.square().sum() for answer in network.answers(image(2, 1, 8, 8))).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


BROKEN: dict[str, dict[str, Any]] = {
    "lost": {"out.0.bias": None},
    "lost first": {"conv_in.0.weight": None},
    "lost rectifier": {"block.upBlocks.1.1.weight": None},
    "no groups": {f"block.upBlocks.{i}.{j}": None for i in (0, 1) for j in ("0.weight", "0.bias", "1.weight")},
    "added": {"extra.weight": torch.zeros(3)},
    "mean shift": {"sub_mean.weight": torch.ones(1, 1, 1, 1)},
    "a group too many": {"block.upBlocks.2.0.weight": torch.zeros(4, 4, 6, 6)},
    "far group": {"block.upBlocks.99999999.0.weight": torch.zeros(4, 4, 6, 6)},
    "for other pixels": {"out.0.weight": torch.zeros(4, 4, 8, 8)},
    "other widths": {"conv_in.0.weight": torch.zeros(12, 1, 3, 3)},
    "huge": {"feat_in.0.weight": torch.zeros(1).expand(2**22, 2**24, 1, 1)},
    "not finite": {"conv_out.0.bias": torch.tensor([float("inf")])},
    "no step": {"steps": torch.tensor(0)},
    "half a step": {"steps": torch.tensor(2.5)},
    "too many steps": {"steps": torch.tensor(10**9)},
    "many numbers of steps": {"steps": torch.tensor([4])},
    "no number of steps": {"steps": torch.tensor(float("nan"))},
    "imaginary steps": {"steps": torch.tensor(4 + 1j)},
}


@pytest.mark.parametrize("case", BROKEN)
def test_weights_that_do_not_fit_are_refused(case: str) -> None:
    changed = {**made().state_dict(), **BROKEN[case]}
    with pytest.raises(WeightsError, match=srfbn.ARCHITECTURE):
        srfbn.build({key: value for key, value in changed.items() if value is not None})


def test_no_weights_and_foreign_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match=srfbn.ARCHITECTURE):
        srfbn.build(None)
    with pytest.raises(WeightsError, match=r"SRFBN.*conv_in\.0\.weight"):
        srfbn.build({"encoder.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize("options", [*({name: 0} for name in SMALL), {"steps": 17}], ids=str)
def test_numbers_that_make_no_network(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at most 16 steps"):
        made(**options)
