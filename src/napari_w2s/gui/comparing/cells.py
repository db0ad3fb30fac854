"""Which layers stand in which cell of napari's grid, and how they get there."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.canvas import grid_of, title_layer
from napari_w2s.gui.comparing.layout import aspect_of, best_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

_SPACING = 4


class Cells:
    """Layers in cells. They lie below all others in the viewer's list.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    tiles : dict of str to napari.layers.Image
        By key, in the order of the cells.
    changing : bool
        True while this object changes the list of layers.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.tiles: dict[str, ImageLayer] = {}
        self.changing = False
        self._depth = 0
        self._stand_ins: dict[str, ImageLayer] = {}
        self._companions: dict[str, Layer] = {}
        self._make: Callable[[str], Layer] | None = None
        self._on_top: list[Layer] = []
        self._only: frozenset[str] | None = None

    def shown(self, key: str) -> ImageLayer | None:
        """Return the layer that stands in the cell of a tile."""
        return self._stand_ins.get(key) or self.tiles.get(key)

    @property
    def side_by_side(self) -> bool:
        """True while every tile is shown in its cell."""
        return self._only is None

    def titled(self) -> list[Layer]:
        """Return the layers that bear titles, in the order of the cells."""
        return [self._stand_ins.get(key, tile) for key, tile in self.tiles.items()]

    def companions(self) -> dict[str, Layer]:
        """Return what lies on the tiles in their cells, by the tiles' keys."""
        return dict(self._companions)

    def exchange(self, key: str, tile: ImageLayer) -> None:
        """Put another layer in the place of a tile."""
        self._exchange(key, lambda: self.tiles.update({key: tile}))

    def stand_in(self, key: str, layer: ImageLayer | None) -> None:
        """Put a layer in front of a tile; None shows the tile again."""
        if layer is None:
            self._exchange(key, lambda: self._stand_ins.pop(key, None))
        else:
            self._exchange(key, lambda: self._stand_ins.update({key: layer}))

    def accompany(self, make: Callable[[str], Layer] | None) -> None:
        """Put a new layer on each tile, in its cell; None takes them away."""
        old = list(self._companions.values())
        self._companions, self._make = {}, make
        with self.batch():
            self.take_away(old)
            self.arrange()

    def show_only(self, keys: Iterable[str] | None, on_top: Sequence[Layer]) -> None:
        """Show some tiles one on top of the other in the whole canvas, and layers above them; None is the grid."""
        self._only = None if keys is None else frozenset(keys)
        old = [layer for layer in self._on_top if all(layer is not other for other in on_top)]
        if not old and not on_top:
            self.arrange()
            return
        self._on_top = list(on_top)
        with self.batch():
            self.take_away(old)
            self.arrange()

    def drop(self, key: str) -> None:
        """Let a tile go, with all that is in its cell."""
        owned = [group.pop(key, None) for group in (self.tiles, self._stand_ins, self._companions)]
        self.take_away([layer for layer in owned if layer is not None])

    def missing(self) -> tuple[str, ...]:
        """Return the keys of the cells whose layer somebody else removed."""
        there = {bridge.layer_id(layer) for layer in self._viewer.layers}
        shown = {key: self._stand_ins.get(key, tile) for key, tile in self.tiles.items()}
        return tuple(key for key, layer in shown.items() if bridge.layer_id(layer) not in there)

    def forget_missing(self) -> bool:
        """Forget what lay on tiles and was removed by somebody else; True if anything did."""
        there = {bridge.layer_id(layer) for layer in self._viewer.layers}
        self._on_top = [layer for layer in self._on_top if bridge.layer_id(layer) in there]
        if all(bridge.layer_id(layer) in there for layer in self._companions.values()):
            return False
        self.accompany(None)
        return True

    def free_name(self, text: str, layer: Layer) -> str:
        """Return a name that no other layer has: napari would number it. Nobody sees a space at the end."""
        others = {other.name for other in (*self._viewer.layers, *self.tiles.values()) if other is not layer}
        while text in others:
            text += " "
        return text

    def clear(self) -> None:
        """Take everything away."""
        groups = (self.tiles, self._stand_ins, self._companions)
        layers = [*(layer for group in groups for layer in group.values()), *self._on_top]
        for group in groups:
            group.clear()
        self._on_top, self._only, self._make = [], None, None
        self.take_away(layers)

    def arrange(self) -> None:
        """Bring all that is shown into the list, in order, and lay the grid out."""
        viewer, grid = self._viewer, grid_of(self._viewer)
        if self._make is not None:
            self._companions = {k: self._companions.get(k) or self._make(k) for k in self.tiles}
        paired = self._make is not None
        wanted: list[Layer] = []
        for key, tile in self.tiles.items():
            cell = [self._stand_ins.get(key, tile), *([self._companions[key]] if paired else ())]
            for layer in cell:
                _set_visible(layer, self._only is None or key in self._only)
            wanted += cell
        wanted += self._on_top
        selected = set(viewer.layers.selection)
        if [id(layer) for layer in wanted] != [id(layer) for layer in list(viewer.layers)[: len(wanted)]]:
            with self.batch():
                for index, layer in enumerate(wanted):
                    place = next((i for i, there in enumerate(viewer.layers) if there is layer), None)
                    if place is None:
                        viewer.layers.insert(index, layer)
                    elif place != index:
                        viewer.layers.move(place, index)
            viewer.layers.selection = selected.intersection(viewer.layers)
        grid.stride = 2 if paired else 1
        grid.spacing = _SPACING
        # Rows as they are needed: the user may add layers.
        grid.shape = -1, best_shape(len(self.tiles), viewer.canvas.size, aspect_of(self.tiles.values()))[1]
        grid.enabled = self._only is None

    def take_away(self, layers: Iterable[Layer]) -> None:
        """Remove those of these layers that are still there, whatever happens to one of them."""
        there = [layer for layer in layers if any(layer is other for other in self._viewer.layers)]
        if there:
            with self.batch(), ExitStack() as last_first:
                for layer in reversed(there):
                    last_first.callback(self._viewer.layers.remove, layer)

    def _exchange(self, key: str, change: Callable[[], object]) -> None:
        before = self.shown(key)
        change()
        now = self.shown(key)
        if before is None or now is None or now is before:
            return
        name, size, titled = before.name, before.name_overlay.font_size, before.name_overlay.visible
        with self.batch():
            self.take_away([before])
            title_layer(now, size=size, visible=titled)
            now.name = name
            self.arrange()

    @contextmanager
    def batch(self, *, removes: bool = True) -> Iterator[None]:
        """Change layers, and let the canvas be laid out once in the end. Say if no layer is to be removed."""
        with ExitStack() as stack:
            before, self.changing = self.changing, True
            stack.callback(setattr, self, "changing", before)
            if not self._depth:
                if not removes:
                    stack.enter_context(_nothing_to_collect())
                # Napari's own batches end with the first one that ends.
                stack.enter_context(self._viewer.layers.batched_update())
            self._depth += 1
            stack.callback(self._leave_batch)
            yield

    def _leave_batch(self) -> None:
        self._depth -= 1


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Spare what is alive a garbage collection: napari makes a full one after a batch, to be rid of removed layers."""
    if gc.get_freeze_count():
        yield  # Somebody else has frozen something, and it has to stay so.
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _set_visible(layer: Layer, visible: bool) -> None:
    if layer.visible != visible:
        layer.visible = visible
