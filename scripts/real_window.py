"""What the scripts that take pictures share: settings of their own, and a window that lives while they wait."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SCRATCH = Path(tempfile.mkdtemp(prefix="w2s-screenshots-"))
# Before napari is imported: neither the user's settings nor the user's models must show, or be changed.
os.environ["NAPARI_CONFIG"] = str(SCRATCH / "settings.yaml")
os.environ["NAPARI_W2S_MODELS"] = str(SCRATCH / "models")

import napari
from qtpy.QtCore import QEventLoop, QTimer

PICTURES = Path(__file__).parents[1] / "docs" / "images"
_SIZE = (1280, 800)


def open_viewer() -> napari.Viewer:
    """Return a viewer in a window of the size that pictures have."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(*_SIZE)
    return viewer


def run_events(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 300.0) -> None:
    """Run the event loop until something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s:g} s")
        run_events(20)


def save(viewer: napari.Viewer, path: Path, *, settle_ms: int = 600) -> None:
    """Save a picture of the whole window, after it had time to settle."""
    run_events(settle_ms)
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)


def save_in_both_themes(viewer: napari.Viewer, folder: Path, name: str) -> None:
    """Save ``NAME-light.png`` and ``NAME-dark.png``; the window stays dark."""
    for theme in ("light", "dark"):
        viewer.theme = theme
        save(viewer, folder / f"{name}-{theme}.png")
