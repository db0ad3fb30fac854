"""What open layers give to learn from: which images show one place. Looks at shapes and metadata, never at a pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from napari_w2s._types import NOISY_LEVELS, Level
from napari_w2s.app.training.state import MATCHED, NO_LAYER
from napari_w2s.data.catalog import BURST
from napari_w2s.data.protocol import SIM_SCALE, TEST_FOVS

_FRAME_AXES = frozenset({"t", "time", "frame", "frames"})
_LEAST_FRAMES = 2
_NOISY = frozenset(str(level) for level in NOISY_LEVELS)
_Place = tuple[Any, int | None, int | None, str | None]


@dataclass(frozen=True)
class Material:
    """An image layer that might be learned from.

    Attributes
    ----------
    id : str
        Identity; two layers may share a name.
    name : str
    shape : tuple of int
        ``(..., H, W)``
    axes : tuple of str
        A name per axis.
    known : mapping
        What this package knows of it: ``metadata["w2s"]``.
    problem : str or None
        Why it cannot be learned from, and what to do; None if it can.
    """

    id: str
    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    known: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def level(self) -> str | None:
        """Averaging level of the benchmark, ``"sim"`` or ``"burst"``; None for an image from elsewhere."""
        return None if "restoration" in self.known or self.known.get("level") is None else str(self.known["level"])

    @property
    def is_noisy(self) -> bool:
        """Whether the metadata say that it is noisy."""
        return self.level in _NOISY

    @property
    def lead(self) -> tuple[int, ...]:
        """Sizes of all axes but y and x."""
        return self.shape[:-2]

    @property
    def frame_axis(self) -> int | None:
        """The axis of the frames of a burst: the one that is called so, else the only one before y and x."""
        named = [i for i, name in enumerate(self.axes[:-2]) if name.lower() in _FRAME_AXES]
        found = named[-1] if named else (0 if len(self.lead) == 1 and self.axes[0].startswith("axis") else None)
        return found if found is not None and self.shape[found] >= _LEAST_FRAMES else None

    @property
    def is_burst(self) -> bool:
        """Whether it holds frames of one place."""
        return self.level == BURST or (self.level is None and self.frame_axis is not None)

    def fov(self, index: tuple[int, ...]) -> int | None:
        """Return the number of the benchmark's field of view at an index, if it is one."""
        fovs = self.known.get("fovs")
        number = fovs[index[0]] if fovs and index else self.known.get("fov")
        return number if isinstance(number, int) else None

    def indices(self) -> list[tuple[int, ...]]:
        """Return the index of each of its images, without those that no file was found for."""
        missing = set(self.known.get("missing_fovs") or ())
        return [index for index in product(*map(range, self.lead)) if self.fov(index) not in missing]


@dataclass(frozen=True, slots=True)
class Ref:
    """One image of a layer: the layer's identity, and the index before y and x."""

    layer: str
    index: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """Images of one place.

    Attributes
    ----------
    name : str
    group : str
        Scenes of one group are never split between training and validation.
    inputs : mapping of str to Ref
        By averaging level, or ``"noisy"``.
    clean, sim : Ref or None
    fov, channel : int or None
        Of the benchmark, if it is from there.
    """

    name: str
    group: str
    inputs: Mapping[str, Ref]
    clean: Ref | None = None
    sim: Ref | None = None
    fov: int | None = None
    channel: int | None = None


