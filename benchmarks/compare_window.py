"""What the comparison in napari's window costs, against napari alone with the same images. It needs a display.

``scripts/with-display.sh python -m benchmarks.compare_window`` prints the rows.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.compare import field_of_view
from benchmarks.timing import Row

if TYPE_CHECKING:
    from napari import Viewer

    from napari_w2s.gui.comparing.widget import CompareWidget

_FRAMES = 30
_ROUNDS = 3
_TILES, _SIDE = 9, 1024
_WINDOW = (1280, 800)


def window() -> list[Row]:
    """Time opening a field of view, and moving nine tiles of 1024 x 1024. Empty without a display, which is told."""
    lacking = _lacking()
    if lacking:
        print(f"The comparison in napari's window is left out: {lacking}.", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        # Before napari is imported: the user's settings must neither count nor change.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        try:
            return [*_opening(), *_moving()]
        finally:
            del os.environ["NAPARI_CONFIG"]


def _lacking() -> str:
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return "this Qt platform has no OpenGL"
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    return ""


def _opening() -> list[Row]:
    """Time from the click until a field of view is seen, and has its numbers: how long the window stands still."""
    rounds = [_open_once() for _round in range(_ROUNDS + 1)]
    one, alone, shown, compared, drawn = (min(seconds) for seconds in zip(*rounds[1:], strict=True))
    what = "Comparing the seven images of a field of view in napari's window"
    more = "more than napari alone takes to show one of them (s)"
    alike = "napari alone showing the seven in its grid"
    return [
        (f"{what}, until they are seen with titles, {more}", shown - one, "under 1"),
        (f"{what}, until they have titles, notes and numbers, {more}", compared - one, "under 1"),
        (f"{what}, until they have titles, notes and numbers / {alike}", compared / alone, "-"),
        (f"{what}, until napari has drawn the texts itself, one at a time / {alike}", drawn / alone, "-"),
    ]


def _open_once() -> tuple[float, float, float, float, float]:
    """Return how long napari takes to show one image and all of them, and the panel to show, compare and draw them."""
    layers = _layers()
    with _opened() as (viewer, panel):
        one = _standstill(lambda: _add(viewer, layers[:1]))
        rest = _standstill(lambda: (_add(viewer, layers[1:]), _show_grid(viewer)))
        viewer.canvas.grid.enabled = False
        _settle(panel)
        shown = _standstill(lambda: (panel.compare_levels(), _draw_once()))
        written = _written(panel)
        compared = shown + _standstill(lambda: _wait_while(lambda: panel.busy))
        if panel.session.numbers is None or written != len(layers):
            raise RuntimeError("the field of view was not compared")
        drawn = compared + _standstill(lambda: _wait_while(lambda: not _has_drawn(viewer)))
    return one, one + rest, shown, compared, drawn


def _written(panel: CompareWidget) -> int:
    """Return how many titles can be seen over the canvas."""
    from qtpy.QtWidgets import QLabel

    from napari_w2s.gui.comparing.cell_labels import canvas_beside

    canvas = canvas_beside(panel)
    return 0 if canvas is None else sum(label.isVisible() for label in canvas.findChildren(QLabel))


def _has_drawn(viewer: Viewer) -> bool:
    """Tell whether napari draws the last of the texts."""
    from napari_w2s.gui.comparing.canvas import note_of

    note = note_of(viewer)
    return note is not None and bool(note.visible)


def _moving() -> list[Row]:
    """Time a frame while the camera moves, in turns with the same images in napari's own grid."""
    generator = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {"alone": [], "tiles": []}
    with _opened() as (viewer, panel):
        for _ in range(_TILES):
            pixels = generator.integers(0, 255, (_SIDE, _SIDE), dtype=np.uint8)
            viewer.add_image(pixels, contrast_limits=(0, 255), rgb=False)
        _show_grid(viewer)
        for _round in range(_ROUNDS + 1):
            _settle(panel)
            seconds["alone"].append(_frame_seconds(viewer))
            panel.compare()
            _settle(panel)
            if len(panel.session.grid.keys) != _TILES:
                raise RuntimeError("the nine images were not compared")
            seconds["tiles"].append(_frame_seconds(viewer))
            panel.leave()
    alone, tiles = (min(found[1:]) for found in seconds.values())
    what = f"Moving and zooming nine tiles of {_SIDE} × {_SIDE}"
    return [(f"{what}, time of a frame / napari alone with the same images in its grid", tiles / alone, "under 1.3")]


@contextmanager
def _opened() -> Iterator[tuple[Viewer, CompareWidget]]:
    """Open a window with the panel, and close it whatever happens."""
    import napari
    from qtpy.QtCore import QCoreApplication, QEvent

    from napari_w2s.gui.comparing.widget import CompareWidget

    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    try:
        viewer.window.resize(*_WINDOW)
        panel = CompareWidget(viewer, store=_Forgetful())
        viewer.window.add_dock_widget(panel, name="Compare")
        _draw()
        try:
            yield viewer, panel
        finally:
            panel.close_down()
    finally:
        viewer.close()
        _draw()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


class _Forgetful:
    """Settings that begin as they are by default, and go nowhere."""

    def load(self) -> dict[str, bool | str]:
        return {}

    def save(self, values: object) -> None:
        del values


def _layers() -> list[tuple[object, dict[str, object]]]:
    from napari_w2s.gui.layers import image_to_layer_data

    return [image_to_layer_data(image)[:2] for image in field_of_view().values() if image.data.ndim == 2]


def _add(viewer: Viewer, layers: list[tuple[object, dict[str, object]]]) -> None:
    for data, look in layers:
        viewer.add_image(data, **look)
    _draw()


def _show_grid(viewer: Viewer) -> None:
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    _draw()


def _frame_seconds(viewer: Viewer) -> float:
    """Return the processor time of a frame, of all threads: software OpenGL draws in several."""
    camera = viewer.scene.camera
    zoom, centre = camera.zoom, camera.center
    _draw()
    start = time.process_time()
    for index in range(_FRAMES):
        camera.zoom = zoom * (1 + 0.01 * (index % 10))
        camera.center = (*centre[:-1], centre[-1] + index)
        _draw()
    seconds = time.process_time() - start
    camera.zoom, camera.center = zoom, centre
    return seconds / _FRAMES


def _standstill(work: Callable[[], object]) -> float:
    """Return how long the main thread works. Numbers are worked out in another."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def _settle(panel: CompareWidget) -> None:
    """Let the window live until all is worked out."""
    _wait_while(lambda: panel.busy)


def _wait_while(condition: Callable[[], bool]) -> None:
    """Let the window live for as long as something is so. Waiting takes no processor time."""
    from qtpy.QtCore import QEventLoop, QTimer

    _draw()
    while condition():
        loop = QEventLoop()
        QTimer.singleShot(10, loop.quit)
        loop.exec()
    _draw()


def _draw() -> None:
    _draw_once()
    _draw_once()


def _draw_once() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()


if __name__ == "__main__":
    for what, figure, target in window():
        print(f"{what}: {figure:.2f} ({target})")
