"""What to train: the task, the network, and for how long."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_w2s._types import Task
from napari_w2s.app.training.plan import TrainPlan, parse_network
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.forms import new_form
from napari_w2s.gui.parts import Note, fill_combo, narrow_combo


class OptionsView(QWidget):
    """Task, network and time. Emits (field of `TrainState`, value)."""

    changed = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.task = narrow_combo("What the model will do. Only what the images allow is offered.")
        self.note = Note()
        self.network = narrow_combo(
            "A new network, or a model to go on from: it needs fewer images and less time. A small U-Net suits a few "
            "fields and a computer without a GPU; the benchmark's networks are for comparing, and take longer."
        )
        self.about = Note()
        self.time = narrow_combo(
            "How long to train. A quick look shows whether it works; you can stop at any time and keep the best so far."
        )
        form = new_form()
        form.addRow("Task", self.task)
        form.addRow("", self.note)
        form.addRow("Network", self.network)
        form.addRow("", self.about)
        form.addRow("Time", self.time)
        self._form = form
        layout = new_column(self)
        layout.addLayout(form)
        self._explanation, self._time_explanation = self.network.toolTip(), self.time.toolTip()
        self.task.activated.connect(self._on_task)
        self.network.activated.connect(self._on_network)
        self.time.activated.connect(self._on_time)

    def show_plan(self, plan: TrainPlan) -> None:
        """Show what is offered and what is in force."""
        fill_combo(self.task, [(str(task), task.label) for task in plan.tasks], plan.task)
        fill_combo(self.network, plan.networks, plan.network)
        fill_combo(self.time, plan.times, plan.time)
        for note, text in ((self.note, plan.task_note), (self.about, plan.network_note)):
            note.setText(text)
            self._form.setRowVisible(note, bool(text))
        # In a narrow panel the entry may be cut off.
        self.network.setToolTip(f"{self.network.currentText()}\n{self._explanation}")
        self.time.setToolTip(f"{plan.time_note}\n{self._time_explanation}")

    def _on_task(self, index: int) -> None:
        self.changed.emit("task", Task(self.task.itemData(index)))

    def _on_network(self, index: int) -> None:
        size, start = parse_network(self.network.itemData(index))
        if size is not None:
            self.changed.emit("size", size)
        self.changed.emit("start_from", start)

    def _on_time(self, index: int) -> None:
        self.changed.emit("preset", self.time.itemData(index))
