"""Small widgets that the panels are made of. They look like napari in every theme: no colour is named here."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QFont, QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_w2s.app.resolve import LayerRow

MAX_ROWS = 6

_BREAKS = (" with ", ", about ")
"""Where the text of a button may go on in a second line."""


def is_alive(widget: QObject) -> bool:
    """Tell whether Qt still has an object that Python holds."""
    return bool(isalive(widget))  # type: ignore[no-untyped-call]


def heading(text: str) -> QLabel:
    """Return a label that heads a section."""
    label = QLabel(text)
    font = QFont(label.font())
    font.setBold(True)
    label.setFont(font)
    return label


class Note(QLabel):
    """Running text: it wraps, takes the height that it needs at its width, and the mouse can select it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def sizeHint(self) -> QSize:
        """Ask for no more than the text takes. A label that wraps asks for the height of a narrower one."""
        return QSize(80, self.heightForWidth(max(80, self.width())))

    def minimumSizeHint(self) -> QSize:
        """Ask for the same."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the layout know what the new width means."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()


def narrow_combo(tooltip: str) -> QComboBox:
    """Return a combo box that does not ask for the width of its longest entry."""
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    combo.setToolTip(tooltip)
    return combo


def fill_combo(combo: QComboBox, entries: Sequence[tuple[str, str]], current: str | None) -> None:
    """Show (value, text) entries, and which is in force, without telling anyone."""
    blocked = combo.blockSignals(True)
    shown = [(combo.itemData(i), combo.itemText(i)) for i in range(combo.count())]
    if shown != list(entries):
        combo.clear()
        for value, text in entries:
            combo.addItem(text, value)
    combo.setCurrentIndex(combo.findData(current))
    combo.blockSignals(blocked)


class ElidedCheckBox(QCheckBox):
    """A check box whose text is shortened in the middle where there is no room, and whole in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._full = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_full_text(self, text: str) -> None:
        """Set what the box stands for."""
        self._full = text
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the text into the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = max(40, self.width() - 32)
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideMiddle, room)
        # An ampersand would underline the next letter.
        self.setText(shown.replace("&", "&&"))


class LayerList(QScrollArea):
    """Check boxes for layers. Emits the identities of the ticked ones when the user changes a tick."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._boxes: list[tuple[str, ElidedCheckBox]] = []
        self._inside = QWidget()
        # Qt leaves the order of Tab alone after a widget that never has the focus.
        self._inside.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._layout = QVBoxLayout(self._inside)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addStretch(1)
        self.setWidget(self._inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.verticalScrollBar().rangeChanged.connect(self._show_ticked)

    def show_rows(self, rows: Sequence[LayerRow]) -> None:
        """Show the layers, keeping the boxes (and the keyboard focus) of those that were there in the same order."""
        if [identity for identity, _ in self._boxes] != [row.id for row in rows]:
            self._rebuild(rows)
        for (_, box), row in zip(self._boxes, rows, strict=True):
            box.set_full_text(row.name)
            box.setEnabled(row.problem is None)
            box.setToolTip(row.problem or row.name)
            blocked = box.blockSignals(True)
            box.setChecked(row.checked)
            box.blockSignals(blocked)
        self.setVisible(bool(rows))

    def boxes(self) -> dict[str, QCheckBox]:
        """Return the check boxes by the identity of their layer."""
        return dict(self._boxes)

    def _rebuild(self, rows: Sequence[LayerRow]) -> None:
        for _, box in self._boxes:
            self._layout.removeWidget(box)
            box.deleteLater()
        self._boxes = []
        before: QWidget = self._inside
        for i, row in enumerate(rows):
            box = ElidedCheckBox()
            box.toggled.connect(self._on_toggled)
            self._layout.insertWidget(i, box)
            # Tab goes down the panel, although the boxes are younger than what is below them.
            self.setTabOrder(before, box)
            before = box
            self._boxes.append((row.id, box))
        height = sum(box.sizeHint().height() + 2 for _, box in self._boxes[:MAX_ROWS])
        self.setFixedHeight(height)

    def _show_ticked(self) -> None:
        """Scroll to what is ticked. Called when the length of the list has changed: only then is it laid out."""
        ticked = next((box for _, box in self._boxes if box.isChecked()), None)
        if ticked is not None:
            self.ensureWidgetVisible(ticked, 0, 0)

    def _on_toggled(self) -> None:
        self.chosen.emit(tuple(identity for identity, box in self._boxes if box.isChecked()))


class Fold(QWidget):
    """A section that can be folded away."""

    toggled = Signal(bool)

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self._button = QToolButton()
        self._button.setText(title)
        self._button.setCheckable(True)
        self._button.setAutoRaise(True)
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._button)
        layout.addWidget(content)
        self._button.toggled.connect(self._on_toggled)
        self.set_open(is_open=False)

    def set_open(self, *, is_open: bool) -> None:
        """Show or hide the content without telling anyone."""
        blocked = self._button.blockSignals(True)
        self._button.setChecked(is_open)
        self._button.blockSignals(blocked)
        self._show(is_open=is_open)

    def set_title(self, text: str) -> None:
        """Change the title; without one there is no button, and the content stays as it is."""
        self._button.setText(text)
        self._button.setVisible(bool(text))

    def _on_toggled(self, checked: bool) -> None:
        self._show(is_open=checked)
        self.toggled.emit(checked)

    def _show(self, *, is_open: bool) -> None:
        self._content.setVisible(is_open)
        self._button.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)


class ActionButton(QPushButton):
    """A button that says what it will do, on two lines where one is too narrow."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("action")
        self._full = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        font = QFont(self.font())
        font.setBold(True)
        self.setFont(font)

    def set_full_text(self, text: str) -> None:
        """Set what the button does."""
        self._full = text
        self._fit()

    def paint_primary(self, background: str, hover: str) -> None:
        """Set the button off, as the one of its panel that is pressed most, in a colour of the theme."""
        sheet = (
            f"#action {{ background-color: {background}; padding: 7px; }}"
            f"#action:hover {{ background-color: {hover}; }}"
            "#action:disabled { background-color: none; }"
        )
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)

    def full_text(self) -> str:
        """Return what the button does, however it is broken into lines."""
        return self._full

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the text anew for the new width."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Break the text anew for a new font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def minimumSizeHint(self) -> QSize:
        """Ask for the height of the text, and for hardly any width."""
        return QSize(80, super().minimumSizeHint().height())

    def _fit(self) -> None:
        room = max(40, self.width() - 20)
        metrics = self.fontMetrics()
        lines = [self._full]
        mark = next((mark for mark in _BREAKS if mark in self._full), "")
        if metrics.horizontalAdvance(self._full) > room and mark:
            head, _, tail = self._full.partition(mark)
            lines = [head, f"{mark.lstrip(', ')}{tail}"]
        elided = [metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, room) for line in lines]
        text = "\n".join(elided).replace("&", "&&")
        if text != self.text():
            self.setText(text)
