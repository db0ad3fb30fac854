"""What is compared: images of one place as tiles, the reference among them, and the part that numbers are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from napari_w2s._types import InputError, Level
from napari_w2s.data.image import Image


class Contrast(StrEnum):
    """How the display range of a tile is found. Numbers do not depend on it."""

    SHARED = "shared"
    """One range for all tiles."""
    PER_TILE = "per tile"
    """From each tile's own pixels."""
    MATCHED = "matched"
    """The reference's range, seen through the affine least-squares fit of each tile to the reference."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One image of a comparison.

    Attributes
    ----------
    key : str
        Identity: that of a layer, or a path. Never a name.
    image : Image
        Of any number of axes; the last two are y and x.
    title : str
        For a person.
    """

    key: str
    image: Image
    title: str

    @property
    def level(self) -> Level | None:
        """Averaging level of the benchmark, where it is known and this is no restoration."""
        name = None if self.restoration else self.image.w2s.get("level")
        return Level(name) if name in set(Level) else None

    @property
    def restoration(self) -> Mapping[str, Any]:
        """Where a restoration comes from; empty for an image that was acquired."""
        known = self.image.w2s.get("restoration")
        return known if isinstance(known, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in world coordinates, in the unit of the tiles (µm, or pixels where no size is known).

    Attributes
    ----------
    top, left, bottom, right : float
        Outer edges: half a pixel beyond the centres of the outermost pixels.
    """

    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        if not (self.bottom > self.top and self.right > self.left):
            raise InputError("The box has no area. Draw it anew.")

    @property
    def area(self) -> float:
        """In the square of its unit."""
        return (self.bottom - self.top) * (self.right - self.left)

    def shared(self, other: Box) -> Box | None:
        """Return what two boxes have in common; None if there is no such area."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Box(top, left, bottom, right) if bottom > top and right > left else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Images of one place, side by side.

    Attributes
    ----------
    tiles : tuple of Tile
        In the order of the view, with different keys.
    reference : str or None
        Key of the tile that the others are measured against; None measures without one.
    position : tuple of float
        World coordinates of the frame that is shown along the axes before y and x. As in napari, they are counted from
        the last axis; a tile with less axes has the same frame everywhere.
    box : Box or None
        The part that numbers are of; None is the whole image.
    contrast : Contrast
    data_range : float or None
        The greatest possible difference of intensities, for PSNR and SSIM; None takes that of the reference.
    averages : tuple of Tile
        Images that are not shown, of the place that the tiles show: other averaging levels, or a burst of frames. The
        averaging curve is made of them and of the tiles.
    """

    tiles: tuple[Tile, ...]
    reference: str | None = None
    position: tuple[float, ...] = ()
    box: Box | None = None
    contrast: Contrast = Contrast.SHARED
    data_range: float | None = None
    averages: tuple[Tile, ...] = ()

    def __post_init__(self) -> None:
        keys = [tile.key for tile in self.tiles]
        if len(set(keys)) != len(keys):
            raise InputError("An image stands twice in the comparison. Give each once.")
        if self.reference is not None and self.reference not in keys:
            raise InputError("The reference is not among the compared images. Choose one of them.")
        if self.data_range is not None and not 0 < self.data_range < float("inf"):
            raise InputError(f"The data range must be a positive number; got {self.data_range:g}.")

    def tile(self, key: str) -> Tile:
        """Return the tile of a key; a KeyError names one that is not there."""
        return {tile.key: tile for tile in self.tiles}[key]

    def replace(self, **changes: Any) -> Comparison:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)
