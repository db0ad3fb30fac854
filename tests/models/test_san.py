"""SAN: its two attentions, what it answers, and how it is rebuilt from its weights."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

import pytest
import torch
from torch import fx, nn

from napari_w2s._types import WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.networks import san
from napari_w2s.models.networks.san_attention import (
    MOST,
    NonLocal,
    SecondOrderAttention,
    channel_roots,
    covariance_root,
    regional_attention,
)
from napari_w2s.models.state_dict import canonical

SMALL = {"features": 8, "groups": 2, "blocks": 2, "reduction": 4}


def made(**options: int) -> san.SAN:
    """Return a small network none of whose parts is at rest."""
    torch.manual_seed(0)
    network = san.create(**{**SMALL, **options}).eval()
    nn.init.normal_(network.non_local.non_local.W.weight, std=0.5)
    nn.init.constant_(network.gamma, 0.3)
    return network


def image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_numbers_of_parameters() -> None:
    with torch.device("meta"):
        full, light = san.create(), san.create(**ARCHITECTURES["san"].light)
    assert sum(p.numel() for p in full.parameters()) == 15_672_426
    assert sum(p.numel() for p in light.parameters()) == 298_270
    assert full.training
    assert full.receptive_field is None


def test_names_and_shapes_of_the_authors() -> None:
    with torch.device("meta"):
        state = san.create().state_dict()
    shapes = {
        "gamma": (1,),
        "head.0.weight": (64, 1, 3, 3),
        "RG.19.rcab.9.conv_first.0.weight": (64, 64, 3, 3),
        "RG.19.rcab.9.conv_first.2.bias": (64,),
        "RG.0.soca.conv_du.0.weight": (4, 64, 1, 1),
        "RG.0.soca.conv_du.2.weight": (64, 4, 1, 1),
        "RG.0.conv_last.weight": (64, 64, 3, 3),
        "non_local.non_local.g.0.weight": (8, 64, 1, 1),
        "non_local.non_local.phi.0.weight": (8, 64, 1, 1),
        "non_local.non_local.theta.weight": (8, 64, 1, 1),
        "non_local.non_local.W.bias": (64,),
        "tail.0.0.weight": (256, 64, 3, 3),
        "tail.1.weight": (1, 64, 3, 3),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    assert len(state) == 1 + 2 + 20 * 2 * (20 + 2 + 1) + 8 + 4


UNUSED = {
    "conv_last.weight": (8, 8, 3, 3),
    "conv_last.bias": (8,),
    "non_local.soca.conv_du.0.weight": (1, 8, 1, 1),
    "non_local.soca.conv_du.2.bias": (8,),
    "RG.0.gamma": (1,),
    "RG.1.gamma": (1,),
}


@pytest.mark.parametrize("options", [{}, {"features": 3, "groups": 1, "blocks": 1, "channels": 2}], ids=str)
def test_rebuilt_from_its_weights_alone(options: dict[str, int]) -> None:
    network = made(**options)
    weights = {**network.state_dict(), **{key: torch.rand(shape) for key, shape in UNUSED.items()}}
    saved, _ = canonical({"model": {f"module.{key}": value for key, value in weights.items()}})
    again = san.build(saved)
    x = image(2, options.get("channels", 1), 7, 9)
    assert torch.equal(again(x), network(x))
    assert list(again.state_dict()) == list(network.state_dict())
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())


def test_covariance_root_is_a_root() -> None:
    x = torch.randn(2, 6, 40, 30, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    x = torch.einsum("dc,nchw->ndhw", 0.5 * torch.eye(6, dtype=torch.double) + 0.1, x) + 7
    expected = torch.stack([torch.cov(frame.flatten(1), correction=0) for frame in x])
    root = covariance_root(x)
    torch.testing.assert_close(root, root.mT)
    # Five steps come near the root, not to it.
    torch.testing.assert_close(root @ root, expected, rtol=0, atol=0.02 * float(expected.max()))
    torch.testing.assert_close(channel_roots(x), root.mean(1)[..., None, None])


def test_covariance_root_takes_five_steps() -> None:
    """On a diagonal, the steps are those of numbers."""
    x = torch.zeros(1, 2, 1, 4, dtype=torch.double)
    x[0, 0, 0] = torch.tensor([3.0, -3.0, 0.0, 0.0])
    x[0, 1, 0] = torch.tensor([0.0, 0.0, 0.1, -0.1])
    variances = [4.5, 0.005]
    roots = []
    for variance in variances:
        y, z = variance / sum(variances), 1.0
        for _ in range(5):
            factor = (3 - z * y) / 2
            y, z = y * factor, factor * z
        roots.append(y * sum(variances) ** 0.5)
    torch.testing.assert_close(covariance_root(x)[0], torch.diag(torch.tensor(roots, dtype=torch.double)))


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 5, 4)], ids=str)
def test_pixels_that_are_all_alike(shape: tuple[int, ...]) -> None:
    x = torch.full(shape, 0.3, requires_grad=True)
    roots = channel_roots(x)
    assert roots.detach().abs().max() < 1e-6
    roots.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_attentions_can_be_learned() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 5, 4, dtype=torch.double, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(covariance_root, (x,))
    assert torch.autograd.gradcheck(lambda t: regional_attention(t, t.roll(1, 1), t.roll(2, 1)), (x,))


def test_large_frames_count_at_their_centre() -> None:
    x = torch.rand(1, 2, 3, MOST + 7)
    assert torch.equal(channel_roots(x), channel_roots(x[..., 3 : 3 + MOST]))
    assert torch.equal(channel_roots(x.mT), channel_roots(x.mT[..., 3 : 3 + MOST, :]))
    assert not torch.equal(channel_roots(x), channel_roots(x[..., :MOST]))


def test_covariance_stays_in_full_precision() -> None:
    x = image(1, 8, 16, 16).bfloat16()
    exact = channel_roots(x.float())
    rough = channel_roots(x)
    assert rough.dtype == torch.bfloat16
    assert torch.equal(rough, exact.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(channel_roots(x.float()), exact)


def attended(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return what one quarter's pixels find, pixel by pixel."""
    found = torch.empty_like(v)
    rows, columns = (max(1, n // 2) for n in q.shape[1:])
    cells = [(slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)) for i in range(rows) for j in range(columns)]
    keys = torch.stack([k[:, a, b].amax((1, 2)) for a, b in cells])
    values = torch.stack([v[:, a, b].amax((1, 2)) for a, b in cells])
    for i in range(q.shape[1]):
        for j in range(q.shape[2]):
            found[:, i, j] = torch.softmax(keys @ q[:, i, j], 0) @ values
    return found


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (5, 4), (3, 2), (1, 6), (5, 1), (1, 1)], ids=str)
def test_attention_stays_within_a_quarter(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(4)
    q, k, v = (2 * torch.randn(2, 4, *size, dtype=torch.double, generator=generator) for _ in range(3))
    result = regional_attention(q, k, v)
    expected = torch.empty_like(v)
    rows, columns = ((slice(0, n // 2), slice(n // 2, None)) for n in size)
    for part in product((0, 1), (slice(None),), rows, columns):
        if q[part].numel():
            expected[part] = attended(q[part], k[part], v[part])
    torch.testing.assert_close(result, expected)


def test_attention_adds_to_what_comes_in() -> None:
    block = NonLocal(4, 2)
    nn.init.zeros_(block.W.weight)
    nn.init.constant_(block.W.bias, 0.25)
    x = image(1, 4, 6, 6)
    torch.testing.assert_close(block(x), x + 0.25)


def test_second_order_attention_weighs_channels() -> None:
    block = SecondOrderAttention(4, 2)
    x = image(2, 4, 6, 6)
    weights = block(x) / x
    torch.testing.assert_close(weights, weights[..., :1, :1].expand_as(x))
    flat = block(torch.ones(1, 4, 6, 6))
    torch.testing.assert_close(flat[..., 0, 0], block.conv_du(torch.zeros(1, 4, 1, 1))[..., 0, 0])


def test_every_pixel_depends_on_the_whole_frame() -> None:
    network = made().double()
    x = torch.rand(1, 1, 6, 90, dtype=torch.double, requires_grad=True)
    network(x)[..., 0].sum().backward()
    assert x.grad[0, 0].ne(0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (2, 2), (13, 17)], ids=str)
def test_any_size_is_doubled(size: tuple[int, int]) -> None:
    result = made()(image(1, 1, *size))
    assert result.shape == (1, 1, 2 * size[0], 2 * size[1])
    assert torch.isfinite(result).all()


def test_batches_and_repeated_calls() -> None:
    network = made()
    x = image(3, 1, 9, 8) * torch.tensor([0.1, 1.0, 3.0]).reshape(3, 1, 1, 1)
    before = x.clone()
    result = network(x)
    assert torch.equal(network(x), result)
    assert torch.equal(x, before)
    alone = torch.cat([network(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, result, rtol=1e-4, atol=1e-5)
    assert network(x[:0]).shape == (0, 1, 18, 16)


def test_lower_precision_is_close() -> None:
    network = made()
    x = image(1, 1, 16, 16)
    result = network(x)
    rough = copy.deepcopy(network).bfloat16()(x.bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), result, rtol=0, atol=0.02)
    exact = copy.deepcopy(network).double()(x.double()).float()
    torch.testing.assert_close(exact, result, rtol=1e-4, atol=1e-5)


def test_traced_and_exported() -> None:
    network = made(groups=1, blocks=1)
    x = image(2, 1, 9, 8)
    assert torch.equal(fx.symbolic_trace(network)(x), network(x))
    fixed = torch.export.export(network, (image(1, 1, 3, 1),)).module()
    torch.testing.assert_close(fixed(x[:1, :, :3, :1]), network(x[:1, :, :3, :1]))
    # From 8 pixels on, of which a quarter has more than one after pooling, the graph is the same for every size.
    exported = torch.export.export(network, (x,), dynamic_shapes=({2: torch.export.Dim.AUTO},)).module()
    for shape in ((2, 1, 9, 8), (2, 1, 18, 8)):
        torch.testing.assert_close(exported(image(*shape)), network(image(*shape)))


def test_gradients_reach_every_weight() -> None:
    network = made(features=32, reduction=8).train()
    network(image(2, 1, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


BROKEN: dict[str, dict[str, Any]] = {
    "lost": {"RG.1.conv_last.bias": None},
    "lost first": {"head.0.weight": None},
    "lost share-source skip": {"gamma": None},
    "no groups": {"RG.0.soca.conv_du.0.weight": None},
    "no attention": {"non_local.non_local.theta.weight": None},
    "added": {"extra.weight": torch.zeros(3)},
    "mean shift": {"sub_mean.weight": torch.ones(1, 1, 1, 1)},
    "a group too many": {"RG.2.conv_last.weight": torch.zeros(8, 8, 3, 3)},
    "far block": {"RG.0.rcab.99999999.conv_first.0.weight": torch.zeros(8, 8, 3, 3)},
    "for other pixels": {"tail.0.0.weight": torch.zeros(72, 8, 3, 3)},
    "huge": {"head.0.weight": torch.zeros(1).expand(2**22, 1, 3, 3)},
    "not finite": {"gamma": torch.tensor([float("nan")])},
    "integers": {"gamma": torch.zeros(1, dtype=torch.int32)},
}


@pytest.mark.parametrize("case", BROKEN)
def test_weights_that_do_not_fit_are_refused(case: str) -> None:
    changed = {**made().state_dict(), **BROKEN[case]}
    with pytest.raises(WeightsError, match=san.ARCHITECTURE):
        san.build({key: value for key, value in changed.items() if value is not None})


def test_no_weights_and_foreign_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match=san.ARCHITECTURE):
        san.build(None)
    with pytest.raises(WeightsError, match=r"encoder\.weight"):
        san.build({"encoder.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize("name", SMALL)
def test_numbers_that_make_no_network(name: str) -> None:
    with pytest.raises(ValueError, match="at least"):
        made(**{name: 0})
