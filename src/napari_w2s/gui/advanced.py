"""The settings that hardly anyone needs. Each tooltip says why its default is what it is."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QLocale, Signal
from qtpy.QtGui import QDoubleValidator
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QSizePolicy, QSpinBox, QWidget

from napari_w2s.app.state import RestoreState
from napari_w2s.gui.forms import new_form, show_checked, show_value
from napari_w2s.gui.model_export import ExportRow
from napari_w2s.gui.parts import fill_combo, narrow_combo
from napari_w2s.gui.restore_weights import WeightsRow

_PRECISIONS = (
    ("auto", "Automatic"),
    ("float32", "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
)
_NON_FINITE = (("keep", "Stay NaN"), ("fill", "Fill in"), ("raise", "Refuse the image"))
_RANGES = (("auto", "Automatic"), ("values", "From – to"))


class AdvancedSettings(QWidget):
    """Weights, device, precision, tile, flips, range, what becomes of NaN. Emits (field of `RestoreState`, value).

    Below them is the row that gives the model away.
    """

    changed = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.weights = WeightsRow()
        self.export = ExportRow()
        self.device = narrow_combo(
            "Where to compute. Automatic takes a GPU that the model can use, else the processor: nothing is faster."
        )
        self.precision = narrow_combo(
            "Automatic is float32, unless the model's card says that a lower precision was measured to cost at most "
            "0.05 dB and this machine is fast at it."
        )
        self.tile = QSpinBox()
        self.tile.setRange(0, 8192)
        self.tile.setSingleStep(32)
        self.tile.setSpecialValueText("Automatic")
        self.tile.setSuffix(" px")
        self.tile.setKeyboardTracking(False)
        self.tile.setToolTip(
            "Edge of the squares that an image is restored in. Automatic suits the model, the device and its memory; "
            "the result is the same."
        )
        self.flips = QCheckBox("Average 8 flips")
        self.flips.setToolTip(
            "Restore everything turned and mirrored in all 8 ways, and take the mean: 8x slower, slightly better. Off, "
            "since the gain is small."
        )
        self.range = narrow_combo(
            "Intensities that a model trained on 0 … 1 sees as 0 and 1. Automatic is 0–255 for 8-bit images and each "
            "frame's own range for all others, as in training. Give values to treat frames alike."
        )
        self.low, self.high = _number(), _number()
        self.non_finite = narrow_combo(
            "Pixels that are NaN or infinite stay NaN in the result: nothing was measured there."
        )

        self._limits = QWidget()
        limits = QHBoxLayout(self._limits)
        limits.setContentsMargins(0, 0, 0, 0)
        limits.addWidget(self.low)
        limits.addWidget(self.high)
        form = new_form(self)
        form.addRow("Weights", self.weights)
        form.addRow("Device", self.device)
        form.addRow("Precision", self.precision)
        form.addRow("Tile", self.tile)
        form.addRow("Flips", self.flips)
        form.addRow("Range", self.range)
        form.addRow("", self._limits)
        form.addRow("NaN pixels", self.non_finite)
        form.addRow(self.export)
        self._form = form

        self._devices: tuple[str, ...] = ("cpu",)
        fill_combo(self.precision, _PRECISIONS, "auto")
        fill_combo(self.non_finite, _NON_FINITE, "keep")
        fill_combo(self.range, _RANGES, "auto")
        self.weights.chosen.connect(self._on_weights)
        self.device.activated.connect(self._on_device)
        self.precision.activated.connect(self._on_precision)
        self.non_finite.activated.connect(self._on_non_finite)
        self.tile.valueChanged.connect(self._on_tile)
        self.flips.toggled.connect(self._on_flips)
        self.range.activated.connect(self._on_range)
        for edit in (self.low, self.high):
            edit.editingFinished.connect(self._on_range)

    def show_devices(self, devices: Sequence[str]) -> None:
        """Offer the devices that this machine has."""
        self._devices = tuple(devices)

    def show_state(self, state: RestoreState) -> None:
        """Show what is set, a device that is not there included."""
        devices = dict.fromkeys(("auto", *self._devices, state.device))
        fill_combo(self.device, [(d, "Automatic" if d == "auto" else d) for d in devices], state.device)
        fill_combo(self.precision, _PRECISIONS, state.precision)
        fill_combo(self.non_finite, _NON_FINITE, state.non_finite)
        show_value(self.tile, state.tile or 0)
        show_checked(self.flips, state.flips)
        if state.intensity_range is not None:
            fill_combo(self.range, _RANGES, "values")
            self.low.setText(f"{state.intensity_range[0]:g}")
            self.high.setText(f"{state.intensity_range[1]:g}")
        self._form.setRowVisible(self._limits, self.range.currentData() == "values")

    def _on_weights(self, path: str | None) -> None:
        self.changed.emit("weights", path)

    def _on_device(self, index: int) -> None:
        self.changed.emit("device", self.device.itemData(index))

    def _on_precision(self, index: int) -> None:
        self.changed.emit("precision", self.precision.itemData(index))

    def _on_non_finite(self, index: int) -> None:
        self.changed.emit("non_finite", self.non_finite.itemData(index))

    def _on_tile(self, value: int) -> None:
        self.changed.emit("tile", value or None)

    def _on_flips(self, on: bool) -> None:
        self.changed.emit("flips", on)

    def _on_range(self) -> None:
        manual = self.range.currentData() == "values"
        self._form.setRowVisible(self._limits, manual)
        low, high = _value(self.low), _value(self.high)
        usable = manual and low is not None and high is not None and low < high
        self.changed.emit("intensity_range", (low, high) if usable else None)


def _number() -> QLineEdit:
    edit = QLineEdit()
    validator = QDoubleValidator(edit)
    validator.setLocale(QLocale.c())
    edit.setValidator(validator)
    edit.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return edit


def _value(edit: QLineEdit) -> float | None:
    return float(edit.text()) if edit.hasAcceptableInput() else None
