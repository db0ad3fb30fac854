"""What the user wants of a run that is going on, handed from one thread to another."""

from __future__ import annotations

import threading

from napari_w2s.training.report import Wish


class Control:
    """A wish that the panel sets and the run polls. All methods can be called from any thread; a stop is final."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wish = Wish.GO

    def wish(self) -> Wish:
        """Return what is wanted; this is a `WishFn`."""
        return self._wish

    def go(self) -> None:
        """Go on."""
        self._set(Wish.GO)

    def pause(self) -> None:
        """Rest until told otherwise."""
        self._set(Wish.PAUSE)

    def stop(self) -> None:
        """End, and keep what there is."""
        self._set(Wish.STOP)

    def wait(self, timeout_s: float = 0.2) -> Wish:
        """Wait until something else than a pause is wanted, at most so long, and return what is."""
        with self._changed:
            self._changed.wait_for(lambda: self._wish is not Wish.PAUSE, timeout_s)
            return self._wish

    def _set(self, wish: Wish) -> None:
        with self._changed:
            if self._wish is not Wish.STOP:
                self._wish = wish
            self._changed.notify_all()