@dataclass(frozen=True)
class Pairing:
    """What some layers come to.

    Attributes
    ----------
    scenes : tuple of Scene
    problem : str
        Why they cannot be paired as asked; empty if they can.
    """

    scenes: tuple[Scene, ...] = ()
    problem: str = ""

    @property
    def with_clean(self) -> bool:
        """Whether every scene has a clean image."""
        return bool(self.scenes) and all(scene.clean is not None for scene in self.scenes)

    @property
    def with_sim(self) -> bool:
        """Whether every scene has a SIM image."""
        return bool(self.scenes) and all(scene.sim is not None for scene in self.scenes)

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the inputs that any scene has."""
        return tuple(dict.fromkeys(level for scene in self.scenes for level in scene.inputs))

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len({scene.group for scene in self.scenes})

    @property
    def test_fovs(self) -> tuple[int, ...]:
        """Test fields of the benchmark that are among the scenes."""
        return tuple(sorted({scene.fov for scene in self.scenes if scene.fov in TEST_FOVS and scene.fov is not None}))

    def without_test(self) -> Pairing:
        """Return the same without test fields of the benchmark."""
        test = set(self.test_fovs)
        return Pairing(tuple(scene for scene in self.scenes if scene.fov not in test), self.problem)

    def count(self) -> str:
        """Say how many there are, e.g. ``"3 fields × 3 channels"``."""
        fovs = {scene.fov for scene in self.scenes}
        channels = {scene.channel for scene in self.scenes}
        if None not in fovs | channels and len(self.scenes) == len(fovs) * len(channels):
            return count_fields(len(fovs), len(channels))
        return plural(len(self.scenes), "image")


def plural(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def count_fields(fovs: int, channels: int) -> str:
    """Return fields and channels in words."""
    return plural(fovs, "field") + (f" × {plural(channels, 'channel')}" if channels > 1 else "")


def pair(materials: Sequence[Material], noisy: Sequence[str], clean: str, sim: str) -> Pairing:
    """Find out which images of layers show one place.

    Parameters
    ----------
    materials : sequence of Material
    noisy : sequence of str
        Identities of the layers to learn from.
    clean, sim : str
        Identity of the layer with their clean and their SIM images, `MATCHED` or `NO_LAYER`.
    """
    by_id = {m.id: m for m in materials}
    chosen = [by_id[i] for i in noisy if i in by_id and by_id[i].problem is None]
    targets = {}
    for what, choice, zoom in (("clean", clean, 1), ("SIM", sim, SIM_SCALE)):
        target = by_id.get(choice)
        if target is None:
            continue
        for source in chosen:
            problem = _misfit(source, target, zoom, what)
            if problem:
                return Pairing(problem=problem)
        targets[what] = target
    known = {_place(m, index): Ref(m.id, index) for m in materials if m.problem is None for index in m.indices()}

    def look_up(source: Material, index: tuple[int, ...], what: str, choice: str, level: Level) -> Ref | None:
        if choice == NO_LAYER:
            return None
        if choice == MATCHED:
            place = _place(source, index)
            found = known.get((*place[:-1], str(level))) if _is_told(place) else None
            return found if found is not None and _fits(by_id[found.layer], source, level) else None
        target = targets.get(what)
        return None if target is None else Ref(target.id, index if target.lead else ())

    scenes: dict[Any, Scene] = {}
    for source in chosen:
        for index in source.indices():
            place = _place(source, index)
            label, own = source.level or "noisy", Ref(source.id, index)
            before = scenes.get(place[:-1])
            if before is not None and label not in before.inputs:
                scenes[place[:-1]] = replace(before, inputs={**before.inputs, label: own})
                continue
            aim = look_up(source, index, "clean", clean, Level.AVG400)
            fine = look_up(source, index, "SIM", sim, Level.SIM)
            # Another image of the same kind, such as the next frame of a burst, is by itself.
            key = place[:-1] if _is_told(place) and before is None else (source.id, index)
            scenes[key] = Scene(_name(source, index), _group(source, index, aim), {label: own}, aim, fine, *place[1:3])
    return Pairing(tuple(scenes.values()))


def suggest_noisy(materials: Sequence[Material]) -> tuple[str, ...]:
    """Return the identities of the layers whose metadata call them noisy; nothing where they do not tell."""
    return tuple(m.id for m in materials if m.problem is None and m.is_noisy)


def _place(m: Material, index: tuple[int, ...]) -> _Place:
    """Return release, field of view, channel and level of an image; what is not known is None."""
    channel = m.known.get("channel")
    return m.known.get("release"), m.fov(index), channel if isinstance(channel, int) else None, m.level


def _is_told(place: _Place) -> bool:
    """Tell whether the metadata say which place it is."""
    return place[1] is not None and place[2] is not None


def _fits(target: Material, source: Material, level: Level) -> bool:
    zoom = SIM_SCALE if level is Level.SIM else 1
    return target.shape[-2:] == tuple(zoom * n for n in source.shape[-2:])


def _misfit(source: Material, target: Material, zoom: int, what: str) -> str:
    """Say why a layer's images cannot be what another's are to become; empty if they can."""
    if target.problem is not None:
        return target.problem
    height, width = (zoom * n for n in source.shape[-2:])
    if target.shape[-2:] != (height, width):
        have = " × ".join(map(str, target.shape[-2:]))
        return (
            f"{target.name} has {have} pixels; as the {what} image of {source.name} it needs {height} × {width}. "
            "Choose another layer."
        )
    if target.lead not in ((), source.lead):
        return (
            f"{target.name} has {_images(target)}, and {source.name} has {_images(source)}. "
            "Choose a layer with as many, or with one for all."
        )
    return ""


def _images(m: Material) -> str:
    return plural(len(list(product(*map(range, m.lead)))), "image")


def _name(m: Material, index: tuple[int, ...]) -> str:
    fov = m.fov(index)
    if fov is not None and m.known.get("channel") is not None:
        rest = list(index[1:] if m.known.get("fovs") else index)
        return f"{fov:03d} ch{m.known['channel']}" + (f" {rest}" if rest else "")
    return m.name + (f" [{', '.join(map(str, index))}]" if index else "")


def _group(m: Material, index: tuple[int, ...], clean: Ref | None) -> str:
    """Return what is never split: a field of view, images with one clean image, the channels of an image."""
    fov = m.fov(index)
    if fov is not None:
        return f"W2S field of view {fov:03d}"
    layer, place = (m.id, index) if clean is None else (clean.layer, clean.index)
    rest = [str(i) for i, axis in zip(place, m.axes, strict=False) if not axis.lower().startswith("c")]
    return "/".join([layer, *rest])
