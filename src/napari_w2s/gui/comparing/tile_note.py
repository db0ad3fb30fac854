"""A text in the bottom of every cell, which rests while the camera moves: there it would cost a fifth of each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_w2s.gui.comparing.canvas import CONTRAST_TEXT, camera_of, forget_note, note_in_tiles

if TYPE_CHECKING:
    from napari.components import ViewerModel

REST_MS = 200


class TileNote:
    """What all tiles say.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._text = ""
        self._followed = False
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._on_rest)

    def show(self, text: str, size: int) -> None:
        """Write a text, in letters of so many points; an empty one takes it away."""
        self._text = text
        note_in_tiles(self._viewer, text, size)
        if self._rest.isActive():
            self._set_visible(False)
        if not self._followed:
            self._followed = True
            events = camera_of(self._viewer).events
            events.zoom.connect(self._on_move)
            events.center.connect(self._on_move)

    def forget(self) -> None:
        """Take the text out of the cells for good."""
        self._rest.stop()
        if self._followed:
            self._followed = False
            events = camera_of(self._viewer).events
            events.zoom.disconnect(self._on_move)
            events.center.disconnect(self._on_move)
        forget_note(self._viewer)

    def _on_move(self, _event: Any = None) -> None:
        self._rest.start()
        self._set_visible(False)

    def _on_rest(self) -> None:
        self._set_visible(bool(self._text))

    def _set_visible(self, visible: bool) -> None:
        overlay = self._viewer.canvas.overlays.get(CONTRAST_TEXT)
        if overlay is not None and overlay.visible != visible:
            overlay.visible = visible
