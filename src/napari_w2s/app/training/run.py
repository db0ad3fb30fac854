"""A training from what was chosen: images, checks, and the run itself. For a thread; what is heavy comes in here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import Cancelled, StopFn, W2SError
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.control import Control
from napari_w2s.data.image import Image
from napari_w2s.training.report import NoteReport, TrainingResult, Wish

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry

logger = logging.getLogger(__name__)

FitFn = Callable[..., TrainingResult]
"""``fit(config, folder, *, train, validation, report, wish, **hardware)``: see `napari_w2s.training.fit.fit`."""


@dataclass(frozen=True)
class Doubts:
    """Report: what speaks against going on. The run waits for an answer."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Begun:
    """Report: the run is in this folder."""

    folder: Path


@dataclass(frozen=True, eq=False)
class TrainTask:
    """Everything that a training does in its thread.

    Attributes
    ----------
    choice : TrainChoice
    images : mapping of str to Image
        What the layers held when the user asked for the training, by their identities.
    control : Control
    registry : Registry
        Where the model to go on from is.
    accepted : collection of str
        Doubts in spite of which the user has trained before.
    fit : callable, optional
        See `FitFn`; that of `napari_w2s.training.fit` by default.
    """

    choice: TrainChoice
    images: Mapping[str, Image]
    control: Control
    registry: Registry
    accepted: Collection[str] = ()
    fit: FitFn | None = None

    def __call__(self, report: Callable[[Any], None], stop: StopFn) -> TrainingResult:
        """Do it.

        Raises
        ------
        Cancelled
            If it was stopped before the first step.
        W2SError
            With a message for the user.
        """
        from napari_w2s.app.training.data import read_fields
        from napari_w2s.app.training.recipe import folder_of, hardware, recipe

        config = recipe(self.choice, self.images)
        data = read_fields(self.choice, config, self.images)
        self._check(stop)
        serious = tuple(text for text in data.doubts if text not in self.accepted)
        for text in (*data.notes, *data.doubts):
            report(NoteReport(text))
        if serious:
            self._ask(serious, report, stop)
        folder = folder_of(self.choice, datetime.now())
        report(Begun(folder))
        fit = self.fit or _fit()
        return fit(
            config,
            folder,
            train=data.train,
            validation=data.validation,
            report=report,
            wish=lambda: Wish.STOP if stop() else self.control.wish(),
            registry=self.registry,
            **hardware(self.choice.device),
        )

    def _ask(self, doubts: tuple[str, ...], report: Callable[[Any], None], stop: StopFn) -> None:
        """Wait until the user says whether to go on."""
        self.control.pause()
        report(Doubts(doubts))
        while self.control.wait() is Wish.PAUSE:
            self._check(stop)
        self._check(stop)

    def _check(self, stop: StopFn) -> None:
        if stop() or self.control.wish() is Wish.STOP:
            raise Cancelled("Stopped before it began.")


def explain_training(error: Exception) -> str:
    """Say what went wrong and what to do, for any exception."""
    if isinstance(error, Cancelled):
        return "Stopped before the first step. There is no model to keep."
    if isinstance(error, W2SError):
        return str(error)
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "Memory ran out. Take a smaller patch or batch under Advanced, or a smaller network."
    if isinstance(error, ImportError):
        return f"Training needs a package that is not here: {text.splitlines()[0]}. Install napari-w2s again."
    return f"The training failed: {text.splitlines()[0]}. Napari's log has the details."


def _fit() -> FitFn:
    from napari_w2s.training.fit import fit

    return fit
