"""What the chosen images give: how many, at which levels, for which tasks, and what should be known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from napari_w2s._types import NOISY_LEVELS, Level, Task
from napari_w2s.app.training.folder import FolderReport, format_numbers, select
from napari_w2s.app.training.material import Material, Pairing, count_fields, plural
from napari_w2s.app.training.state import Learn, TrainState
from napari_w2s.training.presets import LEVELS

_NEEDS_CLEAN = "It is learned from clean images of the same places."
_NEEDS_SIM = "It is learned from SIM images of the same places."
_NEEDS_BOTH = "It is learned from clean and SIM images of the same places."
_NEEDS_NOISY = "It is learned from noisy images of the same places."
_BY_ITSELF = "Without clean images, noise can be learned, but not resolution."
_LEAST_FRAMES = 2


@dataclass(frozen=True)
class Given:
    """What there is to learn from.

    Attributes
    ----------
    count : str
        How much, in words.
    levels : frozenset of str
        Names of the inputs.
    has : tuple of str
        What else there is of every place, in words.
    refusals : mapping of Task to str
        Why a task cannot be learned; those that can are not listed.
    problem : str
        Why nothing can be learned; empty if something can.
    warnings : tuple of str
    fovs : str
        Fields of view of a folder, written out.
    pairing : Pairing
        The scenes, of layers and images.
    """

    count: str = ""
    levels: frozenset[str] = frozenset()
    has: tuple[str, ...] = ()
    refusals: Mapping[Task, str] = field(default_factory=dict)
    problem: str = ""
    warnings: tuple[str, ...] = ()
    fovs: str = ""
    pairing: Pairing = field(default_factory=Pairing)


def given_by(
    state: TrainState,
    learn: Learn,
    folder: FolderReport | None,
    pairing: Pairing,
    burst: Material | None,
    axis: int | None,
    materials: Sequence[Material] = (),
) -> Given:
    """Return what the chosen source gives; without a burst, the layers that there are tell why."""
    if learn is Learn.W2S:
        return _of_folder(state, folder)
    if learn is Learn.BURST:
        return Given(problem=_no_burst(materials)) if burst is None or axis is None else _of_burst(burst, axis)
    test = () if state.allow_test_fovs else pairing.test_fovs
    kept = pairing.without_test() if test else pairing
    if test and not kept.scenes:
        return Given(problem=_refusal(test))
    given = _of_layers(kept) if learn is Learn.LAYERS else _of_images(kept)
    if test and not given.problem:
        left_out = f"Fields of view {format_numbers(test)} are left out: they are test images of the benchmark."
        return replace(given, warnings=(left_out, *given.warnings), pairing=kept)
    return replace(given, pairing=kept)


def describe_given(given: Given) -> str:
    """Return one line, e.g. ``"3 fields × 3 channels: avg1 to avg16, with clean and SIM images"``."""
    if given.problem or not given.count:
        return ""
    named = [str(level) for level in NOISY_LEVELS if level in given.levels]
    levels = f"{named[0]} to {named[-1]}" if len(named) > 2 else " and ".join(named)
    parts = [given.count, f": {levels}" if levels else ""]
    return "".join(parts) + (f", with {' and '.join(given.has)} images" if given.has else "") + "."


def _of_folder(state: TrainState, folder: FolderReport | None) -> Given:
    if not state.root:
        return Given(problem="Choose the folder of the W2S benchmark, or another source.")
    if folder is None or folder.root != state.root:
        return Given(problem=f"Looking at {state.root} …")
    chosen = select(folder, state.fovs, state.channels, allow_test_fovs=state.allow_test_fovs)
    if chosen.problem:
        return Given(problem=chosen.problem)
    noisy = chosen.levels & {str(level) for level in NOISY_LEVELS}
    clean, sim = Level.AVG400 in chosen.levels, Level.SIM in chosen.levels
    given = Given(
        count=count_fields(len(chosen.fovs), len(chosen.channels)),
        levels=chosen.levels - {str(Level.SIM)},
        has=_has(clean, sim),
        refusals=_refusals(noisy=bool(noisy), clean=clean, sim=sim),
        warnings=_warn(chosen.test_fovs, len(chosen.fovs), "field of view"),
        fovs=format_numbers(chosen.fovs),
    )
    return _or_problem(given, "These fields of view have no two images of one place to learn from. Choose others.")


def _of_layers(pairing: Pairing) -> Given:
    if pairing.problem:
        return Given(problem=pairing.problem)
    if not pairing.scenes:
        return Given(problem="Tick the layers to learn from. Open images first if there are none.")
    clean, sim = pairing.with_clean, pairing.with_sim
    given = Given(
        count=pairing.count(),
        levels=frozenset(pairing.levels),
        has=_has(clean, sim),
        refusals=_refusals(noisy=True, clean=clean, sim=sim),
        warnings=_warn(pairing.test_fovs, pairing.groups, "place"),
    )
    return _or_problem(
        given, "Choose a layer with clean or with SIM images of the same places, or learn from images alone."
    )


def _of_images(pairing: Pairing) -> Given:
    if not pairing.scenes:
        return Given(problem="Tick the layers to learn from. Open images first if there are none.")
    return Given(
        count=pairing.count(),
        levels=frozenset(pairing.levels),
        refusals={Task.SR: _BY_ITSELF, Task.JDSR: _BY_ITSELF},
        warnings=_warn(pairing.test_fovs, pairing.groups, "place"),
    )


def _no_burst(materials: Sequence[Material]) -> str:
    """Say why no layer is taken for a burst by itself."""
    stacks = sorted((m for m in materials if m.problem is None and m.lead), key=lambda m: m.level is not None)
    if not stacks:
        unusable = [m.problem for m in materials if m.problem is not None]
        return "\n".join(["Open a burst first: an image layer with the axes frame, y and x.", *unusable[:1]])
    doubtful = next((m for m in stacks if max(m.lead) >= _LEAST_FRAMES), None)
    if doubtful is None:
        return _one_frame(stacks[0], len(stacks[0].lead) - 1)
    return (
        f"{doubtful.name} does not tell which axis its frames lie along ({', '.join(doubtful.axes[:-2])}). If it is a "
        "burst, choose it, and then the axis; if not, open a burst."
    )


def _one_frame(burst: Material, axis: int) -> str:
    others = max(burst.lead) >= _LEAST_FRAMES
    advice = "Choose the axis of its frames." if others else "Open a layer with more, or learn from images alone."
    return f"{burst.name} has one frame along {burst.axes[axis]}. {advice}"


def _of_burst(burst: Material, axis: int) -> Given:
    frames = burst.shape[axis]
    if frames < _LEAST_FRAMES:
        return Given(problem=_one_frame(burst, axis))
    places = 1
    for i, size in enumerate(burst.lead):
        places *= 1 if i == axis else size
    return Given(
        levels=frozenset(str(level) for level in LEVELS if (level.frames or 1) < frames),
        count=plural(frames, "frame") + (f" of {plural(places, 'place')}" if places > 1 else ""),
        refusals={Task.SR: _BY_ITSELF, Task.JDSR: _BY_ITSELF},
        warnings=_warn((), places, "place"),
    )


def _refusal(test_fovs: tuple[int, ...]) -> str:
    return (
        f"Fields of view {format_numbers(test_fovs)} are test images of the benchmark: a model that learned from them "
        "cannot be compared with others. Choose others, or allow them under Advanced."
    )


def _has(clean: bool, sim: bool) -> tuple[str, ...]:
    return (*(("clean",) if clean else ()), *(("SIM",) if sim else ()))


def _refusals(*, noisy: bool, clean: bool, sim: bool) -> dict[Task, str]:
    found = {}
    if not (noisy and clean):
        found[Task.DENOISE] = _NEEDS_CLEAN if noisy else _NEEDS_NOISY
    if not (clean and sim):
        found[Task.SR] = _NEEDS_SIM if clean else _NEEDS_BOTH if not sim else _NEEDS_CLEAN
    if not (noisy and sim):
        found[Task.JDSR] = _NEEDS_SIM if noisy else _NEEDS_NOISY
    return found


def _or_problem(given: Given, problem: str) -> Given:
    return Given(problem=problem) if len(given.refusals) == len(Task) else given


def _warn(test_fovs: tuple[int, ...], groups: int, what: str) -> tuple[str, ...]:
    warnings = []
    if test_fovs:
        warnings.append(
            f"Fields of view {format_numbers(test_fovs)} are test images of the benchmark: this model's numbers "
            "cannot be compared with others'."
        )
    if groups == 1:
        warnings.append(
            f"There is one {what} only: the model is judged by what it learned from, so its PSNR will look too good."
        )
    return tuple(warnings)
