"""One piece of work in a thread, and the only way back from it to the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QObject, Qt, QTimer, Signal, Slot
from superqt.utils import FunctionWorker

from napari_w2s._types import Cancelled, StopFn

logger = logging.getLogger(__name__)

T = TypeVar("T")

REPORT_INTERVAL_S = 0.1
"""Reports from the thread are delivered at most this often; what comes in between waits for the next delivery."""


def _nothing(*_: Any) -> None:
    """Stand in for a callback that nobody wants any more."""


class Job(QObject, Generic[T]):
    """A function that runs in a thread of Qt's pool, with progress, cancelling and an orderly end.

    All callbacks are called in the thread that made the job (the main one), from its event loop. `on_end` is called
    exactly once and last, whatever happened, unless the job was abandoned.

    A plain function is run, not a generator: superqt's generator worker drops a RuntimeError, which out-of-memory
    errors of CUDA are, without a signal.

    Parameters
    ----------
    work : callable
        Takes a function to report anything with, and one that tells whether to stop; its value goes to `on_done`.
    on_report : callable
        Gets the list of everything reported since its last call.
    on_done, on_error : callable
        Get what `work` returned, or the exception that it raised.
    on_end : callable
        Takes nothing.
    """

    _woken = Signal()

    def __init__(
        self,
        work: Callable[[Callable[[Any], None], StopFn], T],
        *,
        on_report: Callable[[list[Any]], None] = _nothing,
        on_done: Callable[[T], None] = _nothing,
        on_error: Callable[[Exception], None] = _nothing,
        on_end: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__()
        self._work = work
        self._on_report = on_report
        self._on_done = on_done
        self._on_error = on_error
        self._on_end = on_end
        self._stop = threading.Event()
        self._entered = False
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._reports: list[Any] = []
        self._waking = False
        self._delivered = -REPORT_INTERVAL_S
        self._woken.connect(self._wake, Qt.ConnectionType.QueuedConnection)
        self._worker: FunctionWorker[T] | None = None

    def start(self) -> None:
        """Queue the work; it starts as soon as the pool has a thread for it. A job runs once."""
        self._worker = worker = FunctionWorker(self._run)
        worker.returned.connect(self._returned)
        worker.errored.connect(self._errored)
        worker.finished.connect(self._finished)  # type: ignore[arg-type]  # typed there as if it had an argument
        worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; it ends when it next looks."""
        self._stop.set()

    def abandon(self, timeout_s: float = 30.0) -> bool:
        """Stop the work, wait until its thread has left it, and call nothing back any more.

        For when whoever wanted the result is gone. Safe to call more than once.

        Returns
        -------
        bool
            False if the work was still going on after `timeout_s` seconds.
        """
        self._on_report = self._on_done = self._on_error = self._on_end = _nothing
        self._stop.set()
        if not self._entered:
            # Not begun: it looks at the stop flag before it does anything.
            return True
        left = self._left.wait(timeout_s)
        if not left:
            logger.warning("a piece of work did not stop within %g s", timeout_s)
        return left

    def _run(self) -> T:
        self._entered = True
        try:
            if self._should_stop():
                raise Cancelled("Stopped before it began.")
            return self._work(self._report, self._should_stop)
        finally:
            self._left.set()

    def _should_stop(self) -> bool:
        worker = self._worker
        return self._stop.is_set() or (worker is not None and worker.abort_requested)

    def _report(self, what: Any) -> None:
        with self._lock:
            self._reports.append(what)
            wake = not self._waking
            self._waking = True
        if wake:
            self._woken.emit()

    @Slot()
    def _wake(self) -> None:
        """Deliver now, or when the last delivery is long enough ago."""
        wait_s = self._delivered + REPORT_INTERVAL_S - time.monotonic()
        QTimer.singleShot(max(0, round(wait_s * 1000)), self._deliver)

    @Slot()
    def _deliver(self) -> None:
        with self._lock:
            reports, self._reports = self._reports, []
            self._waking = False
        self._delivered = time.monotonic()
        if reports:
            self._on_report(reports)

    @Slot(object)
    def _returned(self, value: T) -> None:
        self._deliver()
        self._on_done(value)

    @Slot(object)
    def _errored(self, error: Exception) -> None:
        self._deliver()
        self._on_error(error)

    @Slot()
    def _finished(self) -> None:
        self._on_end()
        # The worker holds this job in turn: without the knot both are freed now, and in this thread.
        self._worker = None
        self._on_report = self._on_done = self._on_error = self._on_end = _nothing
