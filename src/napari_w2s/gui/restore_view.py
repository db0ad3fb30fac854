"""What the Restore panel is made of and how it is laid out: one narrow column, the buttons always in sight."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_w2s.app.resolve import RestorePlan
from napari_w2s.app.state import RestoreState
from napari_w2s.gui.advanced import AdvancedSettings
from napari_w2s.gui.dock_panel import DockPanel, new_column
from napari_w2s.gui.model_card import ModelCard
from napari_w2s.gui.parts import Fold, LayerList, Note, heading
from napari_w2s.gui.run_bar import RunBar


class RestoreView(DockPanel):
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
        inside = QWidget()
        column = new_column(inside)
        column.addWidget(heading("Layers"))
        column.addWidget(self.layers)
        column.addWidget(self.report)
        column.addSpacing(8)
        column.addWidget(heading("Model"))
        column.addWidget(self.card)
        column.addWidget(self.fold)
        column.addStretch(1)
        self.lay_out(inside, self.bar)

    def show_plan(self, plan: RestorePlan, state: RestoreState) -> None:
        """Show layers, models and settings."""
        self.layers.show_rows(plan.layers)
        self.report.setText(plan.report)
        self.report.setVisible(bool(plan.report))
        self.card.show_plan(plan)
        self.advanced.show_state(state)
        self.advanced.weights.show_path(state.weights or "", plan.weights_default, plan.weights_refusal)
        self.fold.set_open(is_open=state.show_advanced)
