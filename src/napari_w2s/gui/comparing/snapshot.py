"""What a viewer looked like, and how to make it look like that again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.canvas import camera_of, grid_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_GRID = ("stride", "shape", "spacing", "enabled")
_CAMERA = ("center", "zoom", "angles", "perspective", "mouse_pan", "mouse_zoom")


@dataclass(frozen=True)
class ViewState:
    """Everything of a viewer that a comparison changes. Layers are known by their identity.

    Attributes
    ----------
    visible : mapping
        Whether a layer is shown.
    selected : frozenset of str
        Selected layers; the only one of them is the active one.
    grid, camera : mapping
        Settings of the grid mode and of the camera.
    ndisplay : int
        Number of displayed axes.
    order : tuple of int
        Axes in the order that they are displayed in.
    point : tuple of float
        World coordinates of what is shown.
    """

    visible: Mapping[str, bool]
    selected: frozenset[str]
    grid: Mapping[str, Any]
    camera: Mapping[str, Any]
    ndisplay: int
    order: tuple[int, ...]
    point: tuple[float, ...]

    @classmethod
    def take(cls, viewer: ViewerModel) -> ViewState:
        """Note what a viewer looks like."""
        grid, camera, dims = grid_of(viewer), camera_of(viewer), viewer.dims
        return cls(
            visible={bridge.layer_id(layer): bool(layer.visible) for layer in viewer.layers},
            selected=frozenset(bridge.layer_id(layer) for layer in viewer.layers.selection),
            grid={name: getattr(grid, name) for name in _GRID},
            camera={name: getattr(camera, name) for name in _CAMERA},
            ndisplay=dims.ndisplay,
            order=tuple(dims.order),
            point=tuple(dims.point),
        )

    def restore(self, viewer: ViewerModel) -> None:
        """Make a viewer look like that again, as far as its layers are still there; others are left alone.

        Every part is restored, whatever happens to the others; the last exception is raised in the end.
        """
        with ExitStack() as last_first:
            last_first.callback(_assign, camera_of(viewer), self.camera)
            last_first.callback(self._restore_selection, viewer)
            last_first.callback(_assign, grid_of(viewer), self.grid)
            last_first.callback(self._restore_dims, viewer)
            last_first.callback(self._restore_visible, viewer)
            # Laid out once, in the end.
            last_first.callback(_assign, grid_of(viewer), {"enabled": False})

    def _restore_visible(self, viewer: ViewerModel) -> None:
        for layer in viewer.layers:
            wanted = self.visible.get(bridge.layer_id(layer))
            if wanted is not None and layer.visible != wanted:
                layer.visible = wanted

    def _restore_dims(self, viewer: ViewerModel) -> None:
        """Restore what is displayed. Layers that went may have taken leading axes with them, new ones brought some."""
        dims = viewer.dims
        if dims.ndisplay != self.ndisplay:
            dims.ndisplay = self.ndisplay
        if len(self.order) == dims.ndim and tuple(dims.order) != self.order:
            dims.order = self.order
        common = min(len(self.point), dims.ndim)
        point = (*dims.point[: dims.ndim - common], *self.point[len(self.point) - common :])
        if tuple(dims.point) != point:
            dims.point = point

    def _restore_selection(self, viewer: ViewerModel) -> None:
        viewer.layers.selection = {layer for layer in viewer.layers if bridge.layer_id(layer) in self.selected}


def _assign(target: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if getattr(target, name) != value:
            setattr(target, name, value)
