"""A plot of several curves that are told apart with any colour vision, and a list that says which is which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_w2s.gui.training.curves import log_ticks, palette

# M. Okabe and K. Ito, "Color universal design", 2008, without black, which one of the themes has for a background.
_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#0072b2")
_LIGHT = ("#0072b2", "#a34700", "#00664a", "#9d3f77", "#7a6a00", "#d55e00", "#3a3a3a")
_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
_SIGNS = ("━━", "╍╍", "┅┅", "┉┉")
_HEIGHT = 176
_AXIS_WIDTH = 52
_AXIS_HEIGHT = 42
_PADDING = 0.04
_FEWEST_TICKS, _MOST_TICKS = 3, 5


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve.

    Attributes
    ----------
    text : str
        What the list says.
    x, y : numpy.ndarray, (P,)
    points : bool
        Draw points, not a line.
    """

    text: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    points: bool = False


class PlotView(QWidget):
    """A plot with labelled axes and a list below it.

    Parameters
    ----------
    name : str
        What it is, for those who cannot see it.
    log : tuple of bool
        Whether x and y are logarithmic.
    """

    def __init__(self, name: str, *, log: tuple[bool, bool] = (False, False)) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self._curves: Sequence[Curve] = ()
        self._colours: Sequence[str] = _COLOURS
        self._text = "#ffffff"
        self._items: list[Any] = []
        self._log = log
        axes = {side: LogAxis(side) for side, is_log in zip(("bottom", "left"), log, strict=True) if is_log}
        self.plot = pg.PlotWidget(enableMenu=False, axisItems=axes)
        # Pyqtgraph makes it without a parent, so that it would outlive the plot.
        menu = self.plot.getPlotItem().ctrlMenu
        menu.setParent(self.plot, menu.windowFlags())
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setMinimumWidth(80)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)
        # The wheel is for the panel.
        self.plot.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.getPlotItem().getViewBox().setDefaultPadding(_PADDING)
        self.plot.getAxis("left").setWidth(_AXIS_WIDTH)
        self.plot.getAxis("bottom").setHeight(_AXIS_HEIGHT)
        for axis in ("left", "bottom"):
            self.plot.getAxis(axis).enableAutoSIPrefix(False)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.plot)
        column.addWidget(self.legend)

    def paint(self, theme: str) -> None:
        """Draw in the colours of a theme of napari."""
        colours = palette(theme)
        self._text = colours.text
        self._colours = _COLOURS if colours.text > "#888888" else _LIGHT
        self.plot.setBackground(colours.background)
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(colours.text)
            axis.setTextPen(colours.text)
        self._draw()

    def show_curves(self, curves: Sequence[Curve], x: str, y: str) -> None:
        """Draw curves, and what the axes are."""
        self._curves = curves
        self.plot.setLabel("bottom", x)
        self.plot.setLabel("left", y)
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.plot.removeItem(item)
        self._items = []
        lines = []
        for index, curve in enumerate(self._curves):
            colour = self._colours[index % len(self._colours)]
            turn = index // len(self._colours) % len(_DASHES)
            item = self.plot.plot(
                _scaled(curve.x, self._log[0]),
                _scaled(curve.y, self._log[1]),
                pen=None if curve.points else pg.mkPen(colour, width=1.5, style=_DASHES[turn]),
                symbol="d" if curve.points else None,
                symbolSize=9,
                symbolBrush=colour,
                symbolPen=None,
                connect="finite",
            )
            self._items.append(item)
            sign = "◆" if curve.points else _SIGNS[turn]
            lines.append(f'<span style="color:{colour}">{sign}</span> {escape(curve.text)}')
        self.legend.setText("<br>".join(lines))
        self.legend.setVisible(bool(lines))
        self.setAccessibleDescription(", ".join(curve.text for curve in self._curves))


class LogAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis of decimal logarithms that is marked with a few of the numbers themselves."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802
        """Return where the marks are."""
        del size
        decades = [float(n) for n in range(math.ceil(low), math.floor(high) + 1)]
        step = max(1, math.ceil(len(decades) / _MOST_TICKS))
        return [(1.0, decades[::step] if len(decades) >= _FEWEST_TICKS else log_ticks(low, high))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return what they say."""
        del scale, spacing
        return [f"{10**value:.3g}" for value in values]


def _scaled(values: npt.NDArray[Any], is_log: bool) -> npt.NDArray[Any]:
    numbers = np.asarray(values, float)
    if not is_log:
        return numbers
    # What is not above 0 has no place on a logarithmic axis.
    return np.log10(np.where(numbers > 0, numbers, np.nan))
