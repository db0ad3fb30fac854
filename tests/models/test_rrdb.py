"""RRDB: its size, its keys, the authors' checkpoints, and how it is rebuilt from its weights."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.networks import rrdb

SMALL = {"blocks": 1, "width": 4, "growth": 2}
SIZES = [SMALL, {"blocks": 2, "width": 5, "growth": 3}]
UNUSED = ("upconv1", "upconv2", "upconv3", "upconv4", "HRconv", "conv_last")


@pytest.mark.parametrize(
    ("options", "weights", "field"),
    [
        ({}, 11_696_641, 489),
        ({"blocks": 12}, 8_818_945, 369),
        ({"blocks": 23}, 16_732_609, 699),
        (ARCHITECTURES["rrdb"].light, 766_849, 129),
    ],
    ids=["jdsr", "jdsr avg1", "esrgan", "light"],
)
def test_number_of_weights_and_receptive_field(options: dict[str, int], weights: int, field: int) -> None:
    with torch.device("meta"):
        network = rrdb.create(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights
    assert network.receptive_field == field
    assert network.scale == 2


def test_default_network_has_the_authors_keys() -> None:
    with torch.device("meta"):
        state = rrdb.create().state_dict()
    shapes = {key: tuple(state[key].shape) for key in state}
    assert shapes["conv_first.weight"] == (64, 1, 3, 3)
    assert [shapes[f"RRDB_trunk.15.RDB3.conv{n}.weight"][:2] for n in range(1, 6)] == [
        (32, 64),
        (32, 96),
        (32, 128),
        (32, 160),
        (64, 192),
    ]
    assert shapes["trunk_conv.bias"] == (64,)
    assert shapes["tail.0.0.weight"] == (256, 64, 3, 3)
    assert shapes["tail.1.weight"] == (1, 64, 3, 3)
    assert len(shapes) == 2 * (16 * 3 * 5 + 4)


class TheirDenseBlock(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for number in range(5):
            outputs = growth if number < 4 else width
            self.add_module(f"conv{number + 1}", nn.Conv2d(width + number * growth, outputs, 3, 1, 1))
        self.lrelu = nn.LeakyReLU(0.2)


class TheirBlock(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for number in (1, 2, 3):
            self.add_module(f"RDB{number}", TheirDenseBlock(width, growth))


class TheirNetwork(nn.Module):
    """The tree of modules in an authors' checkpoint, with the layers that nothing is computed with."""

    def __init__(self, blocks: int, width: int, growth: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(1, width, 3, 1, 1)
        self.RRDB_trunk = nn.Sequential(*(TheirBlock(width, growth) for _ in range(blocks)))
        self.trunk_conv = nn.Conv2d(width, width, 3, 1, 1)
        for name in UNUSED:
            self.add_module(name, nn.Conv2d(width, 1 if name == "conv_last" else width, 3, 1, 1))
        self.lrelu = nn.LeakyReLU(0.2)
        end = nn.Sequential(nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2))
        self.tail = nn.Sequential(end, nn.Conv2d(width, 1, 3, 1, 1))


class Trap:
    """Pickled as a call that makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def answer_of(state: dict[str, torch.Tensor], blocks: int, x: torch.Tensor) -> torch.Tensor:
    """What the network is by the formulas: dense blocks, residuals scaled by 0.2 twice, and a sub-pixel end."""

    def conv(name: str, features: torch.Tensor) -> torch.Tensor:
        return F.conv2d(features, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    first = features = conv("conv_first", x)
    for block in range(blocks):
        start = features
        for dense in (1, 2, 3):
            name = f"RRDB_trunk.{block}.RDB{dense}"
            made = [features]
            for number in range(1, 5):
                new = conv(f"{name}.conv{number}", torch.cat(made, 1))
                made.append(torch.where(new > 0, new, 0.2 * new))
            features = features + 0.2 * conv(f"{name}.conv5", torch.cat(made, 1))
        features = start + 0.2 * features
    finer = F.pixel_shuffle(conv("tail.0.0", first + conv("trunk_conv", features)), 2)
    return conv("tail.1", finer)


@contextmanager
def their_modules() -> Iterator[None]:
    """Let the look-alikes be found under the names that the authors' classes have in their files."""
    theirs = {"RRDBNet": TheirNetwork, "RRDB": TheirBlock, "ResidualDenseBlock_5C": TheirDenseBlock}
    package, module = ModuleType("model"), ModuleType("model.RRDB")
    kept = {kind: (kind.__module__, kind.__qualname__) for kind in theirs.values()}
    sys.modules.update({"model": package, "model.RRDB": module})
    try:
        for name, kind in theirs.items():
            setattr(module, name, kind)
            kind.__module__, kind.__qualname__ = "model.RRDB", name
        yield
    finally:
        for kind, (place, name) in kept.items():
            kind.__module__, kind.__qualname__ = place, name
        del sys.modules["model.RRDB"], sys.modules["model"]


