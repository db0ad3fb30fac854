"""How long a training will take, about, on this computer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.status import TrainStatus
from napari_w2s.training.presets import PRESETS

_WORK: Mapping[str, float] = MappingProxyType(
    {
        "small": 1.0,
        "medium": 3.0,
        "large": 6.0,
        "rcan-light": 8.0,
        "rdn-light": 6.0,
        "san-light": 7.0,
        "srfbn-light": 12.0,
        "epsr-light": 9.0,
        "esrgan-light": 16.0,
        "jdsr-light": 16.0,
        "ridnet-light": 6.0,
        "dncnn-light": 2.0,
        "memnet-light": 3.0,
    }
)
"""Work of a network, relative to a small one.

By multiply-adds per input pixel of one pass, counted on the meta device with torch's flop counter, against the small
U-Net for the same task (47 thousand with doubled pixels, 33 thousand without). SRFBN and MemNet take twice what these
say: most of their layers multiply little.
"""
_CORE_SECONDS = 7e-6
"""Of a small network on one core of a processor, for each pixel that it learns from."""
_SPEEDS: Mapping[str, float] = MappingProxyType({"cuda": 150.0, "mps": 30.0})
"""Of a GPU, in cores of a processor."""
_MOST_CORES = 8
_LEAST_STEP_S = 0.015
_VALIDATION = 1.15
_STEPS_TO_TELL = 20


@dataclass
class Pace:
    """A guess of how long trainings take, which gets better with each.

    Attributes
    ----------
    slowness : float
        How much longer than thought the last one took.
    """

    slowness: float = 1.0

    def seconds(self, choice: TrainChoice, devices: Sequence[str]) -> float | None:
        """Return how long a training will take; see `seconds_of`."""
        about = seconds_of(choice, devices)
        return None if about is None else about * self.slowness

    def learn(self, choice: TrainChoice, devices: Sequence[str], status: TrainStatus) -> None:
        """Learn from a training that has ended."""
        about = seconds_of(choice, devices)
        if about is not None and status.step >= _STEPS_TO_TELL:
            self.slowness = status.seconds / status.step * status.steps / about


def seconds_of(choice: TrainChoice, devices: Sequence[str]) -> float | None:
    """Return how long a training will take, about.

    Parameters
    ----------
    choice : TrainChoice
    devices : sequence of str
        Those of this machine, the fastest first; nothing is known without any.

    Returns
    -------
    float or None
        None if it cannot be told.
    """
    preset = PRESETS[choice.preset]
    if not devices:
        return None
    kind = (devices[0] if choice.device == "auto" else choice.device).partition(":")[0]
    work = _WORK["large"] if choice.start_from is not None else _WORK[choice.size]
    pixels = (choice.patch or preset.patch) ** 2 * (choice.batch or preset.batch)
    speed = _SPEEDS.get(kind) or min(_MOST_CORES, os.cpu_count() or 1)
    return preset.steps * max(_LEAST_STEP_S, work * pixels * _CORE_SECONDS / speed) * _VALIDATION
