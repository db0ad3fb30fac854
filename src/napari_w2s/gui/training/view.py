"""What the Train panel is made of and how it is laid out: one narrow column, the buttons always in sight."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_w2s.app.training.plan import TrainPlan
from napari_w2s.app.training.state import TrainState
from napari_w2s.gui.dock_panel import DockPanel, new_column
from napari_w2s.gui.parts import Fold, heading
from napari_w2s.gui.training.advanced import TrainAdvanced
from napari_w2s.gui.training.bar import TrainBar
from napari_w2s.gui.training.options import OptionsView
from napari_w2s.gui.training.progress import ProgressView
from napari_w2s.gui.training.result import ResultView
from napari_w2s.gui.training.sources import SourceView


class TrainView(DockPanel):
    """The panel's parts. It shows what it is given and does nothing.

    Attributes
    ----------
    source : SourceView
    options : OptionsView
    advanced_fold : Fold
        Hides `advanced`.
    advanced : TrainAdvanced
    set_up : Fold
        Hides all of the above while a training goes on, and after it.
    progress : ProgressView
    result : ResultView
    bar : TrainBar
    """

    def __init__(self) -> None:
        super().__init__()
        self.source = SourceView()
        self.options = OptionsView()
        self.advanced = TrainAdvanced()
        self.advanced_fold = Fold("Advanced", self.advanced)
        self.progress = ProgressView()
        self.result = ResultView()
        self.bar = TrainBar()
        self.choices = QWidget()
        chosen = new_column(self.choices)
        chosen.addWidget(heading("Learn from"))
        chosen.addWidget(self.source)
        chosen.addSpacing(4)
        chosen.addWidget(heading("Train"))
        chosen.addWidget(self.options)
        chosen.addWidget(self.advanced_fold)
        self.set_up = Fold("Set-up", self.choices)
        inside = QWidget()
        column = new_column(inside)
        column.addWidget(self.set_up)
        column.addWidget(self.progress)
        column.addWidget(self.result)
        column.addStretch(1)
        self.lay_out(inside, self.bar)
        self.set_up.set_open(is_open=True)

    def show_plan(self, plan: TrainPlan, state: TrainState, *, busy: bool) -> None:
        """Show what is chosen; while a training goes on nothing can be chosen anew."""
        self.source.show_plan(plan)
        self.options.show_plan(plan)
        self.advanced.show_plan(plan, state)
        self.advanced_fold.set_open(is_open=state.show_advanced)
        self.choices.setEnabled(not busy)
