"""RRDB: its keys, and the authors' checkpoints."""

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
from torch import nn
from w2s_networks import FAR, image, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.networks import rrdb

UNUSED = ("upconv1", "upconv2", "upconv3", "upconv4", "HRconv", "conv_last")


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("rrdb")
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
    state = tiny("rrdb").state_dict()
    unused = {f"{name}.{kind}": torch.full((3,), torch.nan) for name in UNUSED for kind in ("weight", "bias")}
    assert list(rrdb.build({**unused, **state}).state_dict()) == list(state)
    for key in ("upconv5.weight", "HRconv.running_mean", "conv_last2.weight"):
        with pytest.raises(WeightsError, match=key):
            rrdb.build({**state, key: torch.zeros(3)})


def test_the_original_esrgan_has_another_end() -> None:
    state = {key: value for key, value in tiny("rrdb").state_dict().items() if not key.startswith("tail.")}
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


def test_images_of_three_channels_are_not_for_it() -> None:
    state = tiny("rrdb").state_dict()
    state["conv_first.weight"] = state["conv_first.weight"].repeat(1, 3, 1, 1)
    with pytest.raises(WeightsError, match=r"conv_first\.weight is 4 x 3 x 3 x 3, expected 4 x 1 x 3 x 3"):
        rrdb.build(state)


def test_the_first_missing_block_is_named() -> None:
    state = tiny("rrdb").state_dict()
    with pytest.raises(WeightsError, match=r"it needs RRDB_trunk\.1\.RDB1"):
        rrdb.build({**state, f"RRDB_trunk.{FAR}.RDB1.conv1.weight": torch.zeros(4, 4, 3, 3)})
