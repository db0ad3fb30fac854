"""The width of the band that a line profile is the mean over, in the unit of the images."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QLocale, Signal
from qtpy.QtWidgets import QDoubleSpinBox

from napari_w2s.app.comparing.state import CompareState

_TIP = (
    "Each point of the curve is the mean over so much across the line, the same in all tiles: less noise, as long as "
    "what the line crosses runs straight through. 0 is the line alone, which blurs nothing."
)


@dataclass(frozen=True)
class _Kind:
    field: str
    suffix: str
    decimals: int
    step: float
    most: float


_KINDS = {"um": _Kind("width_um", " µm", 2, 0.05, 100.0), "pixel": _Kind("width_px", " px", 1, 1.0, 1000.0)}


class BandBox(QDoubleSpinBox):
    """A number with its unit. Emits (field of `CompareState`, value)."""

    entered = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setKeyboardTracking(False)
        self.setAccessibleName("Width of the profile")
        self.setToolTip(_TIP)
        self._kind = _KINDS["pixel"]
        self.valueChanged.connect(self._on_value)

    def show_state(self, state: CompareState, unit: str) -> None:
        """Show the width that is set for a unit, without telling anyone."""
        self._kind = kind = _KINDS[unit]
        blocked = self.blockSignals(True)
        self.setSuffix(kind.suffix)
        self.setDecimals(kind.decimals)
        self.setSingleStep(kind.step)
        self.setRange(0.0, kind.most)
        self.setValue(state.width(unit))
        self.blockSignals(blocked)

    def _on_value(self, value: float) -> None:
        self.entered.emit(self._kind.field, value)
