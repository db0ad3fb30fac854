"""What becomes of a trained model: its name, its place among the user's models, and its card in words."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_w2s._types import Task, WeightsError
from napari_w2s.app.state import format_seconds
from napari_w2s.app.training.folder import format_numbers
from napari_w2s.app.training.material import plural
from napari_w2s.app.training.status import by_output
from napari_w2s.models.checkpoint import read_card
from napari_w2s.models.descriptor import ModelDescriptor, WeightsPlace

_OUTPUTS = {"denoised": "denoised", "sim": "SIM"}


@dataclass(frozen=True)
class Installed:
    """Models that are among the user's now.

    Attributes
    ----------
    descriptors : tuple of ModelDescriptor
    wanted : str
        Name of the one that was trained for.
    card : str
        In words.
    """

    descriptors: tuple[ModelDescriptor, ...]
    wanted: str
    card: str


def install_model(path: Path, name: str, task: Task) -> Installed:
    """Put a trained model among the user's, under a name of their choice. For a thread: it reads and writes weights.

    Parameters
    ----------
    path : Path
        A file that training made.
    name : str
        If the file holds several models, what their names begin with.
    task : Task
        What it was trained for.

    Raises
    ------
    WeightsError, InputError, OutputError
        See `napari_w2s.models.trained.install`.
    """
    from napari_w2s.models.card import descriptors_of
    from napari_w2s.models.checkpoint import load_state_dict, save
    from napari_w2s.models.trained import install

    checkpoint = load_state_dict(path)
    if checkpoint.card is None or not checkpoint.card.get("models"):
        raise WeightsError(f"{path} has no card that says what it is. Train it again.")
    card = renamed(checkpoint.card, name)
    with tempfile.TemporaryDirectory(prefix="napari-w2s-") as scratch:
        own = save(Path(scratch) / f"{name}.safetensors", checkpoint.state, card)
        installed = install(own, name=name)
    descriptors = descriptors_of(card, installed)
    wanted = next((d for d in descriptors if d.serves(task)), descriptors[0])
    return Installed(descriptors, wanted.name, card_text(card))


def renamed(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a card whose models have another name, or names that begin with it."""
    models = [dict(entries) for entries in card["models"]]
    stem = _common_stem([str(entries["name"]) for entries in models])
    for entries in models:
        for key in ("name", "title"):
            entries[key] = name + str(entries[key]).removeprefix(stem) if str(entries[key]).startswith(stem) else name
    return {**card, "models": models}


def card_text(card: Mapping[str, Any]) -> str:
    """Say what a model is and how it was made: data, steps, metrics, date, versions, licence."""
    models = card.get("models") or [card]
    title = " and ".join(str(entries.get("title", "")) for entries in models)
    return "\n".join([title, *facts_of(card), f"Licence: {models[0].get('licence', 'not stated')}"])


def facts_of(card: Mapping[str, Any]) -> list[str]:
    """Say how a model was made, line by line; what the card does not tell is left out."""
    training = card.get("training") or {}
    data = data_text(training.get("data"))
    lines = [f"Learned from {data}."] if data else []
    made = [plural(int(training["step"]), "step")] if "step" in training else []
    if "seconds" in training:
        made.append(f"{format_seconds(float(training['seconds']))} on {training.get('device', 'this computer')}")
    if made:
        lines.append(" in ".join(made) + ".")
    if card.get("metrics"):
        lines.append(f"Validation: {metrics_text(card['metrics'])}.")
    if "date" in card:
        versions = ", ".join(f"{name} {version}" for name, version in (card.get("versions") or {}).items())
        lines.append(f"Made {card['date']}" + (f" with {versions}." if versions else "."))
    return lines


def how_made(descriptor: ModelDescriptor) -> str:
    """Return the facts on the card of a model that the user has trained; empty for others, and if it is unreadable."""
    source = descriptor.weights
    if source is None or source.place is not WeightsPlace.LOCAL:
        return ""
    try:
        return "\n".join(facts_of(read_card(source.path) or {}))
    except (WeightsError, TypeError, ValueError):
        return ""


def data_text(facts: object) -> str:
    """Say what was learned from, e.g. ``"6 images (W2S 2-3), judged by 3 images (W2S 1)"``."""
    if not isinstance(facts, Mapping):
        return ""
    learned, judged = (facts.get(key) for key in ("train", "validation"))
    text = _fields_text(learned) if isinstance(learned, Mapping) else ""
    return text + (f", judged by {_fields_text(judged)}" if text and isinstance(judged, Mapping) else "")


def metrics_text(metrics: Mapping[str, float]) -> str:
    """Say how well the validation images came out, e.g. ``"denoised 38.4 dB, SIM 25.2 dB"``."""
    return ", ".join(f"{_OUTPUTS.get(name, name)} {value:.1f} dB" for name, value in by_output(metrics).items())


def _fields_text(facts: Mapping[str, Any]) -> str:
    images, fovs = int(facts.get("fields", 0)), facts.get("fovs") or []
    return plural(images, "image") + (f" (W2S {format_numbers(fovs)})" if fovs else "")


def _common_stem(names: list[str]) -> str:
    """Return what the names begin with, up to a hyphen where they differ."""
    if len(names) == 1:
        return names[0]
    stem = names[0]
    while not all(other == stem or other.startswith(f"{stem}-") for other in names):
        stem, dash, _ = stem.rpartition("-")
        if not dash:
            return names[0]
    return stem
