"""Maps that stand in the place of a result: where it is not supported, how far it is off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_w2s._types import Progress, StopFn, W2SError
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.grid import Grid
from napari_w2s.app.comparing.state import Map
from napari_w2s.app.comparing.trust import error_map, flip_spread, ssim_difference, trust
from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.newest import Newest
from napari_w2s.gui.comparing.tiles import TileGrid

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

logger = logging.getLogger(__name__)

NAMES = {
    Map.UNSUPPORTED: "Not supported",
    Map.SPREAD: "Spread",
    Map.ERROR: "Error",
    Map.SSIM: "SSIM map",
}
Legend = tuple[tuple[str, ...], ...]

_LEGENDS: dict[Map, Legend] = {
    Map.SPREAD: (("map: bright where 8 answers differ", "bright: answers differ"),),
    Map.ERROR: (("map: bright where far from the reference", "bright: far off"),),
    Map.SSIM: (("map: bright where like the reference", "bright: alike"),),
}

_TOP_PERCENTILE = 99.8
# Blue: less light than the result explains; orange: more. Within the limit all is dark grey.
_RESIDUAL = (
    (0.0, "#56b4e9"),
    (0.2499, "#23628c"),
    (0.25, "#333333"),
    (0.5, "#000000"),
    (0.75, "#333333"),
    (0.7501, "#8c5f00"),
    (1.0, "#e69f00"),
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A map that is ready to be drawn.

    Attributes
    ----------
    key : str
        Of the tile that it stands in for.
    kind : Map
    values : numpy.ndarray, (H, W)
    grid : Grid
    limits : tuple of float
        Display range.
    sentence : str
        What it comes to.
    legend : tuple of tuple of str
        How to read it: lines, each in several wordings, the longest first.
    """

    key: str
    kind: Map
    values: npt.NDArray[Any]
    grid: Grid
    limits: tuple[float, float]
    sentence: str
    legend: Legend


class Maps:
    """Works maps out in a thread and puts them into the cells of their tiles.

    Parameters
    ----------
    grid : TileGrid
    spread : callable, optional
        See `napari_w2s.app.comparing.trust.flip_spread`.

    Attributes
    ----------
    sentence : str
        What the map that is shown comes to, or why there is none.
    fraction : float or None
        How much of it is done, if that is known.
    shown : tuple of (str, Map) or None
        What stands where.
    legend : tuple of tuple of str
        How to read it; see `Drawn`.
    changed
        Signal: any of these is another.
    """

    changed = Signal()

    def __init__(self, grid: TileGrid, spread: Callable[..., Any] = flip_spread) -> None:
        self._grid = grid
        self._spread = spread
        self._job: Newest[Drawn] = Newest(self._show, self._explain, self._on_busy, self._on_report)
        self.sentence = ""
        self.fraction: float | None = None
        self.shown: tuple[str, Map] | None = None
        self.legend: Legend = ()

    @property
    def busy(self) -> bool:
        """True while a map is worked out."""
        return self._job.busy

    def show(self, comparison: Comparison, key: str, kind: Map) -> None:
        """Work a map out, and put it in the place of a tile."""
        if self.shown is not None and self.shown != (key, kind):
            self._take_back()
        self.sentence, self.fraction = "", None
        spread = self._spread
        self._job.ask(lambda report, stop: _draw(comparison, key, kind, spread, report, stop))
        self.changed.emit()

    def hide(self) -> None:
        """Show the tile itself again."""
        self._job.forget()
        self._take_back()
        self.sentence = ""
        self.changed.emit()

    def words(self) -> tuple[str, str]:
        """Return the key of the tile that a map stands in for, and what the map is."""
        assert self.shown is not None
        return self.shown[0], NAMES[self.shown[1]].lower()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._job.close()

    def _take_back(self) -> None:
        if self.shown is not None:
            key, self.shown = self.shown[0], None
            if self._grid.is_active:
                self._grid.stand_in(key, None)

    def _show(self, drawn: Drawn) -> None:
        self.sentence, self.legend = drawn.sentence, drawn.legend
        if drawn.key in self._grid.keys:
            self._grid.stand_in(drawn.key, layer_of(drawn))
            self.shown = (drawn.key, drawn.kind)
        self.changed.emit()

    def _explain(self, error: Exception) -> None:
        self._take_back()
        if isinstance(error, W2SError):
            self.sentence = str(error)
        else:
            logger.error("a map could not be worked out", exc_info=error)
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.sentence = f"The map could not be worked out: {text}. Napari's log has the details."
        self.changed.emit()

    def _on_busy(self, busy: bool) -> None:
        if not busy:
            self.fraction = None
        self.changed.emit()

    def _on_report(self, progress: Progress) -> None:
        self.fraction = progress.fraction
        self.changed.emit()


def layer_of(drawn: Drawn) -> ImageLayer:
    """Return a layer that shows a map."""
    from napari.layers import Image as ImageLayer
    from napari.utils.colormaps import Colormap

    if drawn.kind is Map.UNSUPPORTED:
        places, colours = zip(*_RESIDUAL, strict=True)
        colormap: Any = Colormap(list(colours), controls=list(places), name="w2s residual")
    else:
        colormap = "viridis" if drawn.kind is Map.SSIM else "inferno"
    return ImageLayer(
        drawn.values.astype(np.float32),
        name=NAMES[drawn.kind],
        scale=drawn.grid.scale,
        translate=drawn.grid.origin,
        units=(drawn.grid.unit,) * 2,
        colormap=colormap,
        contrast_limits=drawn.limits,
        blending="translucent",
        metadata={bridge.PREVIEW_KEY: "comparison"},
    )


def _draw(
    comparison: Comparison,
    key: str,
    kind: Map,
    spread: Callable[..., Any],
    report: Callable[[Any], None],
    stop: StopFn,
) -> Drawn:
    if kind is Map.UNSUPPORTED:
        found = trust(comparison, key, stop=stop)
        words = " ".join(filter(None, (found.sentence, found.note)))
        limit = found.map.limit
        against = (*comparison.tiles, *comparison.averages)
        given = next(tile.title for tile in against if tile.key == found.given)
        legend = (
            ("orange: erased, blue: invented", "orange erased, blue new"),
            (f"beyond {limit:g} σ of the noise of {given}", f"beyond {limit:g} σ of {given}", f"beyond {limit:g} σ"),
        )
        return Drawn(key, kind, found.map.error, found.grid, (-2 * limit, 2 * limit), words, legend)
    if kind is Map.SPREAD:
        # Of the whole frame, as it takes as long as eight restorations: the box may be moved meanwhile.
        whole = spread(comparison.replace(box=None), key, progress=report, stop=stop)
        return Drawn(
            key,
            kind,
            whole.std,
            whole.grid,
            _from_zero(whole.std),
            whole.sentence,
            (("map: standard deviation of 8 answers", "map: spread of 8 answers", "spread"),),
        )
    if kind is Map.ERROR:
        error = error_map(comparison, key, stop=stop)
        return Drawn(
            key,
            kind,
            error.values,
            error.grid,
            _from_zero(error.values),
            error.sentence,
            (("map: bright is far from the reference", "bright is far off"),),
        )
    similar = ssim_difference(comparison, key, stop=stop)
    return Drawn(
        key,
        kind,
        similar.values,
        similar.grid,
        (0.0, 1.0),
        similar.sentence,
        (("map: bright is like the reference", "bright is alike"),),
    )


def _from_zero(values: npt.NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    top = float(np.percentile(finite, _TOP_PERCENTILE)) if finite.size else 0.0
    return 0.0, top if top > 0 else 1.0
