"""The curves of a training: the loss, and how well the validation images come out. Colours follow the theme."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_w2s.app.training.status import Curve, Curves

_LOSS_HEIGHT = 104
_SCORE_HEIGHT = 152
_AXIS_WIDTH = 60
_AXIS_HEIGHT = 42
_FEWEST_TICKS = 3
_TICK_HEIGHT = 17
_FAINT = 90
_PADDING = 0.1
_BOTTOM = 6
_POINTS_WITH_SYMBOLS = 60


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of the plots in one theme; the curves' are told apart with colour-blind vision (Okabe and Ito, 2008).

    Attributes
    ----------
    background, text : str
        Of the theme.
    curves : tuple of str
        One per curve.
    """

    background: str
    text: str
    curves: tuple[str, str, str]


def palette(theme: str) -> Palette:
    """Return the colours that suit a theme of napari."""
    from napari.utils.theme import get_system_theme, get_theme

    colours = get_theme(get_system_theme() if theme == "system" else theme)
    curves = ("#56b4e9", "#e69f00", "#cc79a7") if colours.type == "dark" else ("#0072b2", "#a34700", "#9d3f77")
    return Palette(str(colours.background.as_hex(format="long")), str(colours.text.as_hex(format="long")), curves)


@dataclass(frozen=True, slots=True)
class _Style:
    """How a curve is drawn, so that it is known without its colour."""

    words: str
    colour: int
    line: Any
    symbol: str
    sign: str


_STYLES = {
    "denoised": _Style("denoised", 0, Qt.PenStyle.SolidLine, "o", "●"),
    "sim": _Style("SIM", 1, Qt.PenStyle.DashLine, "t1", "▲"),
}
_OTHER = _Style("validation", 2, Qt.PenStyle.DotLine, "s", "■")


