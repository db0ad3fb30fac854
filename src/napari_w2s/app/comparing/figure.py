"""A comparison as a figure for a paper: the tiles with their titles and numbers, and what these rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_w2s._types import InputError, Level, StopFn
from napari_w2s.app.comparing.comparison import Box, Comparison, Tile
from napari_w2s.app.comparing.contrast import label, limits
from napari_w2s.app.comparing.numbers import Numbers
from napari_w2s.app.comparing.place import is_estimate, place_of
from napari_w2s.app.comparing.planes import Plane, readable_planes
from napari_w2s.app.comparing.table import short_text
from napari_w2s.app.figure import Panel, draw_panels
from napari_w2s.app.figure_layout import Zoom
from napari_w2s.app.figure_text import HARD_SPACE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_comparison(
    comparison: Comparison,
    numbers: Numbers | None = None,
    *,
    enlarge: Box | None = None,
    zoom: Zoom = Zoom.AUTO,
    colours: bool = False,
    heading: str | None = None,
    stop: StopFn | None = None,
) -> Figure:
    """Draw a comparison: every tile with its own pixels, on the area that all have in common.

    Tiles that cannot be shown are named below the others, with the reason.

    Parameters
    ----------
    comparison : Comparison
    numbers : Numbers, optional
        What `napari_w2s.app.comparing.numbers.measure` found; without them the figure has titles only.
    enlarge : Box, optional
        The part that is outlined and shown enlarged; by default the comparison's box.
    zoom : Zoom
        Where it is shown.
    colours : bool
        Show each tile in the colours of its layer, not in grey.
    heading : str, optional
        By default the field of view and channel, where all tiles share them.
    stop : callable, optional

    Returns
    -------
    matplotlib.figure.Figure
        For `napari_w2s.app.figure_file.save_figure`.

    Raises
    ------
    InputError
        If there is no tile that can be shown, or the part lies outside of what the tiles have in common.
    Cancelled
        If `stop` returned True.
    """
    if not comparison.tiles:
        raise InputError("There is nothing to compare: no image was given.")
    shown, problems = readable_planes(comparison, stop=stop)
    if not shown:
        raise InputError(next(iter(problems.values())))
    area, apart = _area(comparison, shown)
    shown = {key: one for key, one in shown.items() if key not in apart}
    problems = {**problems, **apart}
    part = _part(enlarge or comparison.box, area)
    ranges = limits(comparison, planes=shown, stop=stop)
    common, own = _contrasts(comparison, shown)
    panels = [
        Panel(
            pixels=shown[tile.key].pixels,
            place=shown[tile.key].box,
            title=tile.title,
            lines=(*_lines(tile, comparison, numbers), *own.get(tile.key, ())),
            limits=ranges[tile.key],
            colormap=tile.image.colormap if colours else None,
        )
        for tile in comparison.tiles
        if tile.key in shown
    ]
    unit = next(iter(shown.values())).unit
    return draw_panels(
        panels,
        area=area,
        unit=unit,
        enlarge=part,
        zoom=zoom,
        heading=_heading(comparison) if heading is None else heading,
        notes=" ".join([*_notes(comparison, numbers, common, shown, area), *problems.values()]),
    )


def _area(comparison: Comparison, shown: Mapping[str, Plane]) -> tuple[Box, Mapping[str, str]]:
    """Return what tiles have in common, the reference or else the first one among them, and those that lie apart."""
    first = comparison.reference if comparison.reference in shown else next(iter(shown))
    area, apart = shown[str(first)].box, {}
    for key, one in shown.items():
        common = area.shared(one.box)
        if common is None:
            apart[key] = f"{comparison.tile(key).title} has no area in common with the others."
        else:
            area = common
    return area, apart


def _part(wanted: Box | None, area: Box) -> Box | None:
    """Return what is enlarged: none if it is the whole area."""
    if wanted is None:
        return None
    part = wanted.shared(area)
    if part is None:
        raise InputError("The box lies outside of the images. Draw it anew.")
    return None if part == area else part


def _lines(tile: Tile, comparison: Comparison, numbers: Numbers | None) -> list[str]:
    if numbers is None:
        return ["reference"] if tile.key == comparison.reference else []
    columns: tuple[str, ...]
    if numbers.reference is None:
        columns = ("frc", "noise", "worth")
    else:
        matched = "" if numbers.of(tile.key).shares_scale else "_matched"
        columns = (f"psnr{matched}", f"ssim{matched}", "worth", "frc")
    if tile.restoration or tile.level is Level.SIM:
        # FRC of an image that no camera took says where its spectrum ends, not what is resolved.
        columns = tuple(name for name in columns if name != "frc")
    text = short_text(numbers, tile.key, columns)
    return [_unbroken(text)] if text else []


def _unbroken(text: str) -> str:
    """Let a line break between numbers only."""
    return " · ".join(part.replace(" ", HARD_SPACE) for part in text.split(" · "))


def _contrasts(comparison: Comparison, shown: Mapping[str, Plane]) -> tuple[str, Mapping[str, tuple[str, ...]]]:
    """Return what the display range of most tiles is, and by key that of the others."""
    labels = {key: label(comparison, key) for key in shown}
    others = {key: text for key, text in labels.items() if key != comparison.reference} or labels
    common = Counter(others.values()).most_common(1)[0][0]
    return common, {key: (text,) for key, text in others.items() if text != common}


def _heading(comparison: Comparison) -> str:
    places = {place_of(tile.image, comparison.position) for tile in comparison.tiles}
    place = places.pop()
    return "" if places or place is None else f"Field of view {place.fov:03d}, channel {place.channel}"


def _notes(
    comparison: Comparison, numbers: Numbers | None, contrast: str, shown: Mapping[str, Plane], area: Box
) -> list[str]:
    images = [tile.image for tile in comparison.tiles if tile.key in shown]
    parts = [one.cut(area) for one in shown.values()]
    notes = [] if numbers is None else [numbers.caption()]
    if numbers is not None and numbers.reference is not None and not all(tile.shares_scale for tile in numbers.tiles):
        notes.append("matched: after an affine least-squares fit of the intensities to the reference's")
    if numbers is not None and numbers.curve is not None:
        notes.append("worth N frames: as close to the mean of all frames as the mean of N")
    if len(images) > 1:
        notes.append(contrast)
    if any(is_estimate(image) for image in images):
        notes.append("an estimate shows more than was measured")
    if any(image.w2s.get("pixel_size_assumed") and image.units[-1] == "um" for image in images):
        notes.append("the pixel size is assumed")
    if any(part is not None and not np.isfinite(part.pixels).all() for part in parts):
        notes.append("blue-grey: no value")
    return [f"{note[:1].upper()}{note[1:]}." for note in notes]
