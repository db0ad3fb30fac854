"""What the panels have in common: a narrow column that is scrolled, and below it what is always in sight."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

_WIDTH = 320
_MINIMUM_WIDTH = 280
_HEIGHT = 640
_SPACING = 6


class DockPanel(QWidget):
    """A panel in one of the docks of napari's window. It begins with nothing in it; see `lay_out`."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumWidth(_MINIMUM_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def lay_out(self, column: QWidget, bar: QWidget) -> QScrollArea:
        """Put a column into the panel, scrolled if it is higher, and a bar below it; return what scrolls."""
        scroll = QScrollArea()
        scroll.setWidget(column)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(10, 6, 10, 8)
        outside.setSpacing(8)
        outside.addWidget(scroll, 1)
        outside.addWidget(bar)
        return scroll

    def close_down(self) -> None:
        """Stop all work, and let go of the viewer. The panel is dead afterwards."""

    def paint_theme(self) -> None:
        """Take over the colours of the viewer's theme."""

    def sizeHint(self) -> QSize:
        """Ask for a narrow column."""
        return QSize(_WIDTH, _HEIGHT)

    def event(self, event: QEvent) -> bool:
        """Close down when napari takes the panel out of its dock for good."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_down()
        return bool(super().event(event))

    def changeEvent(self, event: QEvent) -> None:
        """Take over the colours of a new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.paint_theme()


def new_column(parent: QWidget) -> QVBoxLayout:
    """Return a lay-out of parts one below the other."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(_SPACING)
    return column
