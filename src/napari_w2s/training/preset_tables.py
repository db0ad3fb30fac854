"""How long to train, and how large a network: what a person chooses among."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


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
    """How large a network.

    Attributes
    ----------
    name, title, hint : str
        The last two are for a person.
    architecture : str
    options : mapping
        Of the architecture's ``create``; the outputs follow from the task.
    """

    name: str
    title: str
    hint: str
    architecture: str
    options: Mapping[str, Any]


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

NETWORK_SIZES: Mapping[str, NetworkSize] = MappingProxyType(
    {
        size.name: size
        for size in (
            NetworkSize(
                "small",
                "small",
                "0.45 million weights: learns fast, runs fast.",
                "unet",
                MappingProxyType({"widths": [32, 48, 64], "blocks": [2, 2, 2], "fold": 2, "detail": 16}),
            ),
            NetworkSize(
                "medium",
                "medium",
                "1.5 million weights: three times the work of a small one.",
                "unet",
                MappingProxyType({"widths": [48, 72, 96], "blocks": [3, 3, 3], "fold": 2, "detail": 24}),
            ),
            NetworkSize(
                "large",
                "large",
                "3 million weights, as the model that comes with the package: six times the work of a small one.",
                "unet",
                MappingProxyType({"widths": [64, 96, 128], "blocks": [4, 3, 4], "fold": 2, "detail": 32}),
            ),
        )
    }
)
