"""Images that are read when they are looked at, in parts where that pays."""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.data.hdf5 import WHAT
from napari_w2s.data.unreadable import reading

AnyArray = npt.NDArray[Any]

_FEW_FRAMES = 16


class Lazy(ABC):
    """An image that is read when it is looked at.

    Attributes
    ----------
    shape : tuple of int
        ``(H, W)``
    dtype : numpy.dtype
    """

    __slots__ = ()

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self) -> AnyArray:
        """Return the pixels."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        del copy
        pixels = self.read()
        return pixels if dtype is None else pixels.astype(dtype)


class Plane(Lazy):
    """One image of a lazy stack.

    Parameters
    ----------
    stack : dask array
    index : int or tuple of int
        Place along the leading axes.
    """

    def __init__(self, stack: Any, index: int | tuple[int, ...]) -> None:
        self.stack, self.index = stack, index
        self.shape = tuple(stack.shape[-2:])
        self.dtype = stack.dtype

    def read(self) -> AnyArray:
        """Return the pixels."""
        return np.asarray(self.stack[self.index])


class Row(Lazy):
    """One image of an HDF5 dataset; the file is open only while it is read.

    Parameters
    ----------
    path : Path
    key : str
        Name of the dataset, ``(N, 1, H, W)`` or ``(N, H, W)``.
    index : int
    shape : tuple of int
        ``(H, W)``
    dtype : numpy.dtype
    """

    __slots__ = ("dtype", "index", "key", "path", "shape")

    def __init__(self, path: Path, key: str, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.key, self.index, self.shape, self.dtype = path, key, index, shape, dtype

    def read(self) -> AnyArray:
        """Return the pixels."""
        import h5py

        with reading(self.path, WHAT), h5py.File(self.path, "r") as file:
            pixels: AnyArray = file[self.key][self.index]
        return pixels.reshape(self.shape).astype(self.dtype, copy=False)


class Stack:
    """Frames of one place.

    Parameters
    ----------
    data : array
        ``(t, y, x)``: numpy, a memory map, or dask.

    Attributes
    ----------
    mean : Mean
        Of all frames.
    """

    def __init__(self, data: Any) -> None:
        if data.ndim != 3:
            raise InputError(f"An array of shape {tuple(data.shape)} is no burst. Give one of axes t, y, x.")
        self.data = data
        self.mapped = isinstance(data, np.ndarray)
        self._planes: dict[int, Any] = {}
        self.mean = Mean(self, range(len(self)))

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def frame(self, index: int) -> Any:
        """Return one frame, as an image ``(y, x)``; always the same object."""
        if index not in self._planes:
            self._planes[index] = self.data[index] if self.mapped else Plane(self.data, index)
        return self._planes[index]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "data": portable(self.data), "_planes": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "data": restored(state["data"])})


class Mean(Lazy):
    """Mean of some frames of a burst, in float32 and summed in float64.

    Parameters
    ----------
    stack : Stack
    frames : sequence of int
        Their indices.

    Attributes
    ----------
    in_parts : bool
        True if a part of it costs little, because only that part of few frames is read.
    """

    def __init__(self, stack: Stack, frames: Sequence[int]) -> None:
        self.stack, self.frames = stack, frames
        self.shape = tuple(stack.data.shape[1:])
        self.dtype = np.dtype(np.float32)
        self.in_parts = stack.mapped and len(frames) <= _FEW_FRAMES

    def read(self) -> AnyArray:
        """Return the pixels."""
        return self.part(slice(None), slice(None))

    def part(self, rows: slice, columns: slice) -> AnyArray:
        """Return the pixels of a part, reading no others."""
        total: npt.NDArray[np.float64] | None = None
        for index in self.frames:
            frame = np.asarray(self.stack.data[index, rows, columns])
            total = frame.astype(np.float64) if total is None else np.add(total, frame, out=total)
        assert total is not None, "a mean of no frames"
        mean: AnyArray = (total / len(self.frames)).astype(np.float32)
        return mean


def planes(stack: Any) -> list[Any]:
    """Return the images of a stack ``(..., y, x)`` in order."""
    return [plane(stack, index) for index in np.ndindex(*stack.shape[:-2])]


def plane(stack: Any, index: tuple[int, ...]) -> Any:
    """Return one image of a stack, as a view of an array or to be read when it is looked at."""
    if isinstance(stack, np.ndarray):
        view: AnyArray = stack[index]
        return view
    return Plane(stack, index)


def may_have_gaps(image: Any) -> bool:
    """Tell from its type whether an image can hold NaN or infinite pixels."""
    source = image.stack.data if isinstance(image, Mean) else image
    return bool(source.dtype.kind == "f")


class _Mapped:
    """A memory map as its place in its file."""

    def __init__(self, mapped: np.memmap[Any, Any]) -> None:
        whole = np.frombuffer(mapped._mmap, np.uint8)  # type: ignore[attr-defined]
        start = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
        self.path = str(mapped.filename)
        self.offset = start + mapped.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        self.shape, self.dtype, self.strides = mapped.shape, mapped.dtype, mapped.strides

    def open(self) -> AnyArray:
        whole = np.memmap(self.path, np.uint8, "r")
        first = whole[self.offset : self.offset + self.dtype.itemsize].view(self.dtype)
        return np.lib.stride_tricks.as_strided(first, self.shape, self.strides, subok=True, writeable=False)


def portable(image: Any) -> Any:
    """Return what stands for an image where it is pickled: not its pixels, if they are in a file."""
    mapped = isinstance(image, np.memmap) and getattr(image, "_mmap", None) is not None and image.filename
    return _Mapped(image) if mapped else image


def restored(image: Any) -> Any:
    """Return the image that `portable` made something of."""
    return image.open() if isinstance(image, _Mapped) else image
