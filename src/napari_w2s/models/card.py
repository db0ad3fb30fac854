"""The card of a weights file: plain JSON, from which the descriptors of the models in the file are made again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError, Level, Task, WeightsError
from napari_w2s.models.architectures import architecture
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, Stretch, WeightsPlace, WeightsSource

FORMAT = 2
"""Version of the card's layout. In format 1 the entries of the file's only model stood beside the facts."""

_TEXTS = ("name", "title", "summary", "architecture", "licence", "origin", "citation")


def make_card(*descriptors: ModelDescriptor, **facts: Any) -> dict[str, Any]:
    """Write down descriptors as JSON.

    Parameters
    ----------
    *descriptors : ModelDescriptor
        The models that the file's weights make: more than one where they differ in the output that answers. `build`
        and `weights` are left out: they follow from architecture, output and file.
    **facts
        Anything else worth keeping that is plain JSON, e.g. ``training={...}``, ``metrics={...}``, ``date="..."``.

    Returns
    -------
    dict
        For `napari_w2s.models.checkpoint.save`.
    """
    return {**facts, "format": FORMAT, "models": [_entries(descriptor) for descriptor in descriptors]}


def _entries(descriptor: ModelDescriptor) -> dict[str, Any]:
    entries = {
        field.name: getattr(descriptor, field.name)
        for field in dataclasses.fields(descriptor)
        if field.name not in ("build", "weights", "frame_context")
    }
    plain = {
        "task": str(descriptor.task),
        "tasks": [str(task) for task in descriptor.tasks],
        "level": None if descriptor.level is None else str(descriptor.level),
        "normalization": str(descriptor.normalization),
        "result": None if descriptor.result is None else str(descriptor.result),
        "stretch": None if descriptor.stretch is None else dataclasses.asdict(descriptor.stretch),
        "devices": list(descriptor.devices),
        "precision_cost_db": dict(descriptor.precision_cost_db),
        "options": dict(descriptor.options),
        "requires": list(descriptor.requires),
    }
    return {**entries, **plain}


def descriptors_of(card: Mapping[str, Any], path: Path, sha256: str | None = None) -> tuple[ModelDescriptor, ...]:
    """Make the descriptors of the models of a weights file from its card.

    Parameters
    ----------
    card : mapping
        What `make_card` wrote.
    path : Path
        The weights file.
    sha256 : str, optional
        Its hash, if the models are to be those of this very file.

    Returns
    -------
    tuple of ModelDescriptor
        At least one, with `path` as their local weights.

    Raises
    ------
    WeightsError
        If the card is of a later format, or an entry is missing or wrong.
    """
    version = card.get("format")
    if version not in (1, FORMAT):
        raise WeightsError(
            f"{path} has a card of format {version!r}, and this version reads 1 and {FORMAT}. Update napari-w2s."
        )
    try:
        models = [card] if version == 1 else _typed(card, "models", list)
        if not models:
            raise ValueError("it names no model")
        return tuple(_descriptor(entries, path, sha256) for entries in models)
    except KeyError as error:
        raise WeightsError(f"{path} has a card without {error}. Save the model again.") from error
    except (InputError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has a card that makes no sense: {error}. Save the model again.") from error


def _descriptor(entries: Mapping[str, Any], path: Path, sha256: str | None) -> ModelDescriptor:
    if not isinstance(entries, Mapping):
        raise TypeError(f"a model is {entries!r}")
    texts = {key: _typed(entries, key, str) for key in _TEXTS}
    method = architecture(texts["architecture"])
    receptive_field = None if entries["receptive_field"] is None else _positive(entries, "receptive_field")
    costs = {str(key): float(value) for key, value in _typed(entries, "precision_cost_db", dict).items()}
    # These were not in the first cards.
    output, result, stretch = entries.get("output"), entries.get("result"), entries.get("stretch")
    return ModelDescriptor(
        **texts,
        scale=_positive(entries, "scale"),
        size_multiple=_positive(entries, "size_multiple"),
        task=Task(entries["task"]),
        tasks=tuple(Task(task) for task in _typed({"tasks": [], **entries}, "tasks", list)),
        level=None if entries["level"] is None else Level(entries["level"]),
        normalization=Normalization(entries["normalization"]),
        result=None if result is None else Normalization(result),
        stretch=None if stretch is None else Stretch(**{key: float(value) for key, value in stretch.items()}),
        output=output,
        receptive_field=receptive_field,
        blended_tile=None if entries.get("blended_tile") is None else _positive(entries, "blended_tile"),
        requires=tuple(str(package) for package in _typed({"requires": [], **entries}, "requires", list)),
        options=_typed({"options": {}, **entries}, "options", dict),
        devices=tuple(str(device) for device in _typed(entries, "devices", list)),
        precision_cost_db=costs,
        frame_context=method.frame_context,
        build=method.build_for(output),
        weights=WeightsSource(
            path=str(path.resolve()), sha256=sha256, licence=texts["licence"], place=WeightsPlace.LOCAL
        ),
    )


def _typed(card: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = card[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key} is {value!r}")
    return value


def _positive(card: Mapping[str, Any], key: str) -> int:
    value = card[key]
    if type(value) is not int or value < 1:
        raise ValueError(f"{key} is {value!r}")
    return value
