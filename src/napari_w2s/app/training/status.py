"""How a training goes: one frozen record for words and numbers, and the curves. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import mean

from napari_w2s._types import InputError
from napari_w2s.app.state import BusyError, format_seconds
from napari_w2s.training.report import NoteReport, Report, StepReport, TrainingResult, ValidationReport

MOST_POINTS = 1500
"""A curve of more points is thinned: a panel has fewer pixels."""


class TrainPhase(StrEnum):
    """What is being done."""

    IDLE = "idle"
    PREPARING = "preparing"
    ASKING = "asking"
    """The images gave cause for doubt: whether to go on is for the user to say."""
    TRAINING = "training"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class TrainStatus:
    """Where a training stands: an immutable record, moved on by methods that return the next one.

    Attributes
    ----------
    phase : TrainPhase
    message : str
        For the user: what is being done, or what came of it.
    step, steps : int
        ``steps`` is 0 as long as it is not known.
    seconds : float
        Spent in training.
    seconds_left : float or None
    best : tuple of float and int, or None
        Score in dB and step of the best validation so far.
    notes : tuple of str
        What the user should know of this run.
    result : TrainingResult or None
        What the last run came to; None while one is going on, and if it failed.
    failed : bool
        Whether the last run ended with an error.
    """

    phase: TrainPhase = TrainPhase.IDLE
    message: str = ""
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    best: tuple[float, int] | None = None
    notes: tuple[str, ...] = ()
    result: TrainingResult | None = None
    failed: bool = False

    @property
    def busy(self) -> bool:
        """True from the start of a run until it has ended."""
        return self.phase is not TrainPhase.IDLE

    @property
    def fraction(self) -> float | None:
        """Share of the steps done, in [0, 1]; None as long as it is not known."""
        return min(1.0, self.step / self.steps) if self.steps else None

    @property
    def pace(self) -> str:
        """Step count and time left, e.g. ``"step 400 of 2000, 1:20 left"``."""
        if not self.steps:
            return ""
        left = "" if self.seconds_left is None else f", {format_seconds(self.seconds_left)} left"
        return f"step {self.step} of {self.steps}{left if self.phase is TrainPhase.TRAINING else ''}"

    @property
    def best_text(self) -> str:
        """The best validation so far, e.g. ``"Best 31.2 dB at step 400"``."""
        return "" if self.best is None else f"Best {self.best[0]:.1f} dB at step {self.best[1]}"

    def begin(self, message: str) -> TrainStatus:
        """Start a run.

        Raises
        ------
        BusyError
            If one is going on.
        """
        if self.busy:
            raise BusyError("A training is going on. Stop it before you start another.")
        return TrainStatus(TrainPhase.PREPARING, message)

    def see(self, report: Report) -> TrainStatus:
        """Note what the run says; ignored when nothing is running."""
        if not self.busy:
            return self
        if isinstance(report, StepReport):
            phase = TrainPhase.TRAINING if self.phase is TrainPhase.PREPARING else self.phase
            return replace(
                self,
                phase=phase,
                message="Training …" if phase is TrainPhase.TRAINING else self.message,
                step=report.step,
                steps=report.steps,
                seconds=report.seconds,
                seconds_left=report.seconds_left,
            )
        if isinstance(report, ValidationReport) and report.best:
            return replace(self, best=(report.score, report.step))
        if isinstance(report, NoteReport) and report.text not in self.notes:
            return replace(self, notes=(*self.notes, report.text))
        return self

    def ask(self, message: str) -> TrainStatus:
        """Leave it to the user whether to go on; ignored unless it is being prepared."""
        return replace(self, phase=TrainPhase.ASKING, message=message) if self.phase is TrainPhase.PREPARING else self

    def pause(self) -> TrainStatus:
        """Rest; ignored unless it trains."""
        if self.phase is not TrainPhase.TRAINING:
            return self
        return replace(self, phase=TrainPhase.PAUSED, message="Paused. Nothing is computed until you resume.")

    def resume(self) -> TrainStatus:
        """Go on; ignored unless it rests or waits for an answer."""
        if self.phase is TrainPhase.PAUSED:
            return replace(self, phase=TrainPhase.TRAINING, message="Training …")
        if self.phase is TrainPhase.ASKING:
            return replace(self, phase=TrainPhase.PREPARING, message="Starting …")
        return self

    def stop(self) -> TrainStatus:
        """Ask for an end; ignored when nothing is running."""
        return replace(self, phase=TrainPhase.STOPPING, message="Stopping …") if self.busy else self

    def end(self, result: TrainingResult) -> TrainStatus:
        """Note what the run came to."""
        if not isinstance(result, TrainingResult):
            raise InputError(f"a training returned {result!r}")
        return replace(
            self,
            phase=TrainPhase.IDLE,
            message=result.message,
            step=result.step,
            steps=result.steps,
            notes=tuple(dict.fromkeys((*self.notes, *result.notes))),
            result=result,
        )

    def fail(self, message: str) -> TrainStatus:
        """Note that the run ended with an error."""
        return replace(self, phase=TrainPhase.IDLE, message=message, result=None, failed=True)

    def dismiss(self) -> TrainStatus:
        """Leave out what was said of the last run, but not what came of it; ignored while one is going on."""
        return self if self.busy else replace(self, message="", notes=(), failed=False)

    def drop(self, message: str) -> TrainStatus:
        """Note that the run was given up before it began."""
        return TrainStatus(message=message)


@dataclass
class Curve:
    """Numbers over steps, thinned evenly where there are many: a point is then the mean of several.

    Attributes
    ----------
    steps : list of int
    values : list of float
    """

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    _per_point: int = 1
    _waiting: list[tuple[int, float]] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        """Add a number."""
        self._waiting.append((step, value))
        if len(self._waiting) < self._per_point:
            return
        self.steps.append(self._waiting[len(self._waiting) // 2][0])
        self.values.append(mean(value for _, value in self._waiting))
        self._waiting = []
        if len(self.steps) > MOST_POINTS:
            pairs = range(0, len(self.steps) - 1, 2)
            self.values = [(self.values[i] + self.values[i + 1]) / 2 for i in pairs]
            self.steps = [self.steps[i + 1] for i in pairs]
            self._per_point *= 2


@dataclass
class Curves:
    """What a run's reports say, as curves.

    Attributes
    ----------
    loss : Curve
    scores : dict of str to Curve
        PSNR in dB by output (``denoised``, ``sim``), the mean over the levels.
    best : tuple of float and int, or None
        Score and step.
    """

    loss: Curve = field(default_factory=Curve)
    scores: dict[str, Curve] = field(default_factory=dict)
    best: tuple[float, int] | None = None

    def see(self, report: object) -> bool:
        """Take in a report; return whether a curve has changed."""
        if isinstance(report, StepReport):
            self.loss.add(report.step, report.loss)
        elif isinstance(report, ValidationReport):
            for name, value in by_output(report.metrics).items():
                self.scores.setdefault(name, Curve()).add(report.step, value)
            if report.best:
                self.best = (report.score, report.step)
        else:
            return False
        return True


def by_output(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the mean over the levels of each output, from metrics such as ``{"denoised_avg1": 38.4}``."""
    found: dict[str, list[float]] = {}
    for name, value in metrics.items():
        found.setdefault(name.partition("_")[0], []).append(value)
    return {name: mean(values) for name, values in found.items()}
