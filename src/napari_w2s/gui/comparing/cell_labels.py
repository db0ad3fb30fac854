"""Texts that Qt writes over the cells of the canvas: one that napari draws stops the window for a tenth of a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMainWindow, QWidget

from napari_w2s.gui.comparing.canvas import Rect, cell_of, text_colours, text_padding
from napari_w2s.gui.parts import is_alive

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_BOX = 0.4
"""How far the box around a text reaches out, as a share of the padding: as far as napari's."""

_PIXELS = 16 / 9
"""Height of a font in pixels of the canvas per point, as napari's texts have it."""


def canvas_beside(widget: QWidget) -> QWidget | None:
    """Return the canvas of the main window that a widget is in, floating docks included; None if it is in none."""
    from qtpy.QtOpenGLWidgets import QOpenGLWidget

    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    central = None if parent is None else parent.centralWidget()
    return None if central is None else central.findChild(QOpenGLWidget)


class CellLabels:
    """A title in the top of each cell and a note in its bottom, over the canvas.

    They look like napari's, let the mouse through, and are no part of what napari draws, nor of its screenshots of
    the canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    canvas : callable
        Returns the widget that the viewer is drawn in; None if there is none.
    """

    def __init__(self, viewer: ViewerModel, canvas: Callable[[], QWidget | None]) -> None:
        self._viewer = viewer
        self._find = canvas
        self._canvas: QWidget | None = None
        self._layers: list[Layer] = []
        self._titles: list[QLabel] = []
        self._notes: list[QLabel] = []

    def can_be_seen(self) -> bool:
        """Tell whether there is a canvas to write over."""
        if self._canvas is None or not is_alive(self._canvas):
            self._canvas, self._layers, self._titles, self._notes = self._find(), [], [], []
        return self._canvas is not None

    def write(self, layers: Iterable[Layer], note: str, size: int) -> None:
        """Write the names of layers and a note into their cells, in letters of so many points."""
        if not self.can_be_seen():
            return
        self._layers = list(layers)
        sheet = _sheet(self._viewer, size)
        for texts in (self._titles, self._notes):
            while len(texts) < len(self._layers):
                texts.append(self._new())
            while len(texts) > len(self._layers):
                texts.pop().deleteLater()
        for layer, title, below in zip(self._layers, self._titles, self._notes, strict=True):
            for label, text in ((title, layer.name.rstrip()), (below, note)):
                if label.styleSheet() != sheet:
                    label.setStyleSheet(sheet)
                if label.text() != text:
                    label.setText(text)
        self.place()

    def place(self) -> None:
        """Put all texts where the cells are now."""
        if self._canvas is None or not is_alive(self._canvas):
            return
        for layer, title, note in zip(self._layers, self._titles, self._notes, strict=True):
            cell = cell_of(self._viewer, layer)
            self._put(title, cell, at_bottom=False)
            self._put(note, cell, at_bottom=True)

    def hide_title(self, layer: Layer) -> None:
        """Hide the title of a layer."""
        self._hide([title for one, title in zip(self._layers, self._titles, strict=True) if one is layer])

    def hide_notes(self) -> None:
        """Hide the note in all cells."""
        self._hide(self._notes)

    def hide(self) -> None:
        """Hide everything."""
        self._hide([*self._titles, *self._notes])

    def close(self) -> None:
        """Delete everything."""
        if self._canvas is not None and is_alive(self._canvas):
            for label in (*self._titles, *self._notes):
                label.hide()
                label.deleteLater()
        self._canvas, self._layers, self._titles, self._notes = None, [], [], []

    def _new(self) -> QLabel:
        label = QLabel(self._canvas)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setIndent(0)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        return label

    def _put(self, label: QLabel, cell: Rect | None, *, at_bottom: bool) -> None:
        if cell is None or not label.text():
            label.hide()
            return
        left, top, width, height = cell
        pad = [(1 - _BOX) * one for one in text_padding(self._viewer)]
        wanted = label.sizeHint()
        label.resize(min(wanted.width(), max(0, round(width - pad[0]))), wanted.height())
        y = top + height - pad[1] - wanted.height() if at_bottom else top + pad[1]
        label.move(round(left + pad[0]), round(y))
        label.show()

    def _hide(self, labels: Sequence[QLabel]) -> None:
        if self._canvas is not None and is_alive(self._canvas):
            for label in labels:
                label.hide()


def _sheet(viewer: ViewerModel, size: int) -> str:
    ink, paper = text_colours(viewer)
    x, y = (round(_BOX * one) for one in text_padding(viewer))
    return f"color: {ink}; background: {paper}; padding: {y}px {x}px; font-size: {int(_PIXELS * size)}px;"
