"""The texts in the cells: Qt writes them at once, napari draws them later. While the camera moves they rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_w2s.gui.comparing.canvas import camera_of, forget_note, grid_of, note_in_tiles, note_of, title_of
from napari_w2s.gui.comparing.cell_labels import CellLabels

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_w2s.gui.comparing.tiles import TileGrid

REST_MS = 200
"""How long nothing must change before napari draws the texts."""

_STEP_MS = 20
"""Time for everything else between two texts."""

_LAID_OUT = frozenset({"visible", "inserted", "removed", "moved", "reordered"})
"""Events of the list of layers after which cells lie elsewhere."""


class TileTexts:
    """The titles of the tiles, and a note that all tiles share in the bottom of their cells.

    Napari takes long to draw a text for the first time. So Qt writes them over the canvas first, and napari draws one
    after the other when nothing else goes on: then they are part of its screenshots. Without a canvas, or while tiles
    lie on one another, only napari draws them. While the camera moves there are none: whoever draws them, they would
    cost two fifths of each frame or more.

    Parameters
    ----------
    viewer : napari.Viewer
    grid : TileGrid
    canvas : callable
        Returns the widget that the viewer is drawn in; None if there is none.
    is_busy : callable
        Tells whether something is worked out that may change the texts.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        grid: TileGrid,
        canvas: Callable[[], QWidget | None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._viewer = viewer
        self._grid = grid
        self._is_busy = is_busy
        self._labels = CellLabels(viewer, canvas)
        self._note = ""
        self._size = 0
        self._moving = self._followed = False
        self._later = _single_shot(REST_MS, self._on_rest)
        self._moved = _single_shot(0, self._on_moved)
        grid.laid_out.connect(self._on_laid_out)

    def write(self, note: str, size: int) -> None:
        """Show the titles and the note, in letters of so many points; an empty note takes it away."""
        self._note, self._size = note, size
        note_in_tiles(self._viewer, note, size)
        self._follow()
        self._show()

    def forget(self) -> None:
        """Take the note out of the cells for good, and let the titles be."""
        self._later.stop()
        self._moved.stop()
        self._moving = False
        self._labels.close()
        if self._followed:
            self._followed = False
            for events, callback in self._events():
                events.disconnect(callback)
        forget_note(self._viewer)

    def _events(self) -> tuple[tuple[Any, Callable[..., None]], ...]:
        camera, canvas = camera_of(self._viewer).events, self._viewer.canvas.events
        return (
            (camera.zoom, self._on_camera),
            (camera.center, self._on_camera),
            (canvas.background_color, self._on_colour),
            (grid_of(self._viewer).events, self._on_laid_out),
            (self._viewer.layers.events, self._on_list),
        )

    def _follow(self) -> None:
        if not self._followed:
            self._followed = True
            for events, callback in self._events():
                events.connect(callback)

    def _show(self) -> None:
        if self._moving:
            self._rest()
        elif self._can_write():
            self._write()
        else:
            self._draw()

    def _can_write(self) -> bool:
        in_cells = self._grid.side_by_side and bool(grid_of(self._viewer).enabled)
        return in_cells and self._labels.can_be_seen()

    def _write(self) -> None:
        """Let Qt write the texts, and nobody draw them."""
        self._labels.write(self._grid.titled(), self._note, self._size)
        self._rest()
        self._later.start(REST_MS)

    def _rest(self) -> None:
        """Draw no texts that lie in cells."""
        texts = [note_of(self._viewer)]
        if self._grid.side_by_side:
            texts += map(title_of, self._grid.titled())
        for text in texts:
            if text is not None and text.visible:
                text.visible = False

    def _draw(self) -> None:
        """Let napari draw all texts."""
        self._labels.hide()
        while self._draw_one():
            pass

    def _draw_one(self) -> bool:
        """Let napari draw one text more; False if all are drawn."""
        for layer in self._grid.titled():
            title = title_of(layer)
            if title is not None and not title.visible:
                title.visible = True
                self._labels.hide_title(layer)
                return True
        note = note_of(self._viewer)
        if note is not None and self._note and not note.visible:
            note.visible = True
            self._labels.hide_notes()
            return True
        return False

    def _on_rest(self) -> None:
        if self._moving:
            self._moving = False
            self._show()
        elif not self._can_write():
            self._draw()
        elif self._is_busy():
            self._later.start(REST_MS)
        elif self._draw_one():
            self._later.start(_STEP_MS)

    def _on_camera(self, _event: Any = None) -> None:
        self._later.start(REST_MS)
        if not self._moving:
            self._moving = True
            self._labels.hide()
            self._rest()

    def _on_colour(self, _event: Any = None) -> None:
        self._moved.start()

    def _on_list(self, event: Any) -> None:
        if event.type in _LAID_OUT:
            self._moved.start()

    def _on_laid_out(self, *_: Any) -> None:
        if self._followed:
            self._moved.start()

    def _on_moved(self) -> None:
        """Show the texts where the cells are now; the list was in the middle of a change before."""
        if self._grid.is_active:
            self._show()


def _single_shot(milliseconds: int, callback: Callable[[], None]) -> QTimer:
    timer = QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(callback)
    return timer
