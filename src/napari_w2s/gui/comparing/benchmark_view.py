"""What the section *Benchmark* of the Compare panel is made of. It shows what it is given and does nothing."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_w2s.app.field_benchmark import COLUMNS, Choice, Line
from napari_w2s.app.resolve import LayerRow
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import ActionButton, LayerList, Note, fill_combo, narrow_combo

SHOWN, ALL = "shown", "all"
_SCOPES = ((SHOWN, "Field of view that is shown"), (ALL, "All that are open"))
_ROWS = 6
_GAP = 6


class BenchmarkView(QWidget):
    """Fields, pipelines, the button, progress and results."""

    scope_chosen = Signal(str)
    chosen = Signal(object)
    run_asked = Signal()
    cancel_asked = Signal()
    report_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._busy = False
        self.scope = narrow_combo("Which of the open fields of view are measured.")
        self.scope.setAccessibleName("Fields of view")
        self.fields = Note()
        self.pipelines = LayerList()
        self.other = QLineEdit()
        self.other.setPlaceholderText("Others, e.g. vst-nlm+bicubic")
        self.other.setToolTip("Chains of models, DENOISER+SR, with commas between them; {level} stands for the level.")
        self.other.setAccessibleName("Other pipelines")
        self.action = ActionButton()
        self.progress = QProgressBar()
        self.table = _table()
        self.message = Note()
        self.report = QPushButton("Open report")
        self.report.setToolTip("The page with all tables and pictures, in the browser. Its folder has them as CSV too.")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.action, 1)
        row.addWidget(self.report)
        column = new_column(self)
        above: tuple[QWidget, ...] = (self.scope, self.fields, self.pipelines, self.other)
        below: tuple[QWidget, ...] = (self.progress, self.table, self.message)
        for part in above:
            column.addWidget(part)
        column.addLayout(row)
        for part in below:
            column.addWidget(part)
        self.scope.currentIndexChanged.connect(self._on_scope)
        self.pipelines.chosen.connect(self.chosen)
        self.action.clicked.connect(self._on_action)
        self.report.clicked.connect(self.report_asked)
        self.show_progress(None)
        self.show_lines(())
        self.show_message("")

    def show_fields(self, words: str, problem: str, *, scope: str) -> None:
        """Show what would be measured, or why nothing can be."""
        fill_combo(self.scope, _SCOPES, scope)
        self.fields.setText(problem or words)
        for part in (self.scope, self.pipelines, self.other):
            part.setEnabled(not problem and not self._busy)
        self.action.setEnabled(self._busy or not problem)
        self.action.setToolTip("Stop; what is measured is kept." if self._busy else problem or words)
        self.action.set_full_text("Cancel" if self._busy else "Measure")

    def show_choices(self, choices: Sequence[Choice], ticked: Sequence[str]) -> None:
        """Show the pipelines."""
        self.pipelines.show_rows([LayerRow(one.name, one.title, one.name in ticked, None) for one in choices])

    def show_progress(self, progress: tuple[int, int] | None) -> None:
        """Show how many images are measured, of how many; None while nothing is."""
        self._busy = progress is not None
        self.progress.setVisible(self._busy)
        if progress is not None:
            done, total = progress
            self.progress.setRange(0, total)
            self.progress.setValue(done)
            self.progress.setFormat(f"{done} of {total}" if total else "")

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Show results."""
        table = self.table
        table.setVisible(bool(lines))
        table.setRowCount(len(lines))
        for place, line in enumerate(lines):
            title = QTableWidgetItem(line.title.replace(": ", ":\n", 1))
            title.setToolTip(line.title)
            table.setItem(place, 0, title)
            for column, text in enumerate(line.cells):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(f"{line.title}, {COLUMNS[column]}: PSNR in dB, below it SSIM")
                table.setItem(place, column + 1, item)
        table.resizeRowsToContents()
        for place in range(len(lines)):
            table.setRowHeight(place, table.rowHeight(place) + _GAP)
        height = sum(table.rowHeight(place) for place in range(min(_ROWS, len(lines))))
        table.setFixedHeight(table.horizontalHeader().sizeHint().height() + height + 4)

    def show_message(self, text: str, *, has_report: bool = False) -> None:
        """Say what happened."""
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.report.setVisible(has_report)

    def _on_scope(self, index: int) -> None:
        self.scope_chosen.emit(self.scope.itemData(index))

    def _on_action(self) -> None:
        (self.cancel_asked if self._busy else self.run_asked).emit()


def _table() -> QTableWidget:
    table = QTableWidget(0, len(COLUMNS) + 1)
    table.setAccessibleName("Results of the benchmark")
    table.setHorizontalHeaderLabels(["PSNR in dB\nSSIM", *COLUMNS])
    table.verticalHeader().hide()
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return table
