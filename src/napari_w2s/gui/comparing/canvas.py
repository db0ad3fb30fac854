"""What the comparison uses of napari's canvas, by its public names, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_w2s.data.units import canonical_unit

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

CONTRAST_TEXT = "w2s_comparison_contrast"
"""Name of the overlay that says in each tile what its contrast is."""

Edge = npt.NDArray[np.float64]

_MARGIN = 0.95
_TITLE_SIZE = 9
_SMALL_SIZE = 8


def grid_of(viewer: ViewerModel) -> Any:
    """Return the model of the grid mode."""
    return viewer.canvas.grid


def camera_of(viewer: ViewerModel) -> Any:
    """Return the model of the camera, which all cells of the grid share."""
    return viewer.scene.camera


def title_layer(layer: Layer, *, position: str = "top_left", size: int = _TITLE_SIZE, visible: bool = True) -> None:
    """Write a layer's name into the cell that it is shown in."""
    overlay = title_of(layer)
    for name, value in (("position", position), ("font_size", size), ("visible", visible)):
        if overlay is not None and getattr(overlay, name) != value:
            setattr(overlay, name, value)


def title_of(layer: Layer) -> Any:
    """Return the overlay that writes a layer's name into its cell; None for a layer without one."""
    return getattr(layer, "name_overlay", None)


def note_in_tiles(viewer: ViewerModel, text: str, size: int = _SMALL_SIZE) -> None:
    """Write a text into the bottom of every cell, in letters of so many points; an empty one takes it away."""
    from napari.components.overlays import TextOverlay

    overlays = viewer.canvas.overlays
    if CONTRAST_TEXT not in overlays:
        if not text:
            return
        overlays[CONTRAST_TEXT] = TextOverlay(position="bottom_left", font_size=_SMALL_SIZE, gridded=True)
    overlay = overlays[CONTRAST_TEXT]
    overlay.text = text
    overlay.font_size = size
    overlay.visible = bool(text)


def note_of(viewer: ViewerModel) -> Any:
    """Return the overlay in the bottom of every cell; None if there is none."""
    return viewer.canvas.overlays.get(CONTRAST_TEXT)


def forget_note(viewer: ViewerModel) -> None:
    """Take the text out of the cells for good."""
    overlays = viewer.canvas.overlays
    if CONTRAST_TEXT in overlays:
        overlays[CONTRAST_TEXT].visible = False
        del overlays[CONTRAST_TEXT]


def fit(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Move the camera so that all of these layers can be seen in cells of the present size.

    Napari's own `fit_to_view` fails for flat layers among stacks.
    """
    boxes = [world_edges(viewer, layer) for layer in layers]
    if not boxes:
        return
    low, high = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    camera = camera_of(viewer)
    camera.center = (camera.center[0], *(float(v) for v in (low + high) / 2))
    sizes = [n for n in zip(cell_size(viewer), high - low, strict=True) if n[1] > 0]
    if sizes:
        camera.zoom = _MARGIN * min(float(pixels / length) for pixels, length in sizes)


def world_edges(viewer: ViewerModel, layer: Layer) -> tuple[Edge, Edge]:
    """Return the outer corners of a layer's frame in the viewer's world: (top, left) and (bottom, right)."""
    low, high = (np.asarray(edge, float)[-2:] for edge in layer.extent.world)
    half = np.abs(np.asarray(layer.scale, float)[-2:]) / 2
    units = viewer.layers.units
    factors = np.ones(2)
    if units is not None:
        pairs = zip(layer.units[-2:], units[-2:], strict=True)
        factors = np.array([canonical_unit(own)[1] / canonical_unit(shared)[1] for own, shared in pairs])
    return (low - half) * factors, (high + half) * factors


@contextmanager
def same_view(viewer: ViewerModel) -> Iterator[None]:
    """Change the lay-out and show as much of the world in larger cells as before in smaller ones, and the reverse."""
    before = cell_size(viewer)
    yield
    after = cell_size(viewer)
    ratios = [now / max(was, 1e-9) for now, was in zip(after, before, strict=True)]
    ratio = min(ratios) if min(ratios) >= 1 else max(ratios)
    if ratio > 0 and abs(ratio - 1) > 1e-3:
        camera_of(viewer).zoom *= ratio


def cell_size(viewer: ViewerModel) -> tuple[float, float]:
    """Return height and width of a cell of the grid, or of the canvas without it, in pixels."""
    rows, columns = grid_of(viewer).actual_shape(viewer.layers)
    height, width = viewer.canvas.size
    return float(height) / max(1, int(rows)), float(width) / max(1, int(columns))


def visible_area(viewer: ViewerModel) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the corners (y, x) of what a cell of the grid shows of the world."""
    camera = camera_of(viewer)
    zoom = max(float(camera.zoom), 1e-12)
    half = tuple(size / zoom / 2 for size in cell_size(viewer))
    y, x = (float(v) for v in camera.center[-2:])
    return (y - half[0], x - half[1]), (y + half[0], x + half[1])


def cell_width(viewer: ViewerModel) -> float:
    """Return the width of a cell of the grid in pixels of the canvas."""
    return cell_size(viewer)[1]
