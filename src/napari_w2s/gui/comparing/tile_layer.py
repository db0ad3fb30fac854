"""One tile: a layer that shows what another shows, and keeps doing so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from napari_w2s.gui import bridge

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

FRAME = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Attributes of a layer that say where it lies."""

_FLAT_FRAME = ("scale", "translate", "units")


def make_tile(source: ImageLayer, pixels: npt.NDArray[Any] | None = None) -> ImageLayer:
    """Return a new layer that shows the pixels of another: the same array, the same place, the same look.

    Parameters
    ----------
    source : napari.layers.Image
    pixels : numpy.ndarray, (H, W), optional
        What to show in its place.
    """
    from napari.layers import Image as ImageLayer

    flat = pixels is not None
    frame = {name: getattr(source, name) for name in FRAME}
    if flat:
        frame = {name: frame[name][-2:] for name in _FLAT_FRAME}
    return ImageLayer(
        pixels if flat else pixels_of(source),
        name=source.name,
        multiscale=source.multiscale and not flat,
        rgb=False,
        axis_labels=source.axis_labels[-2:] if flat else source.axis_labels,
        blending="translucent",
        colormap=source.colormap,
        contrast_limits=tuple(source.contrast_limits),
        gamma=source.gamma,
        interpolation2d=source.interpolation2d,
        metadata={bridge.PREVIEW_KEY: "comparison"},
        **frame,
    )


def pixels_of(source: ImageLayer) -> Any:
    """Return what to give a new layer as its data."""
    levels = source.data
    return [levels[i] for i in range(len(levels))] if source.multiscale else levels


def follow_frame(tile: ImageLayer, source: ImageLayer) -> None:
    """Put a tile where its source lies."""
    for name in FRAME:
        setattr(tile, name, getattr(source, name))


def place_tile(tile: ImageLayer, scale: tuple[float, float], origin: tuple[float, float], unit: str) -> None:
    """Put a tile somewhere else along y and x."""
    tile.units = (*tile.units[:-2], unit, unit)
    tile.scale = (*tile.scale[:-2], *scale)
    tile.translate = (*tile.translate[:-2], *origin)


class SourceWatch:
    """Keeps an eye on the pixels and the place of layers.

    Parameters
    ----------
    on_data, on_place, on_refresh : callable
        Get a layer that has other pixels, lies somewhere else, or was drawn anew.
    """

    def __init__(
        self,
        on_data: Callable[[ImageLayer], None],
        on_place: Callable[[ImageLayer], None],
        on_refresh: Callable[[ImageLayer], None],
    ) -> None:
        self._on_data, self._on_place, self._on_refresh = on_data, on_place, on_refresh

    def follow(self, source: ImageLayer) -> None:
        """Begin to watch a layer."""
        source.events.data.connect(self._data)
        source.events.set_data.connect(self._set_data)
        for name in FRAME:
            getattr(source.events, name).connect(self._frame)

    def leave(self, source: ImageLayer) -> None:
        """Watch it no longer."""
        source.events.data.disconnect(self._data)
        source.events.set_data.disconnect(self._set_data)
        for name in FRAME:
            getattr(source.events, name).disconnect(self._frame)

    def _data(self, event: Any) -> None:
        self._on_data(event.source)

    def _set_data(self, event: Any) -> None:
        self._on_refresh(event.source)

    def _frame(self, event: Any) -> None:
        self._on_place(event.source)