def test_the_authors_checkpoint_is_read_and_nothing_in_it_is_run(
    save_torch: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    made = TheirNetwork(blocks=12, width=4, growth=2)
    made.tuned_by = Trap(tmp_path / "ran")
    path = tmp_path / "epoch_49.pth"
    with their_modules():
        save_torch({"epoch": 49, "model": nn.DataParallel(made), "name": "ours"}, path)
    assert b"model.RRDB" in path.read_bytes()
    checkpoint = load_state_dict(path)
    network = rrdb.build(checkpoint.state)
    assert not (tmp_path / "ran").exists()
    assert "model.RRDB" not in sys.modules
    assert checkpoint.metadata == {"epoch": 49, "name": "ours"}
    assert {key.split(".")[0] for key in checkpoint.state} >= set(UNUSED)
    assert len(network.RRDB_trunk) == 12
    assert network.receptive_field == 369
    batch = image(1, 1, 6, 5)
    torch.testing.assert_close(network(batch), answer_of(made.state_dict(), 12, batch))


def test_what_lies_in_that_file_would_run_elsewhere(tmp_path: Path) -> None:
    """The test above would mean nothing otherwise."""
    pickle.loads(pickle.dumps(Trap(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_only_the_known_unused_weights_are_left_aside() -> None:
    state = dict(rrdb.create(**SMALL).state_dict())
    unused = {f"{name}.{kind}": torch.full((3,), torch.nan) for name in UNUSED for kind in ("weight", "bias")}
    assert list(rrdb.build({**unused, **state}).state_dict()) == list(state)
    for key in ("upconv5.weight", "HRconv.running_mean", "conv_last2.weight"):
        with pytest.raises(WeightsError, match=key):
            rrdb.build({**state, key: torch.zeros(3)})


def test_the_original_esrgan_has_another_end() -> None:
    state = {key: value for key, value in rrdb.create(**SMALL).state_dict().items() if not key.startswith("tail.")}
    layers = {f"{name}.weight": torch.zeros(4, 4, 3, 3) for name in ("upconv1", "upconv2", "HRconv", "conv_last")}
    with pytest.raises(WeightsError, match=r"4 keys are missing \(tail\.0\.0\.weight"):
        rrdb.build({**state, **layers})


def test_a_new_trunk_starts_close_to_its_skips() -> None:
    network = rrdb.create(blocks=2, width=16, growth=8)
    features = torch.randn(1, 16, 24, 24, generator=torch.Generator().manual_seed(0))
    dense = network.RRDB_trunk[0].RDB1
    with torch.no_grad():
        change = dense(features) - features
    assert 0 < float(change.std()) < 0.1 * float(features.std())


@pytest.mark.parametrize("options", SIZES, ids=str)
def test_receptive_field_is_what_the_gradient_reaches(options: dict[str, int]) -> None:
    network = awake(rrdb.create(**options)).double()
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
    made = awake(rrdb.create(**options))
    again = rrdb.build(made.state_dict())
    assert list(again.state_dict()) == list(made.state_dict())
    assert again.receptive_field == made.receptive_field
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    batch = image(2, 1, 9, 7)
    assert torch.equal(again(batch), made(batch))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 6), (1, 1, 7, 5), (3, 1, 4, 8), (0, 1, 4, 8)], ids=str)
def test_any_size_comes_out_twice_as_large(shape: tuple[int, ...]) -> None:
    network = awake(rrdb.create(**SMALL))
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
    network = awake(rrdb.create(**SMALL))
    batch = image(1, 1, 8, 8)
    expected = network(batch)
    low = network.bfloat16()(batch.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), expected, rtol=0, atol=0.03 * float(expected.abs().max()))
    high = network.double()(batch.double())
    assert high.dtype == torch.float64


