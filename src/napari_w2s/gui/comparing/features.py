"""What there is around a comparison: pairs, marks, maps, curves and bursts. They follow the intent and the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.curves import profile_unit
from napari_w2s.app.comparing.plan import bursts_of
from napari_w2s.app.comparing.state import Area, Columns, CompareState, Line, Map, View
from napari_w2s.app.comparing.trust import flip_spread
from napari_w2s.gui.comparing.bursts import Bursts
from napari_w2s.gui.comparing.canvas import visible_area, world_edges
from napari_w2s.gui.comparing.choice import Choice
from napari_w2s.gui.comparing.curves_work import CurveWork
from napari_w2s.gui.comparing.images import axis_factors
from napari_w2s.gui.comparing.maps import Maps
from napari_w2s.gui.comparing.marks import Marks
from napari_w2s.gui.comparing.pair import Pair
from napari_w2s.gui.comparing.session import Session
from napari_w2s.gui.comparing.trust_view import subject_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_FIELDS = ("reference", "position", "box", "contrast", "data_range")


class Features:
    """Joins the parts around a comparison. It knows no widget.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    state : CompareState
    choice : Choice
        What could be compared.
    spread : callable
        See `napari_w2s.app.comparing.trust.flip_spread`.

    Attributes
    ----------
    pair : Pair
    marks : Marks
    maps : Maps
    curves : CurveWork
    bursts : Bursts
    changed
        Signal: maps or curves are others.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        state: CompareState,
        choice: Choice,
        spread: Callable[..., Any] = flip_spread,
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._state = state
        self._before: Comparison | None = None
        self._wants_spectrum = False
        self._choice = choice
        session.threshold, session.wants_optional = state.threshold, state.columns is Columns.MICRO
        self.pair = Pair(viewer, session.grid)
        self.marks = Marks(viewer, session.grid, session.leave)
        self.maps = Maps(session.grid, spread)
        self.curves = CurveWork()
        self.bursts = Bursts(session)
        self.pair.moved.connect(self._on_divider)
        self.marks.box_moved.connect(self._on_box)
        self.marks.line_moved.connect(self._on_line)
        self.maps.changed.connect(self._on_maps)
        self.curves.profiled.connect(self.changed)
        self.curves.measured.connect(self.changed)
        session.changed.connect(self._on_session)

    @property
    def busy(self) -> bool:
        """True while something is worked out."""
        return self.maps.busy or self.curves.busy or self.bursts.busy

    def follow(self, name: str) -> None:
        """Take over a field of the state that has changed.

        Raises
        ------
        InputError
            If what is wanted cannot be shown.
        """
        state, session = self._state, self._session
        if name == "layers":
            self._choice.look()
            session.show(self._choice.compared())
        elif name == "reference":
            session.change(reference=self._choice.reference())
        elif name == "contrast":
            session.change(contrast=state.contrast)
        elif name == "columns":
            session.set_optional(state.columns is Columns.MICRO)
        elif name == "threshold":
            session.set_threshold(state.threshold)
        elif name in ("area", "box"):
            session.change(box=state.measured_box())
        self._follow_around(name)

    def _follow_around(self, name: str) -> None:
        if name in ("view", "pair", "divider"):
            self._show_view()
        elif name in ("area", "box", "line"):
            self._show_marks()
            if name == "line":
                self._profile()
        elif name in ("map", "subject"):
            self._show_map()
        elif name in ("normalised", "width_um", "width_px"):
            self._profile()
        elif name == "frames":
            self._average()

    def blink(self) -> None:
        """Show the other tile of the pair; the first time it only begins."""
        if self._state.view is View.BLINK:
            self.pair.blink()
        elif self._state.chosen_pair() is not None:
            self._state.view = View.BLINK

    def draw_box(self) -> None:
        """Put a box into the middle of what can be seen, if there is none yet."""
        if self._state.box is None:
            self._state.box = self._middle()

    def draw_line(self, on: bool) -> None:
        """Put a line into the middle of what can be seen, or take it away."""
        middle = self._middle()
        if not on or middle is None:
            self._state.line = None
            return
        y = (middle.top + middle.bottom) / 2
        self._state.line = Line((y, middle.left), (y, middle.right))

    def ask_spectrum(self, wanted: bool) -> None:
        """Say whether the spectrum can be seen; what cannot be seen is not worked out."""
        wanted, self._wants_spectrum = wanted and not self._wants_spectrum, wanted
        if wanted:
            self._measure()

    def known_bursts(self) -> tuple[tuple[str, str, int], ...]:
        """Return key, name and number of frames of the bursts that can be averaged step by step."""
        comparison = self._session.comparison
        if comparison is None:
            return ()
        keys = bursts_of(comparison, self._choice.images)
        return tuple((key, self._choice.images[key].name, int(self._choice.images[key].data.shape[0])) for key in keys)

    def close(self) -> None:
        """Stop all work, and wait for it."""
        self.pair.hide(to_grid=False)
        self.marks.hide()
        for work in (self.maps, self.curves, self.bursts):
            work.close()

    def _on_session(self) -> None:
        before, now = self._before, self._session.comparison
        self._before = now
        if now is None:
            self.pair.hide(to_grid=False)
            self.marks.hide()
            self.maps.hide()
            self.curves.forget()
            self.bursts.forget()
            return
        changed = {name for name in _FIELDS if before is None or getattr(before, name) != getattr(now, name)}
        if before is None or before.tiles is not now.tiles:
            changed.add("tiles")
            self._show_view()
            self._show_marks()
            self._average(anew=False)
        if changed - {"contrast"}:
            self._profile()
            if self._wants_spectrum:
                self._measure()
        # The spread is of the whole frame, and needs no reference.
        fields = {"tiles", "position"} if self._state.map is Map.SPREAD else {"tiles", "position", "reference", "box"}
        if changed & fields:
            self._show_map()

    def _show_view(self) -> None:
        pair = self._state.chosen_pair()
        if self._session.comparison is None or pair is None or self._state.view is View.GRID:
            self.pair.hide()
        elif self._state.view is View.CURTAIN:
            self.pair.show_curtain(*pair, self._state.divider)
        else:
            self.pair.show_blink(*pair)

    def _show_marks(self) -> None:
        if self._session.comparison is not None:
            self.marks.show(self._state.measured_box(), self._state.line)

    def _show_map(self) -> None:
        comparison, state = self._session.comparison, self._state
        if comparison is None:
            return
        subject = subject_of(state, comparison)
        if state.map is Map.NONE or subject is None:
            self.maps.hide()
        else:
            self.maps.show(comparison, subject, state.map)

    def _profile(self) -> None:
        comparison, line = self._session.comparison, self._state.line
        if comparison is not None and line is not None:
            width = self._state.width(profile_unit(comparison))
            self.curves.profile(comparison, line, width=width, normalised=self._state.normalised)

    def _measure(self) -> None:
        if self._session.comparison is not None:
            self.curves.measure(self._session.comparison)

    def _average(self, *, anew: bool = True) -> None:
        if not self._state.frames:
            return
        self._choice.look()  # A burst may have got other pixels, and be none any more.
        grid, bursts = self._session.grid, {key for key, *_ in self.known_bursts()}
        for key, frames in self._state.frames.items():
            if key in bursts and key in grid.keys and (anew or key not in grid.repainted):
                self.bursts.average(self._choice.images, key, frames)

    def _on_divider(self, share: float) -> None:
        self._state.divider = share

    def _on_box(self, box: Box | None) -> None:
        if box is None:
            self._state.area = Area.WHOLE
        self._state.box = box

    def _on_line(self, line: Line | None) -> None:
        self._state.line = line

    def _on_maps(self) -> None:
        if self.maps.shown is None:
            self._session.preface({})
        else:
            self._session.preface(dict([self.maps.words()]), self.maps.legend)
        if self.pair.is_shown:
            self._show_view()
        self.changed.emit()

    def _middle(self) -> Box | None:
        """Return the middle of what can be seen of the reference, or else of the first tile."""
        comparison = self._session.comparison
        if comparison is None or not comparison.tiles:
            return None
        factor = axis_factors(self._viewer)[-1]
        key = comparison.reference or comparison.tiles[0].key
        layer = self._session.grid.tile(key)
        if layer is None:
            return None
        low, high = world_edges(self._viewer, layer)
        seen = visible_area(self._viewer)
        edges = []
        for axis in (0, 1):
            first, last = max(low[axis], seen[0][axis]), min(high[axis], seen[1][axis])
            if last <= first:
                first, last = low[axis], high[axis]
            quarter = (last - first) / 4
            edges.append((float(first + quarter) * factor, float(last - quarter) * factor))
        (top, bottom), (left, right) = edges
        return Box(top, left, bottom, right) if bottom > top and right > left else None
