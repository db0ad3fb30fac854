"""The Compare panel: it joins what the user wants, what the viewer holds, and the session. It computes nothing."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QWidget

from napari_w2s._types import W2SError
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.file import Reopened
from napari_w2s.app.comparing.numbers import measure
from napari_w2s.app.comparing.state import PERSISTENT, Area, CompareState
from napari_w2s.app.comparing.trust import flip_spread
from napari_w2s.gui import defaults
from napari_w2s.gui.at_end import AtEnd
from napari_w2s.gui.comparing.cell_labels import canvas_beside
from napari_w2s.gui.comparing.choice import Choice
from napari_w2s.gui.comparing.export import Exporter
from napari_w2s.gui.comparing.features import Features
from napari_w2s.gui.comparing.images import add_opened, position_of
from napari_w2s.gui.comparing.keys import Keys
from napari_w2s.gui.comparing.look import BLINK_KEY
from napari_w2s.gui.comparing.panel import ComparePanel
from napari_w2s.gui.comparing.session import MeasureFn, Session
from napari_w2s.gui.parts import is_alive
from napari_w2s.gui.settings import PluginStore, Store

if TYPE_CHECKING:
    import napari

logger = logging.getLogger(__name__)


class CompareWidget(ComparePanel):
    """A panel that compares image layers side by side.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    measure : callable, optional
        See `MeasureFn`.
    spread : callable, optional
        See `napari_w2s.app.comparing.trust.flip_spread`.
    store : Store, optional
        Where settings outlive the session; napari's store of plugin settings by default.

    Attributes
    ----------
    state : CompareState
        What the user wants; setting a field does what the user's own hand would do.
    choice : Choice
        What there is to compare.
    session : Session
        What is compared.
    features : Features
        What there is around it.
    exporter : Exporter
    """

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        *,
        measure: MeasureFn = measure,
        spread: Callable[..., Any] = flip_spread,
        store: Store | None = None,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._store = store if store is not None else PluginStore("compare")
        self._notice = ""
        self._taking_over = False
        self.state = CompareState()
        self.state.recall(self._store.load())
        self.choice = Choice(napari_viewer, self.state)
        self.session = Session(napari_viewer, measure, partial(_canvas_of, weakref.ref(self)))
        self.features = Features(napari_viewer, self.session, self.state, self.choice, spread)
        self.exporter = Exporter(self.session)
        self._keys = Keys(napari_viewer, {"Escape": self.session.leave, BLINK_KEY: self.features.blink})
        self._connect()
        self.benchmark.follow(self.choice, partial(position_of, napari_viewer))
        self._refresh()
        self.paint_theme()
        parts = self.choice, self.features, self.session, self.exporter, self._keys
        self._at_end = AtEnd(self, partial(_abandon, *parts))

    def close_down(self) -> None:
        """Leave the comparison, stop all work, and let go of the viewer. The panel is dead afterwards."""
        self.benchmark.close_down()
        self._at_end()

    @property
    def busy(self) -> bool:
        """True while anything is worked out."""
        return self.session.busy or self.features.busy or self.exporter.busy

    def compare_levels(self) -> None:
        """Show all levels of the selected field of view and channel."""
        self.choice.look()
        self._begin(self.choice.plan.levels)

    def compare_last(self) -> None:
        """Show the last restoration with its input and a reference."""
        self.choice.look()
        self._begin(self.choice.plan.last)

    def compare(self) -> None:
        """Show the layers that are ticked."""
        self.choice.look()
        if not self.choice.plan.missing:
            self._attempt(lambda: self._begin(self.choice.compared()))

    def leave(self) -> None:
        """Go back to what the viewer looked like before."""
        self._attempt(self.session.leave)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave on Esc, blink on B; what has the focus comes first."""
        if self.session.comparison is None:
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Escape:
            self.leave()
        elif event.text().upper() == BLINK_KEY and not event.isAutoRepeat():
            self.features.blink()
        else:
            super().keyPressEvent(event)

    def _connect(self) -> None:
        # Bound methods throughout: Qt holds them weakly, but a lambda that knows `self` would keep the panel alive.
        self.choose.levels_asked.connect(self.compare_levels)
        self.choose.last_asked.connect(self.compare_last)
        self.choose.open_asked.connect(self.exporter.ask_open)
        self.choose.layers_chosen.connect(self.choice.tick)
        self.choose.reference_chosen.connect(self._choose_reference)
        for part in (self.look, self.numbers, self.trust, self.curves):
            part.changed.connect(self._choose)
        self.numbers.copied.connect(self._tell)
        self.curves.line_asked.connect(self.features.draw_line)
        self.curves.tab_shown.connect(self.features.ask_spectrum)
        self.curves.frames_asked.connect(self._choose_frames)
        self.bar.compare_asked.connect(self.compare)
        self.bar.leave_asked.connect(self.leave)
        self.bar.figure_asked.connect(self.exporter.ask_figure)
        self.bar.csv_asked.connect(self.exporter.ask_csv)
        self.bar.json_asked.connect(self.exporter.ask_json)
        self.state.events.connect(self._on_state)
        self.choice.changed.connect(self._refresh)
        self.session.changed.connect(self._on_session)
        self.session.numbered.connect(self._show)
        self.session.working.connect(self._on_working)
        self.session.told.connect(self._tell)
        self.features.changed.connect(self._show_features)
        self.exporter.told.connect(self._tell)
        self.exporter.opened.connect(self._on_opened)

    def _choose(self, name: str, value: Any) -> None:
        if name == "area" and value is Area.BOX:
            self.features.draw_box()
        setattr(self.state, name, value)

    def _choose_reference(self, key: str) -> None:
        self.state.reference = key

    def _choose_frames(self, key: str, frames: int) -> None:
        self.state.frames = {**self.state.frames, key: frames}
        if key not in self.state.layers:
            self.state.layers = (*self.state.layers, key)

    def _begin(self, comparison: Comparison | None) -> None:
        """Show other images."""
        if comparison is None:
            return
        self._notice = ""
        self._taking_over = True
        try:
            self.state.begin(tuple(tile.key for tile in comparison.tiles), comparison.reference or "")
            self._attempt(lambda: self.session.show(comparison.replace(contrast=self.state.contrast, box=None)))
        finally:
            self._taking_over = False
        self.choice.is_comparing = self.session.comparison is not None
        if self.choice.is_comparing:
            self._keys.bind()
            self.images.set_open(is_open=False)
        self._on_session()

    def _on_state(self, info: Any) -> None:
        name = info.signal.name
        if name in PERSISTENT:
            self._store.save(self.state.persistent())
        if self._taking_over:
            return
        self._notice = ""
        if self.session.comparison is not None:
            self._attempt(lambda: self.features.follow(name))
        if name in ("layers", "reference"):
            self.choice.resolve()
            self._refresh()
        else:
            self._show()

    def _on_session(self) -> None:
        """Take over what the session did by itself: tiles that went, or all of it."""
        if self._taking_over or not is_alive(self):
            return
        comparison = self.session.comparison
        layers = () if comparison is None else tuple(tile.key for tile in comparison.tiles)
        if comparison is not None and (layers, comparison.reference or "") == (self.state.layers, self.state.reference):
            self._show()
            return
        self._taking_over = True
        try:
            if comparison is None:
                self.choice.is_comparing = False
                self._keys.release()
                self.images.set_open(is_open=True)
            else:
                self.state.layers, self.state.reference = layers, comparison.reference or ""
        finally:
            self._taking_over = False
        self.choice.resolve()
        self._refresh()

    def _on_opened(self, opened: Reopened) -> None:
        """Add the images of a saved comparison that are not there yet, and show them as they were."""
        self._attempt(lambda: self._begin(add_opened(self._viewer, opened.comparison)))
        if self.session.comparison is not None:
            self.state.contrast = opened.comparison.contrast
            if opened.comparison.box is not None:
                self.state.box, self.state.area = opened.comparison.box, Area.BOX
        if opened.problems:
            self._tell(" ".join(opened.problems))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except W2SError as error:
            self._tell(str(error))
        except Exception as error:
            logger.exception("the comparison failed")
            self._tell(f"The comparison failed: {error}. Napari's log has the details.")

    def _tell(self, notice: str) -> None:
        """Say something that is true until the next thing happens."""
        self._notice = notice
        self._show()

    def _refresh(self) -> None:
        """Show what there is to choose, and all else."""
        if is_alive(self):
            self.choose.show_plan(self.choice.plan)
            self._show()

    def _show(self) -> None:
        """Show what is compared."""
        if is_alive(self):
            self.show_compared(self.state, self.session, self.features)
            self.bar.show_plan(self.choice.plan, self._notice, self.session)

    def _on_working(self, _busy: bool) -> None:
        self._show()

    def _show_features(self) -> None:
        if is_alive(self):
            self.show_features(self.state, self.session, self.features)

    def paint_theme(self) -> None:
        """Take over the colours of the viewer's theme."""
        self.bar.action.paint_primary(*defaults.accent(self._viewer.theme))
        self.curves.paint(self._viewer.theme)


def _canvas_of(panel: weakref.ref[CompareWidget]) -> QWidget | None:
    """Return the canvas beside a panel that is to be freed when nobody else holds it."""
    alive = panel()
    return canvas_beside(alive) if alive is not None and is_alive(alive) else None


def _abandon(choice: Choice, features: Features, session: Session, exporter: Exporter, keys: Keys) -> None:
    """Leave, and stop everything that goes on outside of the panel's own widgets."""
    choice.close()
    for signal in (choice.changed, session.changed, session.numbered, session.working, session.told):
        signal.disconnect()
    for signal in (features.changed, exporter.told, exporter.opened):
        signal.disconnect()
    features.close()
    session.close()
    exporter.close()
    keys.release()
