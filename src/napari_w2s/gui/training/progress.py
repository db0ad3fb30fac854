"""How a training goes: its curves, the best so far, and whether its preview is shown in the viewer."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from napari_w2s.app.training.status import Curves, TrainStatus
from napari_w2s.gui.forms import show_checked
from napari_w2s.gui.parts import Note
from napari_w2s.gui.training.curves import CurvesView


class ProgressView(QWidget):
    """Curves and what is best; the switch of the preview."""

    preview_chosen = Signal(bool)
    fit_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.best = Note()
        self.curves = CurvesView()
        self.preview = QCheckBox("Show preview in the viewer")
        self.preview.setToolTip(
            "Show one patch as three layers side by side: what the network is given, what it makes of it, and what it "
            "should be. Untick to remove them."
        )
        self.fit = QToolButton()
        self.fit.setText("Zoom to it")
        self.fit.setToolTip("Bring the preview into view.")
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.preview, 1)
        row.addWidget(self.fit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.curves)
        layout.addWidget(self.best)
        layout.addLayout(row)
        self.preview.toggled.connect(self.preview_chosen)
        self.fit.clicked.connect(self.fit_asked)

    def show_run(self, status: TrainStatus, *, preview: bool, layers: bool) -> None:
        """Show what is best so far, and whether the preview is on and there."""
        self.best.setText(status.best_text or "No validation yet.")
        show_checked(self.preview, preview)
        self.fit.setEnabled(layers)
        self.curves.setVisible(bool(status.steps))

    def show_curves(self, curves: Curves) -> None:
        """Draw the curves."""
        self.curves.show_curves(curves)
