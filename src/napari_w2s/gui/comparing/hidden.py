"""The user's layers while they are hidden: napari is made to measure them anew when they get other axes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


def hide_all(viewer: ViewerModel) -> None:
    """Hide all layers of a viewer, and keep what napari knows of them right.

    Napari (0.9) refreshes a layer only while it is shown. A hidden one that gets pixels with more axes keeps the extent
    that it had, over which the viewer raises an IndexError: then, and whenever a layer comes or goes from there on.
    """
    for layer in viewer.layers:
        _mend(layer)
        layer.visible = False


def let_go(viewer: ViewerModel) -> None:
    """Leave the layers to napari again. They stay hidden."""
    for layer in viewer.layers:
        layer.events.data.disconnect(_measure_anew)


def _mend(layer: Layer) -> None:
    callbacks = layer.events.data.callbacks
    # Napari's own come first: that of the list, then that of the viewer, which is the one that raises.
    with suppress(IndexError, RuntimeError, ValueError):
        layer.events.data.connect(_measure_anew, after=callbacks[0], before=callbacks[1])


def _measure_anew(event: Any) -> None:
    layer = event.source
    if not layer.visible and layer.extent.data.shape[-1] != layer.ndim:
        layer.scale = layer.scale
