"""Reading and writing weights files."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from napari_w2s._types import OutputError, WeightsError
from napari_w2s.models.checkpoint import load_state_dict, read_card, save

WEIGHTS = {"conv.weight": torch.arange(4.0).reshape(2, 2), "conv.bias": torch.ones(2)}


def under(prefix: str) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((prefix + key, value) for key, value in WEIGHTS.items())


WRAPPED = {
    "plain": under(""),
    "data parallel": under("module."),
    "compiled data parallel": under("_orig_mod.module."),
    "twice data parallel": under("module.module."),
    "state_dict": {"state_dict": under("")},
    "model": {"epoch": 3, "model": under("module."), "name": "x"},
    "params": {"params": under("")},
    "params_ema before params": {"params": {"other": torch.zeros(1)}, "params_ema": under("")},
    "nested": {"model": {"state_dict": under("module.")}},
    "lightning": {
        "pytorch-lightning_version": "2.5",
        "state_dict": under("network.") | {"loss.vgg.weight": torch.zeros(3)},
    },
    "lightning without prefix": {"pytorch-lightning_version": "2.5", "state_dict": under("")},
    "optimizer beside it": {"model": under(""), "optimizer": {"state": {0: torch.zeros(2)}, "lr": 0.1}},
}


@pytest.mark.parametrize("case", WRAPPED)
def test_state_dicts_are_found_and_get_plain_keys(
    case: str, save_torch: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "a.pth"
    save_torch(WRAPPED[case], path)
    checkpoint = load_state_dict(path)
    assert set(checkpoint.state) == set(WEIGHTS)
    for key, value in WEIGHTS.items():
        assert torch.equal(checkpoint.state[key], value)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.path == path


def test_a_prefix_that_only_some_keys_have_stays(tmp_path: Path) -> None:
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "a.pth")
    assert set(load_state_dict(tmp_path / "a.pth").state) == {"module.a", "b"}


def test_plain_values_beside_the_weights_are_kept(tmp_path: Path) -> None:
    torch.save({"epoch": 49, "model": under(""), "name": "avg1", "lr": 0.5, "what": None}, tmp_path / "a.pth")
    assert load_state_dict(tmp_path / "a.pth").metadata == {"epoch": 49, "name": "avg1", "lr": 0.5}


def test_saved_weights_come_back_with_their_card(tmp_path: Path) -> None:
    card = {"name": "mine", "metrics": {"psnr": 31.2}, "note": "µm, 2 ×"}
    path = save(tmp_path / "mine.safetensors", WEIGHTS, card)
    checkpoint = load_state_dict(path)
    assert checkpoint.card == card == read_card(path)
    for key, value in WEIGHTS.items():
        assert torch.equal(checkpoint.state[key], value)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.safetensors"]


def test_saving_takes_views_of_shared_numbers(tmp_path: Path) -> None:
    numbers = torch.arange(6.0)
    save(tmp_path / "a.safetensors", {"a": numbers[:3], "b": numbers[2:], "c": numbers.view(2, 3).t()}, {})
    state = load_state_dict(tmp_path / "a.safetensors").state
    assert state["a"].tolist() == [0, 1, 2]
    assert state["b"].tolist() == [2, 3, 4, 5]
    assert state["c"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_safetensors_without_card(tmp_path: Path) -> None:
    safetensors.torch.save_file(WEIGHTS, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert load_state_dict(tmp_path / "a.safetensors").card is None
    assert read_card(tmp_path / "a.safetensors") is None


@pytest.mark.parametrize("text", ["no JSON", "[1, 2]", "[" * 100_000])
def test_a_card_that_is_no_card(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(WEIGHTS, path, metadata={"napari_w2s_card": text})
    if text == "[1, 2]":
        assert load_state_dict(path).card is None
        return
    for read in (load_state_dict, read_card):
        with pytest.raises(WeightsError, match=r"a\.safetensors"):
            read(path)


def test_interrupted_saving_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.safetensors", WEIGHTS, {"version": 1})

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"a\.safetensors.*No space left.*free space"):
        save(path, WEIGHTS, {"version": 2})
    assert read_card(path) == {"version": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_saving_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Choose another folder"):
        save(tmp_path / "none" / "a.safetensors", WEIGHTS, {})


def test_card_must_be_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path / "a.safetensors", WEIGHTS, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


FOREIGN = {
    "a PNG image": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "a TIFF image": b"II*\x00" + bytes(50),
    "a NumPy array": b"\x93NUMPY\x01\x00" + bytes(50),
    "a web page": b"\n<!DOCTYPE html><html>not found</html>",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "something else": b"hello",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_files_of_another_kind_are_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(FOREIGN[what])
    with pytest.raises(WeightsError, match=rf"weights\.pth is not a checkpoint: it is .*{what}"):
        load_state_dict(path)


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth does not exist"):
        load_state_dict(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"none\.pth does not exist"):
        read_card(tmp_path / "none.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(WeightsError, match=r"empty\.pth is empty"):
        load_state_dict(tmp_path / "empty.pth")
    with pytest.raises(WeightsError, match="is a folder"):
        load_state_dict(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(WeightsError, match="permissions"):
        load_state_dict(path)


@pytest.mark.parametrize("value", [{}, {"epoch": 3}, [torch.zeros(2)], torch.zeros(2), {"model": {}}], ids=repr)
def test_files_without_weights(value: Any, save_torch: Callable[[Any, Path], None], tmp_path: Path) -> None:
    save_torch(value, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth holds"):
        load_state_dict(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_named(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)), tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="TorchScript"):
        load_state_dict(tmp_path / "a.pt")


def test_zip_of_something_else(tmp_path: Path) -> None:
    import numpy as np

    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    with pytest.raises(WeightsError, match=r"a\.npz"):
        load_state_dict(tmp_path / "a.npz")


def test_hash_mismatch_tells_both(tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors", WEIGHTS, {})
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_state_dict(path, sha256=own.upper()).sha256 == own
    with pytest.raises(WeightsError, match=rf"{own}.*{'0' * 64}"):
        load_state_dict(path, sha256="0" * 64)


def test_truncated_safetensors(tmp_path: Path) -> None:
    data = save(tmp_path / "a.safetensors", WEIGHTS, {"name": "mine"}).read_bytes()
    cut = tmp_path / "cut.safetensors"
    for end in range(len(data)):
        cut.write_bytes(data[:end])
        with pytest.raises(WeightsError, match=r"cut\.safetensors"):
            load_state_dict(cut)


@pytest.mark.parametrize("change", [{"shape": [10**6, 10**6]}, {"data_offsets": [0, 10**12]}, {"dtype": "F99"}])
def test_forged_safetensors(change: dict[str, Any], tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(WeightsError, match="damaged"):
        load_state_dict(path)
