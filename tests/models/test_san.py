"""SAN: its keys, and its two attentions."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn
from w2s_networks import image, shapes_of, tiny

from napari_w2s.models.networks import san
from napari_w2s.models.networks.san_attention import (
    MOST,
    NonLocal,
    SecondOrderAttention,
    channel_roots,
    covariance_root,
    regional_attention,
)


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("san")
    expected = {
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
    assert {key: shapes[key] for key in expected} == expected
    assert len(shapes) == 1 + 2 + 20 * 2 * (20 + 2 + 1) + 8 + 4


UNUSED = {
    "conv_last.weight": (8, 8, 3, 3),
    "conv_last.bias": (8,),
    "non_local.soca.conv_du.0.weight": (1, 8, 1, 1),
    "non_local.soca.conv_du.2.bias": (8,),
    "RG.0.gamma": (1,),
    "RG.1.gamma": (1,),
}


def test_weights_that_the_authors_do_not_use_are_left_aside() -> None:
    network = tiny("san")
    unused = {key: torch.rand(shape) for key, shape in UNUSED.items()}
    again = san.build({**network.state_dict(), **unused})
    assert list(again.state_dict()) == list(network.state_dict())


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


def test_exported_with_its_quarters() -> None:
    network = tiny("san", groups=1, blocks=1)
    x = image(2, 1, 9, 8)
    fixed = torch.export.export(network, (image(1, 1, 3, 1),)).module()
    torch.testing.assert_close(fixed(x[:1, :, :3, :1]), network(x[:1, :, :3, :1]))
    # From 8 pixels on, of which a quarter has more than one after pooling, the graph is the same for every size.
    exported = torch.export.export(network, (x,), dynamic_shapes=({2: torch.export.Dim.AUTO},)).module()
    for shape in ((2, 1, 9, 8), (2, 1, 18, 8)):
        torch.testing.assert_close(exported(image(*shape)), network(image(*shape)))
