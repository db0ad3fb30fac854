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

Rect = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the canvas."""

_MARGIN = 0.95
_TITLE_SIZE = 9
_SMALL_SIZE = 8


def grid_of(viewer: ViewerModel) -> Any:
    """Return the model of the grid mode."""
    return viewer.canvas.grid


def camera_of(viewer: ViewerModel) -> Any:
    """Return the model of the camera, which all cells of the grid share."""
    return viewer.scene.camera


def title_layer(
    layer: Layer, *, position: str = "top_left", size: int = _TITLE_SIZE, visible: bool | None = True
) -> None:
    """Write a layer's name into the cell that it is shown in; with None it stays as visible as it is."""
    overlay = title_of(layer)
    for name, value in (("position", position), ("font_size", size), ("visible", visible)):
        if overlay is not None and value is not None and getattr(overlay, name) != value:
            setattr(overlay, name, value)


def title_of(layer: Layer) -> Any:
    """Return the overlay that writes a layer's name into its cell; None for a layer without one."""
    return getattr(layer, "name_overlay", None)


def note_in_tiles(viewer: ViewerModel, text: str, size: int = _SMALL_SIZE) -> None:
    """Set the text in the bottom of every cell, in letters of so many points; an empty one takes it away."""
    from napari.components.overlays import TextOverlay

    overlays = viewer.canvas.overlays
    if CONTRAST_TEXT not in overlays:
        if not text:
            return
        overlays[CONTRAST_TEXT] = TextOverlay(position="bottom_left", font_size=_SMALL_SIZE, gridded=True)
    overlay = overlays[CONTRAST_TEXT]
    overlay.text = text
    overlay.font_size = size
    if not text:
        overlay.visible = False


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


def cell_of(viewer: ViewerModel, layer: Layer) -> Rect | None:
    """Return the cell of the grid that a layer is shown in; None for a layer that is not shown in any."""
    grid, layers = grid_of(viewer), viewer.layers
    if not grid.enabled or not layer.visible or all(layer is not other for other in layers):
        return None
    row, column = grid.position(layers.index(layer), layers)
    rows, columns = grid.actual_shape(layers)
    height, width = viewer.canvas.size
    gap = grid.spacing if grid.spacing >= 1 else grid.spacing * (width / columns + height / rows) / 2
    across, down = (width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows
    return column * (across + gap), row * (down + gap), across, down


def text_padding(viewer: ViewerModel) -> tuple[float, float]:
    """Return how far texts stand from the edges of their cells, along x and y, in pixels of the canvas."""
    x, y = viewer.canvas.overlay_tiling.padding
    return float(x), float(y)


def text_colours(viewer: ViewerModel) -> tuple[str, str]:
    """Return the colours of a text and of the box around it, as Qt's style sheets take them."""
    paper = np.asarray(viewer.canvas.background_color, float)[:3]
    ink = np.clip(0.5 + 1.2 * (0.5 - paper), 0, 1)
    (r, g, b), (red, green, blue) = (np.rint(255 * one).astype(int) for one in (ink, paper))
    return f"rgb({r}, {g}, {b})", f"rgba({red}, {green}, {blue}, 80%)"
