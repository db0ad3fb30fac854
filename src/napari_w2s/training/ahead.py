"""Read batches ahead in a thread, so that a GPU need not wait for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sized
from queue import Full, Queue
from typing import Any, Protocol

_POLL = 0.1


class Loader(Iterable[Any], Sized, Protocol):
    """Batches, and how many they are."""


class Ahead:
    """A loader that is read in a thread of its own, a few batches ahead of who asks for them.

    Parameters
    ----------
    loader : Loader
    count : int
        Batches that are kept ready.
    """

    def __init__(self, loader: Loader, count: int = 3) -> None:
        self.loader, self.count = loader, count

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        ready: Queue[tuple[Any, BaseException | None]] = Queue(self.count)
        over = threading.Event()

        def put(item: Any, error: BaseException | None = None) -> bool:
            while not over.is_set():
                try:
                    ready.put((item, error), timeout=_POLL)
                except Full:
                    continue
                return True
            return False

        def read() -> None:
            try:
                if all(put(batch) for batch in self.loader):
                    put(None, StopIteration())
            except Exception as error:
                put(None, error)

        thread = threading.Thread(target=read, name="patches", daemon=True)
        thread.start()
        try:
            while True:
                batch, error = ready.get()
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    raise error
                yield batch
        finally:
            over.set()
            thread.join()
