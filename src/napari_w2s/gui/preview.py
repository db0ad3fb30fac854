"""The part of a layer that is on screen: what a preview restores, and where its result lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from napari_w2s._types import InputError
from napari_w2s.data.image import Image

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Layer

MAX_PIXELS = 512 * 512
"""A preview restores at most this many pixels, the middle of what is visible, so that it is there within seconds."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of one frame, in pixels of the layer.

    Attributes
    ----------
    index : tuple of int
        The frame: one index for each axis but the last two.
    rows, columns : slice
        The part that is shown.
    halo_rows, halo_columns : slice
        The part with the surroundings that its restoration depends on.
    limited : bool
        True if more is visible than is shown.
    """

    index: tuple[int, ...]
    rows: slice
    columns: slice
    halo_rows: slice
    halo_columns: slice
    limited: bool = False

    @property
    def origin(self) -> tuple[int, ...]:
        """First pixel of the shown part, one number per axis of the layer."""
        return (*self.index, self.rows.start, self.columns.start)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the shown part in pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def trim(self, factor: int) -> tuple[slice, slice]:
        """Return where the shown part lies in the restoration of the part with the halo."""
        return (
            slice((self.rows.start - self.halo_rows.start) * factor, (self.rows.stop - self.halo_rows.start) * factor),
            slice(
                (self.columns.start - self.halo_columns.start) * factor,
                (self.columns.stop - self.halo_columns.start) * factor,
            ),
        )


def visible_window(layer: Layer, dims: Dims, shape: Sequence[int], halo: int) -> Window:
    """Find the part of a layer that is on screen.

    Parameters
    ----------
    layer : napari.layers.Image
    dims : napari.components.Dims
        Of the viewer.
    shape : sequence of int
        Of the layer's pixels at full resolution.
    halo : int
        Pixels around the part that its restoration depends on.

    Raises
    ------
    InputError
        If the view shows other axes than the layer's last two.
    """
    ndim = len(shape)
    displayed = tuple(axis - (dims.ndim - ndim) for axis in dims.displayed)
    if sorted(displayed) != [ndim - 2, ndim - 1]:
        raise InputError(
            f"A preview needs the flat view of the last two axes of {layer.name}. "
            "Switch the viewer to 2D, or press Restore."
        )
    # Of a multiscale layer, the corners are in pixels of the level that is drawn.
    level = layer.data_level if layer.multiscale else 0
    zoom = np.array(layer.downsample_factors[level], float) if layer.multiscale else np.ones(ndim)
    corners = np.asarray(layer.corner_pixels, float)
    starts = np.floor(corners[0] * zoom).astype(int)
    stops = np.ceil((corners[1] + 1) * zoom).astype(int)
    position = layer.world_to_data(np.asarray(dims.point, float)[-ndim:])
    index = tuple(int(np.clip(round(float(p)), 0, n - 1)) for p, n in zip(position[:-2], shape[:-2], strict=True))
    spans = [_clip(int(a), int(b), n) for a, b, n in zip(starts[-2:], stops[-2:], shape[-2:], strict=True)]
    rows, columns = limit(spans[0], spans[1], MAX_PIXELS)
    limited = [rows, columns] != spans
    return Window(index, rows, columns, _widen(rows, halo, shape[-2]), _widen(columns, halo, shape[-1]), limited)


def _clip(start: int, stop: int, size: int) -> slice:
    start, stop = max(0, min(start, size)), max(0, min(stop, size))
    # A window that was never drawn has no corners yet: all counts as visible then.
    return slice(start, stop) if stop - start > 1 else slice(0, size)


def _widen(part: slice, halo: int, size: int) -> slice:
    return slice(max(0, part.start - halo), min(size, part.stop + halo))


def limit(rows: slice, columns: slice, pixels: int) -> tuple[slice, slice]:
    """Return the middle of a part, no larger than so many pixels and as near to a square as the part allows."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height * width <= pixels:
        return rows, columns
    edge = int(sqrt(pixels))
    height, width = min(height, max(edge, pixels // width)), min(width, max(edge, pixels // height))
    return _middle(rows, height), _middle(columns, width)


def _middle(part: slice, size: int) -> slice:
    start = part.start + (part.stop - part.start - size) // 2
    return slice(start, start + size)


def crop(image: Image, window: Window) -> Image:
    """Cut the part with its halo out of an image; the leading axes stay, each of length 1. Reads nothing yet."""
    where = (*(slice(i, i + 1) for i in window.index), window.halo_rows, window.halo_columns)
    corner = (*window.index, window.halo_rows.start, window.halo_columns.start)
    translate = tuple(t + s * c for t, s, c in zip(image.translate, image.scale, corner, strict=True))
    return image.replace(data=image.data[where], translate=translate)
