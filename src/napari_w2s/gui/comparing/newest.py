"""Work in a thread of which only the newest result is wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from napari_w2s._types import Cancelled, StopFn
from napari_w2s.gui.worker import Job

logger = logging.getLogger(__name__)

T = TypeVar("T")

Work = Callable[[Callable[[Any], None], StopFn], T]
"""``work(report, stop)``: called in a thread."""


class Newest(Generic[T]):
    """Does one piece of work after the other in a thread; what was asked for in between and not begun is left out.

    All callbacks are called in the thread that made it.

    Parameters
    ----------
    on_done : callable
        Gets a result, unless it became stale meanwhile.
    on_error : callable
        Gets what a piece of work raised, unless it became stale meanwhile, or was cancelled.
    on_busy : callable, optional
        Gets True when work begins after a rest, False when there is nothing left to do.
    on_report : callable, optional
        Gets the last thing that was reported since its last call.
    """

    def __init__(
        self,
        on_done: Callable[[T], None],
        on_error: Callable[[Exception], None],
        on_busy: Callable[[bool], None] | None = None,
        on_report: Callable[[Any], None] | None = None,
    ) -> None:
        self._on_done = on_done
        self._on_error = on_error
        self._on_busy = on_busy
        self._on_report = on_report
        self._job: Job[T] | None = None
        self._next: Work[T] | None = None
        self._stale = False

    @property
    def busy(self) -> bool:
        """True while there is something to do."""
        return self._job is not None

    @property
    def has_next(self) -> bool:
        """True if what is being done, or was just delivered, is followed by something newer."""
        return self._next is not None

    def ask(self, work: Work[T], *, in_passing: bool = False) -> None:
        """Do this, instead of all that was asked for before.

        Parameters
        ----------
        work : callable
            Takes a function to report anything with, and one that tells whether to stop. Called in a thread.
        in_passing : bool
            Let what is being done come to its end first, and deliver it: for what is dragged, where every result is on
            the way to the next.
        """
        self._next = work
        if self._job is None:
            self._start()
            if self._on_busy is not None:
                self._on_busy(True)
        elif not in_passing:
            self._drop()

    def forget(self) -> None:
        """Deliver nothing that was asked for before."""
        self._next = None
        if self._job is not None:
            self._drop()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._next = None
        job, self._job = self._job, None
        if job is not None:
            job.abandon()

    def _drop(self) -> None:
        if self._job is not None:
            self._stale = True
            self._job.cancel()

    def _start(self) -> None:
        work, self._next, self._stale = self._next, None, False
        assert work is not None
        self._job = Job(work, on_report=self._reported, on_done=self._done, on_error=self._failed, on_end=self._ended)
        self._job.start()

    def _reported(self, reports: list[Any]) -> None:
        if not self._stale and self._on_report is not None:
            self._on_report(reports[-1])

    def _done(self, value: T) -> None:
        if not self._stale:
            self._on_done(value)

    def _failed(self, error: Exception) -> None:
        if self._stale or isinstance(error, Cancelled):
            return
        self._on_error(error)

    def _ended(self, *_: Any) -> None:
        self._job = None
        if self._next is not None:
            self._start()
        elif self._on_busy is not None:
            self._on_busy(False)
