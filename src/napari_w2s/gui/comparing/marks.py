"""The box and the line that numbers and profiles are of: drawn in every tile, dragged in any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.comparing.state import Line
from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.canvas import camera_of
from napari_w2s.gui.comparing.images import axis_factors
from napari_w2s.gui.comparing.tiles import TileGrid

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer, Shapes

_ECHO_MS = 60
_WIDTH = 2.0
_BOX_COLOUR, _LINE_COLOUR = "#f0e442", "#e69f00"
_WIDER = 1.3

Corners = npt.NDArray[np.float64]


class Marks:
    """A Shapes layer on the first tile, and what it shows on the others too.

    The mouse acts on the active layer wherever it is, so that the one Shapes layer is dragged in any of the tiles. The
    others have layers of lines, which are drawn anew in no time.

    Parameters
    ----------
    viewer : napari.Viewer
    grid : TileGrid
    leave : callable
        For Esc.

    Attributes
    ----------
    box_moved, line_moved
        Signals with a `Box` or a `Line`, or None if it was deleted by hand.
    """

    box_moved = Signal(object)
    line_moved = Signal(object)

    def __init__(self, viewer: ViewerModel, grid: TileGrid, leave: Callable[[], None]) -> None:
        self._viewer = viewer
        self._grid = grid
        self._leave = leave
        self._box: Box | None = None
        self._line: Line | None = None
        self._factor = 1.0
        self._updating = False
        self._shapes: Shapes | None = None
        self._edge = 1.0
        self._echo = QTimer()
        self._echo.setSingleShot(True)
        self._echo.setInterval(_ECHO_MS)
        self._echo.timeout.connect(self._follow)
        grid.bared.connect(self._on_bared)

    def show(self, box: Box | None, line: Line | None) -> None:
        """Draw these, and nothing else."""
        there = self._shapes is not None and self._shapes in self._grid.companions().values()
        same = (box, line) == (self._box, self._line)
        self._box, self._line = box, line
        if box is None and line is None:
            self.hide()
        elif not there:
            self._factor = axis_factors(self._viewer)[-1]
            self._edge = self._wanted_edge()
            self._shapes = None
            self._grid.accompany(self._make)
            camera_of(self._viewer).events.zoom.connect(self._on_zoom)
            self._activate()
        elif not same:
            self._draw_shapes()
            self._follow()

    def hide(self) -> None:
        """Draw nothing."""
        self._echo.stop()
        self._box = self._line = self._shapes = None
        camera_of(self._viewer).events.zoom.disconnect(self._on_zoom)
        if self._grid.is_active and self._grid.companions():
            self._grid.accompany(None)

    def _make(self, key: str) -> Layer:
        from napari.layers import Shapes, Vectors

        units = self._viewer.layers.units
        options = {
            "units": units[-2:] if units is not None else None,
            "opacity": 1.0,
            "metadata": {bridge.PREVIEW_KEY: "comparison"},
        }
        if self._shapes is not None:
            return Vectors(
                self._sides(),
                name=f"box and line {self._grid.keys.index(key) + 1}",
                edge_width=self._edge,
                edge_color=_BOX_COLOUR if self._box is not None else _LINE_COLOUR,
                vector_style="line",
                **options,
            )
        self._shapes = layer = Shapes(ndim=2, name="box and line", **options)
        self._draw_shapes()
        layer.events.set_data.connect(self._on_change)
        layer.events.data.connect(self._on_change)
        layer.bind_key("Escape", self._on_escape, overwrite=True)
        return layer

    def _draw_shapes(self) -> None:
        layer = self._shapes
        assert layer is not None
        updating, self._updating = self._updating, True
        selected = set(layer.selected_data)
        try:
            layer.data = []
            if self._box is not None:
                layer.add_rectangles(
                    [self._corners(self._box)], edge_color=_BOX_COLOUR, face_color="transparent", edge_width=self._edge
                )
            if self._line is not None:
                layer.add_lines([self._ends(self._line)], edge_color=_LINE_COLOUR, edge_width=self._edge)
            layer.selected_data = {one for one in selected if one < len(layer.data)}
        finally:
            self._updating = updating

    def _sides(self) -> Corners:
        """Return starts and directions of all lines."""
        sides = []
        if self._box is not None:
            corners = self._corners(self._box)
            sides += [(a, b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
        if self._line is not None:
            start, end = self._ends(self._line)
            sides.append((start, end - start))
        return np.array(sides).reshape(-1, 2, 2)

    def _corners(self, box: Box) -> Corners:
        top, left, bottom, right = (v / self._factor for v in (box.top, box.left, box.bottom, box.right))
        return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])

    def _ends(self, line: Line) -> Corners:
        return np.array([line.start, line.end]) / self._factor

    def _read(self, layer: Shapes) -> tuple[Box | None, Line | None]:
        """Return what a layer shows. A box that was turned is the upright one around it."""
        box, line = None, None
        for corners, kind in zip(layer.data, layer.shape_type, strict=True):
            world = np.asarray(corners, float)[:, -2:] * self._factor
            low, high = world.min(axis=0), world.max(axis=0)
            if kind == "rectangle" and (high > low).all():
                box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            elif kind == "line":
                start, end = ((float(y), float(x)) for y, x in world[[0, -1]])
                line = Line(start, end)
        return box, line

    def _activate(self) -> None:
        """Let the mouse drag what is drawn."""
        layer = self._shapes
        if layer is not None:
            # Not before it is in the viewer, whose buttons would not know.
            layer.mode = "select"
            self._viewer.layers.selection = {layer}
            layer.selected_data = {len(layer.data) - 1}

    def _on_change(self, event: Any) -> None:
        if self._updating:
            return
        box, line = self._read(event.source)
        moved_box, moved_line = box != self._box, line != self._line
        if not (moved_box or moved_line):
            return
        self._box, self._line = box, line
        self._echo.start()
        if moved_box:
            self.box_moved.emit(box)
        if moved_line:
            self.line_moved.emit(line)

    def _follow(self) -> None:
        """Draw in the other tiles what was dragged in one."""
        sides = self._sides()
        colours = [_BOX_COLOUR] * (4 * (self._box is not None)) + [_LINE_COLOUR] * (self._line is not None)
        for layer in self._followers():
            count = len(layer.data)
            # The world does not become larger by it, and to look after that is what takes time.
            with layer.events.data.blocker():
                layer.data = sides
            if count != len(sides):
                layer.edge_color = colours

    def _followers(self) -> list[Any]:
        return [layer for layer in self._grid.companions().values() if layer is not self._shapes]

    def _wanted_edge(self) -> float:
        return float(_WIDTH / max(camera_of(self._viewer).zoom, 1e-12))

    def _on_zoom(self, _event: Any = None) -> None:
        wanted = self._wanted_edge()
        if self._edge / _WIDER < wanted < self._edge * _WIDER:
            return
        self._edge = wanted
        self._updating = True
        for layer in self._followers():
            layer.edge_width = wanted
        if self._shapes is not None:
            self._shapes.edge_width = [wanted] * len(self._shapes.data)
        self._updating = False

    def _on_bared(self) -> None:
        box, line = self._box, self._line
        self._box = self._line = None
        if box is not None:
            self.box_moved.emit(None)
        if line is not None:
            self.line_moved.emit(None)

    def _on_escape(self, _layer: Any) -> None:
        self._leave()
