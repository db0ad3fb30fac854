"""The comparison in the canvas: copies of image layers that share their pixels, side by side in napari's grid.

A user's own layers are hidden while they are compared and otherwise left alone. The tiles lie below them in the list,
so that whatever the user adds or removes above leaves every tile in its cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_w2s._types import InputError
from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.canvas import fit, same_view, title_layer
from napari_w2s.gui.comparing.cells import Cells
from napari_w2s.gui.comparing.hidden import hide_all, let_go
from napari_w2s.gui.comparing.snapshot import ViewState
from napari_w2s.gui.comparing.tile_layer import SourceWatch, follow_frame, make_tile, pixels_of, place_tile

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer


class TileGrid:
    """The comparison in the canvas.

    Nothing is changed before the first `show`, and `leave` makes the viewer look as it did before.

    Attributes
    ----------
    gone
        Signal with the key of a tile that went: its source was removed, or it was deleted by hand.
    bared
        Signal: what lay on the tiles was deleted by hand.
    source_changed
        Signal with the key of a tile whose source has got other pixels, or another place.
    laid_out
        Signal: tiles lie side by side, or on one another, and have not before.
    left
        Signal: the viewer looks as it did before.
    """

    gone = Signal(str)
    bared = Signal()
    source_changed = Signal(str)
    laid_out = Signal()
    left = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._before: ViewState | None = None
        self._sources: dict[str, ImageLayer] = {}
        self._repainted: set[str] = set()
        self._cells = Cells(viewer)
        self._watch = SourceWatch(self._on_data, self._on_place, self._on_refresh)
        self._later = QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._tidy)

    @property
    def is_active(self) -> bool:
        """True from the first `show` to `leave`."""
        return self._before is not None

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the tiles in the order of the cells."""
        return tuple(self._cells.tiles)

    def layer(self, key: str) -> ImageLayer | None:
        """Return the layer that stands in the cell of a tile."""
        return self._cells.shown(key)

    def tile(self, key: str) -> ImageLayer | None:
        """Return the tile itself, whatever stands in its cell."""
        return self._cells.tiles.get(key)

    @property
    def repainted(self) -> frozenset[str]:
        """Keys of the tiles that show other pixels than those of their sources."""
        return frozenset(self._repainted)

    @property
    def side_by_side(self) -> bool:
        """True while every tile is shown in its cell."""
        return self._cells.side_by_side

    def titled(self) -> list[Layer]:
        """Return the layers that bear titles, in the order of the cells."""
        return self._cells.titled()

    def companions(self) -> dict[str, Layer]:
        """Return what lies on the tiles in their cells, by the tiles' keys."""
        return self._cells.companions()

    def show(self, titles: Mapping[str, str]) -> None:
        """Show tiles of these image layers, and nothing else. They are named, and bear no titles yet.

        Parameters
        ----------
        titles : mapping of str to str
            By the identity of the layer, in the order of the cells.

        Raises
        ------
        InputError
            If a layer is not there or cannot be shown. Then the viewer looks as it did before.
        """
        first = self._before is None
        try:
            with self._cells.batch(removes=not first):
                if first:
                    self._enter()
                self._choose(titles)
                self._cells.arrange()
            if first:
                self.fit()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Take everything away that is not the user's, and make the viewer look as it did before."""
        before, self._before = self._before, None
        if before is None:
            return
        self._later.stop()
        with ExitStack() as last_first:
            last_first.callback(self.left.emit)
            last_first.enter_context(self._cells.batch())
            last_first.callback(before.restore, self._viewer)
            last_first.callback(self._repainted.clear)
            last_first.callback(self._sources.clear)
            last_first.callback(self._cells.clear)
            last_first.callback(self._disconnect)

    def fit(self) -> None:
        """Move the camera so that every tile can be seen as a whole."""
        fit(self._viewer, list(self._cells.tiles.values()))

    def title(self, key: str, text: str, size: int | None = None) -> None:
        """Name a tile, in letters of so many points. `TileTexts` shows the names."""
        layer = self.layer(key)
        if layer is not None:
            if layer.name != (name := self._cells.free_name(text, layer)):
                layer.name = name
            if size is not None:
                title_layer(layer, size=size, visible=None)

    def limit(self, key: str, limits: tuple[float, float]) -> None:
        """Set the display range of a tile."""
        layer = self.tile(key)
        if layer is not None and limits[1] > limits[0] and tuple(layer.contrast_limits) != limits:
            layer.contrast_limits = limits

    def place(self, key: str, scale: tuple[float, float], origin: tuple[float, float], unit: str) -> None:
        """Put a tile where its image lies among the others, if it does not know that itself."""
        layer = self.tile(key)
        if layer is not None:
            place_tile(layer, scale, origin, unit)

    def repaint(self, key: str, pixels: npt.NDArray[Any] | None) -> None:
        """Show other pixels, (H, W), in a tile than those of its source; None shows these again."""
        old, source = self.tile(key), self._sources.get(key)
        if old is None or source is None or (pixels is None and key not in self._repainted):
            return
        if pixels is not None and key in self._repainted and old.data.shape == pixels.shape:
            old.data = pixels
            return
        new = make_tile(source, pixels)
        new.contrast_limits = tuple(old.contrast_limits)
        if pixels is None:
            self._repainted.discard(key)
        else:
            self._repainted.add(key)
        self._cells.exchange(key, new)

    def stand_in(self, key: str, layer: ImageLayer | None) -> None:
        """Put another layer into the cell of a tile; None puts the tile back."""
        if key in self._cells.tiles:
            self._cells.stand_in(key, layer)

    def accompany(self, make: Callable[[str], Layer] | None) -> None:
        """Put a new layer, made of the key, on each tile in its cell; None takes them away."""
        self._cells.accompany(make)

    def show_grid(self) -> None:
        """Show every tile in its cell."""
        with same_view(self._viewer):
            self._cells.show_only(None, [])
        self.laid_out.emit()

    def show_only(self, keys: Iterable[str], on_top: Sequence[Layer] = ()) -> None:
        """Show these tiles only, one on top of the other in the whole canvas, and other layers above them."""
        with same_view(self._viewer):
            self._cells.show_only(keys, on_top)
        self.laid_out.emit()

    def _enter(self) -> None:
        self._before = ViewState.take(self._viewer)
        events = self._viewer.layers.events
        events.removed.connect(self._on_list)
        events.reordered.connect(self._on_list)
        dims = self._viewer.dims
        dims.ndisplay = 2
        dims.order = tuple(range(dims.ndim))
        hide_all(self._viewer)
        self._viewer.layers.selection = set()

    def _choose(self, titles: Mapping[str, str]) -> None:
        """Make the tiles of these layers, and let the others go."""
        layers = {bridge.layer_id(layer): layer for layer in self._viewer.layers}
        tiles = self._cells.tiles
        for key, title in titles.items():
            source = layers.get(key)
            if source is None:
                raise InputError("A layer that was to be compared is not there any more. Choose anew.")
            if key not in tiles:
                tiles[key] = make_tile(source)
                tiles[key].name = self._cells.free_name(title, tiles[key])
                title_layer(tiles[key], visible=False)
                self._sources[key] = source
                self._watch.follow(source)
        for key in set(tiles) - set(titles):
            self._drop(key)
        self._cells.tiles = {key: tiles[key] for key in titles}

    def _disconnect(self) -> None:
        events = self._viewer.layers.events
        events.removed.disconnect(self._on_list)
        events.reordered.disconnect(self._on_list)
        for source in self._sources.values():
            self._watch.leave(source)
        let_go(self._viewer)

    def _drop(self, key: str) -> None:
        self._watch.leave(self._sources.pop(key))
        self._repainted.discard(key)
        self._cells.drop(key)

    def _tidy(self) -> None:
        """Let go of tiles that are not there any more, or whose sources are not."""
        if self._before is None:
            return
        there = {bridge.layer_id(layer) for layer in self._viewer.layers}
        gone = {*self._cells.missing(), *(key for key in self.keys if key not in there)}
        with self._cells.batch():
            for key in gone:
                self._drop(key)
            bared = self._cells.forget_missing()
            if self.keys:
                self._cells.arrange()
        if not self.keys:
            self.leave()
        for key in gone:
            self.gone.emit(key)
        if bared:
            self.bared.emit()

    def _on_list(self, _event: Any) -> None:
        # Not now: the list may be in the middle of removing several.
        if not self._cells.changing:
            self._later.start()

    def _on_data(self, source: ImageLayer) -> None:
        key = bridge.layer_id(source)
        tile = self.tile(key)
        if tile is None:
            return
        if key in self._repainted:
            if source.ndim == tile.ndim:
                self.repaint(key, None)  # There is no axis left that its pixels were a mean along.
        elif source.ndim == tile.ndim:
            tile.data = pixels_of(source)
        else:
            self._cells.exchange(key, make_tile(source))
        self.source_changed.emit(key)

    def _on_refresh(self, source: ImageLayer) -> None:
        tile = self.tile(bridge.layer_id(source))
        if tile is not None:
            tile.refresh()

    def _on_place(self, source: ImageLayer) -> None:
        key = bridge.layer_id(source)
        tile = self.tile(key)
        # While the number of axes changes, the pixels come later, and bring their place.
        if tile is not None and (key in self._repainted or source.ndim == tile.ndim):
            if key not in self._repainted:
                follow_frame(tile, source)
            self.source_changed.emit(key)
