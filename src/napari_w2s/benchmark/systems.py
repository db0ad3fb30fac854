"""From names of pipelines to chains of models, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark.config import PLACE, UNTOUCHED
from napari_w2s.models.registry import Registry


@dataclass(frozen=True, slots=True)
class System:
    """A pipeline as it stands in tables.

    Attributes
    ----------
    name : str
        As it was given, e.g. ``"dncnn-{level}+bicubic"``.
    chains : mapping of str to tuple of str
        Names of the models by level; an empty chain leaves the image as it is.
    task : Task
        `Task.DENOISE` is scored against a clean widefield image, `Task.SR` against SIM.
    """

    name: str
    chains: Mapping[str, tuple[str, ...]]
    task: Task


def find_systems(pipelines: Sequence[str], levels: Sequence[str], registry: Registry) -> tuple[System, ...]:
    """Resolve pipelines at every level.

    Parameters
    ----------
    pipelines : sequence of str
    levels : sequence of str
        Levels of W2S, or names of pairs.
    registry : Registry

    Raises
    ------
    InputError
        If a model is unknown, a chain cannot run, or there is a place for the level and a level is no averaging level.
    """
    return tuple(_system(name, levels, registry) for name in pipelines)


def _system(name: str, levels: Sequence[str], registry: Registry) -> System:
    if name == UNTOUCHED:
        return System(name, dict.fromkeys(levels, ()), Task.DENOISE)
    if UNTOUCHED in name.split("+"):
        rest = "+".join(part for part in name.split("+") if part != UNTOUCHED)
        raise InputError(f"{name!r} cannot be a pipeline: {UNTOUCHED} is no model. Leave it out: {rest}.")
    chains: dict[str, tuple[str, ...]] = {}
    scales: set[int] = set()
    for level in levels:
        spec = name.replace(PLACE, level)
        if "{" in spec or "}" in spec:
            raise InputError(f"{name!r} cannot be a pipeline: {PLACE} is the only place that can be filled in.")
        try:
            chains[level] = registry.parse(spec)
        except InputError as error:
            if spec == name:
                raise
            raise InputError(f"{name} at {level}: {error}") from error
        scales.add(_scale(chains[level], registry))
    if len(scales) > 1 or not scales <= {1, 2}:
        times = " and ".join(map(str, sorted(scales)))
        raise InputError(f"{name} enlarges images {times} times; references are of the same or of twice the size.")
    return System(name, chains, Task.DENOISE if scales == {1} else Task.SR)


def _scale(chain: Sequence[str], registry: Registry) -> int:
    scales = [registry.descriptor(model).scale for model in chain]
    if any(scale > 1 for scale in scales[:-1]):
        raise InputError(
            f"{'+'.join(chain)} cannot run: nothing comes after super-resolution. Name the denoiser first, e.g. "
            "vst-nlm+bicubic."
        )
    return prod(scales)
