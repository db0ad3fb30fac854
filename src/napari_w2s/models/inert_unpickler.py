"""Read tensors out of pickled modules without running anything that the file says.

A pickle is a program: it names classes and functions of the reader's machine and calls them. `torch.load` with
``weights_only`` therefore refuses whole modules, and the authors' super-resolution checkpoints are whole modules.
Here every name in the file, whatever it is, becomes an inert stub that only remembers its state; the few names that
stand for tensors and dictionaries become this module's own plain records. No name is ever looked up or imported.

This is the one place of the package that subclasses `pickle.Unpickler`: the pickle format has to be parsed by
something, and what makes unpickling unsafe, the lookup of names, is replaced here as a whole.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

MAX_ITEMS = 200_000
"""Modules and tensors that are read from one file at most; the largest network of the benchmark has 5,000."""

MAX_DEPTH = 64
"""Modules within modules."""

MAX_NAME = 200
"""Letters in the name of one module, parameter or buffer."""

_EXTENSION_OPCODES = frozenset({"EXT1", "EXT2", "EXT4"})
_MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


class InertPickleError(Exception):
    """The pickle holds something that tensors in modules have no need of."""


class Stub:
    """Stands for an object of any class. It remembers its state; all else that is done to it has no effect."""

    __slots__ = ("state",)

    state: Any

    def __new__(cls, *_args: object, **_kwargs: object) -> Stub:
        """Make one of whatever arguments; they are not kept."""
        stub = super().__new__(cls)
        stub.state = None
        return stub

    def __init__(self, *_args: object, **_kwargs: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _value: object) -> None:
        """Take no notice: stands for lists."""

    def extend(self, _values: object) -> None:
        """Take no notice: stands for lists."""

    def add(self, _value: object) -> None:
        """Take no notice: stands for sets."""


class InertDict(dict[Any, Any]):
    """A dictionary whose attributes a pickle cannot set."""

    __slots__ = ()

    def __setstate__(self, _state: object) -> None: ...


class Storage:
    """Numbers of one kind, whose bytes are fetched later.

    Attributes
    ----------
    dtype : str
        Name of a `torch.dtype`.
    key : str
        Name within the file.
    numel : int
        How many numbers.
    """

    __slots__ = ("dtype", "key", "numel")

    def __init__(self, dtype: str, key: str, numel: int) -> None:
        self.dtype, self.key, self.numel = dtype, key, numel

    def __setstate__(self, _state: object) -> NoReturn:
        raise InertPickleError("it changes a storage")


class TensorRecord:
    """A view of a storage, as the file describes it and not yet checked."""

    __slots__ = ("offset", "shape", "storage", "stride")

    def __init__(self, storage: object, offset: object, shape: object, stride: object, *_rest: object) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def __setstate__(self, _state: object) -> NoReturn:
        raise InertPickleError("it changes a tensor")


class _Call:
    """One of the few functions that are understood. A pickle cannot set its attributes."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def __call__(self, *args: object) -> object:
        return self.function(*args)

    def __setstate__(self, _state: object) -> NoReturn:
        raise InertPickleError("it changes a function")


def _first(value: object, *_rest: object) -> object:
    return value


_UNDERSTOOD = {
    ("collections", "OrderedDict"): _Call(lambda items=(): InertDict(items)),
    ("builtins", "set"): _Call(lambda items=(): frozenset(items)),
    ("__builtin__", "set"): _Call(lambda items=(): frozenset(items)),
    ("torch._utils", "_rebuild_tensor"): _Call(TensorRecord),
    ("torch._utils", "_rebuild_tensor_v2"): _Call(TensorRecord),
    ("torch._utils", "_rebuild_parameter"): _Call(_first),
    ("torch._utils", "_rebuild_parameter_with_state"): _Call(_first),
}

_STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class _StorageType:
    """Stands for a storage class, of the CPU or of a GPU."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def __setstate__(self, _state: object) -> NoReturn:
        raise InertPickleError("it changes a storage type")


class InertUnpickler(pickle.Unpickler):
    """An unpickler that looks up no name.

    Parameters
    ----------
    stream : io.BytesIO
        Positioned at the pickle; afterwards at its end.
    storages : dict of str to Storage, optional
        Filled with the storages that the pickle refers to. Without it the pickle may refer to none.

    Raises
    ------
    InertPickleError
        On making it, if the pickle uses opcodes that could reach outside of it or exhaust the memory.
    """

    def __init__(self, stream: io.BytesIO, storages: dict[str, Storage] | None = None) -> None:
        _check_opcodes(stream)
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a stand-in for a name; nothing is imported."""
        if module in ("torch", "torch.cuda") and name in _STORAGE_DTYPES:
            return _StorageType(_STORAGE_DTYPES[name])
        understood = _UNDERSTOOD.get((module, name))
        # A new class each time: what a pickle might do to one is seen by no other.
        return understood or type("Stub", (Stub,), {"__slots__": ()})

    def persistent_load(self, pid: Any, /) -> Any:
        """Return the class of a module, or a record of the storage, that lies outside of the pickle."""
        if not isinstance(pid, tuple) or not pid:
            raise InertPickleError("it refers to something that is not a tensor")
        if pid[0] == "module" and len(pid) == 4:
            return pid[1]
        if pid[0] != "storage" or len(pid) not in (5, 6) or self._storages is None:
            raise InertPickleError("it refers to something that is not a tensor")
        kind, key, _device, numel = pid[1:5]
        if not isinstance(kind, _StorageType):
            raise InertPickleError("it holds numbers of an unknown kind")
        if not isinstance(key, str) or type(numel) is not int or numel < 0 or (len(pid) == 6 and pid[5] is not None):
            raise InertPickleError("it describes its numbers in an unknown way")
        storage = self._storages.setdefault(key, Storage(kind.dtype, key, numel))
        if (storage.dtype, storage.numel) != (kind.dtype, numel):
            raise InertPickleError("it describes the same numbers in two ways")
        return storage


def _check_opcodes(stream: io.BytesIO) -> None:
    start = stream.tell()
    limit = len(stream.getbuffer())
    for opcode, argument, _position in pickletools.genops(stream):
        if opcode.name in _EXTENSION_OPCODES:
            raise InertPickleError("it uses codes of the pickle extension registry")
        # Unpickling reserves memory up to the largest index.
        if opcode.name in _MEMO_OPCODES and not 0 <= int(argument or 0) <= limit:
            raise InertPickleError("it numbers more objects than it can hold")
    stream.seek(start)


class ModuleWalk:
    """Turns what was unpickled into plain dictionaries, numbers and tensors.

    Parameters
    ----------
    tensor : callable
        Makes a tensor of a `TensorRecord`.
    """

    def __init__(self, tensor: Callable[[TensorRecord], Any]) -> None:
        self._tensor = tensor
        self._items = 0

    def plain(self, value: object, depth: int = 0) -> Any:
        """Return a value in plain types: a module becomes its flat state dict; any other object becomes None."""
        self._count(depth)
        if isinstance(value, TensorRecord):
            return self._tensor(value)
        if isinstance(value, Stub):
            return self._module(value, depth) if _attributes(value) else None
        if isinstance(value, dict):
            return {key: self.plain(item, depth + 1) for key, item in value.items() if isinstance(key, str)}
        return value if isinstance(value, (str, int, float, bool)) else None

    def _module(self, module: Stub, depth: int) -> dict[str, Any]:
        self._count(depth)
        attributes = _attributes(module)
        passing = attributes.get("_non_persistent_buffers_set")
        left_out = passing if isinstance(passing, (set, frozenset)) else frozenset()
        state: dict[str, Any] = {}
        for group in ("_parameters", "_buffers"):
            for name, record in _entries(attributes, group):
                if isinstance(record, TensorRecord) and name not in left_out:
                    self._count(depth)
                    state[name] = self._tensor(record)
        for name, child in _entries(attributes, "_modules"):
            if isinstance(child, Stub):
                state |= {f"{name}.{key}": value for key, value in self._module(child, depth + 1).items()}
        return state

    def _count(self, depth: int) -> None:
        self._items += 1
        if self._items > MAX_ITEMS or depth > MAX_DEPTH:
            raise InertPickleError("its modules never end")


def _attributes(module: Stub) -> dict[str, Any]:
    return module.state if isinstance(module.state, dict) and "_modules" in module.state else {}


def _entries(attributes: dict[str, Any], group: str) -> list[tuple[str, Any]]:
    entries = attributes.get(group)
    if not isinstance(entries, dict):
        return []
    if any(not isinstance(name, str) or len(name) > MAX_NAME for name in entries):
        raise InertPickleError("its modules have names that no module has")
    return list(entries.items())
