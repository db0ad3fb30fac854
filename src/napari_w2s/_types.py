"""The vocabulary every room of the package shares.

This is the leaf of the import graph: it imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Task(StrEnum):
    """What a model does to an image."""

    DENOISE = "denoise"
    SR = "sr"
    JDSR = "jdsr"

    @property
    def label(self) -> str:
        """Words for a person, e.g. ``"Denoise + super-resolve"``."""
        return {
            Task.DENOISE: "Denoise",
            Task.SR: "Super-resolve",
            Task.JDSR: "Denoise + super-resolve",
        }[self]


class Level(StrEnum):
    """An averaging level of the W2S benchmark, or its SIM target."""

    AVG1 = "avg1"
    AVG2 = "avg2"
    AVG4 = "avg4"
    AVG8 = "avg8"
    AVG16 = "avg16"
    AVG400 = "avg400"
    SIM = "sim"

    @property
    def frames(self) -> int | None:
        """Number of widefield frames averaged; None for SIM."""
        return None if self is Level.SIM else int(self.value.removeprefix("avg"))


NOISY_LEVELS = (Level.AVG1, Level.AVG2, Level.AVG4, Level.AVG8, Level.AVG16)
"""The levels that the benchmark restores, noisiest first."""

Region = tuple[slice, ...]
"""A rectangular part of an array: one slice per axis."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come.

    Attributes
    ----------
    done, total : int
        Work units; for a restoration these are input pixels, summed over its stages.
    region : tuple of slice or None
        The part of the output array that has just become final, if any.
    """

    done: int
    total: int
    region: Region | None = None

    @property
    def fraction(self) -> float:
        """Share of the work done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 1.0


ProgressFn = Callable[[Progress], None]
"""Called from the thread that works, after each tile."""

StopFn = Callable[[], bool]
"""Polled before each tile; True asks the work to stop."""


class W2SError(Exception):
    """Something a user can act on.

    The message names the thing, the reason and the next step; it is shown as it is, without a traceback.
    """


class InputError(W2SError, ValueError):
    """An image, a folder or a setting that cannot be used."""


class UnreadableFileError(InputError):
    """A file that is truncated, corrupt, or not what its name says."""


class WeightsError(W2SError):
    """A checkpoint that is missing, damaged, foreign, or not what its hash says."""


class OutputError(W2SError, OSError):
    """A result that could not be written; nothing half-written is left behind."""


class DownloadError(W2SError, OSError):
    """A download that failed; running it again goes on where it stopped."""


class Cancelled(W2SError):
    """The stop callable asked for an end. What was finished before stays in the output array."""
