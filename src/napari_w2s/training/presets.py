"""Settings that suit: how long to train, how large a network, and what follows from the task. Costs no torch import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from napari_w2s._types import InputError, Level, Task
from napari_w2s.training.config import Source, TrainingConfig, make_config
from napari_w2s.training.preset_tables import DEFAULT_SIZE, NETWORK_SIZES, PRESETS, NetworkSize, Preset

__all__ = [
    "DEFAULT_SIZE",
    "LEVELS",
    "NETWORK_SIZES",
    "PRESETS",
    "W2S_BRIGHTNESS",
    "NetworkSize",
    "Preset",
    "make_training_config",
]


LEVELS: Mapping[Level, float] = MappingProxyType(
    {
        Level.AVG1: 0.3,
        Level.AVG2: 0.16,
        Level.AVG4: 0.14,
        Level.AVG8: 0.13,
        Level.AVG16: 0.17,
        Level.AVG400: 0.1,
    }
)
"""Averaging levels that a model blind to the level learns from, by weight: the noisiest need most."""

W2S_BRIGHTNESS: Mapping[str, float] = MappingProxyType({"mean": 0.0780, "std": 0.0790, "slope": 0.0523})
"""Of the SIM images of W2S fields 001-046: see `napari_w2s.training.config.Brightness`."""

_OUTPUT = MappingProxyType({Task.DENOISE: "denoised", Task.SR: "sim", Task.JDSR: "sim"})
_LOSSES: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType(
    {
        "denoised": ({"name": "l1", "weight": 2}, {"name": "mse", "weight": 40}),
        "sim": ({"name": "l1", "weight": 1}, {"name": "mse", "weight": 10}),
        # The brightness of a SIM image of one's own may say nothing: what it looks like counts for more.
        "own sim": (
            {"name": "l1", "weight": 1, "matched": True},
            {"name": "mse", "weight": 10, "matched": True},
            {"name": "l1", "weight": 0.3},
        ),
        # The mean of noisy images is the clean one, their median is not: squared errors are right without a clean one.
        "self-supervised": ({"name": "mse", "weight": 1},),
    }
)
_PATCH_STEP = 16


def make_training_config(
    task: Task,
    *,
    name: str,
    size: str = DEFAULT_SIZE,
    preset: str = "quick",
    start_from: str | None = None,
    sources: Sequence[Source] = (),
    validation: Sequence[Source] = (),
    validation_share: float = 0.15,
    self_supervised: Literal["noise2noise", "noise2void"] | None = None,
    levels: Mapping[Level, float] | Sequence[Level] | None = None,
    patch: int = 0,
    batch: int = 0,
    learning_rate: float = 0.0,
    loss: str = "auto",
    smallest: int | None = None,
    device: str = "auto",
    allow_test_fovs: bool = False,
    **changes: Any,
) -> TrainingConfig:
    """Return a config that suits a task.

    Parameters
    ----------
    task : Task
    name : str
        Of the model that is made.
    size : str
        In `NETWORK_SIZES`, and one for the task. Does not count with `start_from`.
    preset : str
        In `PRESETS`.
    start_from : str, optional
        Model to go on from: its architecture and normalisation are taken over when training begins, and the learning
        rate is lower.
    sources, validation : sequence of Source
        None for fields that are handed to `napari_w2s.training.fit.fit` itself.
    validation_share : float
        Share of the fields to judge by where `validation` is empty.
    self_supervised : str, optional
    levels : mapping or sequence of Level, optional
        Averaging levels to learn from. By default all of `LEVELS`, or ``avg400`` for super-resolution.
    patch, batch : int
        0 takes the preset's.
    learning_rate : float
        0 takes the preset's.
    loss : str
        ``"auto"``, or a name in `napari_w2s.training.losses`.
    smallest : int, optional
        Edge in pixels of the smallest image: patches are no larger.
    device : str
        That trains, e.g. ``"cuda"``; decides about the precision.
    allow_test_fovs : bool
    **changes
        Any other entries of the config.

    Raises
    ------
    InputError
        If preset, size or an entry is none that there is, the size is not for the task, or an image is too small.
    """
    times, network = _known(PRESETS, preset, "preset"), _known(NETWORK_SIZES, size, "network size")
    if start_from is None and task not in network.tasks:
        others = ", ".join(other.name for other in NETWORK_SIZES.values() if task in other.tasks)
        raise InputError(f"{network.title} is not for the task {task}. Choose one of: {others}.")
    output = _OUTPUT[task]
    of_w2s = bool(sources) and all(source.kind == "w2s" for source in sources)
    entries: dict[str, Any] = {
        "name": name,
        "task": task,
        "network": {"start_from": start_from}
        if start_from
        else {"architecture": network.architecture, "options": dict(network.options)},
        "train": [source.model_dump() for source in sources],
        "validation": [source.model_dump() for source in validation],
        "validation_share": validation_share,
        "levels": _levels(task, levels),
        "losses": {output: _losses(output, loss, own_sim=not of_w2s, self_supervised=self_supervised is not None)},
        "sim_brightness": dict(W2S_BRIGHTNESS) if output == "sim" and of_w2s else None,
        "self_supervised": self_supervised,
        "patch": patch or _patch(times.patch, smallest),
        "batch": batch or times.batch,
        "steps": times.steps,
        "validate_every": times.validate_every,
        "validation_images": times.validation_images,
        "validation_crop": times.validation_crop,
        "optimizer": {"learning_rate": learning_rate or _rate(times, start_from)},
        "schedule": {"kind": "constant", "warmup": times.warmup, "decay": times.decay},
        "augmentation": {"own_statistics": 0.0 if start_from else 0.15},
        "average": times.average,
        "precision": _precision(device),
        "allow_test_fovs": allow_test_fovs,
        **changes,
    }
    if not start_from:
        entries.setdefault("normalization", "standard")
    return make_config(entries)


def _rate(times: Preset, start_from: str | None) -> float:
    return times.fine_tuning_rate if start_from else times.learning_rate


def _levels(task: Task, levels: Mapping[Level, float] | Sequence[Level] | None) -> dict[Level, float]:
    if isinstance(levels, Mapping) and levels:
        return dict(levels)
    if levels:
        return dict.fromkeys(levels, 1.0)
    return {Level.AVG400: 1.0} if task is Task.SR else dict(LEVELS)


def _losses(output: str, loss: str, *, own_sim: bool, self_supervised: bool) -> list[dict[str, Any]]:
    if loss != "auto":
        return [{"name": loss}]
    key = "own sim" if output == "sim" and own_sim else output
    if self_supervised:
        key = "self-supervised"
    return [dict(term) for term in _LOSSES[key]]


def _patch(patch: int, smallest: int | None) -> int:
    """Return an edge that fits into the smallest image."""
    if smallest is None or smallest >= patch:
        return patch
    if smallest < _PATCH_STEP:
        raise InputError(
            f"The smallest image is {smallest} pixels wide, and training needs {_PATCH_STEP}. "
            "Leave it out, or use larger ones."
        )
    return smallest // _PATCH_STEP * _PATCH_STEP


def _precision(device: str) -> str:
    """Return bfloat16 where it is fast."""
    import torch

    from napari_w2s.engine.device import choose_device, is_fast_in_bfloat16

    chosen = choose_device(device)
    return "bfloat16" if is_fast_in_bfloat16(torch.device(chosen.type)) else "float32"


def _known(there: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in there:
        raise InputError(f"There is no {what} {name!r}. Choose one of: {', '.join(there)}.")
    return there[name]
