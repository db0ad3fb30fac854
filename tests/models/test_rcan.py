"""RCAN: its keys, its attention, and its skips."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from w2s_networks import FAR, image, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import rcan


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("rcan")
    assert shapes["head.0.weight"] == (64, 1, 3, 3)
    assert shapes["body.9.body.19.body.2.bias"] == (64,)
    assert shapes["body.0.body.0.body.3.conv_du.0.weight"] == (4, 64, 1, 1)
    assert shapes["body.0.body.0.body.3.conv_du.2.weight"] == (64, 4, 1, 1)
    assert shapes["body.9.body.20.weight"] == shapes["body.10.weight"] == (64, 64, 3, 3)
    assert shapes["tail.0.0.weight"] == (256, 64, 3, 3)
    assert shapes["tail.1.weight"] == (1, 64, 3, 3)
    assert len(shapes) == 2 * (10 * (20 * 4 + 1) + 4)


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
    network = tiny("rcan")
    for parameter in network.body.parameters():
        nn.init.zeros_(parameter)
    batch = image(1, 1, 5, 6)
    assert torch.equal(network(batch), network.tail(network.head(batch)))
    features = image(1, 4, 5, 6)
    assert torch.equal(network.body[0](features), features)
    assert torch.equal(network.body[0].body[0](features), features)


def test_images_of_three_channels_are_not_for_it() -> None:
    state = tiny("rcan").state_dict()
    state["head.0.weight"] = state["head.0.weight"].repeat(1, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"head\.0\.weight is 4 x 3 x 3 x 3, expected 4 x 1 x 3 x 3"):
        rcan.build(state)


@pytest.mark.parametrize(
    ("forged", "missing"),
    [
        ((f"body.{FAR}.body.0.body.0.weight",), r"body\.1\.body\.0"),
        ((f"body.{FAR}.weight", f"body.0.body.{FAR}.body.0.weight"), r"body\.0\.body\.1\.body\.0\.weight"),
    ],
    ids=["groups", "groups and blocks"],
)
def test_the_first_missing_block_is_named(forged: tuple[str, ...], missing: str) -> None:
    state = {**tiny("rcan").state_dict(), **dict.fromkeys(forged, torch.zeros(4, 4, 3, 3))}
    with pytest.raises(WeightsError, match=f"it needs {missing}"):
        rcan.build(state)
