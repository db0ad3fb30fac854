"""Pixels and facts of images that were read once and are kept, from any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import numpy as np

from napari_w2s.training.lazy_images import AnyArray, Mean

Value = TypeVar("Value")


class ByIdentity(Generic[Value]):
    """Values by the very objects that they belong to, which are kept alive so that their identities stay their own."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, ...], tuple[tuple[Any, ...], Value]] = {}

    def get(self, make: Callable[[], Value], *owners: Any) -> Value:
        """Return the value of one or more objects, made if it is the first time."""
        key = tuple(map(id, owners))
        found = self._kept.get(key)
        if found is None:
            found = self._kept.setdefault(key, (owners, make()))
        return found[1]

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing that was kept: what is unpickled has other identities."""
        return {"_kept": {}}


class FrameCache:
    """Pixels that were read, kept while they fit.

    An image is read once, by however many threads it is asked for at a time. What can be read again in small parts
    makes way first, then what was not asked for the longest.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int = 2 * 2**30) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._cheap: OrderedDict[int, tuple[Any, AnyArray]] = OrderedDict()
        self._dear: OrderedDict[int, tuple[Any, AnyArray]] = OrderedDict()
        self._coming: dict[int, Future[AnyArray]] = {}
        self._lock = threading.Lock()

    def read(self, image: Any) -> AnyArray:
        """Return an image's pixels; a memory map and an array are what they are."""
        if isinstance(image, np.ndarray):
            return image
        key = id(image)
        kept = self._cheap if _is_cheap(image) else self._dear
        with self._lock:
            found = kept.get(key)
            if found is not None:
                kept.move_to_end(key)
                return found[1]
            coming = self._coming.get(key)
            if coming is None:
                mine = self._coming[key] = Future[AnyArray]()
        if coming is not None:
            return coming.result()
        try:
            pixels: AnyArray = image.read() if hasattr(image, "read") else np.asarray(image)
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._coming[key]
            kept[key] = (image, pixels)
            self._bytes += pixels.nbytes
            self._make_room(key)
        mine.set_result(pixels)
        return pixels

    def part(self, image: Any, rows: slice, columns: slice) -> AnyArray:
        """Return the pixels of a part of an image; of an average that is not kept, only they are read."""
        if isinstance(image, Mean) and image.in_parts:
            with self._lock:
                found = self._cheap.get(id(image))
                if found is not None:
                    self._cheap.move_to_end(id(image))
            return image.part(rows, columns) if found is None else found[1][rows, columns]
        return self.read(image)[rows, columns]

    def _make_room(self, latest: int) -> None:
        """Forget images until the rest fits: but the latest only if it is cheap."""
        while self._bytes > self.max_bytes and self._cheap:
            self._bytes -= self._cheap.popitem(last=False)[1][1].nbytes
        while self._bytes > self.max_bytes and (oldest := next(iter(self._dear))) != latest:
            self._bytes -= self._dear.pop(oldest)[1].nbytes

    def __getstate__(self) -> dict[str, Any]:
        return {"max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _is_cheap(image: Any) -> bool:
    return isinstance(image, Mean) and image.in_parts
