"""What a user wants of a training: the intent that a panel edits. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal

from psygnal import SignalGroupDescriptor

from napari_w2s._types import NOISY_LEVELS, Level, Task
from napari_w2s.training.presets import DEFAULT_SIZE, NETWORK_SIZES, PRESETS

MATCHED = "matched"
"""Stands for the layer that is of the same place, field by field, as far as the layers' metadata tell."""

NO_LAYER = "none"
"""Stands for no layer at all."""

PERSISTENT = (
    "root",
    "size",
    "preset",
    "patch",
    "batch",
    "learning_rate",
    "loss",
    "levels",
    "validation_percent",
    "device",
    "folder",
    "show_preview",
    "show_advanced",
)
"""Fields of `TrainState` that outlive a session. What is learned from, the task and the name belong to one training."""

LOSSES = ("auto", "l1", "mse", "charbonnier")
"""Losses that make sense for every task; a recipe for the command line can name more."""


class Learn(StrEnum):
    """What a network learns from."""

    W2S = "w2s"
    LAYERS = "layers"
    BURST = "burst"
    IMAGES = "images"

    @property
    def label(self) -> str:
        """Words for a person."""
        return {
            Learn.W2S: "W2S folder",
            Learn.LAYERS: "Layers",
            Learn.BURST: "Burst of frames",
            Learn.IMAGES: "Images alone",
        }[self]

    @property
    def tip(self) -> str:
        """What it is, for a person who has not met it."""
        return {
            Learn.W2S: "The files of the W2S benchmark: noisy, clean and SIM images of the same places.",
            Learn.LAYERS: "Noisy layers, and clean or SIM ones of the same places that they are to become.",
            Learn.BURST: "Noise2Noise: frames of one place teach each other. No clean image is needed.",
            Learn.IMAGES: "Noise2Void: each pixel is learned from its surroundings. Noisy images are enough.",
        }[self]

    @property
    def self_supervised(self) -> Literal["noise2noise", "noise2void"] | None:
        """How it is learned from without clean images."""
        if self is Learn.BURST:
            return "noise2noise"
        return "noise2void" if self is Learn.IMAGES else None


@dataclass
class TrainState:
    """The intent behind a training, as edited in a panel. Every change of a field emits ``events``.

    Attributes
    ----------
    learn : Learn or None
        None takes what suits the open layers.
    root : str
        Folder of the benchmark.
    fovs : str
        Its fields of view, e.g. ``"1-40, 57"``; empty takes all training fields that are there.
    channels : tuple of int
        Its channels.
    noisy : tuple of str or None
        Identities of the layers that are learned from; None takes those that the metadata call noisy.
    clean, sim : str
        Identity of the layer with the clean or the SIM images, `MATCHED` or `NO_LAYER`.
    burst : str or None
        Identity of the layer with the frames; None takes the first that has any.
    axis : int or None
        Axis of the frames; None finds it.
    task : Task or None
        None takes the first that the images allow.
    size : str
        Of a network made anew; where it is not for the task, the default takes its place.
    start_from : str or None
        Name of a registered model to go on from, instead.
    preset : str
        How long to train: ``"quick"``, ``"normal"`` or ``"long"``.
    patch, batch : int
        0 takes the preset's.
    learning_rate : float
        0 takes the preset's.
    loss : str
        See `LOSSES`; ``"auto"`` is the preset's.
    levels : str
        Averaging levels of the benchmark to learn from, by weight, as `parse_levels` reads them; empty takes the
        preset's.
    validation_percent : int
        Share of the fields that is held back to judge by.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda:1"``, …
    folder : str
        Where runs are kept; empty takes this package's own folder for data.
    allow_test_fovs : bool
        Learn from the benchmark's test fields too.
    show_preview : bool
        Show the pinned patch as layers.
    show_advanced : bool
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    learn: Learn | None = None
    root: str = ""
    fovs: str = ""
    channels: tuple[int, ...] = (0, 1, 2)
    noisy: tuple[str, ...] | None = None
    clean: str = MATCHED
    sim: str = MATCHED
    burst: str | None = None
    axis: int | None = None
    task: Task | None = None
    size: str = DEFAULT_SIZE
    start_from: str | None = None
    preset: str = "quick"
    patch: int = 0
    batch: int = 0
    learning_rate: float = 0.0
    loss: str = "auto"
    levels: str = ""
    validation_percent: int = 15
    device: str = "auto"
    folder: str = ""
    allow_test_fovs: bool = False
    show_preview: bool = True
    show_advanced: bool = False

    def persistent(self) -> dict[str, bool | int | str]:
        """Return what outlives a session as plain values: strings, integers and booleans only."""
        values = {name: getattr(self, name) for name in PERSISTENT}
        return {**values, "learning_rate": f"{self.learning_rate:g}"}

    def recall(self, values: Mapping[str, Any]) -> None:
        """Take over what `persistent` once returned; unknown keys and values that make no sense are left out."""
        for name, allowed in (("size", NETWORK_SIZES), ("preset", PRESETS), ("loss", LOSSES)):
            if values.get(name) in allowed:
                setattr(self, name, str(values[name]))
        for name in ("root", "folder"):
            if isinstance(values.get(name), str):
                setattr(self, name, values[name])
        for name in ("show_preview", "show_advanced"):
            if isinstance(values.get(name), bool):
                setattr(self, name, values[name])
        for name, least, most in (("patch", 0, 1024), ("batch", 0, 256), ("validation_percent", 1, 50)):
            value = values.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
                setattr(self, name, value)
        if isinstance(values.get("device"), str) and values["device"]:
            self.device = values["device"]
        if any(parse_levels(values.get("levels")).values()):
            self.levels = str(values["levels"])
        rate = values.get("learning_rate")
        if isinstance(rate, str) and _is_rate(rate):
            self.learning_rate = float(rate)


def parse_levels(text: object) -> dict[Level, float]:
    """Read weights such as ``"avg1 1, avg4 0.5"``; empty if the text says something else, or nothing."""
    weights: dict[Level, float] = {}
    if not isinstance(text, str):
        return {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition(" ")
        if name not in set(NOISY_LEVELS) | {Level.AVG400} or not _is_rate(number):
            return {}
        weights[Level(name)] = float(number)
    return weights


def format_levels(weights: Mapping[Level, float]) -> str:
    """Write weights so that `parse_levels` reads them."""
    return ", ".join(f"{level} {weight:g}" for level, weight in weights.items())


def _is_rate(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False
