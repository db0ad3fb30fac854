"""The two containers of `torch.save`, read by the inert unpickler: a zip archive, or pickles before raw numbers."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_w2s.models.inert_unpickler import InertPickleError, InertUnpickler, ModuleWalk, Storage, TensorRecord

if TYPE_CHECKING:
    import torch

ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MAX_NDIM = 8


def read_pickled_modules(data: bytes) -> dict[str, Any]:
    """Read what `torch.save` wrote of whole modules, running nothing of it.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    dict
        What the file holds in plain types. Modules, at the top or in dictionaries, become flat state dicts with
        dotted keys; a single module at the top comes as ``{"model": state dict}``.

    Raises
    ------
    InertPickleError
        If the file holds what tensors in modules have no need of, or its numbers are not all there.
    Exception
        Others, if the file is damaged: the standard library's readers raise many kinds.
    """
    storages: dict[str, Storage] = {}
    if data.startswith(ZIP_MAGIC):
        root, raw = _read_zip(data, storages)
    else:
        root, raw = _read_legacy(data, storages)
    buffers = {key: _buffer(storage, raw[key]) for key, storage in storages.items()}
    plain = ModuleWalk(lambda record: _tensor(record, buffers)).plain(root)
    if not isinstance(plain, dict):
        raise InertPickleError("it holds no module and no dictionary")
    return plain if isinstance(root, dict) else {"model": plain}


def _read_zip(data: bytes, storages: dict[str, Storage]) -> tuple[object, Mapping[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise InertPickleError("it is a zip archive of something else")
        folder = pickles[0].removesuffix("data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise InertPickleError("its numbers are compressed, which torch.save never does")
        order = entries.get(f"{folder}byteorder")
        if order is not None and archive.read(order) != b"little":
            raise InertPickleError("its numbers are big-endian; save it again on a common computer")
        root = InertUnpickler(io.BytesIO(archive.read(pickles[0])), storages).load()
        raw: dict[str, bytes] = {}
        left = len(data)
        for key in storages:
            entry = entries.get(f"{folder}data/{key}")
            # Entries of a forged archive may overlap and so unpack to more than the file's size.
            left -= entry.file_size if entry else left + 1
            if entry is None or left < 0:
                raise InertPickleError("some of its numbers are not there")
            raw[key] = archive.read(entry)
    return root, raw


def _read_legacy(data: bytes, storages: dict[str, Storage]) -> tuple[object, Mapping[str, bytes]]:
    stream = io.BytesIO(data)
    if InertUnpickler(stream).load() != _LEGACY_MAGIC or InertUnpickler(stream).load() != _LEGACY_PROTOCOL:
        raise InertPickleError("it is a pickle of something else")
    system = InertUnpickler(stream).load()
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise InertPickleError("its numbers are big-endian; save it again on a common computer")
    root = InertUnpickler(stream, storages).load()
    order = InertUnpickler(stream).load()
    if not isinstance(order, list) or len(order) != len(storages) or set(order) != set(storages):
        raise InertPickleError("some of its numbers are not there")
    raw: dict[str, bytes] = {}
    for key in order:
        storage = storages[key]
        (numel,) = struct.unpack("<q", stream.read(8))
        if numel != storage.numel:
            raise InertPickleError("it tells the count of its numbers in two ways")
        raw[key] = stream.read(_nbytes(storage))
    return root, raw


def _nbytes(storage: Storage) -> int:
    return storage.numel * _dtype(storage).itemsize


def _dtype(storage: Storage) -> torch.dtype:
    import torch

    dtype = getattr(torch, storage.dtype)
    assert isinstance(dtype, torch.dtype)
    return dtype


def _buffer(storage: Storage, raw: bytes) -> torch.Tensor:
    """All numbers of a storage, as one flat tensor."""
    import torch

    if len(raw) != _nbytes(storage):
        raise InertPickleError("some of its numbers are not there")
    if not raw:
        return torch.empty(0, dtype=_dtype(storage))
    return torch.frombuffer(bytearray(raw), dtype=_dtype(storage))


def _tensor(record: TensorRecord, buffers: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Make a tensor of a record, if it lies within its storage and is no larger."""
    import torch

    storage, offset, shape, stride = record.storage, record.offset, record.shape, record.stride
    if not isinstance(storage, Storage):
        raise InertPickleError("one of its tensors has no numbers")
    sizes, steps = _whole_numbers(shape), _whole_numbers(stride)
    if sizes is None or steps is None or len(sizes) != len(steps) or type(offset) is not int or offset < 0:
        raise InertPickleError("one of its tensors has no proper shape")
    count = math.prod(sizes)
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if count and (last >= storage.numel or count > storage.numel):
        raise InertPickleError("one of its tensors is larger than its numbers")
    if not count:
        return torch.empty([min(size, 1) for size in sizes], dtype=_dtype(storage))
    return torch.as_strided(buffers[storage.key], sizes, steps, offset)


def _whole_numbers(values: object) -> tuple[int, ...] | None:
    if not isinstance(values, (tuple, list)) or len(values) > _MAX_NDIM:
        return None
    numbers = tuple(v for v in values if type(v) is int and v >= 0)
    return numbers if len(numbers) == len(values) else None
