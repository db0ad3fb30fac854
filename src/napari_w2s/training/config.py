"""What a training run is: one frozen, serialisable record, from which the run can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from napari_w2s._files import write_at_once
from napari_w2s._types import InputError, Level, Task
from napari_w2s.training.config_parts import (
    Adversarial,
    Augmentation,
    Brightness,
    Count,
    Frozen,
    Loss,
    Network,
    Optimizer,
    Schedule,
    Source,
    Weight,
)

__all__ = [
    "OUTPUTS_OF",
    "Adversarial",
    "Augmentation",
    "Brightness",
    "Loss",
    "Network",
    "Optimizer",
    "Schedule",
    "Source",
    "TrainingConfig",
    "changed",
    "make_config",
    "parse_numbers",
    "read_recipe",
    "write_recipe",
]

_GREATEST_FOV = 9999

OUTPUTS_OF = {Task.DENOISE: ("denoised",), Task.SR: ("sim",), Task.JDSR: ("sim",)}
"""What a task cannot do without."""


class TrainingConfig(Frozen):
    """Everything that decides what a training run does.

    Attributes
    ----------
    name : str
        Name of the model that is made: lower-case letters, digits, ``-``, ``_``, ``.``.
    title, summary : str
        For a person; made from the rest where empty.
    task : Task
    network : Network
    normalization : {"standard", "unit"}
        What the network sees: intensities less the frame's mean over its standard deviation, or the range as [0, 1].
    train : tuple of Source
    validation : tuple of Source
        Fields to judge by, other ones than those of `train`. If empty, `validation_share` of the fields of `train` is
        held back.
    validation_share : float
    levels : dict of Level to float
        Averaging levels of the input, by weight.
    match_clean : bool
        Bring every clean image to the brightness of the noisy frame first (an affine fit over the frame): lamp and dyes
        change between exposures, and a result should keep the intensities of the image that it is made from.
    sim_brightness : Brightness or None
        None keeps the SIM images' own brightness.
    match_images : bool
        Bring the network's SIM answers to the brightness of each SIM image first, by an affine map that is fitted once
        over the whole image to the answer of the network that training starts from (`Network.start_from`), and let
        every image's error count relative to what that fit leaves. A mean squared error then is what the matched PSNR
        of whole images rises with. For a last stage: answers must have found their scale.
    losses : dict of str to tuple of Loss
        Per output: ``denoised`` and ``sim``.
    adversarial : Adversarial or None
        None trains on the losses alone.
    self_supervised : {None, "noise2noise", "noise2void"}
        How to learn without clean images.
    patch : int
        Edge of a patch in input pixels.
    batch : int
        Patches a step and device.
    steps : int
        Optimiser steps.
    validate_every : int
        Steps between validations; there is one after the last step too. A checkpoint is written with each.
    foreground : float
        Share of the patches that are drawn where there is something to see; the others are drawn anywhere.
    optimizer, schedule, augmentation
    average : float or None
        Decay of the running average of the weights that validation and the saved model use.
    precision : {"float32", "bfloat16", "float16"}
        Precision of the network in training; losses are in float32.
    validation_crop : int
        Edge of the part at the centre of the validation images.
    validation_images : int
        Images per level, at most, spread evenly.
    seed : int
    licence : str
        Of the weights that are made.
    allow_test_fovs : bool
        Learn from the benchmark's test fields 081-120 too. The model can then not be compared with others.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    title: str = ""
    summary: str = ""
    task: Task
    network: Network = Network()
    normalization: Literal["standard", "unit"] = "standard"
    train: tuple[Source, ...] = (Source(),)
    validation: tuple[Source, ...] = ()
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    levels: dict[Level, Weight] = Field(default_factory=lambda: {Level.AVG1: 1.0})
    match_clean: bool = False
    sim_brightness: Brightness | None = None
    match_images: bool = False
    losses: dict[Literal["denoised", "sim"], tuple[Loss, ...]]
    adversarial: Adversarial | None = None
    self_supervised: Literal["noise2noise", "noise2void"] | None = None
    patch: Annotated[int, Field(ge=16)] = 64
    batch: Count = 8
    steps: Count = 1000
    validate_every: Count = 100
    foreground: Annotated[float, Field(ge=0, le=1)] = 0.5
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    average: Annotated[float, Field(gt=0, lt=1)] | None = 0.999
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    validation_crop: Count = 256
    validation_images: Count = 10
    seed: int = 0
    licence: str = "BSD-3-Clause"
    allow_test_fovs: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        missing = [name for name in OUTPUTS_OF[self.task] if not self.losses.get(name)]  # type: ignore[call-overload]
        if missing:
            raise ValueError(f"the task {self.task} needs losses for {', '.join(missing)}")
        if not any(self.levels.values()):
            raise ValueError("levels are all of weight 0")
        if self.adversarial and self.adversarial.output not in self.outputs:
            raise ValueError(f"adversarial judges the output {self.adversarial.output!r}, which has no losses")
        if self.adversarial and self.self_supervised:
            raise ValueError(f"adversarial needs clean images, and {self.self_supervised} has none")
        if self.match_images and not ("sim" in self.outputs and self.network.start_from):
            raise ValueError("match_images needs losses for sim, and a network to go on from (network.start_from)")
        if self.match_images and self.adversarial:
            raise ValueError("match_images weighs images, which leaves none for adversarial to judge")
        if self.augmentation.renoise and self.self_supervised:
            raise ValueError(f"augmentation.renoise needs clean images, and {self.self_supervised} has none")
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """The network's outputs that have losses."""
        return tuple(name for name, terms in self.losses.items() if terms)

    @property
    def generative(self) -> bool:
        """True if the model learns to make up what looks right: its details may not be in the specimen."""
        return self.adversarial is not None


