"""What a run knows of itself while it goes on: its folder, its clock, its best model, why it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.report import FinishReason, NoteReport, ReportFn, WishFn, go, ignore

LAST = "last.ckpt"
BEST = "best.safetensors"
RECIPE = "recipe.yaml"
MATCHES = "matches.json"


class Ended(Exception):
    """Takes a run that cannot go on out of Lightning's loop; `Run.reason` says why."""


@dataclass
class Clock:
    """Seconds of training: pauses are left out, earlier parts of a resumed run are not.

    Attributes
    ----------
    before : float
        Seconds of the earlier parts.
    """

    before: float = 0.0
    _start: float = field(default_factory=lambda: monotonic())
    _paused: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds up to now."""
        return self.before + self.here

    @property
    def here(self) -> float:
        """Seconds of this part of the run up to now."""
        return monotonic() - self._start - self._paused

    def leave_out(self, seconds: float) -> None:
        """Leave out a pause."""
        self._paused += seconds


@dataclass
class Best:
    """The best model so far.

    Attributes
    ----------
    step : int
    score : float
        In dB.
    metrics : mapping of str to float
    """

    step: int
    score: float
    metrics: Mapping[str, float]


@dataclass
class Run:
    """A run while it goes on.

    Attributes
    ----------
    config : TrainingConfig
    folder : Path
    report, wish : callable
    clock : Clock
    batch : int
        Patches a step and device; fewer than the config says if memory ran out.
    step : int
        Steps done.
    resumed : bool
        True if it goes on from its last checkpoint.
    best : Best or None
    reason : FinishReason or None
        Why it ends; None while it goes on.
    message : str
    notes : list of str
    facts : dict
        What the model's card says of how it was made: plain values.
    """

    config: TrainingConfig
    folder: Path
    report: ReportFn = ignore
    wish: WishFn = go
    clock: Clock = field(default_factory=Clock)
    batch: int = 0
    step: int = 0
    resumed: bool = False
    best: Best | None = None
    reason: FinishReason | None = None
    message: str = ""
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Tell the watcher something, once."""
        if text not in self.notes:
            self.notes.append(text)
            self.report(NoteReport(text))

    def end(self, reason: FinishReason, message: str) -> None:
        """Say why the run ends; the first reason counts."""
        if self.reason is None:
            self.reason, self.message = reason, message
