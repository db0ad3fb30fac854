"""Files of whole modules are read, and nothing in them is run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from napari_w2s._types import WeightsError
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.inert_unpickler import MAX_DEPTH, MAX_ITEMS, MAX_NAME
from napari_w2s.models.pickled_module import read_pickled_modules

LEGACY_HEAD = (
    pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    + pickle.dumps(1001, 2)
    + pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
)


def as_zip(payload: bytes, numbers: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
        for key, data in (numbers or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return stream.getvalue()


def as_legacy(payload: bytes, numbers: dict[str, bytes] | None = None) -> bytes:
    numbers = numbers or {}
    raw = b"".join(struct.pack("<q", len(data) // 4) + data for data in numbers.values())
    return LEGACY_HEAD + payload + pickle.dumps(list(numbers), 2) + raw


CONTAINERS: dict[str, Callable[..., bytes]] = {"zip": as_zip, "legacy": as_legacy}


class Refers:
    """Pickled as a reference to something outside of the pickle."""

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


class Calls:
    """Pickled as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class WithState(Calls):
    """Pickled as a call, and a state set on its result."""

    def __init__(self, made: Calls, state: Any) -> None:
        self.call = (*made.call, state)


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Refers) else None


def dump(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 2).dump(value)
    return stream.getvalue()


def module(**entries: Any) -> SimpleNamespace:
    """What a pickled module looks like: an object with three dictionaries."""
    groups = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    return SimpleNamespace(**(groups | entries))


def tensor(storage: Any, offset: Any = 0, shape: Any = (2,), stride: Any = (1,)) -> Calls:
    return Calls(torch._utils._rebuild_tensor_v2, storage, offset, shape, stride, False, OrderedDict())


def storage(kind: Any = torch.FloatStorage, key: Any = "0", numel: Any = 2) -> Refers:
    return Refers("storage", kind, key, "cpu", numel)


def hostile(command: str) -> dict[str, bytes]:
    """Pickles that run a command when they are read as a pickle is meant to be."""
    text = command.encode()
    short = b"U" + bytes([len(text)]) + text
    return {
        "reduce os.system": pickle.dumps(Calls(os.system, command), 2),
        "reduce eval": pickle.dumps(Calls(eval, f"__import__('os').system({command!r})"), 2),
        "reduce exec, protocol 5": pickle.dumps(Calls(exec, f"import os; os.system({command!r})"), 5),
        "GLOBAL": b"cposix\nsystem\n(" + short + b"tR.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x05posix\x8c\x06system\x93(" + short + b"tR.",
        "INST": b"(" + short + b"iposix\nsystem\n.",
        "OBJ": b"(cposix\nsystem\n" + short + b"o.",
        "NEWOBJ": b"\x80\x02cbuiltins\nlist\n(cbuiltins\nmap\n(cposix\nsystem\n](" + short + b"et\x81tR.",
        "NEWOBJ_EX": b"\x80\x04cbuiltins\nlist\n(cbuiltins\nmap\n(cposix\nsystem\n](" + short + b"et}\x92tR.",
        "BUILD sets __setstate__": b"\x80\x02ctypes\nSimpleNamespace\n)R}U\x0c__setstate__cposix\nsystem\nsb"
        + short
        + b"b.",
        "import, then getattr": b"\x80\x02cbuiltins\ngetattr\n(cimportlib\nimport_module\n(U\x02ostRU\x06systemtR("
        + short
        + b"tR.",
        "in a dictionary": pickle.dumps({"state_dict": OrderedDict(a=Calls(os.system, command))}, 2),
        "in a module": pickle.dumps(module(_modules={"a": module(_parameters={"w": Calls(os.system, command)})}), 2),
        "as a key": pickle.dumps({Calls(os.system, command): 1}, 2),
    }


HOSTILE = sorted(hostile(""))


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


@pytest.mark.skipif(os.name != "posix", reason="the commands are for a POSIX shell")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles_are_live(kind: str, marker: Path) -> None:
    """What the next test proves would mean nothing if these pickles ran nothing anywhere."""
    pickle.Unpickler(io.BytesIO(hostile("touch ran")[kind])).load()
    assert marker.exists()


