"""The section *Benchmark* of the Compare panel: models measured on the fields of view that are open, in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices

from napari_w2s._types import InputError, StopFn, W2SError
from napari_w2s.app import field_benchmark as app
from napari_w2s.gui.at_end import AtEnd
from napari_w2s.gui.comparing.benchmark_view import ALL, SHOWN, BenchmarkView
from napari_w2s.gui.parts import is_alive
from napari_w2s.gui.worker import Job
from napari_w2s.models.builtin import default_registry

if TYPE_CHECKING:
    from napari_w2s.benchmark.run import BenchmarkResult
    from napari_w2s.data.image import Image
    from napari_w2s.gui.comparing.choice import Choice

logger = logging.getLogger(__name__)

_STOPPING = "Stopping …"

Found = tuple["BenchmarkResult", Path]


class BenchmarkSection(BenchmarkView):
    """Asks for a benchmark and shows what comes of it.

    Attributes
    ----------
    evaluate : callable or None
        Stands in for `napari_w2s.benchmark.evaluate`; called in a thread.
    home : Path or None
        Folder of all results; None takes the user's folder for data.
    page : Path or None
        The last report.
    """

    def __init__(self) -> None:
        super().__init__()
        self.evaluate: app.EvaluateFn | None = None
        self.home: Path | None = None
        self.page: Path | None = None
        self._look: Callable[[], tuple[list[Image], tuple[float, ...]]] | None = None
        self._registry = default_registry()
        self._ticked: tuple[str, ...] = app.DEFAULTS
        self._scope = SHOWN
        self._job: Job[Found] | None = None
        self._running: list[Job[Found]] = []
        self.scope_chosen.connect(self._choose_scope)
        self.chosen.connect(self._choose)
        self.run_asked.connect(self.run)
        self.cancel_asked.connect(self.cancel)
        self.report_asked.connect(self.open_report)
        self._at_end = AtEnd(self, partial(_abandon, self._running))

    def follow(self, choice: Choice, position: Callable[[], tuple[float, ...]]) -> None:
        """Measure what there is to compare, as it changes."""
        self._look = lambda: (list(choice.images.values()), position())
        choice.changed.connect(self.refresh)
        self.refresh()

    @property
    def busy(self) -> bool:
        """True while something is measured."""
        return self._job is not None

    def refresh(self) -> None:
        """Show what could be measured now."""
        if not is_alive(self):
            return
        words, problem = "", ""
        try:
            words = self._fields().words(all_fields=self._scope == ALL)
        except InputError as error:
            problem = str(error)
        self.show_choices(app.choices(self._registry), self._ticked)
        self.show_fields(words, problem, scope=self._scope)

    def run(self) -> None:
        """Measure, and show it when it is done."""
        if self._job is not None:
            return
        self._registry = default_registry()  # a model may have been trained meanwhile
        others = [name.strip() for name in self.other.text().split(",") if name.strip()]
        try:
            fields = self._fields()
            there = [one.name for one in app.choices(self._registry) if one.name in self._ticked]
            pipelines = list(dict.fromkeys((*there, *others)))
            config = app.config_of(fields, pipelines, all_fields=self._scope == ALL)
        except InputError as error:
            self.show_message(str(error), has_report=self.page is not None)
            return
        folder, registry, evaluate = app.results_folder(fields, self.home), self._registry, self.evaluate

        def work(report: Callable[[Any], None], stop: StopFn) -> Found:
            return app.run(config, folder, registry, lambda done, total: report((done, total)), stop, evaluate)

        self.page = None
        self.show_lines(())
        self.show_message("Looking at the models …")
        self._job = Job(work, on_report=self._reported, on_done=self._done, on_error=self._failed, on_end=self._ended)
        self._running[:] = [self._job]
        self.show_progress((0, 0))
        self.refresh()
        self._job.start()

    def cancel(self) -> None:
        """Stop; what is measured is kept."""
        if self._job is not None:
            self._job.cancel()
            self.show_message(_STOPPING)

    def open_report(self) -> None:
        """Show the report in the browser."""
        if self.page is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.page)))

    def close_down(self) -> None:
        """Stop, and wait for the thread."""
        self._job = None
        self._at_end()

    def _fields(self) -> app.OpenFields:
        if self._look is None:
            raise InputError("There is nothing to measure yet.")
        images, position = self._look()
        return app.open_fields(images, position)

    def _choose(self, names: tuple[str, ...]) -> None:
        self._ticked = names

    def _choose_scope(self, scope: str) -> None:
        self._scope = scope
        self.refresh()

    def _reported(self, reports: list[Any]) -> None:
        self.show_progress(reports[-1])
        if self.message.text() != _STOPPING:
            self.show_message("")

    def _done(self, found: Found) -> None:
        result, self.page = found
        self.show_lines(app.lines(result))
        said = "\n".join((*app.remarks(result), f"Kept in {result.folder}."))
        self.show_message(said, has_report=True)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, W2SError):
            self.show_message(str(error))
        else:
            logger.error("the benchmark failed", exc_info=error)
            self.show_message(f"It could not be measured: {error}. Napari's log has the details.")

    def _ended(self) -> None:
        self._job = None
        self._running.clear()
        self.show_progress(None)
        self.refresh()


def _abandon(running: list[Job[Found]]) -> None:
    while running:
        running.pop().abandon()