class CurvesView(QWidget):
    """Two plots over the steps, one above the other: the loss on a logarithmic scale, and PSNR in dB."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._axis = _LogAxis("left")
        self.loss = _plot("loss", _LOSS_HEIGHT, axisItems={"left": self._axis})
        self.score = _plot("PSNR (dB)", _SCORE_HEIGHT)
        self.score.setLabel("bottom", "step")
        self.score.getPlotItem().setXLink(self.loss.getPlotItem())
        self.loss.getAxis("bottom").setStyle(showValues=False)
        self.score.getAxis("bottom").setHeight(_AXIS_HEIGHT)
        self._losses = self.loss.plot([], [])
        self._loss = self.loss.plot([], [])
        self._scores: dict[str, Any] = {}
        self._best = pg.ScatterPlotItem(symbol="star", size=13)
        self._best.setZValue(10)
        self.score.addItem(self._best)
        self._colours = Palette("#000000", "#ffffff", ("#56b4e9", "#e69f00", "#cc79a7"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.loss)
        layout.addWidget(self.score)
        self.setToolTip(
            "Above: mean training loss, on a logarithmic scale. Below: PSNR of the validation images (range 1, mean "
            "over the noise levels; SIM is matched in brightness first). ★ is the best model so far, which is kept."
        )

    def paint(self, colours: Palette) -> None:
        """Draw in the colours of a theme."""
        self._colours = colours
        for plot in (self.loss, self.score):
            plot.setBackground(colours.background)
            for name in ("left", "bottom"):
                axis = plot.getAxis(name)
                axis.setPen(colours.text)
                axis.setTextPen(colours.text)
        faint = pg.mkColor(colours.curves[0])
        faint.setAlpha(_FAINT)
        self._losses.setPen(pg.mkPen(faint, width=1))
        self._loss.setPen(pg.mkPen(colours.curves[0], width=2))
        self._best.setBrush(colours.text)
        self._best.setPen(colours.background)
        for name in self._scores:
            self._dress(name)
        self._title()

    def show_curves(self, curves: Curves) -> None:
        """Draw what there is."""
        # What is not above 0 has no place on a logarithmic axis.
        usable = [(s, v) for s, v in zip(curves.loss.steps, curves.loss.values, strict=True) if isfinite(v) and v > 0]
        steps, values = [s for s, _ in usable], [v for _, v in usable]
        self._losses.setData(steps, [log10(v) for v in values])
        self._loss.setData(steps, [log10(v) for v in smooth(values)])
        for name in set(self._scores) - set(curves.scores):
            self.score.removeItem(self._scores.pop(name))
        for name, curve in curves.scores.items():
            if name not in self._scores:
                self._scores[name] = self.score.plot([], [])
            self._scores[name].setData(curve.steps, curve.values)
            self._scores[name].setSymbolSize(6 if len(curve.steps) <= _POINTS_WITH_SYMBOLS else 0)
            self._dress(name)
        best = _best_points(curves)
        self._best.setData([s for s, _ in best], [v for _, v in best])
        self._title()
        self.setAccessibleDescription(_words(curves))

    def _dress(self, name: str) -> None:
        style = _STYLES.get(name, _OTHER)
        colour = self._colours.curves[style.colour]
        item = self._scores[name]
        item.setPen(pg.mkPen(colour, width=1.5, style=style.line))
        item.setSymbol(style.symbol)
        item.setSymbolBrush(colour)
        item.setSymbolPen(None)

    def _title(self) -> None:
        """Name the curves where they are more than one."""
        styles = [_STYLES.get(name, _OTHER) for name in self._scores]
        colours = self._colours.curves
        text = " &nbsp; ".join(f'<span style="color:{colours[s.colour]}">{s.sign}</span> {s.words}' for s in styles)
        self.score.setTitle(text or None, color=self._colours.text, size="8pt")


def _plot(label: str, height: int, **options: Any) -> Any:
    plot = pg.PlotWidget(enableMenu=False, **options)
    # Pyqtgraph makes it without a parent, so that it would outlive the plot.
    menu = plot.getPlotItem().ctrlMenu
    menu.setParent(plot, menu.windowFlags())
    plot.setFixedHeight(height)
    plot.setLabel("left", label)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.getPlotItem().getViewBox().setDefaultPadding(_PADDING)
    # The wheel is for the panel.
    plot.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.setMinimumWidth(80)
    plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    plot.getPlotItem().setContentsMargins(0, 0, 0, _BOTTOM)
    plot.getAxis("left").setWidth(_AXIS_WIDTH)
    plot.getAxis("left").enableAutoSIPrefix(False)
    plot.getAxis("bottom").enableAutoSIPrefix(False)
    return plot


class _LogAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis of decimal logarithms that is marked with the numbers themselves, also within one decade."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802
        """Return where the marks are: as many as there is room for their words."""
        return [(1.0, log_ticks(low, high, (high - low) * _TICK_HEIGHT / max(size, 1.0)))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return what they say."""
        del scale, spacing
        return [f"{10**value:.2g}" for value in values]


def smooth(values: list[float]) -> list[float]:
    """Return a running mean, over about a tenth of the numbers at the end of them all."""
    smoothed: list[float] = []
    for i, value in enumerate(values):
        before = smoothed[-1] if smoothed else value
        smoothed.append(before + (value - before) / (1 + i / 10))
    return smoothed


def log_ticks(low: float, high: float, apart: float = 0.0) -> list[float]:
    """Return logarithms of round numbers between two logarithms, none nearer to the next than `apart`."""
    decades = range(floor(low), ceil(high) + 1)
    ticks: list[float] = []
    for mantissas in ((1,), (1, 3), (1, 2, 5), range(1, 10), [n / 10 for n in range(10, 100)]):
        ticks = [t for d in decades for m in mantissas if low <= (t := d + log10(m)) <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    kept: list[float] = []
    for tick in ticks:
        if not kept or tick - kept[-1] >= apart:
            kept.append(tick)
    return kept


def _best_points(curves: Curves) -> list[tuple[int, float]]:
    """Return where each curve was when the best model was saved."""
    if curves.best is None:
        return []
    step = curves.best[1]
    return [(step, c.values[c.steps.index(step)]) for c in curves.scores.values() if step in c.steps]


def _words(curves: Curves) -> str:
    def last(curve: Curve) -> str:
        return f"{curve.values[-1]:.4g}" if curve.values else "none yet"

    return ", ".join([f"loss {last(curves.loss)}", *(f"{name} {last(c)} dB" for name, c in curves.scores.items())])
