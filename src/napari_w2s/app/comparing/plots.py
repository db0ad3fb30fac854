"""Plots of a comparison for a paper: line profiles, power spectra, and the averaging curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_w2s._types import InputError
from napari_w2s.app.comparing.curves import Profile, Spectrum
from napari_w2s.app.comparing.numbers import Numbers
from napari_w2s.app.comparing.worth import AveragingCurve, worth_text
from napari_w2s.app.figure_scale import bar_label
from napari_w2s.app.figure_text import POINTS, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (3.4, 2.6)
_FONT, _LEGEND = 7.0, 6.2
_LINE = 1.7
_HANDLE, _MARGIN = 0.4, 0.2
# The palette of M. Okabe and K. Ito, which people of any colour vision can tell apart; beyond it the dashes differ.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
_UNITS = {"um": "µm", "pixel": "px"}


def draw_profiles(profiles: Sequence[Profile], *, normalised: bool = False) -> Figure:
    """Plot the intensities of all tiles along a line; the legend has the width of the highest peak.

    Parameters
    ----------
    profiles : sequence of Profile
        At least one.
    normalised : bool
        Say that each curve has a range of its own.
    """
    figure, axes = _plot(len(profiles))
    for index, one in enumerate(profiles):
        width = "" if one.width is None else f", FWHM {_length(one.width, one.unit)}"
        axes.plot(one.distance, one.values, label=_plain(one.title + width), **_style(index))
    axes.set_xlabel(f"Distance ({_UNITS[profiles[0].unit]})", fontsize=_FONT)
    axes.set_ylabel("Intensity, each from 0 to 1" if normalised else "Intensity", fontsize=_FONT)
    axes.margins(x=0)
    _legend(figure, axes)
    return figure


def draw_spectra(spectra: Sequence[Spectrum]) -> Figure:
    """Plot the radially averaged power of all tiles; where noise begins the curves turn flat.

    Parameters
    ----------
    spectra : sequence of Spectrum
        At least one.
    """
    figure, axes = _plot(len(spectra))
    for index, one in enumerate(spectra):
        axes.semilogy(one.frequency, one.power, label=_plain(one.title), **_style(index))
    axes.set_xlabel(f"Spatial frequency (cycles per {_UNITS[spectra[0].unit]})", fontsize=_FONT)
    axes.set_ylabel("Power, relative to the lowest frequency", fontsize=_FONT)
    axes.margins(x=0)
    _legend(figure, axes)
    return figure


def draw_worth(numbers: Numbers) -> Figure:
    """Plot the averaging curve, and on it what each tile is worth.

    Raises
    ------
    InputError
        If there is no curve: then no burst was compared, nor two averaging levels and avg400.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    curve = numbers.curve
    if curve is None:
        raise InputError(
            "There is no averaging curve without avg400 and two other levels, or a burst. Add them to the comparison."
        )
    figure, axes = _plot(1)
    frames, errors = np.asarray(curve.frames, float), np.asarray(curve.errors, float)
    measured = frames <= curve.measured
    axes.loglog(
        frames[measured], errors[measured], "o-", color="black", markersize=3, linewidth=1.0, label="mean of N frames"
    )
    if not measured.all():
        beyond = frames >= curve.measured
        axes.loglog(frames[beyond], errors[beyond], ":", color="black", linewidth=1.0, label="expected beyond")
    shown = [tile for tile in numbers.tiles if tile.worth is not None and not tile.is_reference]
    for index, tile in enumerate(shown):
        assert tile.worth is not None
        at = float(np.clip(tile.worth, frames[0], frames[-1]))
        label = f"{tile.title}: {worth_text(curve, tile.worth)}"
        style = _style(index)
        axes.plot([at], [_error_at(curve, at)], "D", color=style["color"], markersize=5, label=_plain(label))
    axes.set_xlabel("Frames averaged", fontsize=_FONT)
    axes.set_ylabel("Error after an affine match (RMS)", fontsize=_FONT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    _legend(figure, axes)
    return figure


def _plot(curves: int) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    if not curves:
        raise InputError("There is nothing to plot: no image has such a curve.")
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.tick_params(which="both", labelsize=_FONT, width=0.6)
    for side, spine in axes.spines.items():
        spine.set_linewidth(0.6)
        spine.set_visible(side in ("left", "bottom"))
    return figure, axes


def _style(index: int) -> dict[str, Any]:
    dashes = _DASHES[index // len(_COLOURS) % len(_DASHES)]
    return {"color": _COLOURS[index % len(_COLOURS)], "linestyle": dashes, "linewidth": 1.0}


def _legend(figure: Figure, axes: Axes) -> None:
    """Add a legend at the right, and make the figure wider by as much."""
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside right upper", fontsize=_LEGEND, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    wide, high = _SIZE
    words = max(text_width(label, _LEGEND) for label in labels)
    figure.set_size_inches(wide + words + _HANDLE, max(high, _MARGIN + len(labels) * _LEGEND * _LINE / POINTS))


def _plain(label: str) -> str:
    """Keep a label whose first letter would hide it from the legend."""
    return f"\N{ZERO WIDTH SPACE}{label}" if label.startswith("_") else label


def _length(length: float, unit: str) -> str:
    return bar_label(length) if unit == "um" else f"{length:.3g} px"


def _error_at(curve: AveragingCurve, frames: float) -> float:
    logs = np.log(np.asarray(curve.frames, float)), np.log(np.asarray(curve.errors, float))
    return math.exp(float(np.interp(math.log(frames), *logs)))
