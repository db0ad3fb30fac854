"""A line for one number. A point or a comma marks the decimals; what is no number gives way to what is in force."""

from __future__ import annotations

from qtpy.QtCore import QRegularExpression, Qt
from qtpy.QtGui import QFocusEvent, QRegularExpressionValidator

from napari_w2s.gui.training.parts import LineEdit

_NUMBER = r"([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][-+]?[0-9]+)?|"
_ELSEWHERE = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)


class NumberEdit(LineEdit):
    """A line for one number from 0 to `most`. Emits it as Python writes it, with a point.

    Parameters
    ----------
    tooltip : str
    most : float
        What is larger is not taken.
    placeholder : str
        Stands for 0, if given.
    """

    def __init__(self, tooltip: str, most: float, placeholder: str = "") -> None:
        super().__init__(tooltip, placeholder)
        self._most = most
        self.setValidator(QRegularExpressionValidator(QRegularExpression(_NUMBER), self))

    @property
    def number(self) -> float:
        """The number in force; 0 for an empty line."""
        return float(self._shown or 0)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show what is in force again if the line is left with half a number in it."""
        super().focusOutEvent(event)
        if event.reason() not in _ELSEWHERE and not self.hasAcceptableInput():
            self.setText(self._shown)

    def _on_finished(self) -> None:
        number = float(self.text().replace(",", ".") or 0)
        if number > self._most:
            self.setText(self._shown)
            return
        self.setText(f"{number:g}" if number or not self.placeholderText() else "")
        super()._on_finished()
