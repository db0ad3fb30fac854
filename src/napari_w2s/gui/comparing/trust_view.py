"""Buttons that put maps in the place of a result, and the sentence that they come to."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.plan import results_of
from napari_w2s.app.comparing.state import CompareState, Map
from napari_w2s.gui.comparing.maps import NAMES, Maps
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import Note, fill_combo, narrow_combo

_TIPS = {
    Map.UNSUPPORTED: "Blur the result back to its input's resolution and compare the two: what differs by more than "
    "the input's noise is coloured. Orange: the input is brighter, something was erased; blue: it is darker, something "
    "was invented.",
    Map.SPREAD: "Restore the input turned and mirrored in all 8 ways: how far the answers differ. Takes as long as 8 "
    "restorations.",
    Map.ERROR: "Absolute difference to the reference, after an affine match of intensities.",
    Map.SSIM: "Local structural similarity to the reference, after an affine match of intensities: 1 is the same.",
}
_NO_RESULT = "This needs a restoration among the images."
_NO_REFERENCE = "This needs a reference. Choose one under Images."
_STEPS = 1000


class TrustView(QWidget):
    """Result, maps, sentence. Emits (field of `CompareState`, value)."""

    changed = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.subject = narrow_combo("The image that the maps are of.")
        self.subject.setAccessibleName("Image of the maps")
        self.buttons: dict[Map, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(6)
        for index, (kind, name) in enumerate(NAMES.items()):
            button = QPushButton(name)
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.clicked.connect(self._on_button)
            self.buttons[kind] = button
            grid.addWidget(button, index // 2, index % 2)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.sentence = Note()
        column = new_column(self)
        column.addWidget(self.subject)
        column.addLayout(grid)
        column.addWidget(self.progress)
        column.addWidget(self.sentence)
        self.subject.activated.connect(self._on_subject)

    def show_state(self, state: CompareState, comparison: Comparison, maps: Maps) -> None:
        """Show what there is, what is chosen, and what came of it."""
        results = results_of(comparison)
        shown = subject_of(state, comparison)
        others = [tile for tile in comparison.tiles if tile.key != comparison.reference]
        fill_combo(self.subject, [(tile.key, tile.title) for tile in (results or others)], shown)
        self.subject.setVisible(len(results or others) > 1)
        is_result = shown in {tile.key for tile in results}
        for kind, button in self.buttons.items():
            needs_result = kind in (Map.UNSUPPORTED, Map.SPREAD)
            lack = _NO_RESULT if needs_result and not is_result else ""
            if not needs_result and (comparison.reference is None or shown in (None, comparison.reference)):
                lack = _NO_REFERENCE
            button.setEnabled(not lack)
            button.setToolTip(lack or _TIPS[kind])
            button.setChecked(state.map is kind)
        self.progress.setVisible(maps.busy)
        self.progress.setRange(0, 0 if maps.fraction is None else _STEPS)
        if maps.fraction is not None:
            self.progress.setValue(round(maps.fraction * _STEPS))
        self.sentence.setText(maps.sentence)
        self.sentence.setVisible(bool(maps.sentence))

    def _on_button(self) -> None:
        button = self.sender()
        for kind, one in self.buttons.items():
            if one is button:
                self.changed.emit("map", kind if one.isChecked() else Map.NONE)

    def _on_subject(self, index: int) -> None:
        self.changed.emit("subject", self.subject.itemData(index))


def subject_of(state: CompareState, comparison: Comparison) -> str | None:
    """Return the key of the tile that maps are of: the chosen one, or else the last result, or any other tile."""
    results = [tile.key for tile in results_of(comparison)]
    others = [tile.key for tile in comparison.tiles if tile.key != comparison.reference]
    known = results or others
    return state.subject if state.subject in known else known[-1] if known else None
