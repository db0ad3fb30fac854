"""The comparison that is shown, and what is worked out about it in threads: display ranges and numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_w2s._types import W2SError
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.numbers import METRICS, OPTIONAL, Numbers, measure
from napari_w2s.app.comparing.planes import Plane
from napari_w2s.app.comparing.select import title_of
from napari_w2s.app.comparing.title import contrast_note, fit_titles, numbers_of
from napari_w2s.data.image import Image
from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.canvas import cell_width
from napari_w2s.gui.comparing.drawing import Look, knows_its_place, work_out_look
from napari_w2s.gui.comparing.images import image_of, position_of
from napari_w2s.gui.comparing.newest import Newest
from napari_w2s.gui.comparing.tile_texts import TileTexts
from napari_w2s.gui.comparing.tiles import TileGrid

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget

logger = logging.getLogger(__name__)

MeasureFn = Callable[..., Numbers]
"""``measure(comparison, *, threshold, only, stop)``: see `napari_w2s.app.comparing.numbers.measure`."""


class Session:
    """What is compared at present.

    Parameters
    ----------
    viewer : napari.Viewer
    measure : callable, optional
        See `MeasureFn`.
    canvas : callable, optional
        Returns the widget that the viewer is drawn in; None if there is none.

    Attributes
    ----------
    grid : TileGrid
    comparison : Comparison or None
        None while nothing is compared.
    numbers : Numbers or None
        Of the comparison as it is; None until they are known.
    threshold : str
        Of FRC.
    wants_optional : bool
        Measure also what takes its time.
    changed
        Signal: the comparison is another, or there is none any more.
    numbered
        Signal: there are other numbers, or none.
    working
        Signal: whether numbers are being worked out.
    told
        Signal with a sentence for the user.
    """

    changed = Signal()
    numbered = Signal()
    working = Signal(bool)
    told = Signal(str)

    def __init__(
        self, viewer: ViewerModel, measure: MeasureFn = measure, canvas: Callable[[], QWidget | None] = lambda: None
    ) -> None:
        self._viewer = viewer
        self._measure = measure
        self.grid = TileGrid(viewer)
        self._texts = TileTexts(viewer, self.grid, canvas, lambda: self.busy)
        self.comparison: Comparison | None = None
        self.numbers: Numbers | None = None
        self.threshold = "1/7"
        self.wants_optional = False
        self._prefaces: Mapping[str, str] = {}
        self._legend: Sequence[Sequence[str]] = ()
        self._looked = False
        self._look_job: Newest[Look] = Newest(self._show_look, self._on_no_look)
        self._numbers_job: Newest[Numbers] = Newest(self._show_numbers, self._explain, self.working.emit)
        self.grid.gone.connect(self._on_gone)
        self.grid.source_changed.connect(self._on_source)
        self.grid.left.connect(self._on_left)

    @property
    def busy(self) -> bool:
        """True while something is being worked out."""
        return self._look_job.busy or self._numbers_job.busy

    def show(self, comparison: Comparison) -> None:
        """Show a comparison whose keys are identities of layers.

        Raises
        ------
        InputError
            If a layer is not there. Then the viewer looks as it did before.
        """
        first = not self.grid.is_active
        self.grid.show({tile.key: tile.title for tile in comparison.tiles})
        if self.comparison is not None:
            # What stands there in the place of a burst stays.
            kept = {tile.key: tile for tile in self.comparison.tiles if tile.key in self.grid.repainted}
            comparison = comparison.replace(tiles=tuple(kept.get(tile.key, tile) for tile in comparison.tiles))
        if first:
            self._viewer.dims.events.point.connect(self._on_point)
            self._viewer.canvas.events.size.connect(self._on_size)
        self._set(comparison.replace(position=position_of(self._viewer)))

    def change(self, **changes: Any) -> None:
        """Change attributes of the comparison, e.g. its box."""
        before = self.comparison
        if before is not None:
            # Tiles hold arrays, which say of each pixel whether it is equal.
            other = {k: v for k, v in changes.items() if k == "tiles" or getattr(before, k) != v}
            if other:
                self._set(before.replace(**other), only=frozenset(other))

    def set_threshold(self, threshold: str) -> None:
        """Choose the threshold of FRC."""
        if threshold != self.threshold:
            self.threshold = threshold
            if self.comparison is not None:
                self._ask_numbers()

    def set_optional(self, wanted: bool) -> None:
        """Choose whether to measure also what takes its time."""
        if wanted != self.wants_optional:
            self.wants_optional = wanted
            if wanted and self.comparison is not None:
                self._ask_numbers(in_passing=True)

    def put(self, key: str, image: Image, title: str) -> None:
        """Show another image in the place of a tile's own: the mean of some frames of a burst."""
        if self.comparison is None or key not in self.grid.keys:
            return
        self.grid.repaint(key, np.asarray(image.data))
        self._replace(Tile(key=key, image=image, title=title))

    def preface(self, words: Mapping[str, str], legend: Sequence[Sequence[str]] = ()) -> None:
        """Say in some tiles' titles what stands there in their place, and below all tiles how to read it."""
        if (words, legend) != (self._prefaces, self._legend):
            self._prefaces, self._legend = dict(words), legend
            self._title()

    def leave(self) -> None:
        """Go back to what the viewer looked like before."""
        self.grid.leave()

    def close(self) -> None:
        """Leave, stop all work and wait for it."""
        self._look_job.close()
        self._numbers_job.close()
        self.leave()

    def _replace(self, new: Tile) -> None:
        assert self.comparison is not None
        self.change(tiles=tuple(new if tile.key == new.key else tile for tile in self.comparison.tiles))

    def _set(self, comparison: Comparison, only: frozenset[str] = frozenset()) -> None:
        self.comparison = comparison
        if only != {"contrast"}:
            self._ask_numbers(in_passing=only == {"box"})
        if only != {"box"}:
            self._ask_look()
            self._title()
        self.changed.emit()

    def _ask_look(self) -> None:
        comparison = self.comparison
        assert comparison is not None
        self._look_job.ask(lambda _, stop: work_out_look(comparison, stop))

    def _ask_numbers(self, *, in_passing: bool = False) -> None:
        comparison, threshold, measure = self.comparison, self.threshold, self._measure
        only = (*METRICS, *OPTIONAL) if self.wants_optional else METRICS
        if not in_passing and self.numbers is not None:
            self.numbers = None
            self.numbered.emit()
        self._numbers_job.ask(
            lambda _, stop: measure(comparison, threshold=threshold, only=only, stop=stop), in_passing=in_passing
        )

    def _show_look(self, look: Look) -> None:
        comparison = self.comparison
        if comparison is None:
            return
        moved = False
        for key, one in look.planes.items():
            moved |= self._place(comparison.tile(key).image, key, one)
        if moved:
            self.grid.fit()
        for key, one_range in look.limits.items():
            self.grid.limit(key, one_range)
        self._looked = True
        self._title()
        if look.problems:
            self.told.emit(" ".join(dict.fromkeys(look.problems.values())))

    def _on_no_look(self, error: Exception) -> None:
        self._looked = True
        self._title()
        self._explain(error)

    def _place(self, image: Image, key: str, one: Plane) -> bool:
        """Move a tile to where its image lies among the others; True if it had not been there."""
        layer = self.grid.tile(key)
        if layer is None or knows_its_place(image, one):
            return False
        moved = not (np.allclose(layer.scale[-2:], one.scale) and np.allclose(layer.translate[-2:], one.origin))
        if moved:
            self.grid.place(key, one.scale, one.origin, one.unit)
        return moved

    def _show_numbers(self, numbers: Numbers) -> None:
        if self.comparison is not None:
            self.numbers = numbers
            self._title()
            self.numbered.emit()

    def _title(self) -> None:
        comparison = self.comparison
        if comparison is None:
            return
        titles = {tile.key: tile.title for tile in comparison.tiles}
        parts = {key: () if key in self._prefaces else numbers_of(self.numbers, key) for key in titles}
        titles |= {key: f"{words}: {titles[key]}" for key, words in self._prefaces.items() if key in titles}
        width = cell_width(self._viewer)
        fitted = fit_titles(titles, parts, width)
        for key, text in fitted.texts.items():
            self.grid.title(key, text, fitted.size)
        note = ""
        if self._looked:
            note = contrast_note(comparison, fitted.size, width, maps=bool(self._prefaces), legend=self._legend)
        self._texts.write(note, fitted.size)

    def _explain(self, error: Exception) -> None:
        if isinstance(error, W2SError):
            self.told.emit(str(error))
        else:
            logger.error("a comparison could not be worked out", exc_info=error)
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.told.emit(f"The images could not be compared: {text}. Napari's log has the details.")

    def _on_point(self, _event: Any = None) -> None:
        self.change(position=position_of(self._viewer))

    def _on_size(self, _event: Any = None) -> None:
        self._title()

    def _on_source(self, key: str) -> None:
        layer = bridge.find_layer(self._viewer.layers, key)
        if self.comparison is None or layer is None or key not in self.grid.keys or key in self.grid.repainted:
            return
        try:
            image = image_of(layer)
        except W2SError as error:
            self.told.emit(str(error))
            return
        before = self.comparison.tile(key)
        given = before.title != title_of(before.image)
        self._replace(Tile(key=key, image=image, title=before.title if given else title_of(image)))

    def _on_gone(self, key: str) -> None:
        if self.comparison is None:
            return
        tiles = tuple(tile for tile in self.comparison.tiles if tile.key != key)
        reference = self.comparison.reference if self.comparison.reference != key else None
        self.change(tiles=tiles, reference=reference)

    def _on_left(self) -> None:
        self._look_job.forget()
        self._numbers_job.forget()
        self._viewer.dims.events.point.disconnect(self._on_point)
        self._viewer.canvas.events.size.disconnect(self._on_size)
        self._texts.forget()
        self.comparison = self.numbers = None
        self._prefaces, self._legend, self._looked = {}, (), False
        self.changed.emit()
        self.numbered.emit()
