"""The settings of a training that hardly anyone needs. Each tooltip says why its default is what it is."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QToolButton,
    QWidget,
)

from napari_w2s._types import Level
from napari_w2s.app.training.plan import TrainPlan
from napari_w2s.app.training.state import TrainState, format_levels
from napari_w2s.gui.forms import new_form, show_checked, show_value
from napari_w2s.gui.parts import fill_combo, narrow_combo
from napari_w2s.gui.training.number import NumberEdit
from napari_w2s.gui.training.parts import LineEdit
from napari_w2s.training.presets import LEVELS

_AUTO = "Automatic"
_MOST_RATE = 1.0
_MOST_WEIGHT = 99.0
_LOSSES = (
    ("auto", _AUTO),
    ("l1", "Mean absolute error"),
    ("mse", "Mean squared error"),
    ("charbonnier", "Charbonnier (smooth)"),
)


class TrainAdvanced(QWidget):
    """Patches, rate, loss, levels, validation, device and folder. Emits (field of `TrainState`, value)."""

    changed = Signal(str, object)
    folder_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.patch = _count(
            "Edge of the squares that are learned from. Automatic suits the network; larger ones show more of the "
            "surroundings and take longer.",
            1024,
            16,
            " px",
        )
        self.batch = _count("Squares per step. Automatic suits the network; fewer take less memory.", 256, 1)
        self.rate = NumberEdit(
            "How far each step goes. Automatic suits the network; take less if the loss jumps.", _MOST_RATE, _AUTO
        )
        self.loss = narrow_combo(
            "What makes an answer a bad one. Automatic is what the task was found to need; mean squared error gives "
            "the highest PSNR, mean absolute error somewhat sharper images."
        )
        self.levels = {level: _weight(level) for level in LEVELS}
        self._levels = QWidget()
        grid = QGridLayout(self._levels)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(1)
        for column, (level, box) in enumerate(self.levels.items()):
            label = QLabel(str(level.frames))
            label.setToolTip(str(level))
            label.setBuddy(box)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(label, 0, column)
            grid.addWidget(box, 1, column)
            grid.setColumnStretch(column, 1)
        self.share = QSpinBox()
        self.share.setRange(1, 50)
        self.share.setSuffix(" % of the fields")
        self.share.setKeyboardTracking(False)
        self.share.setToolTip("Fields that are not learned from, to judge by. At least one is held back.")
        self.device = narrow_combo("Where to train. Automatic takes a GPU if there is one: nothing is faster.")
        self.folder = LineEdit("Where runs are kept: recipe, checkpoints, log, and the best model so far.", _AUTO)
        self.choose = QToolButton()
        self.choose.setText("…")
        self.choose.setToolTip("Choose the folder.")
        self.test_fovs = QCheckBox("Allow test fields")
        self.test_fovs.setToolTip(
            "Learn from fields of view 081-120 of W2S too. They are for comparing methods: a model that has seen them "
            "cannot be compared with others."
        )
        where = QHBoxLayout()
        where.setSpacing(4)
        where.addWidget(self.folder, 1)
        where.addWidget(self.choose)
        form = new_form(self)
        form.addRow("Patch", self.patch)
        form.addRow("Batch", self.batch)
        form.addRow("Rate", self.rate)
        form.addRow("Loss", self.loss)
        form.addRow("Levels", self._levels)
        form.addRow("Judge by", self.share)
        form.addRow("Device", self.device)
        form.addRow("Runs in", where)
        form.addRow("", self.test_fovs)
        self._form = form
        self._devices: tuple[str, ...] = ("cpu",)
        fill_combo(self.loss, _LOSSES, "auto")
        self._connect()

    def show_devices(self, devices: Sequence[str]) -> None:
        """Offer the devices that this machine has."""
        self._devices = tuple(devices)

    def show_plan(self, plan: TrainPlan, state: TrainState) -> None:
        """Show what is set, a device that is not there included."""
        for box, value in (
            (self.patch, state.patch),
            (self.batch, state.batch),
            (self.share, state.validation_percent),
        ):
            show_value(box, value)
        self.rate.show_text(f"{state.learning_rate:g}" if state.learning_rate else "")
        fill_combo(self.loss, _LOSSES, state.loss)
        devices = dict.fromkeys(("auto", *self._devices, state.device))
        fill_combo(self.device, [(d, _AUTO if d == "auto" else d) for d in devices], state.device)
        self.folder.show_text(state.folder)
        show_checked(self.test_fovs, state.allow_test_fovs)
        self._form.setRowVisible(self._levels, bool(plan.levels))
        for level, weight in self.levels.items():
            weight.show_text(f"{plan.levels.get(level, 0.0):g}")
            weight.setEnabled(level in plan.levels)

    def _connect(self) -> None:
        self.patch.valueChanged.connect(self._on_patch)
        self.batch.valueChanged.connect(self._on_batch)
        self.share.valueChanged.connect(self._on_share)
        self.rate.entered.connect(self._on_rate)
        self.loss.activated.connect(self._on_loss)
        self.device.activated.connect(self._on_device)
        self.folder.entered.connect(self._on_folder)
        self.choose.clicked.connect(self.folder_asked)
        self.test_fovs.toggled.connect(self._on_test_fovs)
        for box in self.levels.values():
            box.entered.connect(self._on_levels)

    def _on_patch(self, value: int) -> None:
        self.changed.emit("patch", value)

    def _on_batch(self, value: int) -> None:
        self.changed.emit("batch", value)

    def _on_share(self, value: int) -> None:
        self.changed.emit("validation_percent", value)

    def _on_rate(self) -> None:
        self.changed.emit("learning_rate", self.rate.number)

    def _on_loss(self, index: int) -> None:
        self.changed.emit("loss", self.loss.itemData(index))

    def _on_device(self, index: int) -> None:
        self.changed.emit("device", self.device.itemData(index))

    def _on_folder(self, text: str) -> None:
        self.changed.emit("folder", text)

    def _on_test_fovs(self, checked: bool) -> None:
        self.changed.emit("allow_test_fovs", checked)

    def _on_levels(self) -> None:
        weights = {level: box.number for level, box in self.levels.items() if box.isEnabled()}
        usual = all(value == LEVELS[level] for level, value in weights.items())
        self.changed.emit("levels", "" if usual else format_levels(weights))


def _count(tooltip: str, most: int, step: int, suffix: str = "") -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, most)
    box.setSingleStep(step)
    box.setSpecialValueText(_AUTO)
    box.setSuffix(suffix)
    box.setKeyboardTracking(False)
    box.setToolTip(tooltip)
    return box


def _weight(level: Level) -> NumberEdit:
    edit = NumberEdit(
        f"How often patches are taken from {level}, relative to the other levels. A model that learns all of them is "
        "blind to the noise level; the noisiest need most.",
        _MOST_WEIGHT,
    )
    edit.setAccessibleName(str(level))
    edit.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return edit
