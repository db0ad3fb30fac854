"""RDN: what it answers, and how it is rebuilt from its weights."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from torch import fx

from napari_w2s._types import WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.networks import rdn
from napari_w2s.models.state_dict import canonical

SMALL = {"features": 6, "growth": 4, "blocks": 2, "layers": 3}


def made(**options: int) -> rdn.RDN:
    torch.manual_seed(0)
    return rdn.create(**{**SMALL, **options}).eval()


def image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_numbers_of_parameters() -> None:
    with torch.device("meta"):
        full, light = rdn.create(), rdn.create(**ARCHITECTURES["rdn"].light)
    assert sum(p.numel() for p in full.parameters()) == 22_121_089
    assert sum(p.numel() for p in light.parameters()) == 274_817
    assert full.training
    assert (full.receptive_field, light.receptive_field) == (267, 59)


def test_names_and_shapes_of_the_authors() -> None:
    with torch.device("meta"):
        state = rdn.create().state_dict()
    shapes = {
        "sfe1.weight": (64, 1, 3, 3),
        "sfe2.bias": (64,),
        "rdbs.15.layers.7.conv.weight": (64, 512, 3, 3),
        "rdbs.15.lff.weight": (64, 576, 1, 1),
        "gff.0.weight": (64, 1024, 1, 1),
        "gff.1.weight": (64, 64, 3, 3),
        "upscale.0.weight": (256, 64, 3, 3),
        "output.weight": (1, 64, 3, 3),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    assert len(state) == 2 * (2 + 16 * 9 + 2 + 2)


def test_names_of_the_papers_authors() -> None:
    network = made()
    renamed = {}
    for key, value in network.state_dict().items():
        for ours, theirs in (
            (r"^sfe", "SFENet"),
            (r"^rdbs\.(\d)\.layers\.(\d)\.conv", r"RDBs.\1.convs.\2.conv.0"),
            (r"^rdbs\.(\d)\.lff", r"RDBs.\1.LFF"),
            (r"^gff", "GFF"),
            (r"^upscale", "UPNet"),
            (r"^output", "UPNet.2"),
        ):
            key = re.sub(ours, theirs, key)
        renamed[key] = value
    assert {"SFENet1.weight", "RDBs.1.convs.2.conv.0.bias", "RDBs.0.LFF.weight", "GFF.1.bias"} < set(renamed)
    assert {"UPNet.0.weight", "UPNet.2.weight"} < set(renamed)
    assert not set(renamed) & set(network.state_dict())
    x = image(1, 1, 7, 9)
    assert torch.equal(rdn.build(renamed)(x), network(x))
    with pytest.raises(WeightsError, match=r"RDN.*sfe1\.weight under two names"):
        rdn.build({**renamed, "sfe1.weight": renamed["SFENet1.weight"]})


@pytest.mark.parametrize(
    "options", [{}, {"features": 3, "growth": 5, "blocks": 1, "layers": 1, "channels": 2}], ids=str
)
def test_rebuilt_from_its_weights_alone(options: dict[str, int]) -> None:
    network = made(**options)
    saved, _ = canonical({"model": {f"module.{key}": value for key, value in network.state_dict().items()}})
    again = rdn.build(saved)
    x = image(2, options.get("channels", 1), 7, 9)
    assert torch.equal(again(x), network(x))
    assert list(again.state_dict()) == list(network.state_dict())
    assert again.receptive_field == network.receptive_field
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())


def test_dense_layers_see_all_that_came_before() -> None:
    """With one layer's weights at 1 and all else out of the way, a block adds up its input and its earlier layers."""
    block = rdn.DenseBlock(2, 1, 2).double()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        block.layers[0].conv.bias.fill_(3)
        block.layers[1].conv.weight[..., 1, 1] = 1
        block.lff.weight[1, 3] = 1
        x = torch.rand(1, 2, 4, 5, dtype=torch.double)
        expected = torch.stack([x[0, 0], x[0, 1] + x[0].sum(0) + 3])[None]
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("options", [{}, {"blocks": 1, "layers": 1}, {"blocks": 3, "layers": 2}], ids=str)
def test_receptive_field_is_what_the_gradient_reaches(options: dict[str, int]) -> None:
    network = made(**options).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.05, 0.2)
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


def test_batches_and_repeated_calls() -> None:
    network = made()
    x = image(3, 1, 9, 8)
    before = x.clone()
    result = network(x)
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
    torch.testing.assert_close(rough.float(), result, rtol=0, atol=0.02)
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
    network(image(2, 1, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


BROKEN: dict[str, dict[str, Any]] = {
    "lost": {"gff.1.bias": None},
    "lost first": {"sfe1.weight": None},
    "no blocks": {"rdbs.0.layers.0.conv.weight": None},
    "added": {"extra.weight": torch.zeros(3)},
    "a block too many": {"rdbs.9.lff.weight": torch.zeros(6, 18, 1, 1)},
    "far block": {"rdbs.99999999.lff.weight": torch.zeros(6, 18, 1, 1)},
    "reshaped": {"output.weight": torch.zeros(1, 6, 5, 5)},
    "for other pixels": {"upscale.0.weight": torch.zeros(54, 6, 3, 3)},
    "flat": {"sfe1.weight": torch.zeros(6, 9)},
    "huge": {"sfe1.weight": torch.zeros(1).expand(2**22, 1, 3, 3)},
    "not finite": {"output.bias": torch.tensor([float("nan")])},
    "integers": {"output.bias": torch.zeros(1, dtype=torch.int32)},
}


@pytest.mark.parametrize("case", BROKEN)
def test_weights_that_do_not_fit_are_refused(case: str) -> None:
    changed = {**made().state_dict(), **BROKEN[case]}
    with pytest.raises(WeightsError, match=rdn.ARCHITECTURE):
        rdn.build({key: value for key, value in changed.items() if value is not None})


def test_no_weights_and_foreign_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match=rdn.ARCHITECTURE):
        rdn.build(None)
    with pytest.raises(WeightsError, match=r"encoder\.weight"):
        rdn.build({"encoder.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize("name", SMALL)
def test_numbers_that_make_no_network(name: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        made(**{name: 0})