def test_traced_and_exported() -> None:
    network = awake(rrdb.create(**SMALL))
    batch, other = image(1, 1, 8, 6), image(1, 1, 5, 9)
    assert torch.equal(fx.symbolic_trace(network)(batch), network(batch))
    dynamic = torch.export.Dim.DYNAMIC
    exported = torch.export.export(network, (batch,), dynamic_shapes={"x": {2: dynamic, 3: dynamic}}).module()
    torch.testing.assert_close(exported(batch), network(batch))
    torch.testing.assert_close(exported(other), network(other))


@pytest.mark.parametrize("options", [{name: 0} for name in SMALL], ids=str)
def test_options_that_make_no_network(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"RRDB cannot be made with {next(iter(options))} 0"):
        rrdb.create(**options)


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    network = rrdb.create(**{**SMALL, "width": 16})
    assert network.training
    (network(image(2, 1, 8, 8)) - image(2, 1, 16, 16, seed=2)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


FOREIGN = {
    "nothing": {},
    "another network": {"dncnn.0.weight": torch.zeros(4, 1, 3, 3)},
}


@pytest.mark.parametrize("case", [None, *FOREIGN])
def test_foreign_weights(case: str | None) -> None:
    with pytest.raises(WeightsError, match=r"do not fit RRDB; it needs conv_first\.weight"):
        rrdb.build(FOREIGN[case] if case else None)


@pytest.mark.parametrize("key", list(rrdb.create(**SMALL).state_dict()))
@pytest.mark.parametrize("change", ["lost", "reshaped", "flat", "nan"])
def test_weights_that_do_not_fit(key: str, change: str) -> None:
    state = dict(rrdb.create(**SMALL).state_dict())
    if change == "lost":
        del state[key]
    elif change == "reshaped":
        state[key] = torch.cat((state[key], state[key]))
    elif change == "flat":
        state[key] = state[key].reshape(-1, 1)
    else:
        state[key] = torch.full_like(state[key], torch.nan)
    with pytest.raises(WeightsError, match="RRDB"):
        rrdb.build(state)


def test_weights_of_more_than_the_network() -> None:
    state = dict(rrdb.create(**SMALL).state_dict())
    for key in ("extra.weight", "tail.0.2.weight", "RRDB_trunk.9.weight"):
        with pytest.raises(WeightsError, match="RRDB"):
            rrdb.build({**state, key: torch.zeros(4, 4, 3, 3)})


def test_images_of_three_channels_are_not_for_it() -> None:
    state = dict(rrdb.create(**SMALL).state_dict())
    state["conv_first.weight"] = state["conv_first.weight"].repeat(1, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"conv_first\.weight is 4 x 3 x 3 x 3, expected 4 x 1 x 3 x 3"):
        rrdb.build(state)


def test_forged_sizes_cost_nothing() -> None:
    state = dict(rrdb.create(**SMALL).state_dict())
    with pytest.raises(WeightsError, match=r"it needs RRDB_trunk\.1\.RDB1"):
        rrdb.build({**state, "RRDB_trunk.99999999.RDB1.conv1.weight": torch.zeros(4, 4, 3, 3)})
    wide = torch.zeros(1).expand(2**22, 1, 3, 3)
    with pytest.raises(WeightsError, match="RRDB"):
        rrdb.build({**state, "conv_first.weight": wide})
