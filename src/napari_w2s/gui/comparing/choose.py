"""What to compare: two buttons for what is asked for most, and a list for everything else."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_w2s.app.comparing.plan import ComparePlan
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.forms import new_form
from napari_w2s.gui.parts import LayerList, fill_combo, narrow_combo

_NO_REFERENCE = ""
_LEVELS = "Compare all averaging levels and SIM of the selected field of view and channel, then its restorations."
_LAST = "Compare the latest restoration with its input and, where there is one, a reference."
_OPEN = "Open a comparison that was saved with JSON …"


class ChooseView(QWidget):
    """Buttons, check boxes and the reference."""

    levels_asked = Signal()
    last_asked = Signal()
    open_asked = Signal()
    layers_chosen = Signal(object)
    reference_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.levels = QPushButton("W2S levels")
        self.last = QPushButton("Last result")
        self.open = QPushButton("Open …")
        self.open.setToolTip(_OPEN)
        self.layers = LayerList()
        self.reference = narrow_combo(
            "What the others are measured against. avg400 or SIM where there is one: they are the nearest to the truth."
        )
        self.reference.setAccessibleName("Reference")
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.levels, self.last, self.open):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button, 2 if button is self.open else 3)
        form = new_form()
        form.addRow("Reference", self.reference)
        column = new_column(self)
        column.addLayout(buttons)
        column.addWidget(self.layers)
        column.addLayout(form)
        self.levels.clicked.connect(self.levels_asked)
        self.last.clicked.connect(self.last_asked)
        self.open.clicked.connect(self.open_asked)
        self.layers.chosen.connect(self.layers_chosen)
        self.reference.activated.connect(self._on_reference)

    def show_plan(self, plan: ComparePlan) -> None:
        """Show what there is to choose, and what is chosen."""
        self.layers.show_rows(plan.layers)
        self.levels.setEnabled(plan.levels is not None)
        self.levels.setToolTip(plan.no_levels or _LEVELS)
        self.last.setEnabled(plan.last is not None)
        self.last.setToolTip(plan.no_last or _LAST)
        fill_combo(self.reference, [(_NO_REFERENCE, "None"), *plan.references], plan.reference or _NO_REFERENCE)
        self.reference.setEnabled(bool(plan.references))

    def _on_reference(self, index: int) -> None:
        self.reference_chosen.emit(self.reference.itemData(index))