@pytest.mark.parametrize("container", [*CONTAINERS, "bare", "legacy head"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_run_nothing_and_are_refused(kind: str, container: str, marker: Path) -> None:
    payload = hostile("touch ran")[kind]
    if container in CONTAINERS:
        data = CONTAINERS[container](payload)
    else:
        data = payload if container == "bare" else b"\x80\x02" + payload + LEGACY_HEAD
    path = marker.with_name("weights.pth")
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load_state_dict(path)
    assert not marker.exists()


def test_hostile_reference_runs_nothing(marker: Path) -> None:
    path = marker.with_name("weights.pth")
    for pid in [
        (Calls(os.system, "touch ran"),),
        ("storage", Calls(os.system, "touch ran"), "0", "cpu", 2),
        ("module", Calls(os.system, "touch ran"), "a.py", "source"),
    ]:
        path.write_bytes(as_legacy(dump({"model": Refers(*pid)})))
        with pytest.raises(WeightsError):
            load_state_dict(path)
        assert not marker.exists()


def test_module_with_hostile_attribute_gives_its_weights_only(
    look_alike: nn.Module, save_torch: Callable[[Any, Path], None], marker: Path
) -> None:
    look_alike.logger = Calls(os.system, "touch ran")
    path = marker.with_name("weights.pth")
    save_torch({"epoch": 49, "model": nn.DataParallel(look_alike), "name": "avg1"}, path)
    state = load_state_dict(path).state
    assert set(state) == set(look_alike.state_dict())
    assert not marker.exists()


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("as_entry", [True, False])
def test_whole_modules_give_their_state_dict(
    look_alike: nn.Module, save_torch: Callable[[Any, Path], None], tmp_path: Path, wrapped: bool, as_entry: bool
) -> None:
    saved = nn.DataParallel(look_alike) if wrapped else look_alike
    path = tmp_path / "epoch_49.pth"
    save_torch({"epoch": 49, "model": saved, "name": "avg1"} if as_entry else saved, path)
    checkpoint = load_state_dict(path)
    expected = look_alike.state_dict()
    assert set(checkpoint.state) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(checkpoint.state[key], value, rtol=0, atol=0)
    assert checkpoint.metadata == ({"epoch": 49, "name": "avg1"} if as_entry else {})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_read(
    look_alike: nn.Module, save_torch: Callable[[Any, Path], None], tmp_path: Path, dtype: torch.dtype
) -> None:
    save_torch(look_alike.to(dtype), tmp_path / "a.pth")
    state = load_state_dict(tmp_path / "a.pth").state
    torch.testing.assert_close(state["head.weight"], look_alike.head.weight.detach(), rtol=0, atol=0)


def test_slices_of_a_shared_storage_are_read(save_torch: Callable[[Any, Path], None], tmp_path: Path) -> None:
    numbers = torch.arange(12.0)
    shared = nn.Module()
    shared.register_buffer("low", numbers[:6].view(2, 3))
    shared.register_buffer("odd", numbers[1::2])
    shared.register_buffer("nothing", torch.zeros(0, 3))
    save_torch(shared, tmp_path / "a.pth")
    state = load_state_dict(tmp_path / "a.pth").state
    assert state["low"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert state["odd"].tolist() == [1, 3, 5, 7, 9, 11]
    assert state["nothing"].numel() == 0


NUMBERS = {"0": struct.pack("<2f", 1.0, 2.0)}
GOOD = module(_buffers={"w": tensor(storage())})


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_hand_made_module_is_read(container: str) -> None:
    """The refusals below differ from this file in one thing each."""
    state = read_pickled_modules(CONTAINERS[container](dump(GOOD), NUMBERS))
    assert state["model"]["w"].tolist() == [1.0, 2.0]


def _endless() -> SimpleNamespace:
    loop = module()
    loop._modules["again"] = loop
    return loop


def _doubling() -> SimpleNamespace:
    tree = GOOD
    for _ in range(MAX_ITEMS.bit_length() + 1):
        tree = module(_modules={"a": tree, "b": tree})
    return tree


def _deep() -> SimpleNamespace:
    tree = GOOD
    for _ in range(MAX_DEPTH + 1):
        tree = module(_modules={"a": tree})
    return tree


BAD_MODULES = {
    "endless": _endless(),
    "doubling": _doubling(),
    "deep": _deep(),
    "long names": module(_modules={"n" * (MAX_NAME + 1): GOOD}),
    "a number as a name": module(_buffers={1: tensor(storage())}),
    "absurd count of numbers": module(_buffers={"w": tensor(storage(numel=10**15), shape=(10**15,))}),
    "negative count of numbers": module(_buffers={"w": tensor(storage(numel=-1))}),
    "boolean count of numbers": module(_buffers={"w": tensor(storage(numel=True), shape=(1,))}),
    "unknown kind of numbers": module(_buffers={"w": tensor(storage(kind=os.system))}),
    "kind of numbers by name": module(_buffers={"w": tensor(storage(kind="FloatStorage"))}),
    "numbers without a name": module(_buffers={"w": tensor(storage(key=0))}),
    "numbers of two kinds": module(
        _buffers={"w": tensor(storage()), "v": tensor(storage(kind=torch.IntStorage))},
    ),
    "numbers that are not there": module(_buffers={"w": tensor(storage(key="1"))}),
    "path as a name of numbers": module(_buffers={"w": tensor(storage(key="../../data.pkl"))}),
    "tensor beyond its numbers": module(_buffers={"w": tensor(storage(), offset=1)}),
    "tensor with far steps": module(_buffers={"w": tensor(storage(), stride=(2,))}),
    "tensor with steps back": module(_buffers={"w": tensor(storage(), offset=1, stride=(-1,))}),
    "tensor before its numbers": module(_buffers={"w": tensor(storage(), offset=-1)}),
    "tensor spread out": module(_buffers={"w": tensor(storage(), shape=(10**9,), stride=(0,))}),
    "tensor of negative size": module(_buffers={"w": tensor(storage(), shape=(-2,))}),
    "tensor of too many axes": module(_buffers={"w": tensor(storage(), shape=(1,) * 99, stride=(1,) * 99)}),
    "tensor without steps": module(_buffers={"w": tensor(storage(), stride=())}),
    "tensor of a list": module(_buffers={"w": tensor([1.0, 2.0])}),
    "tensor whose state is set": module(_buffers={"w": WithState(tensor(storage()), {"shape": (9,)})}),
    "no module": SimpleNamespace(a=1),
    "a list": [GOOD],
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("case", BAD_MODULES)
def test_bad_modules_are_refused(case: str, container: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTAINERS[container](dump(BAD_MODULES[case]), NUMBERS))
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load_state_dict(path)


BAD_PICKLES = {
    "huge memo index": b"\x80\x02]r\xff\xff\xff\x7f.",
    "huge memo index in text": b"]p2147483647\n.",
    "extension code": b"\x80\x02\x82\x01.",
    "state of a function": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}U\x0c__defaults__K\x01s\x86b.",
    "state of a class": b"\x80\x02ca\nb\n}b.",
    "state of a storage type": b"\x80\x02ctorch\nFloatStorage\n}b.",
    "huge text": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.",
    "huge bytes": b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00a.",
    "nothing on the stack": b"\x80\x020.",
    "no end": b"\x80\x02]",
    "later protocol": b"\x80\x7f].",
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("case", BAD_PICKLES)
def test_bad_pickles_are_refused(case: str, container: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTAINERS[container](BAD_PICKLES[case]))
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load_state_dict(path)


def test_state_set_on_a_function_does_not_stay() -> None:
    with pytest.raises(Exception, match="changes a function"):
        read_pickled_modules(as_zip(BAD_PICKLES["state of a function"]))
    assert read_pickled_modules(as_zip(dump(GOOD), NUMBERS))["model"]["w"].tolist() == [1.0, 2.0]


def test_compressed_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(as_zip(dump(GOOD), {"0": bytes(10**6)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(WeightsError, match="compressed"):
        load_state_dict(path)


def test_big_endian_numbers_are_refused(tmp_path: Path) -> None:
    head = LEGACY_HEAD.replace(pickle.dumps({"little_endian": True}, 2)[-4:-3], b"\x88")
    swapped = head.replace(b"\x88", b"\x89")
    assert swapped != head
    data = swapped + dump(GOOD) + pickle.dumps(["0"], 2) + struct.pack("<q", 2) + NUMBERS["0"]
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="big-endian"):
        load_state_dict(path)


def test_truncated_files_are_refused_wherever_they_end(
    look_alike: nn.Module, save_torch: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.pth", tmp_path / "cut.pth"
    save_torch(look_alike, whole)
    data = whole.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 60)):
        cut.write_bytes(data[:end])
        with pytest.raises(WeightsError, match=r"cut\.pth"):
            load_state_dict(cut)


def test_flipped_bytes_give_weights_or_a_message(
    look_alike: nn.Module, save_torch: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    whole, bad = tmp_path / "whole.pth", tmp_path / "bad.pth"
    save_torch(look_alike, whole)
    data = whole.read_bytes()
    generator = torch.Generator().manual_seed(1)
    refused = 0
    for position in torch.randint(len(data), (150,), generator=generator).tolist():
        bad.write_bytes(data[:position] + bytes([data[position] ^ 0x41]) + data[position + 1 :])
        try:
            load_state_dict(bad)
        except WeightsError as error:
            assert "bad.pth" in str(error)  # noqa: PT017 - either outcome is right
            refused += 1
    assert refused
