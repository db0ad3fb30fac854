"""How the tiles are laid out, and how bright they are."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QSlider, QWidget

from napari_w2s.app.comparing.comparison import Comparison, Contrast
from napari_w2s.app.comparing.state import CompareState, View
from napari_w2s.gui.forms import new_form, show_value
from napari_w2s.gui.parts import fill_combo, narrow_combo

BLINK_KEY = "B"
"""Changes between the two tiles of a pair."""

_STEPS = 200
_CONTRASTS = (
    (Contrast.SHARED, "One range for all"),
    (Contrast.PER_TILE, "Each its own"),
    (Contrast.MATCHED, "Matched to the reference"),
)
_VIEWS = ((View.GRID, "Side by side"), (View.CURTAIN, "Curtain"), (View.BLINK, f"Blink (key {BLINK_KEY})"))


class LookView(QWidget):
    """Lay-out, the pair that it is of, and contrast. Emits (field of `CompareState`, value)."""

    changed = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.view = narrow_combo(
            "Side by side: every image in a cell; all move together. Curtain: two in the same place, divided by a line "
            f"to drag. Blink: one of the two; the key {BLINK_KEY} brings the other."
        )
        self.left = narrow_combo("Left of the line, or the first of the two.")
        self.right = narrow_combo("Right of the line, or the second of the two.")
        self.divider = QSlider(Qt.Orientation.Horizontal)
        self.divider.setRange(0, _STEPS)
        self.divider.setPageStep(_STEPS // 10)
        self.divider.setToolTip("Where the line is. It can be dragged in the image too.")
        self.contrast = narrow_combo(
            "One range for all shows how bright they are. Each its own shows what can be seen in each. Matched shows "
            "each as the reference would show the same intensities: SIM and widefield share no scale. Numbers do not "
            "depend on it."
        )
        for box, name in (
            (self.view, "Lay-out"),
            (self.left, "First of the two"),
            (self.right, "Second of the two"),
            (self.divider, "Place of the dividing line"),
            (self.contrast, "Contrast"),
        ):
            box.setAccessibleName(name)
        form = new_form(self)
        form.addRow("Contrast", self.contrast)
        form.addRow("View", self.view)
        form.addRow("First", self.left)
        form.addRow("Second", self.right)
        form.addRow("Line", self.divider)
        self._form = form
        self.view.activated.connect(self._on_view)
        self.left.activated.connect(self._on_pair)
        self.right.activated.connect(self._on_pair)
        self.contrast.activated.connect(self._on_contrast)
        self.divider.valueChanged.connect(self._on_divider)

    def show_state(self, state: CompareState, comparison: Comparison) -> None:
        """Show what is chosen."""
        tiles: Sequence[tuple[str, str]] = [(tile.key, tile.title) for tile in comparison.tiles]
        pair = state.chosen_pair()
        paired = state.view is not View.GRID and pair is not None
        fill_combo(self.view, [(str(v), t) for v, t in _VIEWS if v is View.GRID or pair is not None], str(state.view))
        known = [(str(c), t) for c, t in _CONTRASTS if c is not Contrast.MATCHED or comparison.reference is not None]
        shown = state.contrast if str(state.contrast) in dict(known) else Contrast.PER_TILE
        fill_combo(self.contrast, known, str(shown))
        fill_combo(self.left, tiles, pair[0] if pair else None)
        fill_combo(self.right, tiles, pair[1] if pair else None)
        show_value(self.divider, round(state.divider * _STEPS))
        self._form.setRowVisible(self.left, paired)
        self._form.setRowVisible(self.right, paired)
        self._form.setRowVisible(self.divider, paired and state.view is View.CURTAIN)

    def _on_view(self, index: int) -> None:
        self.changed.emit("view", View(self.view.itemData(index)))

    def _on_contrast(self, index: int) -> None:
        self.changed.emit("contrast", Contrast(self.contrast.itemData(index)))

    def _on_pair(self) -> None:
        self.changed.emit("pair", (self.left.currentData(), self.right.currentData()))

    def _on_divider(self, value: int) -> None:
        self.changed.emit("divider", value / _STEPS)
