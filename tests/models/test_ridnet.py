"""RIDNet: what it answers, and how it is rebuilt from its weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import fx, nn

from napari_w2s._types import WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.networks import ridnet
from napari_w2s.models.state_dict import canonical

SMALL = {"features": 6, "blocks": 2, "reduction": 3}


def made(**options: int) -> ridnet.RIDNet:
    """Return a small network whose last layer, which starts at zero, says something."""
    torch.manual_seed(0)
    network = ridnet.create(**{**SMALL, **options}).eval()
    nn.init.normal_(network.tail.weight, std=0.05)
    return network


def image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_numbers_of_parameters() -> None:
    with torch.device("meta"):
        full, light = ridnet.create(), ridnet.create(**ARCHITECTURES["ridnet"].light)
    assert sum(p.numel() for p in full.parameters()) == 1_497_041
    assert sum(p.numel() for p in light.parameters()) == 188_201
    assert full.training
    assert full.receptive_field is None
    assert full.scale == 1


def test_names_and_shapes_of_the_authors() -> None:
    with torch.device("meta"):
        state = ridnet.create().state_dict()
    shapes = {
        "sub_mean.weight": (1, 1, 1, 1),
        "sub_mean.bias": (1,),
        "add_mean.weight": (1, 1, 1, 1),
        "add_mean.bias": (1,),
        "head.body.0.weight": (64, 1, 3, 3),
        "b1.r1.body1.0.weight": (64, 64, 3, 3),
        "b1.r1.body1.2.bias": (64,),
        "b2.r1.body2.2.weight": (64, 64, 3, 3),
        "b3.r1.body3.0.weight": (64, 128, 3, 3),
        "b4.r2.body.2.weight": (64, 64, 3, 3),
        "b4.r3.body.4.weight": (64, 64, 1, 1),
        "b4.ca.c1.body.0.weight": (4, 64, 1, 1),
        "b4.ca.c2.body.0.weight": (64, 4, 1, 1),
        "tail.weight": (1, 64, 3, 3),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    assert len(state) == 4 + 2 + 4 * 2 * 12 + 2


@pytest.mark.parametrize("options", [{}, {"features": 3, "blocks": 1, "reduction": 16}], ids=str)
def test_rebuilt_from_its_weights_alone(options: dict[str, int]) -> None:
    network = made(**options)
    saved, _ = canonical({f"module.{key}": value for key, value in network.state_dict().items()})
    again = ridnet.build(saved)
    x = image(2, 1, 7, 9)
    assert torch.equal(again(x), network(x))
    assert list(again.state_dict()) == list(network.state_dict())
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())


def test_a_new_network_passes_its_input_through() -> None:
    x = image(1, 1, 9, 9)
    torch.testing.assert_close(ridnet.create(**SMALL)(x), x)


def test_the_mean_is_part_of_the_weights_and_never_learned() -> None:
    network = made()
    assert not {name for name, _ in network.named_parameters() if "mean" in name}
    assert float(network.sub_mean.bias) == pytest.approx(-0.43, abs=1e-3)
    assert float(network.add_mean.bias) == pytest.approx(0.43, abs=1e-3)
    x = image(1, 1, 8, 8)
    other = ridnet.build({**network.state_dict(), "add_mean.bias": torch.tensor([1.43])})
    torch.testing.assert_close(other(x) - network(x), torch.full_like(x, 1.43 - float(network.add_mean.bias)))
    shifted = ridnet.build({**network.state_dict(), "sub_mean.bias": network.sub_mean.bias - 1})
    torch.testing.assert_close(shifted(x + 1) - 1, network(x))


def test_branches_are_dilated() -> None:
    """A point's mark after the merged branches: 1 + 2, 3 + 4 and a last 3 x 3 make it 17 wide, with gaps."""
    run = ridnet.MergeRun(1).double()
    for parameter in run.parameters():
        nn.init.constant_(parameter, 0.0 if parameter.ndim == 1 else 1.0)
    point = torch.zeros(1, 1, 25, 25, dtype=torch.double)
    point[..., 12, 12] = 1
    seen = [
        (branch(point)[0, 0, 12].nonzero().flatten() - 12).tolist()
        for branch in (run.body1[0], run.body1[2], run.body2[0], run.body2[2])
    ]
    assert seen == [[-1, 0, 1], [-2, 0, 2], [-3, 0, 3], [-4, 0, 4]]
    columns = run(point)[0, 0].any(0).nonzero().flatten() - 12
    assert (int(columns.min()), int(columns.max())) == (-8, 8)


def test_every_pixel_depends_on_the_whole_frame() -> None:
    network = made().double()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.01, 0.05)
    x = torch.rand(1, 1, 3, 120, dtype=torch.double, requires_grad=True)
    network(x)[..., 0].sum().backward()
    assert network.receptive_field is None
    assert x.grad[0, 0].ne(0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (13, 17)], ids=str)
def test_any_size_stays(size: tuple[int, int]) -> None:
    result = made()(image(1, 1, *size))
    assert result.shape == (1, 1, *size)
    assert torch.isfinite(result).all()


def test_batches_and_repeated_calls() -> None:
    network = made()
    x = image(3, 1, 9, 8) * torch.tensor([0.1, 1.0, 3.0]).reshape(3, 1, 1, 1)
    before = x.clone()
    result = network(x)
    assert torch.equal(network(x), result)
    assert torch.equal(x, before)
    torch.testing.assert_close(torch.cat([network(x[i : i + 1]) for i in range(3)]), result)
    assert network(x[:0]).shape == (0, 1, 9, 8)


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
    torch.manual_seed(2)
    network = made(features=16, reduction=2).train()
    network(image(2, 1, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


BROKEN: dict[str, dict[str, Any]] = {
    "lost": {"b2.r3.body.4.bias": None},
    "lost first": {"head.body.0.weight": None},
    "lost mean": {"sub_mean.bias": None},
    "no block": {"b1.ca.c1.body.0.weight": None},
    "added": {"extra.weight": torch.zeros(3)},
    "a block too many": {"b3.ca.c1.body.0.weight": torch.zeros(2, 6, 1, 1)},
    "far block": {"b99999999.ca.c1.body.0.weight": torch.zeros(2, 6, 1, 1)},
    "reshaped": {"tail.weight": torch.zeros(1, 6, 5, 5)},
    "for colours": {"head.body.0.weight": torch.zeros(6, 3, 3, 3)},
    "huge": {"head.body.0.weight": torch.zeros(1).expand(2**22, 1, 3, 3)},
    "not finite": {"tail.bias": torch.tensor([float("nan")])},
    "integers": {"tail.bias": torch.zeros(1, dtype=torch.int32)},
}


@pytest.mark.parametrize("case", BROKEN)
def test_weights_that_do_not_fit_are_refused(case: str) -> None:
    changed = {**made().state_dict(), **BROKEN[case]}
    with pytest.raises(WeightsError, match=ridnet.ARCHITECTURE):
        ridnet.build({key: value for key, value in changed.items() if value is not None})


def test_no_weights_and_foreign_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match=ridnet.ARCHITECTURE):
        ridnet.build(None)
    with pytest.raises(WeightsError, match=r"encoder\.weight"):
        ridnet.build({"encoder.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize("name", SMALL)
def test_numbers_that_make_no_network(name: str) -> None:
    with pytest.raises(ValueError, match="at least"):
        made(**{name: 0})
