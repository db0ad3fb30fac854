"""Keeps what a training made: a name for it, its place among the user's models, and its use in the other panels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from psygnal import Signal

from napari_w2s._types import Task
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.app.training.names import problem_of_name
from napari_w2s.app.training.run import explain_training
from napari_w2s.app.training.use import Installed
from napari_w2s.gui.worker import Job

InstallFn = Callable[[Path, str, Task], Installed]
"""See `napari_w2s.app.training.use.install_model`. Called in a thread."""


class Keeper:
    """One model that may be kept.

    Parameters
    ----------
    models : SharedModels
        Gets the model.
    install : callable
        See `InstallFn`.

    Attributes
    ----------
    name : str
    error : str
        Why it could not be kept; empty if it could, or was not tried.
    card : str
        In words, once it is kept.
    changed
        Signal: any of these is another.
    """

    changed = Signal()

    def __init__(self, models: SharedModels, install: InstallFn) -> None:
        self._models = models
        self._install = install
        self._job: Job[Installed] | None = None
        self.name = self.error = self.card = ""

    @property
    def busy(self) -> bool:
        """Whether it is being put in its place."""
        return self._job is not None

    @property
    def problem(self) -> str:
        """Why it cannot have its name; empty if it can."""
        return problem_of_name(self.name, (d.name for d in self._models.registry))

    def begin(self, name: str) -> None:
        """Prepare for another model."""
        self.name, self.error, self.card = name, "", ""
        self.changed.emit()

    def rename(self, name: str) -> None:
        """Give it a name."""
        self.name, self.error = name, ""
        self.changed.emit()

    def use(self, path: Path, task: Task) -> None:
        """Put the model in a file among the user's, and tell the panels to take it."""
        if self.busy or self.problem or self.card:
            return
        work = partial(self._install, path, self.name, task)
        self._job = Job(
            lambda _report, _stop: work(), on_done=self._on_done, on_error=self._on_error, on_end=self._on_end
        )
        self.error = ""
        self._job.start()
        self.changed.emit()

    def abandon(self) -> None:
        """Wait for the thread."""
        job, self._job = self._job, None
        if job is not None:
            job.abandon()

    def _on_done(self, installed: Installed) -> None:
        self.card = installed.card
        self._models.add(installed.descriptors)
        self._models.use(installed.wanted)

    def _on_error(self, error: Exception) -> None:
        self.error = explain_training(error)

    def _on_end(self) -> None:
        self._job = None
        self.changed.emit()
