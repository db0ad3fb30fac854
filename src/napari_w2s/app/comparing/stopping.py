"""Stopping between two steps of a piece of work."""

from __future__ import annotations

from napari_w2s._types import Cancelled, StopFn


def poll(stop: StopFn | None) -> None:
    """Raise `Cancelled` if `stop` returns True; None is never asked."""
    if stop is not None and stop():
        raise Cancelled("Stopped.")
