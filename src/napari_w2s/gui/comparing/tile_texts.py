"""The texts in the cells, which rest while the camera moves: there they would cost two fifths of each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_w2s.gui.comparing.canvas import camera_of, forget_note, note_in_tiles, note_of, title_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

REST_MS = 200


class TileTexts:
    """A note that all tiles share in the bottom of their cells, and the titles of the tiles.

    Parameters
    ----------
    viewer : napari.Viewer
    titled : callable
        Returns the layers that bear titles at present.
    """

    def __init__(self, viewer: ViewerModel, titled: Callable[[], Iterable[Layer]]) -> None:
        self._viewer = viewer
        self._titled = titled
        self._note = ""
        self._resting: list[Any] = []
        self._followed = False
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._on_rest)

    def note(self, text: str, size: int) -> None:
        """Write the note, in letters of so many points; an empty one takes it away."""
        self._note = text
        note_in_tiles(self._viewer, text, size)
        if self._rest.isActive():
            self._hide()
        if not self._followed:
            self._followed = True
            events = camera_of(self._viewer).events
            events.zoom.connect(self._on_move)
            events.center.connect(self._on_move)

    def forget(self) -> None:
        """Take the note out of the cells for good, and let the titles be."""
        self._rest.stop()
        self._resting = []
        if self._followed:
            self._followed = False
            events = camera_of(self._viewer).events
            events.zoom.disconnect(self._on_move)
            events.center.disconnect(self._on_move)
        forget_note(self._viewer)

    def _on_move(self, _event: Any = None) -> None:
        self._rest.start()
        self._hide()

    def _hide(self) -> None:
        note = note_of(self._viewer)
        if note is not None and note.visible:
            note.visible = False
        titles = [title for title in map(title_of, self._titled()) if title is not None and title.visible]
        for title in titles:
            title.visible = False
        self._resting += titles

    def _on_rest(self) -> None:
        titles, self._resting = self._resting, []
        for title in titles:
            title.visible = True
        note = note_of(self._viewer)
        if note is not None and self._note:
            note.visible = True
