"""What a training run says while it runs, and what it is asked: plain values, for any watcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


class Wish(StrEnum):
    """What a run is asked to do, polled before every step."""

    GO = "go"
    PAUSE = "pause"
    STOP = "stop"


class FinishReason(StrEnum):
    """Why a run ended. In every case the best model so far is kept, if there is one."""

    COMPLETED = "completed"
    """All steps were done."""
    STOPPED = "stopped"
    """It was asked to stop."""
    DIVERGED = "diverged"
    """The loss was no longer a number."""
    DISK_FULL = "disk full"
    """A checkpoint could not be written."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step was done. Comes about four times a second, not with every step.

    Attributes
    ----------
    step, steps : int
        Steps done, and steps of the whole run.
    loss : float
        Mean since the last report.
    learning_rate : float
    seconds : float
        Spent in training so far, in this run; pauses are left out.
    seconds_left : float or None
        None while it cannot be told yet.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The validation images were restored and compared.

    Attributes
    ----------
    step : int
    metrics : mapping of str to float
        PSNR in dB (range 1) by output and level, e.g. ``{"denoised_avg1": 38.4, "sim_avg1": 25.2}``; those of ``sim``
        are matched affinely, image by image.
    score : float
        Their mean, by which the best model is chosen.
    best : bool
        True if no earlier model scored better: then it was saved.
    """

    step: int
    metrics: Mapping[str, float]
    score: float
    best: bool


@dataclass(frozen=True, slots=True)
class PreviewReport:
    """What the network makes of the pinned patch by now, all in the patch's own intensities.

    Attributes
    ----------
    step : int
    name : str
        Of the field that the patch is from.
    noisy : numpy.ndarray
        ``(H, W)``
    answers, targets : mapping of str to numpy.ndarray
        By output: ``denoised`` ``(H, W)``, ``sim`` ``(2 H, 2 W)``.
    """

    step: int
    name: str
    noisy: Float
    answers: Mapping[str, Float]
    targets: Mapping[str, Float]


@dataclass(frozen=True, slots=True)
class NoteReport:
    """Something that the user should know, e.g. that the batch was halved because memory ran out."""

    text: str


Report = StepReport | ValidationReport | PreviewReport | NoteReport
ReportFn = Callable[[Report], None]
"""Called from the thread that trains."""

WishFn = Callable[[], Wish]
"""Polled before every step, from the thread that trains."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run came to.

    Attributes
    ----------
    reason : FinishReason
    step, steps : int
    model : Path or None
        The best model so far, a safetensors file with its card; None if no validation was reached.
    metrics : mapping of str to float
        Of that model.
    message : str
        One sentence for a person.
    notes : tuple of str
    """

    reason: FinishReason
    step: int
    steps: int
    model: Path | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    notes: tuple[str, ...] = ()


def go() -> Wish:
    """Ask for nothing but to go on."""
    return Wish.GO


def ignore(report: Report) -> None:
    """Take no notice of a report."""
    del report
