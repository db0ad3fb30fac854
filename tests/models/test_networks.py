"""DnCNN and MemNet: their make is read off the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import dncnn, memnet
from napari_w2s.models.state_dict import count_children


def same(network: nn.Module, again: nn.Module) -> bool:
    channels = next(m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d))
    batch = torch.rand(2, channels, 9, 11, generator=torch.Generator().manual_seed(0))
    return torch.equal(network.eval()(batch), again(batch))


@pytest.mark.parametrize(
    ("channels", "depth", "width", "batch_norm"),
    [(1, 17, 64, True), (1, 20, 8, True), (3, 5, 4, True), (1, 7, 8, False), (1, 2, 3, True)],
)
def test_dncnn_of_any_size_is_rebuilt(channels: int, depth: int, width: int, batch_norm: bool) -> None:
    network = dncnn.create(channels, depth, width, batch_norm=batch_norm)
    again = dncnn.build(network.state_dict())
    assert same(network, again)
    assert again.receptive_field == 2 * depth + 1
    assert [type(a) for a in again.dncnn] == [type(a) for a in network.dncnn]


def test_default_dncnn_has_the_authors_keys() -> None:
    keys = set(dncnn.create().state_dict())
    assert {key for key in keys if key.startswith(("dncnn.0.", "dncnn.47."))} == {"dncnn.0.weight", "dncnn.47.weight"}
    norms = {key for key in keys if key.endswith("running_var")}
    assert norms == {f"dncnn.{index}.running_var" for index in range(3, 46, 3)}
    assert len(keys) == 92


def test_fused_dncnn_is_rebuilt() -> None:
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
    assert same(fused, again)
    batch = torch.rand(1, 1, 9, 9)
    torch.testing.assert_close(again(batch), network(batch), rtol=1e-4, atol=1e-4)


def test_dncnn_subtracts_what_it_predicts() -> None:
    network = dncnn.create(depth=3, width=2)
    nn.init.zeros_(network.dncnn[-1].weight)
    batch = torch.rand(1, 1, 5, 5)
    assert torch.equal(network.eval()(batch), batch)


def _dncnn_state() -> dict[str, torch.Tensor]:
    return dict(dncnn.create(depth=4, width=4).state_dict())


BAD_DNCNN = {
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


@pytest.mark.parametrize("case", BAD_DNCNN)
def test_weights_that_are_no_dncnn(case: str) -> None:
    state = _dncnn_state()
    for key, value in BAD_DNCNN[case].items():
        if value is None:
            del state[key]
        else:
            state[key] = value
    with pytest.raises(WeightsError, match="do not fit DnCNN"):
        dncnn.build(state)


def test_counters_of_batches_may_be_missing() -> None:
    state = {key: value for key, value in _dncnn_state().items() if not key.endswith("num_batches_tracked")}
    assert same(dncnn.build(_dncnn_state() | state), dncnn.build(state))


@pytest.mark.parametrize(
    ("channels", "width", "memory_blocks", "residual_blocks"), [(1, 20, 6, 4), (1, 4, 2, 3), (3, 5, 1, 1)]
)
def test_memnet_of_any_size_is_rebuilt(channels: int, width: int, memory_blocks: int, residual_blocks: int) -> None:
    network = memnet.create(channels, width, memory_blocks, residual_blocks)
    again = memnet.build(network.state_dict())
    assert same(network, again)
    assert again.receptive_field == 1 + 2 * (2 + 2 * memory_blocks * residual_blocks)


def test_default_memnet_has_the_authors_shapes() -> None:
    state = memnet.create().state_dict()
    assert len(state) == 336
    gates = [tuple(state[f"dense_memory.{i}.gate_unit.conv.weight"].shape) for i in range(6)]
    assert gates == [(20, 20 * (5 + i), 1, 1) for i in range(6)]
    assert tuple(state["dense_memory.5.recursive_unit.3.relu_conv2.conv.weight"].shape) == (20, 20, 3, 3)


def test_forged_shapes_take_no_memory() -> None:
    """A weight of 4 million channels, spread out from a single number, asks for terabytes elsewhere."""
    state = dict(memnet.create(1, 4, 2, 1).state_dict())
    state["feature_extractor.conv.weight"] = torch.zeros(1).expand(2**22, 1, 3, 3)
    with pytest.raises(WeightsError, match="MemNet"):
        memnet.build(state)


def test_forged_indices_make_no_large_network() -> None:
    state = {"blocks.0.w": 1, "blocks.999999999.w": 1, "blocks.1e9.w": 1, "blocks.99999999999.w": 1, "other": 1}
    assert count_children(state, "blocks") == len(state)
    assert count_children(state, "none") == 0
    assert count_children({"blocks.2.w": 1, "blocks.0.w": 1, "blocks.1.w": 1}, "blocks") == 3


def test_too_shallow_a_dncnn() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        dncnn.create(depth=1)
