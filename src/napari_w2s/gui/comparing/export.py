"""Figures, tables and whole comparisons to files and back, in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_w2s._types import StopFn, W2SError
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.figure import draw_comparison
from napari_w2s.app.comparing.file import SUFFIX, Reopened, reopen, save
from napari_w2s.app.comparing.numbers import Numbers
from napari_w2s.app.comparing.table import save_csv
from napari_w2s.app.figure_file import FIGURE_SUFFIXES, save_figure
from napari_w2s.gui.comparing.newest import Newest
from napari_w2s.gui.comparing.session import Session

logger = logging.getLogger(__name__)

_COMPARISONS = f"Comparisons (*{SUFFIX})"
_FIGURES = "Figures (" + " ".join(f"*{suffix}" for suffix in FIGURE_SUFFIXES) + ")"


class Exporter:
    """Writes what is compared, and opens what was written.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    told
        Signal with a sentence for the user.
    opened
        Signal with a `Reopened`.
    """

    told = Signal(str)
    opened = Signal(object)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._job: Newest[Any] = Newest(self._done, self._explain)

    @property
    def busy(self) -> bool:
        """True while something is written or read."""
        return self._job.busy

    def ask_figure(self) -> None:
        """Ask for the name of a figure, and write it."""
        if self._session.comparison is not None:
            path = _ask("Save a figure", "comparison.png", _FIGURES)
            if path and self._session.comparison is not None:
                self.figure(self._session.comparison, self._session.numbers, path)

    def ask_csv(self) -> None:
        """Ask for the name of a table, and write it."""
        numbers = self._session.numbers
        if numbers is not None:
            path = _ask("Save the numbers", "comparison.csv", "Tables (*.csv)")
            if path:
                self.csv(numbers, path)

    def ask_json(self) -> None:
        """Ask for the name of a comparison, and write it."""
        comparison = self._session.comparison
        if comparison is not None:
            path = _ask("Save the comparison", f"comparison{SUFFIX}", _COMPARISONS)
            if path:
                self.json(comparison, path)

    def ask_open(self) -> None:
        """Ask for a comparison that was written, and open it."""
        path, _ = QFileDialog.getOpenFileName(QApplication.activeWindow(), "Open a comparison", "", _COMPARISONS)
        if path:
            self.open(path)

    def figure(self, comparison: Comparison, numbers: Numbers | None, path: str) -> None:
        """Write a figure."""
        self._do(f"Drawing {Path(path).name} …", lambda stop: _figure(comparison, numbers, Path(path), stop))

    def csv(self, numbers: Numbers, path: str) -> None:
        """Write all numbers."""
        self._do("", lambda _: f"Saved {save_csv(numbers, path).name}.")

    def json(self, comparison: Comparison, path: str) -> None:
        """Write which images are compared, and how."""
        self._do("", lambda _: _json(comparison, Path(path)))

    def open(self, path: str) -> None:
        """Open a comparison that was written."""
        self._do(f"Opening {Path(path).name} …", lambda stop: _open(path, stop))

    def close(self) -> None:
        """Wait for what is being written."""
        self._job.close()

    def _do(self, words: str, work: Callable[[StopFn], Any]) -> None:
        self._job.ask(lambda _, stop: work(stop))
        if words:
            self.told.emit(words)

    def _done(self, value: Any) -> None:
        if isinstance(value, Reopened):
            self.opened.emit(value)
        else:
            self.told.emit(str(value))

    def _explain(self, error: Exception) -> None:
        if isinstance(error, W2SError):
            self.told.emit(str(error))
        else:
            logger.error("a comparison could not be written or read", exc_info=error)
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.told.emit(f"It failed: {text}. Napari's log has the details.")


def _ask(title: str, name: str, kinds: str) -> str:
    """Ask for the name of a file to write; empty if there is to be none."""
    path, _ = QFileDialog.getSaveFileName(QApplication.activeWindow(), title, name, kinds)
    return path if not path or Path(path).suffix else path + Path(name).suffix


def _figure(comparison: Comparison, numbers: Numbers | None, path: Path, stop: StopFn) -> str:
    return f"Saved {save_figure(draw_comparison(comparison, numbers, stop=stop), path).name}."


def _json(comparison: Comparison, path: Path) -> str:
    saved = save(comparison, path)
    return " ".join([f"Saved {saved.path.name}.", *saved.problems])


def _open(path: str, stop: StopFn) -> Reopened:
    """Open a comparison; a restoration that is in no file is made again here, not when it is first drawn."""
    found = reopen(path)
    tiles = []
    for tile in found.comparison.tiles:
        if stop():
            break
        image = tile.image
        if tile.restoration and not isinstance(image.data, np.ndarray):
            image = image.replace(data=np.asarray(image.data))
        tiles.append(Tile(key=tile.key, image=image, title=tile.title))
    return Reopened(found.comparison.replace(tiles=tuple(tiles)), found.problems)
