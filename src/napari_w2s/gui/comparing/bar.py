"""The lower end of the Compare panel: what happened, what can be taken away, and the way in and out."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_w2s.app.comparing.plan import ComparePlan
from napari_w2s.gui.comparing.session import Session
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import ActionButton, Note

_LEAVE = "Leave the comparison"


class CompareBar(QWidget):
    """Message, exports, the primary button."""

    figure_asked = Signal()
    csv_asked = Signal()
    json_asked = Signal()
    compare_asked = Signal()
    leave_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.message = Note()
        self.figure = QPushButton("Figure …")
        self.figure.setToolTip("Save a figure for a paper: PNG, SVG or PDF with titles, numbers and scale bar.")
        self.csv = QPushButton("CSV …")
        self.json = QPushButton("JSON …")
        self.json.setToolTip("Save which images are compared, and how, as a small file that Open … opens again.")
        self.action = ActionButton()
        self._active = False
        self.exports = QWidget()
        row = QHBoxLayout(self.exports)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for button in (self.figure, self.csv, self.json):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row.addWidget(button, 1)
        column = new_column(self)
        column.addWidget(self.message)
        column.addWidget(self.exports)
        column.addWidget(self.action)
        self.figure.clicked.connect(self.figure_asked)
        self.csv.clicked.connect(self.csv_asked)
        self.json.clicked.connect(self.json_asked)
        self.action.clicked.connect(self._on_action)

    def show_plan(self, plan: ComparePlan, notice: str, session: Session) -> None:
        """Show what the buttons would do, or what they lack."""
        active, measured = session.comparison is not None, session.numbers is not None
        self.message.setText(notice or ("" if active else plan.missing))
        self._active = active
        self.action.set_full_text(_LEAVE if active else plan.action)
        self.action.setEnabled(active or not plan.missing)
        self.action.setToolTip("Back to what the viewer looked like before (Esc)." if active else plan.missing)
        self.exports.setVisible(active)
        self.csv.setEnabled(measured)
        self.csv.setToolTip(
            "Save all numbers, in full precision, for a spreadsheet." if measured else "The numbers are not there yet."
        )

    def _on_action(self) -> None:
        (self.leave_asked if self._active else self.compare_asked).emit()
