"""EDSR: its keys, how strong its blocks are, and the mean that some checkpoints hold."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from w2s_networks import FAR, image, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import edsr


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("edsr")
    assert shapes["head.0.weight"] == (256, 1, 3, 3)
    assert shapes["body.0.body.0.weight"] == shapes["body.31.body.2.weight"] == (256, 256, 3, 3)
    assert shapes["body.32.bias"] == (256,)
    assert shapes["tail.0.0.weight"] == (1024, 256, 3, 3)
    assert shapes["tail.1.weight"] == (1, 256, 3, 3)
    assert len(shapes) == 2 * (32 * 2 + 4)


@pytest.mark.parametrize(("width", "strength"), [(64, 1.0), (65, 0.1), (256, 0.1)])
def test_wide_networks_add_a_tenth_of_a_change(width: int, strength: float) -> None:
    block = edsr.ResidualBlock(width)
    features = image(1, width, 3, 3) - 0.5
    change = block.body[2](block.body[0](features).clamp(min=0))
    torch.testing.assert_close(block(features) - features, strength * change)


def test_skip_around_the_body() -> None:
    network = tiny("edsr")
    for parameter in network.body.parameters():
        nn.init.zeros_(parameter)
    batch = image(1, 1, 5, 6)
    assert torch.equal(network(batch), network.tail(network.head(batch)))


def test_mean_is_taken_away_and_added_again() -> None:
    plain, shifted = tiny("edsr"), tiny("edsr", mean=0.25)
    keys = {"sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias"}
    assert set(shifted.state_dict()) - set(plain.state_dict()) == keys
    assert not keys & {name for name, _ in shifted.named_parameters()}
    plain.load_state_dict({key: value for key, value in shifted.state_dict().items() if key not in keys})
    batch = image(1, 1, 6, 6)
    torch.testing.assert_close(shifted(batch), plain(batch - 0.25) + 0.25)
    assert float(edsr.build(shifted.state_dict()).add_mean.bias) == pytest.approx(0.25)


def test_half_a_shift_is_refused() -> None:
    state = tiny("edsr", mean=0.4488).state_dict()
    with pytest.raises(WeightsError, match=r"2 keys are missing \(add_mean"):
        edsr.build({key: value for key, value in state.items() if not key.startswith("add_mean")})


def test_images_of_three_channels_are_not_for_it() -> None:
    state = tiny("edsr").state_dict()
    state["head.0.weight"] = state["head.0.weight"].repeat(1, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"head\.0\.weight is 4 x 3 x 3 x 3, expected 4 x 1 x 3 x 3"):
        edsr.build(state)


def test_the_first_missing_block_is_named() -> None:
    state = tiny("edsr").state_dict()
    with pytest.raises(WeightsError, match=r"it needs body\.1\.body\.0"):
        edsr.build({**state, f"body.{FAR}.body.0.weight": torch.zeros(4, 4, 3, 3)})
