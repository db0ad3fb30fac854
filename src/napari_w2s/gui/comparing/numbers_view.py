"""The numbers of a comparison: what they are of, the table, and ways to take them away."""

from __future__ import annotations

from collections.abc import Collection

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from napari_w2s.app.comparing.numbers import Numbers
from napari_w2s.app.comparing.state import THRESHOLDS, Area, Columns, CompareState
from napari_w2s.app.comparing.table import table, to_csv, to_markdown
from napari_w2s.app.comparing.worth_text import worth_sentences
from napari_w2s.gui.comparing.number_table import NumberTable, definition_html
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import Note, fill_combo, narrow_combo

_AREAS = ((Area.WHOLE, "Whole image"), (Area.BOX, "Box"))
_COLUMNS = (
    (Columns.PLAIN, "Scores"),
    (Columns.MATCHED, "Matched"),
    (Columns.ERRORS, "Errors"),
    (Columns.ALONE, "FRC, noise"),
    (Columns.MICRO, "MicroSSIM"),
)


def has_numbers(numbers: Numbers, columns: Columns) -> bool:
    """Tell whether any of these is measured, or could be: scores need a reference."""
    return numbers.reference is not None or bool(table(numbers, columns.keys).columns)


class NumbersView(QWidget):
    """Area, columns, table. Emits (field of `CompareState`, value)."""

    changed = Signal(str, object)
    copied = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._numbers: Numbers | None = None
        self._columns = Columns.PLAIN
        self._results: frozenset[str] = frozenset()
        self._filled: tuple[object, ...] = ()
        self.area = narrow_combo(
            "Measure the whole area that the images have in common, or a box: drag it in any of the tiles, or its "
            "corners."
        )
        self.columns = narrow_combo(
            "Scores: PSNR and SSIM of the intensities as they are. Matched: after an affine least-squares fit to the "
            "reference, for images that share no intensity scale, such as SIM and widefield. Errors: RMSE, both ways. "
            "FRC (resolution) and noise need no reference. MicroSSIM takes about as long as all others together."
        )
        self.threshold = narrow_combo("Where the Fourier ring correlation counts as lost: 1/7, or half a bit.")
        for box, name in (
            (self.area, "Area of the numbers"),
            (self.columns, "Which numbers"),
            (self.threshold, "Threshold of FRC"),
        ):
            box.setAccessibleName(name)
            box.setMinimumContentsLength(5)
        self.table = NumberTable()
        self.caption = Note()
        self.worth = Note()
        self.csv = QPushButton("Copy CSV")
        self.csv.setToolTip("Put all numbers on the clipboard, in full precision, for a spreadsheet.")
        self.markdown = QPushButton("Copy Markdown")
        self.markdown.setToolTip("Put the table on the clipboard as it is shown.")
        self.help = QToolButton()
        self.help.setText("?")
        self.help.setCheckable(True)
        self.help.setToolTip("What these numbers mean, and the papers that define them.")
        self.help.setAccessibleName("What these numbers mean")
        self.definitions = QLabel()
        self.definitions.setWordWrap(True)
        self.definitions.setTextFormat(Qt.TextFormat.RichText)
        self.definitions.setOpenExternalLinks(True)
        self.definitions.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.definitions.hide()
        choice = QHBoxLayout()
        choice.setSpacing(6)
        for combo in (self.area, self.columns):
            choice.addWidget(combo, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.csv, self.markdown):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button, 1)
        buttons.addWidget(self.help)
        column = new_column(self)
        column.addLayout(choice)
        column.addWidget(self.threshold)
        for widget in (self.table, self.caption, self.worth):
            column.addWidget(widget)
        column.addLayout(buttons)
        column.addWidget(self.definitions)
        self.area.activated.connect(self._on_area)
        self.columns.activated.connect(self._on_columns)
        self.threshold.activated.connect(self._on_threshold)
        self.csv.clicked.connect(self.copy_csv)
        self.markdown.clicked.connect(self.copy_markdown)
        self.help.toggled.connect(self.definitions.setVisible)

    def show_state(self, state: CompareState) -> None:
        """Show what is chosen."""
        self._columns = state.columns
        fill_combo(self.area, [(str(value), text) for value, text in _AREAS], str(state.area))
        fill_combo(self.threshold, [(one, f"FRC threshold {one}") for one in THRESHOLDS], state.threshold)
        self._show()

    def show_numbers(self, numbers: Numbers | None, results: Collection[str], *, busy: bool) -> None:
        """Show numbers; while others are worked out the last ones stay, and it says so.

        Parameters
        ----------
        numbers : Numbers or None
        results : collection of str
            Keys of the tiles that are restorations.
        busy : bool
        """
        self._results = frozenset(results)
        if numbers is not None or not busy:
            self._numbers = numbers
        self.caption.setText("Measuring …" if busy else "" if numbers is None else numbers.caption())
        for button in (self.csv, self.markdown):
            button.setEnabled(numbers is not None)
        self._show()

    def copy_csv(self) -> None:
        """Put all numbers on the clipboard."""
        if self._numbers is not None:
            QGuiApplication.clipboard().setText(to_csv(self._numbers))
            self.copied.emit("The numbers are on the clipboard as CSV.")

    def copy_markdown(self) -> None:
        """Put the table on the clipboard as it is shown."""
        shown = self.table.shown()
        if shown is not None:
            QGuiApplication.clipboard().setText(to_markdown(shown))
            self.copied.emit("The table is on the clipboard as Markdown.")

    def _show(self) -> None:
        numbers = self._numbers
        known = [one for one, _ in _COLUMNS if numbers is None or has_numbers(numbers, one)]
        columns = self._columns if self._columns in known else Columns.ALONE
        entries = [(str(value), text) for value, text in _COLUMNS if value in (*known, columns)]
        fill_combo(self.columns, entries, str(columns))
        self.threshold.setVisible(columns is Columns.ALONE)
        filled = (id(numbers), columns, self._results)
        if filled == self._filled:
            return
        self._filled = filled
        self.definitions.setText(definition_html(columns.keys))
        self.table.show_table(None if numbers is None else table(numbers, columns.keys))
        self.worth.setText("" if numbers is None else "\n".join(worth_sentences(numbers, self._results)))
        self.worth.setVisible(bool(self.worth.text()))

    def _on_area(self, index: int) -> None:
        self.changed.emit("area", Area(self.area.itemData(index)))

    def _on_columns(self, index: int) -> None:
        self.changed.emit("columns", Columns(self.columns.itemData(index)))

    def _on_threshold(self, index: int) -> None:
        self.changed.emit("threshold", self.threshold.itemData(index))