def read_recipe(path: Path | str) -> TrainingConfig:
    """Read a training config from a YAML file.

    Raises
    ------
    InputError
        If the file cannot be read, or an entry is missing, unknown or wrong: the message names it.
    """
    path = Path(path)
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"{path} cannot be read: {reason}. Give a recipe, a YAML file.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}. Mend the file.") from error
    if not isinstance(entries, Mapping):
        raise InputError(f"{path} is no recipe: it holds no entries such as 'task: denoise'.")
    return make_config(entries, str(path))


def make_config(entries: Mapping[str, Any], where: str = "The settings") -> TrainingConfig:
    """Make a training config from plain values.

    Raises
    ------
    InputError
        If an entry is missing, unknown or wrong: the message names it.
    """
    try:
        return TrainingConfig.model_validate(dict(entries))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'recipe'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InputError(f"{where} cannot be used: {faults}.") from error


def changed(config: TrainingConfig, entries: Mapping[str, Any]) -> TrainingConfig:
    """Return a config with other entries; what it did not say, it still does not say.

    Raises
    ------
    InputError
        If an entry is unknown or wrong.
    """
    return make_config({**config.model_dump(exclude_unset=True), **entries})


def write_recipe(config: TrainingConfig, path: Path | str) -> Path:
    """Write a training config as YAML, whole or not at all; an OSError leaves an existing file as it was."""
    path = Path(path)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return write_at_once(path, text)


def parse_numbers(text: str) -> tuple[int, ...]:
    """Read numbers such as ``"1-46, 50"``.

    Raises
    ------
    InputError
        If the text says something else, or names numbers beyond 9999.
    """
    numbers: list[int] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        first, dash, last = (p.strip() for p in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise InputError(f"{text!r} does not name fields of view. Write for example 1-46, 50.")
        if int(last or first) > _GREATEST_FOV:
            raise InputError(f"{text!r} goes beyond {_GREATEST_FOV}; W2S has the fields of view 1-120.")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(dict.fromkeys(numbers))
