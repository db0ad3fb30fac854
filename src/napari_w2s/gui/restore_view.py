"""What the Restore panel is made of and how it is laid out: one narrow column, the buttons always in sight."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from napari_w2s.app.resolve import RestorePlan
from napari_w2s.app.state import RestoreState
from napari_w2s.gui.advanced import AdvancedSettings
from napari_w2s.gui.model_card import ModelCard
from napari_w2s.gui.parts import Fold, LayerList, Note, heading
from napari_w2s.gui.run_bar import RunBar

_WIDTH = 320
_MINIMUM_WIDTH = 280
_HEIGHT = 640


class RestoreView(QWidget):
    """The panel's parts. It shows what it is given and does nothing.

    Attributes
    ----------
    layers : LayerList
    report : Note
        What the chosen layers are like.
    card : ModelCard
    fold : Fold
        Hides `advanced`.
    advanced : AdvancedSettings
    bar : RunBar
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = LayerList()
        self.report = Note()
        self.card = ModelCard()
        self.advanced = AdvancedSettings()
        self.fold = Fold("Advanced", self.advanced)
        self.bar = RunBar()
        self.setMinimumWidth(_MINIMUM_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(heading("Layers"))
        column.addWidget(self.layers)
        column.addWidget(self.report)
        column.addSpacing(8)
        column.addWidget(heading("Model"))
        column.addWidget(self.card)
        column.addWidget(self.fold)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(10, 6, 10, 8)
        outside.setSpacing(8)
        outside.addWidget(scroll, 1)
        outside.addWidget(self.bar)

    def sizeHint(self) -> QSize:
        """Ask for a narrow column."""
        return QSize(_WIDTH, _HEIGHT)

    def show_plan(self, plan: RestorePlan, state: RestoreState) -> None:
        """Show layers, models and settings."""
        self.layers.show_rows(plan.layers)
        self.report.setText(plan.report)
        self.report.setVisible(bool(plan.report))
        self.card.show_plan(plan)
        self.advanced.show_state(state)
        self.advanced.weights.show_path(state.weights or "", plan.weights_default, plan.weights_refusal)
        self.fold.set_open(is_open=state.show_advanced)
