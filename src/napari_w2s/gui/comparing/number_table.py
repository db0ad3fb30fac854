"""A narrow table of numbers that sorts by a click or a key, and says what each number is."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem

from napari_w2s.app.comparing.table import TITLE, Table
from napari_w2s.metrics.definitions import DEFINITIONS

_ROWS = 9
_HEADS = {
    "psnr": "PSNR",
    "psnr_matched": "PSNR",
    "ssim": "SSIM",
    "ssim_matched": "SSIM",
    "rmse": "RMSE",
    "rmse_matched": "matched",
    "frc": "FRC",
    "frc_two": "FRC, ref.",
    "noise": "Noise",
    "worth": "Worth",
    "microssim": "Micro",
}


class NumberTable(QTableWidget):
    """One row per tile."""

    def __init__(self) -> None:
        super().__init__(0, 1)
        self._table: Table | None = None
        self._sort: tuple[str, bool] | None = None
        self.setAccessibleName("Numbers")
        self.setToolTip("Click a heading to sort, or press S in its column.")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(True)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        header.setMinimumSectionSize(24)
        header.sectionClicked.connect(self.sort_by)

    def show_table(self, table: Table | None) -> None:
        """Show a table, in the order that was chosen last; None is an empty one."""
        self._table = table
        self._fill()

    def shown(self) -> Table | None:
        """Return the table in the order in which it is shown."""
        if self._table is None or self._sort is None or self._sort[0] not in (TITLE, *self._table.columns):
            return self._table
        return self._table.sorted(self._sort[0], descending=self._sort[1])

    def sort_by(self, section: int) -> None:
        """Sort by a column, the other way round the second time, and as at first the third time."""
        if self._table is None:
            return
        column = (TITLE, *self._table.columns)[section]
        better = getattr(DEFINITIONS.get(column), "better", None)
        first = better == "higher"
        if self._sort == (column, first):
            self._sort = (column, not first)
        elif self._sort == (column, not first):
            self._sort = None
        else:
            self._sort = (column, first)
        self._fill()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Sort by the present column on S."""
        if event.key() == Qt.Key.Key_S and self.currentColumn() >= 0:
            self.sort_by(self.currentColumn())
        else:
            super().keyPressEvent(event)

    def _fill(self) -> None:
        table = self.shown()
        columns = () if table is None else table.columns
        rows = () if table is None else table.rows
        self.setColumnCount(1 + len(columns))
        self.setRowCount(len(rows))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._head(0, "Image", "What is compared.")
        for index, column in enumerate(columns, start=1):
            assert table is not None
            unit = table.headings[index - 1].partition(" (")[2].rstrip(")")
            arrow = "" if self._sort is None or self._sort[0] != column else (" ▼" if self._sort[1] else " ▲")
            self._head(index, f"{_HEADS[column]}{arrow}\n{unit}", definition_text(column))
        for y, row in enumerate(rows):
            self._put(y, 0, row.title, "\n".join(filter(None, (row.title, row.notes))))
            for x, cell in enumerate(row.cells, start=1):
                self._put(y, x, cell.text, row.notes)
        self.resizeRowsToContents()
        height = header.sizeHint().height() + sum(self.rowHeight(i) for i in range(min(_ROWS, len(rows))))
        self.setFixedHeight(height + 2 * self.frameWidth() + 2)

    def _head(self, index: int, text: str, tooltip: str) -> None:
        item = QTableWidgetItem(text)
        item.setToolTip(tooltip)
        if index == 0:
            item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setHorizontalHeaderItem(index, item)

    def _put(self, y: int, x: int, text: str, tooltip: str) -> None:
        item = QTableWidgetItem(text)
        item.setToolTip(tooltip)
        if x:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setItem(y, x, item)


def definition_text(column: str) -> str:
    """Return what a number means and the paper that defines it; empty for one without a definition."""
    known = DEFINITIONS.get(column)
    return "" if known is None else "\n".join(filter(None, (known.meaning, known.citation)))


def definition_html(columns: tuple[str, ...]) -> str:
    """Return what numbers mean, with links to their papers."""
    parts = []
    for column in columns:
        known = DEFINITIONS.get(column)
        if known is None:
            continue
        paper = escape(known.citation)
        if known.url:
            paper = f'<a href="{escape(known.url)}">{paper or escape(known.url)}</a>'
        parts.append(f"<p><b>{escape(known.label)}</b> {escape(known.meaning)} {paper}</p>")
    return "".join(parts)
