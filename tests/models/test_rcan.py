"""RCAN: its size, its keys, what it looks at, and how it is rebuilt from its weights."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.networks import rcan

SMALL = {"groups": 1, "blocks": 1, "width": 4, "reduction": 2}
SIZES = [SMALL, {"groups": 2, "blocks": 3, "width": 5, "reduction": 9}]


@pytest.mark.parametrize(
    ("options", "weights"), [({}, 15_442_337), (ARCHITECTURES["rcan"].light, 384_449)], ids=["paper", "light"]
)
def test_number_of_weights(options: dict[str, int], weights: int) -> None:
    with torch.device("meta"):
        network = rcan.create(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights
    assert network.scale == 2


def test_default_network_has_the_authors_keys() -> None:
    with torch.device("meta"):
        state = rcan.create().state_dict()
    shapes = {key: tuple(state[key].shape) for key in state}
    assert shapes["head.0.weight"] == (64, 1, 3, 3)
    assert shapes["body.9.body.19.body.2.bias"] == (64,)
    assert shapes["body.0.body.0.body.3.conv_du.0.weight"] == (4, 64, 1, 1)
    assert shapes["body.0.body.0.body.3.conv_du.2.weight"] == (64, 4, 1, 1)
    assert shapes["body.9.body.20.weight"] == shapes["body.10.weight"] == (64, 64, 3, 3)
    assert shapes["tail.0.0.weight"] == (256, 64, 3, 3)
    assert shapes["tail.1.weight"] == (1, 64, 3, 3)
    assert len(shapes) == 2 * (10 * (20 * 4 + 1) + 4)


def test_every_pixel_depends_on_the_whole_image() -> None:
    network = awake(rcan.create(**SMALL)).double()
    assert network.receptive_field is None
    x = image(1, 1, 40, 40).double().requires_grad_()
    network(x)[0, 0, 0, 0].backward()
    assert (x.grad != 0).all()


def test_attention_multiplies_by_a_share_of_each_channel() -> None:
    attention = rcan.ChannelAttention(3, 1)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.conv_du[2].bias.copy_(torch.tensor([-100.0, 0.0, 100.0]))
    features = image(2, 3, 4, 5)
    torch.testing.assert_close(attention(features), features * torch.tensor([0.0, 0.5, 1.0])[:, None, None])


def test_a_block_is_two_convolutions_and_attention() -> None:
    block = rcan.AttentionBlock(6, 3)
    features = image(2, 6, 5, 4) - 0.5
    change = block.body[2](block.body[0](features).clamp(min=0))
    squeeze, _, widen, _ = block.body[3].conv_du
    share = widen(squeeze(change.mean((2, 3), keepdim=True)).clamp(min=0)).sigmoid()
    torch.testing.assert_close(block(features), features + change * share)


def test_skips_around_blocks_groups_and_body() -> None:
    """With the body at rest there is only the head and the tail."""
    network = awake(rcan.create(**SMALL))
    for parameter in network.body.parameters():
        nn.init.zeros_(parameter)
    batch = image(1, 1, 5, 6)
    assert torch.equal(network(batch), network.tail(network.head(batch)))
    features = image(1, 4, 5, 6)
    assert torch.equal(network.body[0](features), features)
    assert torch.equal(network.body[0].body[0](features), features)


def test_forged_groups_and_blocks_cost_nothing() -> None:
    state = dict(rcan.create(**SMALL).state_dict())
    weight = torch.zeros(4, 4, 3, 3)
    forged = {**state, "body.99999999.weight": weight, "body.0.body.99999999.body.0.weight": weight}
    with pytest.raises(WeightsError, match=r"it needs body\.0\.body\.1\.body\.0\.weight"):
        rcan.build(forged)


def awake(network: nn.Module) -> nn.Module:
    """Give every layer weights that let something through."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.02, 0.2, generator=generator)
    return network.eval().requires_grad_(requires_grad=False)


def image(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", SIZES, ids=str)
def test_rebuilt_from_its_weights_alone(options: dict[str, int]) -> None:
    made = awake(rcan.create(**options))
    again = rcan.build(made.state_dict())
    assert list(again.state_dict()) == list(made.state_dict())
    assert again.receptive_field == made.receptive_field
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    batch = image(2, 1, 9, 7)
    assert torch.equal(again(batch), made(batch))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 6), (1, 1, 7, 5), (3, 1, 4, 8), (0, 1, 4, 8)], ids=str)
