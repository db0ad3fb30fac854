"""What metadata tell of an image: which place of W2S it shows, what it was made from, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError, Level, WeightsError
from napari_w2s.data.catalog import BURST
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import TRAIN_FOVS

LEARNED, JUDGED = "learned", "judged"

_OWN_RELEASE = "image"


@dataclass(frozen=True, slots=True)
class Place:
    """A field of view and channel of W2S, in one of its releases."""

    release: str
    fov: int
    channel: int


def place_of(image: Image, position: Sequence[float] = ()) -> Place | None:
    """Return the place that an image shows, or None if it is not of W2S.

    Parameters
    ----------
    image : Image
        A stack of several fields of view shows the one at `position`.
    position : sequence of float
        As in `Comparison`.
    """
    known = image.w2s
    release, channel, fov = known.get("release"), known.get("channel"), known.get("fov")
    if fov is None:
        fov = _stacked_fov(image, position)
    if release in (None, _OWN_RELEASE) or not isinstance(channel, int) or not isinstance(fov, int):
        return None
    return Place(str(release), fov, channel)


def _stacked_fov(image: Image, position: Sequence[float]) -> int | None:
    fovs = image.w2s.get("fovs")
    if not fovs or "fov" not in image.axes[:-2]:
        return None
    axis = image.axes.index("fov")
    from_end = axis - (len(image.axes) - 2)
    given = position[from_end] if len(position) >= -from_end else image.translate[axis]
    step = round((given - image.translate[axis]) / image.scale[axis])
    return int(fovs[step]) if 0 <= step < len(fovs) else None


def restoration_of(image: Image) -> Mapping[str, Any]:
    """Return how a restoration was made; empty for an image that was acquired."""
    known = image.w2s.get("restoration")
    return known if isinstance(known, Mapping) else {}


def level_of(image: Image) -> Level | None:
    """Return the level of the benchmark that an image was acquired at; None for others, and for restorations."""
    name = None if restoration_of(image) else image.w2s.get("level")
    return Level(name) if name in set(Level) else None


def is_burst(image: Image) -> bool:
    """Tell whether the third axis from the end holds single frames of W2S."""
    return image.w2s.get("level") == BURST and not restoration_of(image) and len(image.axes) > 2


def is_estimate(image: Image) -> bool:
    """Tell whether an image shows more than was measured: super-resolution, or a generative model."""
    made = restoration_of(image)
    if not made:
        return False
    return bool(made.get("is_estimate")) or _scale(made) > 1 or any(facts.generative for facts in _all_facts(made))


def is_finer(image: Image) -> bool:
    """Tell whether an image shows what SIM shows, which no mean of widefield frames does."""
    return level_of(image) is Level.SIM or _scale(restoration_of(image)) > 1


def was_seen(image: Image, position: Sequence[float] = ()) -> str:
    """Say whether a restoration's model knows the field of view that it was applied to.

    Returns
    -------
    str
        ``"learned"`` if it learned from it; ``"judged"`` if its training was judged by it; empty otherwise, and where
        there is nothing to tell by.
    """
    made, place = restoration_of(image), place_of(image, position)
    if not made or place is None:
        return ""
    facts = _all_facts(made)
    if any(place.fov in one.learned for one in facts):
        return LEARNED
    return JUDGED if any(place.fov in one.judged for one in facts) else ""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the card of a model tells of its training.

    Attributes
    ----------
    learned, judged : frozenset of int
        Fields of view of W2S.
    generative : bool
        True if it learned to make up detail.
    """

    learned: frozenset[int] = frozenset()
    judged: frozenset[int] = frozenset()
    generative: bool = False

    def after(self, before: ModelFacts) -> ModelFacts:
        """Return the facts of a model that went on from another."""
        learned = self.learned | before.learned
        return ModelFacts(learned, (self.judged | before.judged) - learned, self.generative or before.generative)


_WITHOUT_CARD = ModelFacts(learned=frozenset(TRAIN_FOVS))
"""Weights of the authors, which learned from all training fields of view, and any that say nothing of themselves."""


def _all_facts(made: Mapping[str, Any]) -> list[ModelFacts]:
    stages = [stage for stage in made.get("models") or () if isinstance(stage, Mapping)]
    settings = made.get("settings")
    weights = settings.get("weights") if isinstance(settings, Mapping) else None
    return [
        _facts(str(stage.get("name")), str(stage["weights_sha256"]), None if weights is None else str(weights))
        for stage in stages
        if stage.get("weights_sha256")
    ]


def _scale(made: Mapping[str, Any]) -> int:
    scale = made.get("scale", 1)
    return scale if isinstance(scale, int) else 1


@lru_cache(maxsize=64)
def _facts(name: str, sha256: str, weights: str | None) -> ModelFacts:
    """Read the card of a model. The hash of its weights is part of the question: a file may be replaced."""
    del sha256
    from napari_w2s.models.checkpoint import read_card

    try:
        path = _weights_file(name) if weights is None else Path(weights)
        card = read_card(path) if path is not None and path.suffix == ".safetensors" else None
    except (InputError, WeightsError):
        card = None
    training = (card or {}).get("training")
    if card is None or not isinstance(training, Mapping):
        return _WITHOUT_CARD
    facts = facts_of_training(training)
    start = ((training.get("config") or {}).get("network") or {}).get("start_from")
    own = {entries.get("name") for entries in card.get("models") or ()}
    # A model that went on from an earlier version of itself lists that training among those before.
    return facts if start is None or start in own else facts.after(_facts(str(start), "", None))


def _weights_file(name: str) -> Path | None:
    """Return the file of a model that comes with the package or is the user's own; None for any other."""
    from napari_w2s.models.builtin import default_registry
    from napari_w2s.models.descriptor import WeightsPlace
    from napari_w2s.models.locate import locate

    descriptor = default_registry().descriptor(name)
    source = descriptor.weights
    if source is None or source.place not in (WeightsPlace.PACKAGED, WeightsPlace.LOCAL):
        return None
    return locate(descriptor, source)


def facts_of_training(training: Mapping[str, Any]) -> ModelFacts:
    """Read what a card says of a training and of those before it."""
    learned: set[int] = set()
    judged: set[int] = set()
    generative = False
    for run in (training, *(training.get("before") or ())):
        config, data = run.get("config") or {}, run.get("data") or {}
        generative = generative or bool(config.get("adversarial"))
        for found, part in ((learned, "train"), (judged, "validation")):
            stated = (data.get(part) or {}).get("fovs")
            found.update(_configured(config.get(part) or ()) if stated is None else map(int, stated))
    return ModelFacts(frozenset(learned), frozenset(judged - learned), generative)


def _configured(sources: Sequence[Mapping[str, Any]]) -> set[int]:
    from napari_w2s.training.config import parse_numbers

    return {fov for source in sources if source.get("kind") == "w2s" for fov in parse_numbers(str(source.get("fovs")))}
