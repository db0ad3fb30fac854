"""What the comparison in napari's window costs, against napari alone with the same images. It needs a display.

``scripts/with-display.sh python -m benchmarks.compare_window`` prints the rows.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.timing import Row

_FRAMES = 30
_ROUNDS = 3


def window() -> list[Row]:
    """Time opening seven tiles, and moving nine of 1024 x 1024. Empty without a display."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return []
    return [_opening(), _moving()]


def _opening() -> Row:
    """Time from the click until seven images of 512 x 512 are drawn, more than napari takes to show one."""
    one, seven = [], []
    for _ in range(_ROUNDS):
        viewer, panel = _open(7, 512)
        seven.append(_main_thread_seconds(lambda panel=panel: (panel.compare(), _draw())))
        _finish(panel)
        panel.leave()
        _draw()
        alone = np.zeros((512, 512), np.uint8)
        one.append(_main_thread_seconds(lambda viewer=viewer, alone=alone: (viewer.add_image(alone), _draw())))
        _close(viewer, panel)
    return (
        "Comparing seven images of 512 × 512 in the window, more than napari showing one (s)",
        min(seven) - min(one),
        "under 1",
    )


def _moving() -> Row:
    """Time a frame while the camera moves, as a ratio to the same images in napari's own grid."""
    viewer, panel = _open(9, 1024)
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    _draw()
    alone = min(_frame_seconds(viewer) for _ in range(_ROUNDS))
    viewer.canvas.grid.enabled = False
    panel.compare()
    _finish(panel)
    tiles = min(_frame_seconds(viewer) for _ in range(_ROUNDS))
    _close(viewer, panel)
    return "Moving nine tiles of 1024 × 1024, against napari alone with the same images", tiles / alone, "under 1.3"


def _open(count: int, size: int):
    import napari

    from napari_w2s.gui.compare_widget import CompareWidget

    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(1280, 800)
    generator = np.random.default_rng(0)
    for _ in range(count):
        viewer.add_image(generator.integers(0, 255, (size, size), dtype=np.uint8), contrast_limits=(0, 255))
    panel = CompareWidget(viewer)
    viewer.window.add_dock_widget(panel, name="Compare")
    _draw()
    return viewer, panel


def _close(viewer, panel) -> None:
    panel.close_down()
    viewer.close()


def _frame_seconds(viewer) -> float:
    camera = viewer.scene.camera
    zoom = camera.zoom

    def move() -> None:
        for index in range(_FRAMES):
            camera.zoom = zoom * (1 + 0.01 * (index % 10))
            _draw()
        camera.zoom = zoom

    start = time.process_time()
    move()
    return (time.process_time() - start) / _FRAMES


def _main_thread_seconds(work: Callable[[], object]) -> float:
    """Return how long the window stands still. Numbers are worked out in another thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def _finish(panel) -> None:
    while panel.busy:
        _draw()
    _draw()


def _draw() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    QApplication.processEvents()


if __name__ == "__main__":
    for what, figure, target in window():
        print(f"{what}: {figure:.2f} ({target})")
