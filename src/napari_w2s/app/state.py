"""What a user wants of a restoration, and how the run of it goes. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

from psygnal import SignalGroupDescriptor

from napari_w2s._types import InputError, Task, W2SError
from napari_w2s.app.settings import NON_FINITE_POLICIES, PRECISIONS

PERSISTENT = (
    "task",
    "denoise_first",
    "denoiser",
    "device",
    "precision",
    "tile",
    "flips",
    "non_finite",
    "show_advanced",
)
"""Fields of `RestoreState` that outlive a session. Layers, model, weights and intensity range belong to an image."""


@dataclass
class RestoreState:
    """The intent behind a restoration, as edited in a panel. Every change of a field emits ``events``.

    Attributes
    ----------
    layers : tuple of str
        Identities (never names) of the layers to restore, in the order of the list.
    task : Task
    model : str or None
        Registry name; None takes the one that is suggested for the chosen layers.
    weights : str or None
        File or folder with weights for that very model; None takes its own.
    denoise_first : bool
        Run a denoiser before a super-resolution model.
    denoiser : str or None
        Which one; None takes the suggested one.
    device, precision, non_finite : str
        As in `RestoreSettings`.
    tile : int or None
        Edge of the tiles in pixels; None is automatic.
    flips : bool
        As in `RestoreSettings`.
    intensity_range : tuple of float or None
        Intensities that count as 0 and 1; None is automatic.
    show_advanced : bool
        Whether the advanced settings are unfolded.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    layers: tuple[str, ...] = ()
    task: Task = Task.DENOISE
    model: str | None = None
    weights: str | None = None
    denoise_first: bool = False
    denoiser: str | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    flips: bool = False
    intensity_range: tuple[float, float] | None = None
    non_finite: str = "keep"
    show_advanced: bool = False

    def persistent(self) -> dict[str, bool | int | str]:
        """Return what outlives a session as plain values: strings, integers and booleans only."""
        return {
            "task": str(self.task),
            "denoise_first": self.denoise_first,
            "denoiser": self.denoiser or "",
            "device": self.device,
            "precision": self.precision,
            "tile": self.tile or 0,
            "flips": self.flips,
            "non_finite": self.non_finite,
            "show_advanced": self.show_advanced,
        }

    def recall(self, values: Mapping[str, Any]) -> None:
        """Take over what `persistent` once returned; unknown keys and values that make no sense are left out."""
        if values.get("task") in set(Task):
            self.task = Task(values["task"])
        if values.get("precision") in PRECISIONS:
            self.precision = str(values["precision"])
        if values.get("non_finite") in NON_FINITE_POLICIES:
            self.non_finite = str(values["non_finite"])
        for name in ("denoise_first", "flips", "show_advanced"):
            if isinstance(values.get(name), bool):
                setattr(self, name, values[name])
        if isinstance(values.get("denoiser"), str):
            self.denoiser = values["denoiser"] or None
        if isinstance(values.get("device"), str) and values["device"]:
            self.device = values["device"]
        tile = values.get("tile")
        if isinstance(tile, int) and not isinstance(tile, bool) and tile >= 0:
            self.tile = tile or None


class RunState(StrEnum):
    """What is being done."""

    IDLE = "idle"
    PREVIEWING = "previewing"
    RESTORING = "restoring"
    CANCELLING = "cancelling"


class FinishReason(StrEnum):
    """How the last piece of work ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class BusyError(W2SError):
    """A second run was asked for while one is going on."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands: an immutable record, moved on by methods that return the next one.

    Attributes
    ----------
    state : RunState
    finish : FinishReason or None
        How the last run ended; None before the first one has, and while one is going on.
    message : str
        For the user: what is being done, or what came of it.
    done, total : int
        Work units. ``total`` is 0 as long as it is not known.
    first : int
        Work units that were done when the first report came in.
    started : float
        Clock reading in seconds at that time: before it come loading and warming up, which tell nothing of the pace.
    """

    state: RunState = RunState.IDLE
    finish: FinishReason | None = None
    message: str = ""
    done: int = 0
    total: int = 0
    first: int = 0
    started: float = 0.0

    @property
    def busy(self) -> bool:
        """True from the start of a run until it has ended, also while it is being cancelled."""
        return self.state is not RunState.IDLE

    @property
    def fraction(self) -> float | None:
        """Share of the work done, in [0, 1]; None as long as it is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    def time_left(self, now: float) -> float | None:
        """Return the seconds left if the work goes on at the mean pace so far; None if that cannot be told yet.

        Parameters
        ----------
        now : float
            The same clock as ``started``.
        """
        if self.done <= self.first or now <= self.started:
            return None
        return (now - self.started) * max(0, self.total - self.done) / (self.done - self.first)

    def begin(self, state: RunState, message: str) -> RunStatus:
        """Start a run.

        Raises
        ------
        BusyError
            If one is going on.
        InputError
            If `state` is not a kind of work.
        """
        if self.busy:
            raise BusyError("A restoration is going on. Wait for it, or cancel it, before you start another.")
        if state not in (RunState.PREVIEWING, RunState.RESTORING):
            raise InputError(f"a run cannot begin as {state}")
        return RunStatus(state=state, message=message)

    def advance(self, done: int, total: int, now: float) -> RunStatus:
        """Note that `done` of `total` work units are done; ignored when nothing is running."""
        if not self.busy:
            return self
        if self.total:
            return replace(self, done=done, total=total)
        return replace(self, done=done, total=total, first=done, started=now)

    def step(self, message: str, *, counts_anew: bool) -> RunStatus:
        """Go on to the next piece of the work; ignored while cancelling, and when nothing is running."""
        if self.state not in (RunState.PREVIEWING, RunState.RESTORING):
            return self
        return RunStatus(state=self.state, message=message) if counts_anew else replace(self, message=message)

    def cancel(self) -> RunStatus:
        """Ask for an end; ignored when nothing is running."""
        return replace(self, state=RunState.CANCELLING, message="Cancelling …") if self.busy else self

    def end(self, finish: FinishReason, message: str) -> RunStatus:
        """Note how the run ended."""
        return RunStatus(finish=finish, message=message)


def format_seconds(seconds: float) -> str:
    """Return a duration as ``m:ss``, or ``h:mm:ss`` from one hour on."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
