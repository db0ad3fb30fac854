"""What a panel leaves behind when it goes, or when Python ends while it is still there."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable

from qtpy.QtCore import QCoreApplication, QObject, QThreadPool

logger = logging.getLogger(__name__)

_THREADS_MS = 10_000


class AtEnd:
    """Calls a function once: when asked to, when an object of Qt's is destroyed, or before Python ends.

    At its end Python's bindings of Qt destroy whatever is left, in any order, threads' signals included: work must have
    been stopped before that.

    Parameters
    ----------
    owner : QObject
    action : callable
        No method of `owner`, which is half gone when it is destroyed.
    """

    def __init__(self, owner: QObject, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action
        _waiting.append(self)
        owner.destroyed.connect(self)

    def __call__(self, *_: object) -> None:
        """Call the function, if it was not called yet."""
        action, self._action = self._action, None
        if action is not None:
            _waiting.remove(self)
            action()


_waiting: list[AtEnd] = []


@atexit.register
def _end_all() -> None:
    """Let go of all that is left; called before the bindings of Qt, which were imported before, do their part."""
    if not _waiting or QCoreApplication.instance() is None:
        return
    for one in [*_waiting]:
        try:
            one()
        except Exception:  # whatever one does, the others are still to be ended
            logger.exception("a panel did not end in order")
    # Work that was stopped has still to say so.
    QThreadPool.globalInstance().waitForDone(_THREADS_MS)
