"""How long to train, and which network of what size: what a person chooses among. Costs no torch import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from napari_w2s._types import Task
from napari_w2s.models.architectures import ARCHITECTURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How long to train.

    Attributes
    ----------
    name, title, hint : str
        The last two are for a person.
    steps : int
    patch, batch : int
    learning_rate, fine_tuning_rate : float
        For a new network, and for one that knows something already.
    validate_every : int
    validation_images, validation_crop : int
    warmup, decay : float
        Shares of the steps.
    average : float
    """

    name: str
    title: str
    hint: str
    steps: int
    patch: int
    batch: int
    learning_rate: float
    fine_tuning_rate: float
    validate_every: int
    validation_images: int
    validation_crop: int
    warmup: float
    decay: float
    average: float


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Which network, and how large.

    Attributes
    ----------
    name, title, hint : str
        The last two are for a person.
    architecture : str
    options : mapping
        Of the architecture's ``create``; the outputs follow from the task.
    tasks : tuple of Task
        Those that it is offered for.
    """

    name: str
    title: str
    hint: str
    architecture: str
    options: Mapping[str, Any]
    tasks: tuple[Task, ...] = tuple(Task)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="quick",
                title="Quick look",
                hint="A minute or two: shows whether there is anything to learn.",
                steps=800,
                patch=64,
                batch=8,
                learning_rate=1e-3,
                fine_tuning_rate=1e-4,
                validate_every=100,
                validation_images=4,
                validation_crop=128,
                warmup=0.05,
                decay=0.4,
                average=0.99,
            ),
            Preset(
                name="normal",
                title="Normal",
                hint="A model to work with.",
                steps=6000,
                patch=80,
                batch=8,
                learning_rate=6e-4,
                fine_tuning_rate=1e-4,
                validate_every=250,
                validation_images=8,
                validation_crop=192,
                warmup=0.04,
                decay=0.3,
                average=0.998,
            ),
            Preset(
                name="long",
                title="Long",
                hint="For the last tenths of a decibel: overnight without a GPU.",
                steps=30000,
                patch=112,
                batch=8,
                learning_rate=6e-4,
                fine_tuning_rate=1e-4,
                validate_every=500,
                validation_images=10,
                validation_crop=256,
                warmup=0.02,
                decay=0.3,
                average=0.999,
            ),
        )
    }
)

_UNETS = (
    NetworkSize(
        "small",
        "small U-Net",
        "0.45 million weights: learns fast, runs fast.",
        "unet",
        MappingProxyType({"widths": [32, 48, 64], "blocks": [2, 2, 2], "fold": 2, "detail": 16}),
    ),
    NetworkSize(
        "medium",
        "medium U-Net",
        "1.5 million weights: three times the work of a small one.",
        "unet",
        MappingProxyType({"widths": [48, 72, 96], "blocks": [3, 3, 3], "fold": 2, "detail": 24}),
    ),
    NetworkSize(
        "large",
        "large U-Net",
        "3 million weights, as the model that comes with the package: six times the work of a small one.",
        "unet",
        MappingProxyType({"widths": [64, 96, 128], "blocks": [4, 3, 4], "fold": 2, "detail": 32}),
    ),
)

_FINE = (Task.SR, Task.JDSR)
_OF_SMALL = "times the work of a small U-Net."


def _light(name: str, title: str, hint: str, architecture: str, tasks: tuple[Task, ...]) -> NetworkSize:
    """Describe a network of the benchmark at its light size."""
    return NetworkSize(name, title, hint, architecture, ARCHITECTURES[architecture].light, tasks)


def _in_recipe(what: str, name: str) -> str:
    """Say what a training with these few choices lacks."""
    return f"{what} is in its recipe only (napari-w2s train {name})."


_BENCHMARK = (
    _light("rcan-light", "RCAN light", f"0.38 million weights, attention to channels: 8 {_OF_SMALL}", "rcan", _FINE),
    _light("rdn-light", "RDN light", f"0.27 million weights, dense blocks: 6 {_OF_SMALL}", "rdn", _FINE),
    _light("san-light", "SAN light", f"0.30 million weights, attention over the patch: 7 {_OF_SMALL}", "san", _FINE),
    _light("srfbn-light", "SRFBN light", f"0.16 million weights, run twice over: 12 {_OF_SMALL}", "srfbn", _FINE),
    _light(
        "epsr-light",
        "EPSR light",
        f"EDSR, 0.42 million weights: 9 {_OF_SMALL} {_in_recipe('The discriminator', 'epsr-light')}",
        "edsr",
        _FINE,
    ),
    _light(
        "esrgan-light",
        "ESRGAN light",
        f"RRDB, 0.77 million weights: 16 {_OF_SMALL} {_in_recipe('The discriminator', 'esrgan-light')}",
        "rrdb",
        (Task.SR,),
    ),
    _light(
        "jdsr-light",
        "JDSR light",
        f"RRDB, 0.77 million weights: 16 {_OF_SMALL} {_in_recipe('The texture loss', 'jdsr-light')}",
        "rrdb",
        (Task.JDSR,),
    ),
    _light(
        "ridnet-light",
        "RIDNet light",
        f"0.19 million weights, attention to channels: 6 {_OF_SMALL}",
        "ridnet",
        (Task.DENOISE,),
    ),
    NetworkSize(
        "dncnn-light",
        "DnCNN light",
        f"0.07 million weights, 9 plain layers: 2 {_OF_SMALL}",
        "dncnn",
        MappingProxyType({"depth": 9, "width": 32}),
        (Task.DENOISE,),
    ),
    NetworkSize(
        "memnet-light",
        "MemNet light",
        f"0.05 million weights, thin layers: 3 {_OF_SMALL}",
        "memnet",
        MappingProxyType({"width": 16, "memory_blocks": 3, "residual_blocks": 3}),
        (Task.DENOISE,),
    ),
)

NETWORK_SIZES: Mapping[str, NetworkSize] = MappingProxyType({size.name: size for size in (*_UNETS, *_BENCHMARK)})
"""What a new network may be, in the order to show: U-Nets for every task, then the benchmark's, light."""

DEFAULT_SIZE = "small"
"""One for every task."""
