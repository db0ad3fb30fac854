"""Boxes, points and frames given in pixels, as places in the world."""

from __future__ import annotations

from collections.abc import Sequence

from napari_w2s._types import InputError
from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.planes import planes

PixelPoint = tuple[int, int]
"""y and x."""

PixelBox = tuple[int, int, int, int]
"""Top, left, height and width in pixels of the reference, or without one of the first image."""


def world_box(comparison: Comparison, box: PixelBox) -> Box:
    """Return a box given in pixels of the reference, or without one of the first image, in world coordinates.

    Raises
    ------
    InputError
        If it has no area, or does not lie within that image.
    """
    top, left, height, width = box
    if height <= 0 or width <= 0:
        raise InputError(f"The box {_words(box)} has no area. Give top, left, height and width in pixels.")
    tile = comparison.tile(comparison.reference or comparison.tiles[0].key)
    plane = planes(comparison)[tile.key]
    rows, columns = plane.pixels.shape
    if top < 0 or left < 0 or top + height > rows or left + width > columns:
        raise InputError(f"The box {_words(box)} does not lie within {tile.title} ({rows} x {columns} pixels).")
    (down, across), outer = plane.scale, plane.box
    return Box(
        top=outer.top + top * down,
        left=outer.left + left * across,
        bottom=outer.top + (top + height) * down,
        right=outer.left + (left + width) * across,
    )


def world_point(comparison: Comparison, point: PixelPoint) -> tuple[float, float]:
    """Return the world coordinates of the centre of a pixel, of the same image as for `world_box`."""
    plane = planes(comparison)[comparison.reference or comparison.tiles[0].key]
    y, x = (first + index * step for first, index, step in zip(plane.origin, point, plane.scale, strict=True))
    return y, x


def pixel_size(comparison: Comparison) -> float:
    """Return the shorter side of a pixel of that image, in the unit of the world."""
    return min(planes(comparison)[comparison.reference or comparison.tiles[0].key].scale)


def position_of(comparison: Comparison, frame: Sequence[int]) -> tuple[float, ...]:
    """Return the world coordinates of a frame of the tile that has the most axes.

    Raises
    ------
    InputError
        If there is no such frame.
    """
    image = max((tile.image for tile in comparison.tiles), key=lambda image: image.data.ndim)
    lead = image.data.ndim - 2
    if len(frame) > lead:
        raise InputError(f"No image has the {len(frame)} axes before y and x that a frame was given for.")
    places = []
    for axis, index in zip(range(lead - len(frame), lead), frame, strict=True):
        count = image.data.shape[axis]
        if not 0 <= index < count:
            raise InputError(f"{image.name} has the frames 0 to {count - 1} along {image.axes[axis]}, and no {index}.")
        places.append(image.translate[axis] + index * image.scale[axis])
    return tuple(places)


def _words(box: PixelBox) -> str:
    return ",".join(map(str, box))
