"""The buttons, the progress bar and the line that says how it goes."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_w2s.app.resolve import RestorePlan
from napari_w2s.app.state import RunState, RunStatus, format_seconds
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import ActionButton, Note
from napari_w2s.gui.run_progress import RunProgress


class RunBar(QWidget):
    """Preview, the primary button, progress and status."""

    preview_asked = Signal()
    run_asked = Signal()
    cancel_asked = Signal()
    command_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.preview = QPushButton("Preview")
        self.command = QPushButton("Copy as command")
        self.action = ActionButton()
        self.progress = RunProgress()
        self.message = Note()
        self._busy = False

        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.preview, 1)
        buttons.addWidget(self.command, 1)
        layout = new_column(self)
        layout.addLayout(buttons)
        layout.addWidget(self.action)
        layout.addWidget(self.progress)
        layout.addWidget(self.message)

        self.preview.clicked.connect(self.preview_asked)
        self.command.clicked.connect(self.command_asked)
        self.action.clicked.connect(self._on_action)

    def show_plan(self, plan: RestorePlan, status: RunStatus, no_command: str) -> None:
        """Show what the buttons would do, or what they lack."""
        self._busy = status.busy
        cancelling = status.state is RunState.CANCELLING
        self.action.set_full_text(("Cancelling …" if cancelling else "Cancel") if status.busy else plan.action)
        self.action.setEnabled(not cancelling and (status.busy or not plan.missing))
        self.action.setToolTip("Stop after the present tile (Esc)." if status.busy else plan.missing or plan.action)
        self.preview.setEnabled(not status.busy and not plan.missing)
        self.preview.setToolTip(
            plan.missing or "Restore what is on screen into a temporary layer (Space, when the panel has the focus)."
        )
        self.command.setEnabled(not no_command)
        self.command.setToolTip(no_command or "Copy the command line that makes the same results from the files.")

    def show_status(self, status: RunStatus, notice: str, now: float) -> None:
        """Show how the work goes, or how it ended."""
        self.progress.setVisible(status.busy)
        left = status.time_left(now)
        time = f", {format_seconds(left)} left" if left is not None else ""
        self.progress.show_share(status.fraction, f"{100 * (status.fraction or 0):.0f} %{time}")
        self.message.setText("\n".join(filter(None, (status.message, "" if status.busy else notice))))

    def _on_action(self) -> None:
        (self.cancel_asked if self._busy else self.run_asked).emit()
