"""Giving a model away: the row of the Restore panel, the dialog, and the work in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_w2s._types import Cancelled, InputError, StopFn, W2SError
from napari_w2s.app.exchange.export import KINDS, SUFFIXES, ExchangeFormat, Exported, check_exportable
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.parts import Note
from napari_w2s.gui.worker import Job

if TYPE_CHECKING:
    from napari_w2s.app.state import RestoreState
    from napari_w2s.models.registry import Registry

logger = logging.getLogger(__name__)

ExportFn = Callable[..., Exported]
"""See `napari_w2s.app.exchange.named.export_named`. Called in a thread."""

AskFileFn = Callable[[QWidget, str], tuple[str, bool]]
"""Takes a model's name; returns a path, empty if there is to be none, and whether a file there may be replaced."""

_FILTERS = {
    f"BioImage Model Zoo package (*{SUFFIXES[ExchangeFormat.BIOIMAGEIO]})": SUFFIXES[ExchangeFormat.BIOIMAGEIO],
    f"ONNX graph (*{SUFFIXES[ExchangeFormat.ONNX]})": SUFFIXES[ExchangeFormat.ONNX],
}


class ModelExport:
    """Writes the model that is chosen, one at a time.

    Parameters
    ----------
    registry : Registry
    export : callable
        See `ExportFn`.
    ask : callable
        See `AskFileFn`.

    Attributes
    ----------
    name : str or None
        Of the model that is chosen.
    message : str
        What happens, or has happened.
    changed
        Signal: any of these is another, or the work has begun or ended.
    """

    changed = Signal()

    def __init__(self, registry: Registry, export: ExportFn, ask: AskFileFn) -> None:
        self._registry = registry
        self._export = export
        self._ask = ask
        self._job: Job[Exported] | None = None
        self._weights: str | None = None
        self._range: tuple[float, float] | None = None
        self._running = False
        self.name: str | None = None
        self.message = ""

    @property
    def busy(self) -> bool:
        """Whether a model is being written."""
        return self._job is not None

    @property
    def title(self) -> str:
        """What people call the model that is chosen."""
        return "" if self.name is None else self._registry.descriptor(self.name).title

    @property
    def refusal(self) -> str:
        """Why the model cannot be written now; empty if it can."""
        if self.name is None:
            return "There is no model to export."
        if self.busy or self._running:
            return "Wait until what goes on has ended."
        try:
            check_exportable(self._registry.descriptor(self.name))
        except InputError as error:
            return str(error)
        return ""

    def offer(self, name: str | None, state: RestoreState, *, running: bool) -> None:
        """Take over what is chosen: the model, weights of the user's own, the range; and whether anything runs."""
        if name != self.name and not self.busy:
            self.message = ""
        self.name, self._weights, self._range, self._running = name, state.weights, state.intensity_range, running
        self.changed.emit()

    def ask(self, parent: QWidget) -> None:
        """Ask where to, and write the model."""
        if self.name is not None and not self.refusal:
            path, overwrite = self._ask(parent, self.name)
            if path:
                self.start(path, overwrite=overwrite)

    def start(self, path: str, *, overwrite: bool) -> None:
        """Write the model to a file, whose name says as what."""
        kind = KINDS.get(Path(path).suffix.lower())
        if kind is None:
            self._say(f"{Path(path).name} must end in {' or '.join(KINDS)}. Choose another name.")
            return
        work = partial(
            self._export,
            self._registry,
            self.name,
            Path(path),
            kind,
            weights=self._weights,
            intensity_range=self._range,
            overwrite=overwrite,
        )
        self._job = Job(
            partial(_work, work),
            on_report=self._on_report,
            on_done=self._on_done,
            on_error=self._on_error,
            on_end=self._on_end,
        )
        self._say("Loading the model …")
        self._job.start()

    def abandon(self) -> None:
        """Stop, and wait for the thread."""
        job, self._job = self._job, None
        if job is not None:
            job.abandon()

    def _say(self, message: str) -> None:
        self.message = message
        self.changed.emit()

    def _on_report(self, lines: list[Any]) -> None:
        self._say(str(lines[-1]))

    def _on_done(self, done: Exported) -> None:
        self._say(f"Saved {done.path.name}. Checked: {done.agreement}.")

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, W2SError):
            self._say(str(error))
        else:
            logger.error("a model could not be exported", exc_info=error)
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._say(f"The model could not be exported: {text}. Napari's log has the details.")

    def _on_end(self) -> None:
        self._job = None
        self.changed.emit()


class ExportRow(QWidget):
    """A button, and below it what happens."""

    def __init__(self) -> None:
        super().__init__()
        self._exports: ModelExport | None = None
        self.button = QPushButton("Export model …")
        self.message = Note()
        column = new_column(self)
        column.addWidget(self.button)
        column.addWidget(self.message)
        self.button.clicked.connect(self._on_clicked)

    def follow(self, exports: ModelExport) -> None:
        """Show what would be written, or why it cannot be, and what happens or has happened."""
        self._exports = exports
        exports.changed.connect(self._show)

    def _show(self) -> None:
        assert self._exports is not None
        refusal, message = self._exports.refusal, self._exports.message
        self.button.setEnabled(not refusal)
        self.button.setToolTip(
            refusal
            or f"Write {self._exports.title}, with the weights and the range that are set above, for other programs: "
            "as a package of the BioImage Model Zoo, or as an ONNX graph. It is checked to compute the same. "
            "An automatic range is each frame's own; for 8-bit images set 0 to 255 first."
        )
        self.message.setText(message)
        self.message.setVisible(bool(message))

    def _on_clicked(self) -> None:
        if self._exports is not None:
            self._exports.ask(self)


def _work(export: Callable[..., Exported], report: Callable[[Any], None], stop: StopFn) -> Exported:
    def say(line: str) -> None:
        if stop():
            raise Cancelled("The export was stopped.")
        report(line)

    return export(say=say)


def ask_for_file(parent: QWidget, name: str) -> tuple[str, bool]:
    """Ask for the name of a file to write a model to, in a dialog."""
    dialog = QFileDialog(parent, "Export the model")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(list(_FILTERS))
    dialog.setDefaultSuffix(SUFFIXES[ExchangeFormat.BIOIMAGEIO])
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(_FILTERS[chosen]))
    dialog.selectFile(name)
    accepted, chosen = dialog.exec(), dialog.selectedFiles()
    suffix = _FILTERS[dialog.selectedNameFilter()]
    dialog.deleteLater()
    if not accepted or not chosen:
        return "", False
    # The dialog has asked about a file of that very name only.
    named = Path(chosen[0]).suffix.lower() in KINDS
    return (chosen[0], True) if named else (chosen[0] + suffix, False)
