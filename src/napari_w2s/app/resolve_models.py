"""What a Restore panel says of models: the entries of a list, the card, and what a model without weights needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_w2s._types import Level, Task
from napari_w2s.app.suggest import suggest_model
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.training.preset_tables import NETWORK_SIZES

UNTRAINED = "train your own"
GONE = "missing"

_WEIGHTS = {
    "built in": "built in",
    "here": "weights are here",
    "on demand": "downloads its weights on first use",
    GONE: "its weights file is gone",
    "not installed": "a package that it needs is not installed",
    UNTRAINED: "no weights yet: train it, or choose a file of weights",
}
_MARKS = {UNTRAINED: "no weights yet", GONE: "weights file is gone"}
_SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".ckpt"})


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One entry of a list of models.

    Attributes
    ----------
    name, title : str
    suggested : bool
    mark : str
        What it lacks, in words; empty if nothing.
    """

    name: str
    title: str
    suggested: bool
    mark: str = ""

    @property
    def text(self) -> str:
        """Title, with a star if it is the suggested one, and what it lacks."""
        return ("★ " if self.suggested else "") + self.title + (f" – {self.mark}" if self.mark else "")


def model_choices(
    descriptors: tuple[ModelDescriptor, ...],
    task: Task | None,
    wanted: str | None,
    level: Level | None,
    available: Mapping[str, str],
) -> tuple[tuple[ModelChoice, ...], str | None]:
    """Return the models for a task, those without weights last, and which is in force: the suggested or the wanted one.

    Parameters
    ----------
    descriptors : tuple of ModelDescriptor
        In the order of the registry.
    task : Task or None
        There is no model for None.
    wanted : str or None
    level : Level or None
        Noise level of the image.
    available : mapping
        By model name, where its weights are.
    """
    if task is None:
        return (), None
    suggested = suggest_model(descriptors, task, level, available)
    choices = [
        ModelChoice(d.name, d.title, d.name == suggested, _MARKS.get(available.get(d.name, ""), ""))
        for d in descriptors
        if d.serves(task)
    ]
    choices.sort(key=lambda choice: bool(choice.mark))
    return tuple(choices), wanted if any(c.name == wanted for c in choices) else suggested


def card_text(
    model: ModelDescriptor,
    place: str,
    *,
    suggested: bool,
    weights: str | None,
    levels: tuple[tuple[str, Level], ...],
    made: str,
) -> str:
    """Describe a model in plain words.

    Parameters
    ----------
    model : ModelDescriptor
    place : str
        Where its weights are.
    suggested : bool
        Say that it is the suggested one.
    weights : str or None
        A file or folder that the user gave to be taken instead.
    levels : tuple of (str, Level)
        The layers that it is for, and what their noise is like.
    made : str
        How it was made, where its card tells.
    """
    if weights is not None:
        given = f"weights from {Path(weights).name or weights} · for what they learned"
        return "\n".join([model.summary, given, "Licence: that of the weights"])
    facts = ["★ suggested"] if suggested else []
    if place == UNTRAINED:
        facts.append("for what it will learn")
    else:
        facts.append(f"for {model.level}" if model.level is not None else "for any noise")
    facts.append(_WEIGHTS.get(place, "weights not found"))
    lines = [model.summary, " · ".join(facts), *made.splitlines(), f"Licence: {_brief(model.licence)}"]
    odd = [(name, level) for name, level in levels if model.level is not None and level != model.level]
    if odd:
        name, looks = odd[0]
        lines.append(f"Made for {model.level}, but {name} looks like {looks}.")
    return "\n".join(lines)


def lack_of_weights(model: ModelDescriptor, place: str, otherwise: str) -> str:
    """Say that a model has no weights, and what to do; empty if it has some.

    Parameters
    ----------
    model : ModelDescriptor
    place : str
        Where its weights are.
    otherwise : str
        What can be done instead of training it.
    """
    if place == UNTRAINED:
        how = "in the Train panel" if model.name in NETWORK_SIZES else f"(napari-w2s train {model.name})"
        return f"{model.title} has no weights yet: train it {how}, or {otherwise}."
    if place == GONE:
        return f"The weights file of {model.title} is gone: put it back, or {otherwise}."
    return ""


def default_weights(model: ModelDescriptor, available: Mapping[str, str]) -> str:
    """Say in few words what weights a model has by itself."""
    if model.weights is None:
        return "None needed"
    return "None yet" if available.get(model.name, "") in _MARKS else "The model's own"


def is_weights_file(path: str) -> bool:
    """Tell by its name whether a path is a file of weights, rather than a folder of them."""
    return Path(path).suffix.lower() in _SUFFIXES


def _brief(text: str) -> str:
    """Return the first clause of a text."""
    return re.split(r"[.:;](?:\s|$)", text, maxsplit=1)[0]
