"""A figure that shows images of one place side by side, with titles, numbers, a scale bar and an enlarged part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.figure_colours import colour_map, display_range
from napari_w2s.app.figure_layout import LINE, Layout, Lines, Place, Zoom, lay_out
from napari_w2s.app.figure_scale import bar_label, bar_length
from napari_w2s.app.figure_text import POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR_FONT = 6.0
_BAR_HEIGHT = 0.022
_BAR_MARGIN = 0.055
_TINY = 1e-12
_SHARE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One image of a figure.

    Attributes
    ----------
    pixels : numpy.ndarray, (H, W)
    place : Box
        Where the pixels lie: their outer edges in world coordinates. It may be more than what the figure shows.
    title : str
        What it is.
    lines : tuple of str
        What stands below it, e.g. its PSNR.
    limits : tuple of float or None
        Display range; by default from the 0.1th to the 99.9th percentile.
    colormap : str or None
        Name of a napari colormap; by default grey.
    """

    pixels: npt.NDArray[Any]
    place: Box
    title: str
    lines: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    colormap: str | None = None


def draw_panels(
    panels: Sequence[Panel],
    *,
    area: Box,
    unit: str | None = None,
    enlarge: Box | None = None,
    zoom: Zoom = Zoom.AUTO,
    heading: str = "",
    notes: str = "",
) -> Figure:
    """Draw panels side by side, in rows where there are many.

    The figure is as wide as two columns of a journal (183 mm), and narrower for one or two panels.

    Parameters
    ----------
    panels : sequence of Panel
    area : Box
        What each of them shows.
    unit : str or None
        ``"um"`` draws scale bars; anything else, where no pixel size is known, draws none.
    enlarge : Box or None
        A part that is outlined and shown enlarged.
    zoom : Zoom
        Where it is shown.
    heading, notes : str
        Words above and below all panels.

    Returns
    -------
    matplotlib.figure.Figure
        For `napari_w2s.app.figure_file.save_figure`.

    Raises
    ------
    InputError
        If there is no panel.
    """
    from matplotlib.figure import Figure

    if not panels:
        raise InputError("There is nothing to compare: no image was given.")
    layout = lay_out(
        [panel.title for panel in panels],
        [panel.lines for panel in panels],
        area=area,
        enlarge=enlarge,
        zoom=zoom,
        heading=heading,
        notes=notes,
    )
    figure = Figure(figsize=(layout.width, layout.height))
    for panel, cell in zip(panels, layout.cells, strict=True):
        _write(figure, layout, cell.title, weight="bold")
        whole = _axes(figure, layout, cell.image)
        _show(whole, panel, area)
        if unit == "um":
            _scale_bar(whole, area, cell.image)
        if enlarge is not None and cell.part is not None:
            _outline(whole, enlarge)
            part = _axes(figure, layout, cell.part)
            _show(part, panel, enlarge)
            _frame(part)
            if unit == "um":
                _scale_bar(part, enlarge, cell.part)
        _write(figure, layout, cell.below)
    _write(figure, layout, layout.heading, weight="bold")
    _write(figure, layout, layout.notes, align="left")
    return figure


def _axes(figure: Figure, layout: Layout, place: Place) -> Axes:
    across, down = layout.width, layout.height
    bottom = 1 - (place.top + place.height) / down
    axes = figure.add_axes((place.left / across, bottom, place.width / across, place.height / down))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _write(figure: Figure, layout: Layout, words: Lines, *, weight: str = "normal", align: str = "center") -> None:
    for index, line in enumerate(words.lines):
        y = words.top + (index + 0.5) * words.size * LINE / POINTS
        figure.text(
            words.x / layout.width,
            1 - y / layout.height,
            line,
            fontsize=words.size,
            fontweight=weight,
            ha=align,
            va="center_baseline",
            parse_math=False,
        )


def _show(axes: Axes, panel: Panel, area: Box) -> None:
    """Show a part of a panel; only the pixels in it go into the figure."""
    pixels, place = _cut(panel.pixels, panel.place, area)
    low, high = display_range(panel.pixels) if panel.limits is None else panel.limits
    axes.imshow(
        np.ma.masked_invalid(pixels),
        cmap=colour_map(panel.colormap),
        vmin=low,
        vmax=max(high, low + _TINY * max(1.0, abs(low))),
        extent=(place.left, place.right, place.bottom, place.top),
        aspect="auto",
    )
    axes.set_xlim(area.left, area.right)
    axes.set_ylim(area.bottom, area.top)


def _cut(pixels: npt.NDArray[Any], place: Box, area: Box) -> tuple[npt.NDArray[Any], Box]:
    """Return the pixels that an area touches, and where they lie."""
    height, width = pixels.shape
    down, across = (place.bottom - place.top) / height, (place.right - place.left) / width
    rows = _touched((area.top - place.top) / down, (area.bottom - place.top) / down, height)
    columns = _touched((area.left - place.left) / across, (area.right - place.left) / across, width)
    part = Box(
        top=place.top + rows.start * down,
        left=place.left + columns.start * across,
        bottom=place.top + rows.stop * down,
        right=place.left + columns.stop * across,
    )
    return pixels[rows, columns], part


def _touched(start: float, stop: float, count: int) -> slice:
    first = min(max(math.floor(start + _SHARE), 0), count - 1)
    return slice(first, min(max(math.ceil(stop - _SHARE), first + 1), count))


def _outline(axes: Axes, box: Box) -> None:
    from matplotlib.patches import Rectangle

    size = (box.right - box.left, box.bottom - box.top)
    for colour, width in (("black", 1.4), ("white", 0.7)):
        axes.add_patch(Rectangle((box.left, box.top), *size, fill=False, edgecolor=colour, linewidth=width))


def _frame(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor("white")
        spine.set_linewidth(0.8)


def _scale_bar(axes: Axes, area: Box, place: Place) -> None:
    """Draw a bar with its length into the lower left corner, white with a black rim."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    length = bar_length(area.right - area.left)
    per_inch = (area.right - area.left) / place.width
    per_inch_down = (area.bottom - area.top) / place.height
    x, y = area.left + _BAR_MARGIN * per_inch, area.bottom - _BAR_MARGIN * per_inch_down
    axes.add_patch(
        Rectangle(
            (x, y),
            length,
            -_BAR_HEIGHT * per_inch_down,
            facecolor="white",
            edgecolor="black",
            linewidth=0.3,
        )
    )
    axes.text(
        x,
        y - (_BAR_HEIGHT + 0.02) * per_inch_down,
        bar_label(length),
        color="white",
        fontsize=_BAR_FONT,
        ha="left",
        va="bottom",
        path_effects=[withStroke(linewidth=1.0, foreground="black")],
    )
