"""Small widgets of the Train panel: a warning that is more than a colour, and a line of text that is edited."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QScrollArea, QSizePolicy

from napari_w2s.gui.parts import Note

_SIGN = "⚠"
_SIGN_WIDTH = 56
_AIR = 10
_MOST_HEIGHT = 190
_BRIEF_HEIGHT = 42


class WarningStrip(QFrame):
    """What the user should know before trusting a result: a frame, a sign and words. Hidden while there is nothing.

    It is as high as the words need, up to a limit; from there on they are scrolled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("warning")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        sign = QLabel(_SIGN)
        sign.setAccessibleName("Warning")
        self.text = Note()
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._most = _MOST_HEIGHT
        self._scroll = QScrollArea()
        self._scroll.setWidget(self.text)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 5, 4, 5)
        layout.setSpacing(8)
        layout.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._scroll, 1)
        self.hide()

    def paint(self, colour: str) -> None:
        """Draw the frame in the theme's colour of warnings."""
        sheet = f"#warning {{ border: 2px solid {colour}; border-radius: 3px; }}"
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)

    def show_warnings(self, warnings: tuple[str, ...], *, briefly: bool = False) -> None:
        """Show what there is to say; briefly where it was read before and other things matter more."""
        text, most = "\n".join(warnings), _BRIEF_HEIGHT if briefly else _MOST_HEIGHT
        if (text, most) != (self.text.text(), self._most):
            self.text.setText(text)
            self._most = most
            self._fit()
        self.setVisible(bool(warnings))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the words the height that they need at the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        # Before it was ever shown it has no width of its own.
        parent = self.parentWidget()
        width = self.width() if self.isVisible() or parent is None else parent.width()
        room = max(120, width - _SIGN_WIDTH)
        needed = max(0, self.text.heightForWidth(room)) + _AIR
        self._scroll.setFixedHeight(min(needed, self._most))
        self._scroll.setFocusPolicy(Qt.FocusPolicy.TabFocus if needed > self._most else Qt.FocusPolicy.NoFocus)


class LineEdit(QLineEdit):
    """A line of text. Tells of a change when the user has made it, not with every letter."""

    entered = Signal(str)

    def __init__(self, tooltip: str, placeholder: str = "") -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setPlaceholderText(placeholder)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.editingFinished.connect(self._on_finished)
        self._shown = ""

    def show_text(self, text: str) -> None:
        """Show a text without telling anyone; what is being edited is left alone."""
        if text == self._shown and self.hasFocus():
            return
        self._shown = text
        if text != self.text():
            self.setText(text)
            self.setCursorPosition(0)

    def _on_finished(self) -> None:
        text = self.text().strip()
        if text != self._shown:
            self._shown = text
            self.entered.emit(text)
