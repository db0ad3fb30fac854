"""DnCNN: its keys, and layers of which it could not be made."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from w2s_networks import image, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import dncnn


def test_names_of_the_authors() -> None:
    keys = set(shapes_of("dncnn"))
    assert {key for key in keys if key.startswith(("dncnn.0.", "dncnn.47."))} == {"dncnn.0.weight", "dncnn.47.weight"}
    norms = {key for key in keys if key.endswith("running_var")}
    assert norms == {f"dncnn.{index}.running_var" for index in range(3, 46, 3)}
    assert len(keys) == 92


def test_one_with_its_norms_folded_away_is_rebuilt() -> None:
    """Convolutions with biases that batch norms were folded into, at the places that they had."""
    network = dncnn.create(depth=5, width=4).eval()
    layers: list[nn.Module] = []
    for layer in network.dncnn:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = nn.utils.fusion.fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    fused = dncnn.DnCNN(layers)
    again = dncnn.build(fused.state_dict())
    assert [type(layer) for layer in again.dncnn] == [type(layer) for layer in fused.dncnn]
    batch = image(1, 1, 9, 11)
    assert torch.equal(again(batch), fused(batch))
    torch.testing.assert_close(again(batch), network(batch), rtol=1e-4, atol=1e-4)


def test_it_subtracts_what_it_predicts() -> None:
    network = dncnn.create(depth=3, width=2)
    nn.init.zeros_(network.dncnn[-1].weight)
    batch = image(1, 1, 5, 5)
    assert torch.equal(network.eval()(batch), batch)


NO_DNCNN = {
    "a gap": {"dncnn.2.weight": None},
    "far index": {"dncnn.99999.weight": torch.zeros(4, 4, 3, 3)},
    "absurd index": {"dncnn.99999999999.weight": torch.zeros(4, 4, 3, 3)},
    "not a number": {"dncnn.x.weight": torch.zeros(4, 4, 3, 3)},
    "even kernel": {"dncnn.0.weight": torch.zeros(4, 1, 2, 2)},
    "oblong kernel": {"dncnn.0.weight": torch.zeros(4, 1, 3, 1)},
    "widths that do not meet": {"dncnn.2.weight": torch.zeros(4, 5, 3, 3)},
    "other channels out": {"dncnn.8.weight": torch.zeros(2, 4, 3, 3)},
    "linear layer": {"dncnn.2.weight": torch.zeros(4, 4)},
    "no channels": {"dncnn.0.weight": torch.zeros(4, 0, 3, 3)},
    "batch norm first": {"dncnn.0.weight": torch.zeros(1)},
    "bias of half the norms": {"dncnn.3.bias": None},
}


@pytest.mark.parametrize("case", NO_DNCNN)
def test_weights_that_are_no_dncnn(case: str) -> None:
    state = tiny("dncnn").state_dict()
    for key, value in NO_DNCNN[case].items():
        if value is None:
            del state[key]
        else:
            state[key] = value
    with pytest.raises(WeightsError, match="do not fit DnCNN"):
        dncnn.build(state)


def test_too_shallow_a_network() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        dncnn.create(depth=1)
