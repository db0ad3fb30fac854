"""The buttons, the progress bar and the line that says how it goes."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_w2s.app.resolve import RestorePlan
from napari_w2s.app.state import RunState, RunStatus, format_seconds
from napari_w2s.gui.parts import ActionButton, Note

_STEPS = 1000


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
        self.action.setObjectName("primary")
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self.message = Note()
        self._busy = False

        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.preview, 1)
        buttons.addWidget(self.command, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(buttons)
        layout.addWidget(self.action)
        layout.addWidget(self.progress)
        layout.addWidget(self.message)

        self.preview.clicked.connect(self.preview_asked)
        self.command.clicked.connect(self.command_asked)
        self.action.clicked.connect(self._on_action)

    def paint_primary(self, background: str, hover: str) -> None:
        """Set the primary button off in a colour of the theme."""
        sheet = (
            f"#primary {{ background-color: {background}; padding: 7px; }}"
            f"#primary:hover {{ background-color: {hover}; }}"
            "#primary:disabled { background-color: none; }"
        )
        if sheet != self.action.styleSheet():
            self.action.setStyleSheet(sheet)

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
        if status.fraction is None:
            self.progress.setRange(0, 0)
            self.progress.setFormat("")
        else:
            left = status.time_left(now)
            time = f", {format_seconds(left)} left" if left is not None else ""
            self.progress.setRange(0, _STEPS)
            self.progress.setValue(round(status.fraction * _STEPS))
            self.progress.setFormat(f"{100 * status.fraction:.0f} %{time}")
        self.message.setText("\n".join(filter(None, (status.message, "" if status.busy else notice))))

    def _on_action(self) -> None:
        (self.cancel_asked if self._busy else self.run_asked).emit()
