"""Two tiles in the same place: a curtain between them, or one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.canvas import camera_of, title_layer, world_edges
from napari_w2s.gui.comparing.tile_layer import make_tile
from napari_w2s.gui.comparing.tiles import TileGrid

if TYPE_CHECKING:
    from napari.components import Dims, ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes

_GRIP = 10
"""Pixels of the canvas on either side of the line where it can be taken."""

_LINE = 2
_COLOUR = "#f0e442"
_FOLLOWED = ("contrast_limits", "data", "name", "colormap", "gamma")


class Pair:
    """Shows two tiles in the whole canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    grid : TileGrid

    Attributes
    ----------
    moved
        Signal with the place of the line, as a share of the width, when it was dragged.
    """

    moved = Signal(float)

    def __init__(self, viewer: ViewerModel, grid: TileGrid) -> None:
        self._viewer = viewer
        self._grid = grid
        self._left: ImageLayer | None = None
        self._right: ImageLayer | None = None
        self._curtain: ImageLayer | None = None
        self._line: Shapes | None = None
        self._frame: npt.NDArray[Any] | None = None
        self._cut_to = (0, 0)
        self._share = 0.5
        self._blinking: tuple[str, str] | None = None

    @property
    def is_shown(self) -> bool:
        """True while two tiles have the canvas for themselves."""
        return self._curtain is not None or self._blinking is not None

    def show_curtain(self, left: str, right: str, share: float) -> None:
        """Show one tile left of a line, and another right of it."""
        sources = self._grid.layer(left), self._grid.layer(right)
        self._share = share
        if sources == (self._left, self._right) and self._curtain is not None:
            self._cut()
            return
        self.hide(to_grid=False)
        self._left, self._right = sources
        if self._left is None or self._right is None:
            return
        self._frame = shown_frame(self._left, self._viewer.dims)
        self._curtain = make_tile(self._left, self._frame)
        self._line = self._new_line()
        self._grid.show_only([right], [self._curtain, self._line])
        title_layer(self._curtain, size=self._left.name_overlay.font_size)
        title_layer(self._right, position="top_right", size=self._right.name_overlay.font_size)
        self._viewer.layers.selection = set()
        self._viewer.mouse_drag_callbacks.append(self._drag)
        self._viewer.dims.events.point.connect(self._on_frame)
        camera_of(self._viewer).events.zoom.connect(self._on_zoom)
        for name in _FOLLOWED:
            getattr(self._left.events, name).connect(self._on_frame)
        self._on_zoom()
        self._on_frame()

    def show_blink(self, first: str, second: str) -> None:
        """Show one tile; `blink` brings the other."""
        if self._blinking is not None and set(self._blinking) == {first, second}:
            return
        self.hide(to_grid=False)
        self._blinking = (first, second)
        self._grid.show_only([first])

    def blink(self) -> None:
        """Show the other tile of the two."""
        if self._blinking is not None:
            self._blinking = self._blinking[::-1]
            self._grid.show_only([self._blinking[0]])

    def hide(self, *, to_grid: bool = True) -> None:
        """Show all tiles side by side again."""
        was_shown = self.is_shown
        if self._curtain is not None:
            self._let_go()
        self._blinking = None
        if was_shown and to_grid and self._grid.is_active:
            self._grid.show_grid()

    def _let_go(self) -> None:
        callbacks = self._viewer.mouse_drag_callbacks
        # A bound method is a new object each time.
        callbacks[:] = [one for one in callbacks if one != self._drag]
        self._viewer.dims.events.point.disconnect(self._on_frame)
        camera_of(self._viewer).events.zoom.disconnect(self._on_zoom)
        if self._left is not None:
            for name in _FOLLOWED:
                getattr(self._left.events, name).disconnect(self._on_frame)
        if self._right is not None:
            title_layer(self._right, size=self._right.name_overlay.font_size)
        self._left = self._right = self._curtain = self._line = self._frame = None

    def _new_line(self) -> Shapes:
        from napari.layers import Shapes

        assert self._left is not None
        return Shapes(
            [self._ends()],
            shape_type="line",
            edge_width=self._width(),
            edge_color=_COLOUR,
            units=self._viewer.layers.units[-2:] if self._viewer.layers.units is not None else None,
            name="divider",
            metadata={bridge.PREVIEW_KEY: "comparison"},
        )

    def _edges(self) -> npt.NDArray[np.float64]:
        """Return the outer edges of the left tile in the world: ((top, left), (bottom, right))."""
        assert self._left is not None
        return np.array(world_edges(self._viewer, self._left))

    def _place(self) -> float:
        low, high = self._edges()
        return float(low[1] + self._share * (high[1] - low[1]))

    def _ends(self) -> npt.NDArray[np.float64]:
        low, high = self._edges()
        return np.array([[low[0], self._place()], [high[0], self._place()]])

    def _width(self) -> float:
        return float(_LINE / max(camera_of(self._viewer).zoom, 1e-12))

    def _on_frame(self, _event: Any = None) -> None:
        """Take over what the left tile shows now, and how."""
        if self._left is None or self._curtain is None:
            return
        self._frame = shown_frame(self._left, self._viewer.dims)
        self._curtain.colormap = self._left.colormap
        self._curtain.gamma = self._left.gamma
        self._curtain.contrast_limits = tuple(self._left.contrast_limits)
        # Napari numbers layers of the same name. Nobody sees a space at the end.
        self._curtain.name = f"{self._left.name.rstrip()}  "
        self._cut()

    def _on_zoom(self, _event: Any = None) -> None:
        if self._line is not None:
            self._line.edge_width = [self._width()]

    def _cut(self) -> None:
        """Cut the left tile at the line."""
        if self._left is None or self._curtain is None or self._line is None or self._frame is None:
            return
        count = min(max(round(self._share * self._frame.shape[1]), 0), self._frame.shape[1])
        self._curtain.visible = count > 0
        if count and self._cut_to != (id(self._frame), count):
            self._cut_to = id(self._frame), count
            # The world does not become larger by it, and to look after that is what takes time.
            with self._curtain.events.data.blocker():
                self._curtain.data = self._frame[:, :count]
        with self._line.events.data.blocker():
            self._line.data = [self._ends()]

    def _drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Move the line with the mouse, if it was taken."""
        camera = camera_of(self._viewer)
        if abs(event.position[-1] - self._place()) > _GRIP / max(camera.zoom, 1e-12):
            return
        could_pan = camera.mouse_pan
        camera.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                low, high = self._edges()
                share = float(np.clip((event.position[-1] - low[1]) / (high[1] - low[1]), 0, 1))
                self.moved.emit(share)
                yield
        finally:
            camera.mouse_pan = could_pan


def shown_frame(layer: ImageLayer, dims: Dims) -> npt.NDArray[Any]:
    """Return the pixels, (H, W), that a layer shows in the flat view of its last two axes."""
    data = layer.data[0] if layer.multiscale else layer.data
    lead = data.ndim - 2
    if not lead:
        return np.asarray(data)
    place = layer.world_to_data(np.asarray(dims.point, float)[-layer.ndim :])[:lead]
    index = tuple(int(np.clip(round(float(p)), 0, n - 1)) for p, n in zip(place, data.shape[:lead], strict=True))
    return np.asarray(data[index])
