"""EDSR: its size, its keys, how strong its blocks are, and how it is rebuilt from its weights."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.networks import edsr

SMALL = {"blocks": 1, "width": 4}
SIZES = [SMALL, {"blocks": 3, "width": 5}]


@pytest.mark.parametrize(
    ("options", "weights"), [({}, 40_720_385), (ARCHITECTURES["edsr"].light, 419_521)], ids=["paper", "light"]
)
def test_number_of_weights(options: dict[str, int], weights: int) -> None:
    with torch.device("meta"):
        network = edsr.create(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights
    assert network.scale == 2


def test_default_network_has_the_authors_keys() -> None:
    with torch.device("meta"):
        state = edsr.create().state_dict()
    shapes = {key: tuple(state[key].shape) for key in state}
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
    network = awake(edsr.create(**SMALL))
    for parameter in network.body.parameters():
        nn.init.zeros_(parameter)
    batch = image(1, 1, 5, 6)
    assert torch.equal(network(batch), network.tail(network.head(batch)))


def test_mean_is_taken_away_and_added_again() -> None:
    plain, shifted = edsr.create(**SMALL), edsr.create(**SMALL, mean=0.25)
    keys = {"sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias"}
    assert set(shifted.state_dict()) - set(plain.state_dict()) == keys
    assert not keys & {name for name, _ in shifted.requires_grad_(requires_grad=True).named_parameters()}
    plain.load_state_dict({key: value for key, value in shifted.state_dict().items() if key not in keys})
    batch = image(1, 1, 6, 6)
    torch.testing.assert_close(shifted(batch), plain(batch - 0.25) + 0.25)


def test_checkpoints_with_and_without_the_shift_are_rebuilt() -> None:
    shifted = edsr.create(**SMALL, mean=0.4488).requires_grad_(requires_grad=False)
    again = edsr.build(shifted.state_dict())
    batch = image(1, 1, 6, 6)
    assert torch.equal(again(batch), shifted(batch))
    assert float(again.add_mean.bias) == pytest.approx(0.4488)
    state = {key: value for key, value in shifted.state_dict().items() if not key.startswith("add_mean")}
    with pytest.raises(WeightsError, match=r"2 keys are missing \(add_mean"):
        edsr.build(state)


@pytest.mark.parametrize("options", SIZES, ids=str)
def test_receptive_field_is_what_the_gradient_reaches(options: dict[str, int]) -> None:
    network = awake(edsr.create(**options)).double()
    half = network.receptive_field // 2
    x = image(1, 1, 2 * half + 9, 2 * half + 9).double().requires_grad_()
    middle = half + 4
    network(x)[..., 2 * middle : 2 * middle + 2, 2 * middle : 2 * middle + 2].sum().backward()
    rows, columns = (x.grad[0, 0] != 0).nonzero().unbind(1)
    for found in (rows, columns):
        assert (int(found.min()), int(found.max())) == (middle - half, middle + half)


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
    made = awake(edsr.create(**options))
    again = edsr.build(made.state_dict())
    assert list(again.state_dict()) == list(made.state_dict())
    assert again.receptive_field == made.receptive_field
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    batch = image(2, 1, 9, 7)
    assert torch.equal(again(batch), made(batch))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 6), (1, 1, 7, 5), (3, 1, 4, 8), (0, 1, 4, 8)], ids=str)
def test_any_size_comes_out_twice_as_large(shape: tuple[int, ...]) -> None:
    network = awake(edsr.create(**SMALL))
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
    network = awake(edsr.create(**SMALL))
    batch = image(1, 1, 8, 8)
    expected = network(batch)
    low = network.bfloat16()(batch.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), expected, rtol=0, atol=0.03 * float(expected.abs().max()))
    high = network.double()(batch.double())
    assert high.dtype == torch.float64


def test_traced_and_exported() -> None:
    network = awake(edsr.create(**SMALL))
    batch, other = image(1, 1, 8, 6), image(1, 1, 5, 9)
    assert torch.equal(fx.symbolic_trace(network)(batch), network(batch))
    dynamic = torch.export.Dim.DYNAMIC
    exported = torch.export.export(network, (batch,), dynamic_shapes={"x": {2: dynamic, 3: dynamic}}).module()
    torch.testing.assert_close(exported(batch), network(batch))
    torch.testing.assert_close(exported(other), network(other))


@pytest.mark.parametrize("options", [{name: 0} for name in SMALL], ids=str)
def test_options_that_make_no_network(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"EDSR cannot be made with {next(iter(options))} 0"):
        edsr.create(**options)


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    network = edsr.create(**{**SMALL, "width": 16})
    assert network.training
    (network(image(2, 1, 8, 8)) - image(2, 1, 16, 16, seed=2)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


FOREIGN = {
    "nothing": {},
    "another network": {"dncnn.0.weight": torch.zeros(4, 1, 3, 3)},
}


@pytest.mark.parametrize("case", [None, *FOREIGN])
def test_foreign_weights(case: str | None) -> None:
    with pytest.raises(WeightsError, match=r"do not fit EDSR; it needs head\.0\.weight"):
        edsr.build(FOREIGN[case] if case else None)


@pytest.mark.parametrize("key", list(edsr.create(**SMALL).state_dict()))
@pytest.mark.parametrize("change", ["lost", "reshaped", "flat", "nan"])
def test_weights_that_do_not_fit(key: str, change: str) -> None:
    state = dict(edsr.create(**SMALL).state_dict())
    if change == "lost":
        del state[key]
    elif change == "reshaped":
        state[key] = torch.cat((state[key], state[key]))
    elif change == "flat":
        state[key] = state[key].reshape(-1, 1)
    else:
        state[key] = torch.full_like(state[key], torch.nan)
    with pytest.raises(WeightsError, match="EDSR"):
        edsr.build(state)


def test_weights_of_more_than_the_network() -> None:
    state = dict(edsr.create(**SMALL).state_dict())
    for key in ("extra.weight", "tail.0.2.weight", "body.9.weight"):
        with pytest.raises(WeightsError, match="EDSR"):
            edsr.build({**state, key: torch.zeros(4, 4, 3, 3)})


def test_images_of_three_channels_are_not_for_it() -> None:
    state = dict(edsr.create(**SMALL).state_dict())
    state["head.0.weight"] = state["head.0.weight"].repeat(1, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"head\.0\.weight is 4 x 3 x 3 x 3, expected 4 x 1 x 3 x 3"):
        edsr.build(state)


def test_forged_sizes_cost_nothing() -> None:
    state = dict(edsr.create(**SMALL).state_dict())
    with pytest.raises(WeightsError, match=r"it needs body\.1\.body\.0"):
        edsr.build({**state, "body.99999999.body.0.weight": torch.zeros(4, 4, 3, 3)})
    wide = torch.zeros(1).expand(2**22, 1, 3, 3)
    with pytest.raises(WeightsError, match="EDSR"):
        edsr.build({**state, "head.0.weight": wide})
