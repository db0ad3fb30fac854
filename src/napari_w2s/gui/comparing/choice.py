"""What a viewer holds that can be compared, and what is chosen of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.plan import Candidate, ComparePlan, compare, images_of, resolve, ticked
from napari_w2s.app.comparing.state import CompareState
from napari_w2s.data.image import Image
from napari_w2s.gui import bridge
from napari_w2s.gui.comparing.images import candidates, position_of, selected_image, shown_images

if TYPE_CHECKING:
    from napari.components import ViewerModel

_MOST_TICKED = 9
_LIST_EVENTS = ("inserted", "removed", "reordered", "renamed")


class Choice:
    """Follows the layers of a viewer. As long as the user ticked nothing, what is shown is ticked.

    Parameters
    ----------
    viewer : napari.Viewer
    state : CompareState

    Attributes
    ----------
    plan : ComparePlan
    images : mapping of str to Image
        All that could be compared, by key, the bottom layer first.
    is_comparing : bool
        Set by whoever knows: then ticks are left alone.
    changed
        Signal: the layers, or which of them is selected, are others.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, state: CompareState) -> None:
        self._viewer = viewer
        self._state = state
        self._ticked = False
        self._candidates: tuple[Candidate, ...] = ()
        self.is_comparing = False
        self.images: Mapping[str, Image] = {}
        self.plan: ComparePlan
        self._soon = QTimer()
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._on_time)
        for name in _LIST_EVENTS:
            getattr(viewer.layers.events, name).connect(self._on_layers)
        viewer.layers.selection.events.changed.connect(self._on_selection)
        self.look()

    def look(self) -> None:
        """See what the viewer holds. Nobody is told."""
        self._candidates = candidates(self._viewer)
        self.images = images_of(self._candidates)
        if not self._ticked and not self.is_comparing:
            self._state.layers = shown_images(self._viewer)[:_MOST_TICKED]
        self.resolve()

    def resolve(self) -> None:
        """Work out what the present intent comes to."""
        viewer = self._viewer
        self.plan = resolve(self._state, self._candidates, selected_image(viewer), position_of(viewer))

    def tick(self, identities: tuple[str, ...]) -> None:
        """Take over the user's ticks."""
        self._ticked = True
        self._state.layers = ticked(self._state.layers, identities)

    def reference(self) -> str | None:
        """Return the reference that the intent comes to."""
        self.resolve()
        return self.plan.reference

    def compared(self) -> Comparison:
        """Return what the ticks come to.

        Raises
        ------
        InputError
            If nothing is ticked.
        """
        state = self._state
        made = compare(self.images, state.layers, state.reference, position_of(self._viewer), state.frames)
        return made.replace(contrast=state.contrast, box=state.measured_box())

    def close(self) -> None:
        """Let go of the viewer."""
        self._soon.stop()
        for name in _LIST_EVENTS:
            getattr(self._viewer.layers.events, name).disconnect(self._on_layers)
        self._viewer.layers.selection.events.changed.disconnect(self._on_selection)

    def _on_layers(self, event: Any) -> None:
        layer = self._viewer.layers[event.index] if event.type == "renamed" else getattr(event, "value", None)
        # Tiles come, go and are renamed all the time, and are nothing to compare.
        if layer is not None and hasattr(layer, "metadata") and bridge.is_preview(layer):
            return
        # Not at once: several may come and go.
        self._soon.start()

    def _on_selection(self, _event: Any = None) -> None:
        self._soon.start()

    def _on_time(self) -> None:
        self.look()
        self.changed.emit()