def test_any_size_comes_out_twice_as_large(shape: tuple[int, ...]) -> None:
    network = awake(rcan.create(**SMALL))
    batch = image(*shape)
    before = batch.clone()
    answer = network(batch)
    assert answer.shape == (shape[0], 1, 2 * shape[2], 2 * shape[3])
    assert torch.equal(batch, before)
    assert torch.isfinite(answer).all()
    assert torch.equal(network(batch), answer)
    for index in range(shape[0]):
        torch.testing.assert_close(network(batch[index : index + 1]), answer[index : index + 1])


def test_lower_and_higher_precision() -> None:
    network = awake(rcan.create(**SMALL))
    batch = image(1, 1, 8, 8)
    expected = network(batch)
    low = network.bfloat16()(batch.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), expected, rtol=0, atol=0.03 * float(expected.abs().max()))
    high = network.double()(batch.double())
    assert high.dtype == torch.float64


def test_traced_and_exported() -> None:
    network = awake(rcan.create(**SMALL))
    batch, other = image(1, 1, 8, 6), image(1, 1, 5, 9)
    assert torch.equal(fx.symbolic_trace(network)(batch), network(batch))
    dynamic = torch.export.Dim.DYNAMIC
    exported = torch.export.export(network, (batch,), dynamic_shapes={"x": {2: dynamic, 3: dynamic}}).module()
    torch.testing.assert_close(exported(batch), network(batch))
    torch.testing.assert_close(exported(other), network(other))


@pytest.mark.parametrize("options", [{name: 0} for name in SMALL], ids=str)
def test_options_that_make_no_network(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"RCAN cannot be made with {next(iter(options))} 0"):
        rcan.create(**options)


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    network = rcan.create(**{**SMALL, "width": 16})
    assert network.training
    (network(image(2, 1, 8, 8)) - image(2, 1, 16, 16, seed=2)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


FOREIGN = {
    "nothing": {},
    "another network": {"dncnn.0.weight": torch.zeros(4, 1, 3, 3)},
}


@pytest.mark.parametrize("case", [None, *FOREIGN])
def test_foreign_weights(case: str | None) -> None:
    with pytest.raises(WeightsError, match=r"do not fit RCAN; it needs head\.0\.weight"):
        rcan.build(FOREIGN[case] if case else None)


@pytest.mark.parametrize("key", list(rcan.create(**SMALL).state_dict()))
@pytest.mark.parametrize("change", ["lost", "reshaped", "flat", "nan"])
def test_weights_that_do_not_fit(key: str, change: str) -> None:
    state = dict(rcan.create(**SMALL).state_dict())
    if change == "lost":
        del state[key]
    elif change == "reshaped":
        state[key] = torch.cat((state[key], state[key]))
    elif change == "flat":
        state[key] = state[key].reshape(-1, 1)
    else:
        state[key] = torch.full_like(state[key], torch.nan)
    with pytest.raises(WeightsError, match="RCAN"):
        rcan.build(state)


def test_weights_of_more_than_the_network() -> None:
    state = dict(rcan.create(**SMALL).state_dict())
    for key in ("extra.weight", "tail.0.2.weight", "body.9.weight"):
        with pytest.raises(WeightsError, match="RCAN"):
            rcan.build({**state, key: torch.zeros(4, 4, 3, 3)})


def test_images_of_three_channels_are_not_for_it() -> None:
    state = dict(rcan.create(**SMALL).state_dict())
    state["head.0.weight"] = state["head.0.weight"].repeat(1, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"head\.0\.weight is 4 x 3 x 3 x 3, expected 4 x 1 x 3 x 3"):
        rcan.build(state)


def test_forged_sizes_cost_nothing() -> None:
    state = dict(rcan.create(**SMALL).state_dict())
    with pytest.raises(WeightsError, match=r"it needs body\.1\.body\.0"):
        rcan.build({**state, "body.99999999.body.0.body.0.weight": torch.zeros(4, 4, 3, 3)})
    wide = torch.zeros(1).expand(2**22, 1, 3, 3)
    with pytest.raises(WeightsError, match="RCAN"):
        rcan.build({**state, "head.0.weight": wide})
