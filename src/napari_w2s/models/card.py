"""The card of a trained model: plain JSON in its weights file, from which its descriptor is made again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError, Level, Task, WeightsError
from napari_w2s.models.architectures import architecture
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, WeightsPlace, WeightsSource

FORMAT = 1
"""Version of the card's layout."""

_TEXTS = ("name", "title", "summary", "architecture", "licence", "origin", "citation")


def make_card(descriptor: ModelDescriptor, **facts: Any) -> dict[str, Any]:
    """Write down a descriptor as JSON.

    Parameters
    ----------
    descriptor : ModelDescriptor
        Its `build` and `weights` are left out: they follow from the architecture and the file.
    **facts
        Anything else worth keeping that is plain JSON, e.g. ``training={...}``, ``metrics={...}``, ``date="..."``.

    Returns
    -------
    dict
        For `napari_w2s.models.checkpoint.save`.
    """
    card = {
        field.name: getattr(descriptor, field.name)
        for field in dataclasses.fields(descriptor)
        if field.name not in ("build", "weights", "frame_context")
    }
    plain = {
        "task": str(descriptor.task),
        "level": None if descriptor.level is None else str(descriptor.level),
        "normalization": str(descriptor.normalization),
        "devices": list(descriptor.devices),
        "precision_cost_db": dict(descriptor.precision_cost_db),
    }
    return {**facts, "format": FORMAT, **card, **plain}


def descriptor_of(card: Mapping[str, Any], path: Path, sha256: str) -> ModelDescriptor:
    """Make the descriptor of a model from its card.

    Parameters
    ----------
    card : mapping
        What `make_card` wrote.
    path : Path
        The weights file.
    sha256 : str
        Its hash.

    Returns
    -------
    ModelDescriptor
        With `path` as its local weights.

    Raises
    ------
    WeightsError
        If the card is of a later format, or an entry is missing or wrong.
    """
    if card.get("format") != FORMAT:
        raise WeightsError(
            f"{path} has a card of format {card.get('format')!r}, and this version reads {FORMAT}. Update napari-w2s."
        )
    try:
        texts = {key: _typed(card, key, str) for key in _TEXTS}
        method = architecture(texts["architecture"])
        receptive_field = None if card["receptive_field"] is None else _positive(card, "receptive_field")
        costs = {str(key): float(value) for key, value in _typed(card, "precision_cost_db", dict).items()}
        return ModelDescriptor(
            **texts,
            scale=_positive(card, "scale"),
            size_multiple=_positive(card, "size_multiple"),
            task=Task(card["task"]),
            level=None if card["level"] is None else Level(card["level"]),
            normalization=Normalization(card["normalization"]),
            receptive_field=receptive_field,
            devices=tuple(str(device) for device in _typed(card, "devices", list)),
            precision_cost_db=costs,
            frame_context=method.frame_context,
            build=method.build,
            weights=WeightsSource(
                path=str(path.resolve()), sha256=sha256, licence=texts["licence"], place=WeightsPlace.LOCAL
            ),
        )
    except KeyError as error:
        raise WeightsError(f"{path} has a card without {error}. Save the model again.") from error
    except (InputError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has a card that makes no sense: {error}. Save the model again.") from error


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
