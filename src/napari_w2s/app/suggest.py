"""What an image looks like, and which model suits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from napari_w2s._types import NOISY_LEVELS, Level, Task
from napari_w2s.data.image import Image
from napari_w2s.data.noise import NoiseEstimate, estimate_noise, guess_level
from napari_w2s.models.descriptor import ModelDescriptor

_CHANNEL_AXES = frozenset({"c", "channel"})
_READINESS = {"built in": 0, "here": 1, "on demand": 2}
_NOT_READY = 3


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What one image is like, in so far as it matters to the choice of a model.

    Attributes
    ----------
    size : str
        For a person, e.g. ``"256 × 256, 1 channel"``.
    noise : NoiseEstimate or None
        None if the image is too small to tell.
    level : Level or None
        Averaging level of W2S with the nearest noise, or the one that the image is known to have.
    known : bool
        True if `level` is known from where the image comes from, rather than estimated.
    """

    size: str
    noise: NoiseEstimate | None = None
    level: Level | None = None
    known: bool = False

    @property
    def text(self) -> str:
        """One line, e.g. ``"256 × 256, 1 channel, looks like avg2 (gain 0.04, read noise 1.1)"``."""
        parts = [self.size]
        if self.level is not None:
            numbers = f" ({self.noise.describe()})" if self.noise is not None and self.noise.blocks else ""
            parts.append((f"{self.level} of W2S" if self.known else f"looks like {self.level}") + numbers)
        return ", ".join(parts)


def describe_size(image: Image) -> str:
    """Return the size of an image in words: height × width, then channels and frames."""
    height, width = image.data.shape[-2:]
    leading = list(zip(image.axes[:-2], image.data.shape[:-2], strict=True))
    channels = [n for name, n in leading if name.lower() in _CHANNEL_AXES]
    frames = [n for name, n in leading if name.lower() not in _CHANNEL_AXES]
    parts = [f"{height} × {width}", _count(channels, "channel") if channels else "1 channel"]
    if frames:
        parts.append(_count(frames, "frame"))
    return ", ".join(parts)


def _count(sizes: list[int], what: str) -> str:
    number = " × ".join(map(str, sizes))
    return f"{number} {what}" if number == "1" else f"{number} {what}s"


def describe_image(image: Image) -> ImageReport:
    """Measure the noise of an image and name the averaging level of W2S that it is like.

    One frame at most is read from a lazy stack.

    Parameters
    ----------
    image : Image

    Returns
    -------
    ImageReport

    Raises
    ------
    InputError
        If the image holds no real numbers.
    """
    size = describe_size(image)
    noise = estimate_noise(image.data)
    known = _known_level(image)
    if known is not None:
        return ImageReport(size, noise, known, known=True)
    if not noise.blocks:
        return ImageReport(size)
    return ImageReport(size, noise, guess_level(image.data, noise).level)


def _known_level(image: Image) -> Level | None:
    level = image.w2s.get("level")
    # A restored image keeps the level of its source, which its noise no longer has.
    if "restoration" in image.w2s or level not in set(Level):
        return None
    return Level(level)


def suggest_model(
    descriptors: Iterable[ModelDescriptor],
    task: Task,
    level: Level | None,
    available: Mapping[str, str],
) -> str | None:
    """Name the model that suits best.

    A model that learned the level, alone or among others, comes first, then those without training, then those for the
    nearest level; of equals, one that needs no download, and then the one that was registered first. One without
    weights is named only if there is no other.

    Parameters
    ----------
    descriptors : iterable of ModelDescriptor
        In the order of the registry.
    task : Task
    level : Level or None
        Noise level of the image; None if unknown, which favours models blind to it.
    available : mapping
        By model name: ``"built in"``, ``"here"`` or ``"on demand"``.

    Returns
    -------
    str or None
        None if there is no model for the task.
    """
    suited = [d for d in descriptors if d.serves(task)]
    if not suited:
        return None
    ready = {d.name: _READINESS.get(available.get(d.name, ""), _NOT_READY) for d in suited}
    return min(suited, key=lambda d: (ready[d.name] == _NOT_READY, _mismatch(d, level), ready[d.name])).name


def _mismatch(model: ModelDescriptor, level: Level | None) -> float:
    """0 for a match, 0.5 for a method that takes any level untrained, else how many levels apart the two are."""
    trained = model.level
    if trained is None:
        return 0.5 if model.weights is None else 0.0
    if level is None:
        return 1.0
    if trained not in NOISY_LEVELS:
        return float(len(NOISY_LEVELS))
    # References (avg400, SIM) are cleaner than the cleanest level that there are networks for.
    wanted = NOISY_LEVELS.index(level) if level in NOISY_LEVELS else len(NOISY_LEVELS)
    return float(abs(NOISY_LEVELS.index(trained) - wanted))
