"""The choice of what to do and with which model, and the model's card."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSizePolicy, QWidget

from napari_w2s.app.resolve import RestorePlan
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.forms import new_form, show_checked
from napari_w2s.gui.parts import Note, fill_combo, narrow_combo


class ModelCard(QWidget):
    """Task, model, the model's card, and the denoiser to run first."""

    task_chosen = Signal(str)
    model_chosen = Signal(str)
    denoise_first_chosen = Signal(bool)
    denoiser_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.task = narrow_combo("What to do: take noise away, add resolution, or both in one model.")
        self.model = narrow_combo("The model that suits the noise of the first chosen layer is suggested.")
        self.denoise_first = QCheckBox("First denoise with")
        self.denoise_first.setToolTip(
            "Super-resolution models take noise for detail: for anything but clean images, run a denoiser first."
        )
        self.denoiser = narrow_combo("The model that runs first. The one that suits the noise is suggested.")
        self.text = Note()

        form = new_form()
        form.addRow("Task", self.task)
        form.addRow("Model", self.model)
        self._first = QWidget()
        first = QHBoxLayout(self._first)
        first.setContentsMargins(0, 0, 0, 0)
        first.addWidget(self.denoise_first)
        first.addWidget(self.denoiser, 1)
        layout = new_column(self)
        layout.addLayout(form)
        layout.addWidget(self._first)
        layout.addWidget(self.text)

        self._explanations = {combo: combo.toolTip() for combo in (self.model, self.denoiser)}
        self.task.activated.connect(self._on_task)
        self.model.activated.connect(self._on_model)
        self.denoiser.activated.connect(self._on_denoiser)
        self.denoise_first.toggled.connect(self.denoise_first_chosen)

    def show_plan(self, plan: RestorePlan) -> None:
        """Show what is offered and what is in force."""
        fill_combo(self.task, [(str(task), task.label) for task in plan.tasks], plan.task)
        fill_combo(self.model, [(m.name, m.text) for m in plan.models], plan.model)
        fill_combo(self.denoiser, [(m.name, m.text) for m in plan.denoisers], plan.denoiser)
        self._first.setVisible(plan.offers_denoiser)
        show_checked(self.denoise_first, plan.denoise_first)
        self.denoiser.setEnabled(plan.denoise_first)
        self.text.setText(plan.card)
        self.text.setVisible(bool(plan.card))
        for combo, explanation in self._explanations.items():
            # In a narrow panel the entry may be cut off.
            combo.setToolTip(f"{combo.currentText()}\n{explanation}")

    def _on_task(self, index: int) -> None:
        self.task_chosen.emit(self.task.itemData(index))

    def _on_model(self, index: int) -> None:
        self.model_chosen.emit(self.model.itemData(index))

    def _on_denoiser(self, index: int) -> None:
        self.denoiser_chosen.emit(self.denoiser.itemData(index))
