"""The buttons of a training, its progress, and the line that says how it goes."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_w2s.app.training.plan import TrainPlan
from napari_w2s.app.training.status import TrainPhase, TrainStatus
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import ActionButton, Note
from napari_w2s.gui.run_progress import RunProgress
from napari_w2s.gui.training.parts import WarningStrip


class TrainBar(QWidget):
    """Warnings, the primary button, pause and stop, progress and status."""

    train_asked = Signal()
    go_on_asked = Signal()
    pause_asked = Signal()
    stop_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.warning = WarningStrip()
        self.action = ActionButton()
        self.pause = QPushButton("Pause")
        self.stop = QPushButton("Stop and keep")
        self.progress = RunProgress()
        self.message = Note()
        self._phase = TrainPhase.IDLE

        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.pause, 1)
        buttons.addWidget(self.stop, 1)
        layout = new_column(self)
        layout.addWidget(self.warning)
        layout.addWidget(self.action)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.message)

        self.action.clicked.connect(self._on_action)
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self.stop_asked)

    def paint(self, background: str, hover: str, warning: str) -> None:
        """Set the primary button off in a colour of the theme, and warnings in another."""
        self.action.paint_primary(background, hover)
        self.warning.paint(warning)

    def show_run(self, plan: TrainPlan, status: TrainStatus, notice: str) -> None:
        """Show what the buttons would do, how the work goes, or how it ended."""
        self._phase = status.phase
        self._show_buttons(plan, status)
        self._show_progress(status)
        notes = status.notes if status.busy or status.notes else plan.warnings
        self.warning.show_warnings(notes, briefly=bool(status.steps))
        lines = (status.message, "" if status.busy else notice)
        self.message.setText("\n".join(filter(None, lines)))

    def _show_buttons(self, plan: TrainPlan, status: TrainStatus) -> None:
        asking = status.phase is TrainPhase.ASKING
        self.action.set_full_text("Train anyway" if asking else plan.action)
        self.action.setVisible(asking or not status.busy)
        self.action.setEnabled(asking or (not status.busy and not plan.missing))
        self.action.setToolTip(plan.missing or self.action.full_text())
        paused = status.phase is TrainPhase.PAUSED
        self.pause.setText("Resume" if paused else "Pause")
        self.pause.setEnabled(status.phase in (TrainPhase.TRAINING, TrainPhase.PAUSED))
        self.pause.setToolTip("Go on where it was." if paused else "Leave the computer to other work for a while.")
        self.stop.setText("Do not train" if asking else "Stop and keep")
        self.stop.setEnabled(status.busy and status.phase is not TrainPhase.STOPPING)
        self.stop.setToolTip("End the training and keep the best model so far.")
        self.pause.setVisible(status.busy and not asking)
        self.stop.setVisible(status.busy)

    def _show_progress(self, status: TrainStatus) -> None:
        self.progress.setVisible(status.busy and status.phase is not TrainPhase.ASKING)
        self.progress.show_share(status.fraction, status.pace)

    def _on_action(self) -> None:
        (self.go_on_asked if self._phase is TrainPhase.ASKING else self.train_asked).emit()

    def _on_pause(self) -> None:
        (self.go_on_asked if self._phase is TrainPhase.PAUSED else self.pause_asked).emit()
