"""Plots over all tiles: a line profile, the power spectrum, and what averaging brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from qtpy.QtCore import QLocale, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_w2s.app.comparing.curves import Profile, Spectrum
from napari_w2s.app.comparing.numbers import Numbers
from napari_w2s.app.comparing.state import CompareState
from napari_w2s.app.comparing.worth import worth_text
from napari_w2s.app.figure_scale import bar_label
from napari_w2s.gui.comparing.band import BandBox
from napari_w2s.gui.comparing.plot import Curve, PlotView
from napari_w2s.gui.forms import show_checked
from napari_w2s.gui.parts import Note, fill_combo, narrow_combo

_UNITS = {"um": "µm", "pixel": "px"}
_NO_CURVE = "A curve needs avg400 and two averaging levels, or a burst."
_HINT = "Draw a line: it appears in every tile, and can be dragged in any of them."


class CurvesView(QTabWidget):
    """Three tabs. Emits (field of `CompareState`, value).

    A line and a number of frames are asked for by signals of their own; `tab_shown` tells whether it is the spectrum
    that can be seen.
    """

    changed = Signal(str, object)
    line_asked = Signal(bool)
    frames_asked = Signal(str, int)
    tab_shown = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Plots")
        self.line = QPushButton("Line")
        self.line.setCheckable(True)
        self.line.setToolTip(_HINT)
        self.normalised = QCheckBox("Each from 0 to 1")
        self.normalised.setToolTip("Give each curve a range of its own: SIM and widefield share no intensity scale.")
        self.band = BandBox()
        width = QLabel("Width")
        width.setBuddy(self.band)
        self.profile = PlotView("Line profile")
        self.profile_note = Note()
        self.spectrum = PlotView("Power spectrum", log=(False, True))
        self.spectrum_note = Note()
        self.worth = PlotView("Averaging curve", log=(True, True))
        self.worth_note = Note()
        self.burst = BurstRow()
        row = QWidget()
        buttons = QHBoxLayout(row)
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.addWidget(self.line, 1)
        buttons.addWidget(width)
        buttons.addWidget(self.band, 1)
        self.addTab(_page(row, self.normalised, self.profile, self.profile_note), "Profile")
        self.addTab(_page(self.spectrum, self.spectrum_note), "Spectrum")
        self.addTab(_page(self.burst, self.worth, self.worth_note), "Averaging")
        self.line.toggled.connect(self.line_asked)
        self.normalised.toggled.connect(self._on_normalised)
        self.band.entered.connect(self.changed)
        self.burst.asked.connect(self.frames_asked)
        self.currentChanged.connect(self._on_tab)
        self._fit()

    @property
    def wants_spectrum(self) -> bool:
        """True while the spectrum can be seen."""
        return self.currentIndex() == 1

    def paint(self, theme: str) -> None:
        """Draw in the colours of a theme of napari."""
        for plot in (self.profile, self.spectrum, self.worth):
            plot.paint(theme)

    def show_state(self, state: CompareState, unit: str) -> None:
        """Show what is chosen; a width in ``"um"`` or ``"pixel"``."""
        self.band.show_state(state, unit)
        show_checked(self.line, state.line is not None)
        show_checked(self.normalised, state.normalised)
        if state.line is None:
            self.profile.show_curves((), "", "")
        self.profile.setVisible(state.line is not None)
        if state.line is None:
            self.profile_note.setText(_HINT)

    def show_profiles(self, profiles: Sequence[Profile], problem: str, *, normalised: bool) -> None:
        """Draw profiles, or say why there are none."""
        unit = _UNITS[profiles[0].unit] if profiles else ""
        curves = [Curve(f"{one.title}{_width(one)}", one.distance, one.values) for one in profiles]
        self.profile.show_curves(curves, f"distance ({unit})", "0 to 1" if normalised else "intensity")
        self.profile_note.setText(problem or "FWHM: full width at half maximum of the highest peak.")

    def show_spectra(self, spectra: Sequence[Spectrum], problem: str) -> None:
        """Draw spectra, or say why there are none."""
        unit = _UNITS[spectra[0].unit] if spectra else ""
        curves = [Curve(one.title, one.frequency, one.power) for one in spectra]
        self.spectrum.show_curves(curves, f"cycles per {unit}", "power")
        self.spectrum_note.setText(problem or "Where noise begins, curves turn flat.")

    def show_worth(self, numbers: Numbers | None) -> None:
        """Draw the averaging curve, and where each tile lies on it."""
        curve = None if numbers is None else numbers.curve
        self.worth.setVisible(curve is not None)
        if numbers is None or curve is None:
            self.worth_note.setText("" if numbers is None else _NO_CURVE)
            return
        frames, errors = np.asarray(curve.frames, float), np.asarray(curve.errors, float)
        curves = [Curve("mean of N frames", frames, errors)]
        for tile in numbers.tiles:
            if tile.worth is not None and np.isfinite(tile.worth) and tile.worth >= 1 and not tile.is_reference:
                error = np.exp(np.interp(np.log(tile.worth), np.log(frames), np.log(errors)))
                text = f"{tile.title}: {worth_text(curve, tile.worth)}"
                curves.append(Curve(text, np.array([tile.worth]), np.array([error]), points=True))
        self.worth.show_curves(curves, "frames averaged", "error")
        self.worth_note.setText(curve.note)

    def _fit(self) -> None:
        """Be as high as what can be seen, not as the highest tab."""
        for index in range(self.count()):
            shown = index == self.currentIndex()
            policy = QSizePolicy.Policy.Preferred if shown else QSizePolicy.Policy.Ignored
            page = self.widget(index)
            if page is not None:
                page.setSizePolicy(QSizePolicy.Policy.Preferred, policy)
        self.updateGeometry()

    def _on_normalised(self, on: bool) -> None:
        self.changed.emit("normalised", on)

    def _on_tab(self, _index: int) -> None:
        self._fit()
        self.tab_shown.emit(self.wants_spectrum)


class BurstRow(QWidget):
    """How many of its first frames a burst is averaged over. Hidden without a burst."""

    asked = Signal(str, int)

    def __init__(self) -> None:
        super().__init__()
        self.burst = narrow_combo("The burst whose frames are averaged.")
        self.burst.setAccessibleName("Burst")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Frames averaged")
        self.number = QSpinBox()
        self.number.setLocale(QLocale.c())
        self.number.setPrefix("N = ")
        self.number.setKeyboardTracking(False)
        for box in (self.slider, self.number):
            box.setToolTip("Average the first N frames of the burst; the image and the numbers follow.")
        row = QHBoxLayout()
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.burst)
        column.addLayout(row)
        self.slider.valueChanged.connect(self._on_value)
        self.number.valueChanged.connect(self._on_value)
        self.burst.activated.connect(self._on_burst)
        self._totals: dict[str, int] = {}

    def show_bursts(self, bursts: Sequence[tuple[str, str, int]], frames: Mapping[str, int]) -> None:
        """Show which bursts there are (key, name, number of frames), and what is averaged of them."""
        self._totals = {key: total for key, _, total in bursts}
        current = self.burst.currentData()
        chosen = current if current in self._totals else next(iter(self._totals), None)
        fill_combo(self.burst, [(key, name) for key, name, _ in bursts], chosen)
        self.burst.setVisible(len(bursts) > 1)
        self.setVisible(bool(bursts))
        if chosen is not None:
            self._fill(self._totals[chosen], frames.get(chosen, 1))

    def _fill(self, total: int, value: int) -> None:
        for box in (self.slider, self.number):
            blocked = box.blockSignals(True)
            box.setRange(1, total)
            box.setValue(value)
            box.blockSignals(blocked)

    def _on_value(self, value: int) -> None:
        key = self.burst.currentData()
        if key is not None:
            self._fill(self._totals[key], value)
            self.asked.emit(key, value)

    def _on_burst(self) -> None:
        key = self.burst.currentData()
        if key is not None:
            self._fill(self._totals[key], 1)


def _page(*parts: QWidget) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(4, 6, 4, 4)
    column.setSpacing(6)
    for part in parts:
        column.addWidget(part)
    column.addStretch(1)
    return page


def _width(one: Profile) -> str:
    if one.width is None:
        return ""
    return f", FWHM {bar_label(one.width)}" if one.unit == "um" else f", FWHM {one.width:.3g} px"
