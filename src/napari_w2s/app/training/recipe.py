"""From what was chosen to what is run: the config, the folder, the hardware."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.state import Learn
from napari_w2s.data.image import Image

if TYPE_CHECKING:
    from napari_w2s.training.config import Source, TrainingConfig

RUNS = "runs"


def recipe(choice: TrainChoice, images: Mapping[str, Image]) -> TrainingConfig:
    """Return the config of a training. Imports torch, for the precision that suits the device.

    Raises
    ------
    InputError
        If an image is too small, or a setting makes no sense.
    """
    from napari_w2s.training.presets import make_training_config

    changes: dict[str, Any] = {"licence": choice.licence} if choice.licence else {}

    return make_training_config(
        choice.task,
        name=choice.name,
        size=choice.size,
        preset=choice.preset,
        start_from=choice.start_from,
        sources=_sources(choice),
        validation_share=choice.validation_share,
        self_supervised=choice.learn.self_supervised,
        levels=choice.levels or None,
        patch=choice.patch,
        batch=choice.batch,
        learning_rate=choice.learning_rate,
        loss=choice.loss,
        smallest=min((n for image in images.values() for n in image.data.shape[-2:]), default=None),
        device=choice.device,
        allow_test_fovs=choice.allow_test_fovs,
        **changes,
    )


def folder_of(choice: TrainChoice, now: datetime) -> Path:
    """Return the folder of a run: one of its own in the folder that was chosen, or in this package's for data."""
    if choice.folder:
        home = Path(os.path.expandvars(choice.folder)).expanduser()
    else:
        from platformdirs import user_data_path

        home = user_data_path("napari-w2s", appauthor=False) / RUNS
    stem = f"{now:%Y-%m-%d %H.%M.%S} {choice.name}"
    folder, number = home / stem, 2
    while folder.exists():
        folder, number = home / f"{stem} ({number})", number + 1
    return folder


def hardware(device: str) -> dict[str, Any]:
    """Return what a device is for `napari_w2s.training.fit.fit`: ``accelerator`` and ``devices``."""
    kind, _, number = device.partition(":")
    names = {"cuda": "gpu", "auto": "auto"}
    return {"accelerator": names.get(kind, kind), "devices": [int(number)] if number else 1}


def _sources(choice: TrainChoice) -> tuple[Source, ...]:
    """Return the source of a folder; layers are handed over as they are."""
    from napari_w2s.training.config import Source

    if choice.learn is not Learn.W2S:
        return ()
    return (Source(kind="w2s", paths={"root": (choice.root,)}, fovs=choice.fovs, channels=choice.channels),)
