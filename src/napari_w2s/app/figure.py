"""A figure that compares images side by side, whole and enlarged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, OutputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 4.2
_SCALE_BARS_UM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One image of a figure.

    Attributes
    ----------
    pixels : numpy.ndarray, (H, W)
        Shown from its 0.1th to its 99.9th percentile; all panels cover the same area.
    title : str
        What it is.
    note : str
        A second line, e.g. its PSNR.
    """

    pixels: npt.NDArray[Any]
    title: str
    note: str = ""


def save_comparison(
    panels: Sequence[Panel],
    path: str | Path,
    *,
    width_um: float,
    title: str = "",
    footnote: str = "",
    enlarge: tuple[float, float, float] = (0.5, 0.5, 0.22),
) -> Path:
    """Draw panels in a row, each whole and below it a part of it enlarged, and save them as PNG.

    Parameters
    ----------
    panels : sequence of Panel
    path : str or Path
        Its folder is made if it is not there. A file of that name is replaced.
    width_um : float
        Width of the area that the panels show, in µm.
    title, footnote : str
        Words above and below.
    enlarge : tuple of float
        Centre (y, x) and edge of the enlarged square, as shares of the area.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is no panel.
    OutputError
        If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not panels:
        raise InputError("There is nothing to compare: no image was given.")
    path = Path(path)
    figure = Figure(figsize=(_WIDTH * len(panels), 2 * _WIDTH + 1.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(panels), squeeze=False)
    for panel, (whole, part) in zip(panels, axes.T, strict=True):
        _draw(panel, whole, part, width_um, enlarge)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    if footnote:
        figure.supxlabel(footnote, fontsize=9)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(figure, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Choose another folder.") from error
    return path


def _save(figure: Figure, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        figure.savefig(temporary, format="png")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _draw(panel: Panel, whole: Axes, part: Axes, width_um: float, enlarge: tuple[float, float, float]) -> None:
    from matplotlib.patches import Rectangle

    height, width = panel.pixels.shape
    finite = panel.pixels[np.isfinite(panel.pixels)]
    low, high = np.percentile(finite, [0.1, 99.9]) if finite.size else (0.0, 1.0)
    y, x, edge = enlarge
    for axes in (whole, part):
        extent = (0.0, width_um, width_um * height / width, 0.0)
        axes.imshow(
            panel.pixels, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=extent, interpolation="nearest"
        )
        axes.set_axis_off()
    whole.set_title(f"{panel.title}\n{panel.note}", fontsize=11)
    left, top, side = (x - edge / 2) * width_um, (y - edge / 2) * width_um * height / width, edge * width_um
    whole.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor="white", linewidth=1.2))
    part.set_xlim(left, left + side)
    part.set_ylim(top + side, top)
    _scale_bar(whole, 0.0, width_um * height / width, width_um)
    _scale_bar(part, left, top + side, side)


def _scale_bar(axes: Axes, left: float, bottom: float, width: float) -> None:
    """Draw a bar of a round length, about a fifth of the width, into the lower left corner."""
    length = min(_SCALE_BARS_UM, key=lambda bar: abs(bar - width / 5))
    x, y = left + 0.05 * width, bottom - 0.05 * width
    axes.plot([x, x + length], [y, y], color="white", linewidth=4, solid_capstyle="butt")
    axes.text(x + length / 2, y - 0.02 * width, f"{length:g} µm", color="white", ha="center", va="bottom", fontsize=9)
