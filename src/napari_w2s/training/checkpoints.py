"""Checkpoints that a run is resumed from: written whole or not at all, read without running anything they hold."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from napari_w2s._files import discard, leftovers, write_at_once
from napari_w2s._types import InputError
from napari_w2s.training.config import TrainingConfig, make_config
from napari_w2s.training.run import BEST, LAST, MATCHES, RECIPE, Best, Run

logger = logging.getLogger(__name__)

KEY = "napari_w2s"
_FREE = frozenset(
    {
        "name",
        "title",
        "summary",
        "licence",
        "steps",
        "validate_every",
        "validation",
        "validation_crop",
        "validation_images",
    }
)
"""Entries of a recipe that may be another when a run is resumed: they change no step that was done."""
_JUDGES = frozenset({"validation", "validation_crop", "validation_images"})


@dataclass(frozen=True)
class Stored:
    """What a checkpoint says of its run.

    Attributes
    ----------
    config : TrainingConfig
    step : int
        Steps done.
    batch : int
        Patches a step and device at the end.
    seconds : float
        Of training.
    best : Best or None
    """

    config: TrainingConfig
    step: int
    batch: int
    seconds: float
    best: Best | None


class AtomicCheckpointIO(CheckpointIO):
    """Writes a checkpoint under another name first, and then in place of the one before.

    Attributes
    ----------
    failure : OSError or None
        Why the last one could not be written. Not raised, since in a run of several processes only one writes, and the
        others would wait for it forever.
    """

    def __init__(self) -> None:
        self.failure: OSError | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint, whole or not at all."""
        del storage_options
        data = io.BytesIO()
        torch.save(checkpoint, data)
        try:
            write_at_once(Path(path), data.getbuffer(), durable=True)
        except OSError as error:
            self.failure = error

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; the place in Lightning's loops is left out, since the run knows its own."""
        del map_location, weights_only
        checkpoint = load(Path(path))
        checkpoint.pop("loops", None)
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint's tensors and plain values.

    Raises
    ------
    InputError
        If there is none, or it is damaged, or not one of a run.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: there is no run to resume. Start one without resuming.") from None
    # A parser that is fed a damaged file fails in any way there is; to the user all of them mean the same.
    except Exception as error:
        logger.debug("reading %s failed", path, exc_info=True)
        raise InputError(f"{path} is damaged. Delete it and start the run anew.") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get(KEY), dict):
        raise InputError(f"{path} is no checkpoint of a training run. Start one in another folder.")
    return loaded


def facts(run: Run, step: int) -> dict[str, Any]:
    """Return what a checkpoint says of its run, as plain values."""
    best = run.best
    return {
        "config": json.dumps(run.config.model_dump(mode="json")),
        "step": step,
        "batch": run.batch,
        "seconds": run.clock.seconds,
        "best": None if best is None else {"step": best.step, "score": best.score, "metrics": dict(best.metrics)},
    }


def stored(path: Path) -> Stored:
    """Return what a checkpoint says of its run.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    said = load(path)[KEY]
    try:
        best = said["best"]
        return Stored(
            config=make_config(json.loads(said["config"]), f"The recipe in {path}"),
            step=int(said["step"]),
            batch=int(said["batch"]),
            seconds=float(said["seconds"]),
            best=None if best is None else Best(int(best["step"]), float(best["score"]), dict(best["metrics"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged. Delete it and start the run anew.") from error


def check_same(config: TrainingConfig, before: TrainingConfig, folder: Path) -> bool:
    """Check that a run may go on with a recipe.

    Returns
    -------
    bool
        True if its models are judged as before.

    Raises
    ------
    InputError
        If the recipe differs in what the steps that were done depend on; the message names the entries.
    """
    new, old = config.model_dump(mode="json"), before.model_dump(mode="json")
    differing = [key for key in new if new[key] != old[key]]
    if wrong := [name for key in differing if key not in _FREE for name in _names(key, new[key], old[key])]:
        verb = "differs" if len(wrong) == 1 else "differ"
        raise InputError(
            f"{folder} holds a run with another recipe: {', '.join(wrong)} {verb}. "
            "Take its recipe.yaml, or start a run in another folder."
        )
    return not _JUDGES.intersection(differing)


def sweep(folder: Path) -> None:
    """Remove what a run that was killed left half-written."""
    for name in (LAST, BEST, RECIPE, MATCHES):
        for left in leftovers(folder / name):
            discard(left)


def _names(key: str, new: Any, old: Any) -> list[str]:
    """Return the entries under a key that differ, e.g. ``optimizer.learning_rate``."""
    if not (isinstance(new, Mapping) and isinstance(old, Mapping)):
        return [key]
    inner = [name for name in {**old, **new} if new.get(name) != old.get(name)]
    return [f"{key}.{name}" for name in inner]
