"""What can be learned from: fields of view with noisy, clean and super-resolved images of one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_w2s._types import InputError
from napari_w2s.data.protocol import TEST_FOVS
from napari_w2s.training.lazy_images import Stack, portable, restored

SIM_SCALE = 2
"""Pixels of a super-resolved image for one of the widefield image, along y and along x."""

OWN_INPUT = "noisy"
"""Name of an input that has no averaging level."""

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Field:
    """Images of one place.

    Each is a numpy array, a memory map, a dask array, or any other object with ``shape``, ``dtype`` and ``read()``.

    Attributes
    ----------
    name : str
        For messages, e.g. ``"001 ch0"``.
    group : str
        Fields of one group are never split between training and validation, e.g. the channels of one field of view.
    inputs : mapping of str to image
        What a network is given, ``(H, W)``, by averaging level (or any other name).
    denoised : image or None
        The clean image, ``(H, W)``, if there is one.
    sim : image or None
        The super-resolved image, ``(2 H, 2 W)``, if there is one.
    burst : Stack or None
        Single frames of the field, for Noise2Noise. The inputs are then averages of some of them.
    fov : int or None
        Number of the benchmark's field of view, if it is one.
    split : str or None
        ``"test"`` if a folder of the benchmark says that it is a test image.
    intensity_range : (float, float) or None
        Intensities that count as 0 and 1, where that is known of all the images. None: see
        `napari_w2s.engine.frames.measure`.
    """

    name: str
    group: str
    inputs: Mapping[str, Any]
    denoised: Any = None
    sim: Any = None
    burst: Stack | None = None
    fov: int | None = None
    split: str | None = None
    intensity_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.inputs:
            raise InputError(f"{self.name} has no image to learn from.")
        shape = self.shape
        if len(shape) != 2:
            raise InputError(f"{self.name} has the shape {shape}; training takes single images of axes y and x.")
        for level, image in self.inputs.items():
            self._check(f"its image {level!r}", image, shape, "Give images of one field, cropped alike.")
        self._check("its clean image", self.denoised, shape, "Give images of one field, cropped alike.")
        twice = (shape[0] * SIM_SCALE, shape[1] * SIM_SCALE)
        advice = "A SIM image has twice as many pixels along y and x: give one of the same field, cropped alike."
        self._check("its SIM image", self.sim, twice, advice)

    def _check(self, what: str, image: Any, wanted: tuple[int, ...], advice: str) -> None:
        if image is not None and tuple(image.shape) != wanted:
            raise InputError(
                f"{self.name}: {what} has {size(image.shape)} pixels, but {size(wanted)} are needed to go with "
                f"{size(self.shape)}. {advice}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width of the inputs."""
        return tuple(next(iter(self.inputs.values())).shape)

    @property
    def clean(self) -> Any:
        """The least noisy image on the inputs' grid."""
        if self.denoised is not None:
            return self.denoised
        return list(self.inputs.values())[-1] if self.burst is None else self.burst.mean

    @property
    def is_test(self) -> bool:
        """Whether it is a test image of the benchmark."""
        return self.split == "test" or self.fov in TEST_FOVS

    def target(self, output: str) -> Any:
        """Return the image that an output should be like, or None."""
        return {"denoised": self.denoised, "sim": self.sim}[output]

    @property
    def images(self) -> Mapping[str, Any]:
        """All single images by what they are: ``"avg1"``, …, ``"clean image"``, ``"SIM image"``."""
        targets = {"clean image": self.denoised, "SIM image": self.sim}
        return {**self.inputs, **{what: image for what, image in targets.items() if image is not None}}

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: memory maps by their place in their files."""
        inputs = {level: portable(image) for level, image in self.inputs.items()}
        return {**self.__dict__, "inputs": inputs, "denoised": portable(self.denoised), "sim": portable(self.sim)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        inputs = {level: restored(image) for level, image in state["inputs"].items()}
        opened = {key: restored(state[key]) for key in ("denoised", "sim")}
        self.__dict__.update({**state, "inputs": inputs, **opened})


@dataclass
class Gathered:
    """Fields that were found, and what a user should know of them.

    Attributes
    ----------
    fields : list of Field
    warnings : list of str
    """

    fields: list[Field] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __iadd__(self, other: Gathered) -> Gathered:
        self.fields += other.fields
        self.warnings += [text for text in other.warnings if text not in self.warnings]
        return self


def size(shape: Sequence[int]) -> str:
    """Return a shape for a person, e.g. ``"512 x 512"``."""
    return " x ".join(str(n) for n in shape)


def plural(number: int, one: str, many: str) -> str:
    """Return a number with what there is of it, e.g. ``"3 fields are"``."""
    return f"{number} {one if number == 1 else many}"


def named(fields: Sequence[Field], text: Callable[[Field], str] = lambda one: one.name) -> str:
    """Return a text for each of some fields, and the number of the rest."""
    shown = "; ".join(text(one) for one in fields[:_SHOWN])
    return shown if len(fields) <= _SHOWN else f"{shown}; and {len(fields) - _SHOWN} more"
