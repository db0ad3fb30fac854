"""From what a user wants of a training to what a panel shows: one pure function, one frozen answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from napari_w2s._types import Level, Task
from napari_w2s.app.resolve import LayerRow
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.folder import FolderReport
from napari_w2s.app.training.given import Given, describe_given, given_by
from napari_w2s.app.training.material import Material, pair, plural, suggest_noisy
from napari_w2s.app.training.names import free_name
from napari_w2s.app.training.plan import Entries, TrainPlan, network_entry
from napari_w2s.app.training.state import MATCHED, NO_LAYER, Learn, TrainState, parse_levels
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.training.presets import DEFAULT_SIZE, LEVELS, NETWORK_SIZES, PRESETS, NetworkSize

SecondsFn = Callable[[TrainChoice], "float | None"]
"""Says how long a training will take, about; None if nobody knows."""

_ORDER = (Task.JDSR, Task.DENOISE, Task.SR)


def resolve_training(
    state: TrainState,
    materials: Sequence[Material],
    folder: FolderReport | None,
    descriptors: Iterable[ModelDescriptor],
    available: Mapping[str, str],
    *,
    trainable: Collection[str] = (),
    seconds: SecondsFn = lambda _: None,
) -> TrainPlan:
    """Work out what a panel shows for an intent. Changes nothing.

    Parameters
    ----------
    state : TrainState
    materials : sequence of Material
        The image layers, in the order to show.
    folder : FolderReport or None
        Of `TrainState.root`; None as long as it was not looked at.
    descriptors : iterable of ModelDescriptor
        All models, in the order of the registry.
    available : mapping
        By model name, where its weights are.
    trainable : collection of str
        Architectures that can be trained further.
    seconds : callable
        See `SecondsFn`.
    """
    models = tuple(descriptors)
    usable = tuple(m for m in materials if m.problem is None)
    learn = state.learn or suggest_source(usable)
    wanted = _wanted(state, learn, usable)
    pairing = pair(usable, wanted, *_targets(state, usable, learn))
    burst = _burst(state, usable)
    axis = _axis(state, burst)
    given = given_by(state, learn, folder, pairing, burst, axis, materials)

    tasks = tuple(task for task in Task if not given.refusals.get(task, ""))
    task = state.task if state.task in tasks else next((t for t in _ORDER if t in tasks), None)
    tasks, task = ((), None) if given.problem else (tasks, task)
    starts = [d for d in models if _can_start(d, task, available, trainable)]
    start = next((d for d in starts if d.name == state.start_from), None)
    size = _size(state, task)
    choice = None if task is None else _choice(state, given, learn, task, size, start, burst, axis, models)
    missing = given.problem or _missing(choice)
    return TrainPlan(
        learn=learn,
        root=state.root,
        fovs=state.fovs,
        fovs_offered=f"{folder.training_fovs} (all that are there)" if folder and folder.training_fovs else "",
        channels=state.channels,
        noisy=tuple(LayerRow(m.id, m.name, m.problem is None and m.id in wanted, m.problem) for m in materials),
        cleans=_target_entries(usable, wanted, "avg400 of the same place"),
        clean=state.clean,
        sims=_target_entries(usable, wanted, "SIM of the same place"),
        sim=state.sim,
        bursts=tuple((m.id, m.name) for m in usable if m.lead),
        burst=None if burst is None else burst.id,
        burst_axes=() if burst is None else _axis_entries(burst),
        axis=axis,
        report=describe_given(given),
        tasks=tasks,
        task=task,
        task_note=_task_note(given, tasks),
        networks=(
            *((one.name, f"New, {one.title}") for one in NETWORK_SIZES.values() if task is None or task in one.tasks),
            *((network_entry(d.name), f"Go on from {d.title}") for d in starts),
        ),
        network=size.name if start is None else network_entry(start.name),
        network_note=_size_note(state, task, size) if start is None else start.summary,
        times=_times(choice, seconds),
        time=state.preset,
        time_note=PRESETS[state.preset].hint,
        levels=_levels(state, given),
        warnings=given.warnings,
        choice=choice,
        action=_action(given, start, None if choice is None else seconds(choice)),
        missing=missing,
    )


def suggest_source(usable: Sequence[Material]) -> Learn:
    """Return what the open layers suggest to learn from."""
    noisy = suggest_noisy(usable)
    pairing = pair(usable, noisy, MATCHED, MATCHED)
    if pairing.with_clean or pairing.with_sim:
        return Learn.LAYERS
    if any(m.is_burst for m in usable):
        return Learn.BURST
    if not usable:
        return Learn.W2S
    return Learn.LAYERS if len(usable) > 1 else Learn.IMAGES


def _wanted(state: TrainState, learn: Learn, usable: Sequence[Material]) -> tuple[str, ...]:
    if state.noisy is not None:
        return tuple(m.id for m in usable if m.id in state.noisy)
    suggested = suggest_noisy(usable)
    return suggested or (tuple(m.id for m in usable) if learn is Learn.IMAGES else ())


def _targets(state: TrainState, usable: Sequence[Material], learn: Learn) -> tuple[str, str]:
    """Return the layers that the noisy ones are to become; one that is gone is none."""
    if learn is not Learn.LAYERS:
        return NO_LAYER, NO_LAYER
    there = {m.id for m in usable} | {MATCHED}
    return tuple(choice if choice in there else NO_LAYER for choice in (state.clean, state.sim))  # type: ignore[return-value]


def _burst(state: TrainState, usable: Sequence[Material]) -> Material | None:
    chosen = next((m for m in usable if m.id == state.burst), None)
    return chosen or next((m for m in usable if m.is_burst), None)


def _axis(state: TrainState, burst: Material | None) -> int | None:
    if burst is None:
        return None
    if state.axis is not None and state.burst == burst.id and state.axis < len(burst.lead):
        return state.axis
    return burst.frame_axis if burst.frame_axis is not None else (len(burst.lead) - 1 if burst.lead else None)


def _axis_entries(burst: Material) -> Entries:
    return tuple(
        (str(i), f"{name} ({size})") for i, (name, size) in enumerate(zip(burst.axes, burst.lead, strict=False))
    )


def _target_entries(usable: Sequence[Material], noisy: Collection[str], matched: str) -> Entries:
    others = tuple((m.id, m.name) for m in usable if m.id not in noisy)
    return ((MATCHED, matched), (NO_LAYER, "None"), *others)


def _can_start(d: ModelDescriptor, task: Task | None, available: Mapping[str, str], trainable: Collection[str]) -> bool:
    return (
        task is not None
        and d.serves(task)
        and d.architecture in trainable
        and available.get(d.name) in ("built in", "here", "on demand")
    )


def _size(state: TrainState, task: Task | None) -> NetworkSize:
    """Return the network that was chosen, or the default where that is not for the task."""
    chosen = NETWORK_SIZES[state.size]
    return chosen if task is None or task in chosen.tasks else NETWORK_SIZES[DEFAULT_SIZE]


def _size_note(state: TrainState, task: Task | None, size: NetworkSize) -> str:
    if task is None or size.name == state.size:
        return size.hint
    chosen = NETWORK_SIZES[state.size].title
    return f"{chosen} is not for this task ({task.label.lower()}): a {size.title} takes its place.\n{size.hint}"


def _choice(
    state: TrainState,
    given: Given,
    learn: Learn,
    task: Task,
    size: NetworkSize,
    start: ModelDescriptor | None,
    burst: Material | None,
    axis: int | None,
    models: tuple[ModelDescriptor, ...],
) -> TrainChoice:
    return TrainChoice(
        learn=learn,
        task=task,
        name=free_name("my-model", (d.name for d in models)),
        size=size.name,
        preset=state.preset,
        start_from=None if start is None else start.name,
        licence="" if start is None else start.licence,
        root=state.root,
        fovs=given.fovs,
        channels=state.channels,
        scenes=given.pairing.scenes if learn in (Learn.LAYERS, Learn.IMAGES) else (),
        burst=burst.id if learn is Learn.BURST and burst is not None else None,
        axis=axis or 0,
        patch=state.patch,
        batch=state.batch,
        learning_rate=state.learning_rate,
        loss=state.loss,
        levels=_levels(state, given) if task is not Task.SR else {},
        validation_share=state.validation_percent / 100,
        device=state.device,
        folder=state.folder,
        allow_test_fovs=state.allow_test_fovs,
    )


def _missing(choice: TrainChoice | None) -> str:
    """Say why there is nothing to learn; empty if there is something."""
    if choice is None:
        return "These images allow no training."
    if choice.levels and not any(choice.levels.values()):
        return "All levels have the weight 0, so that none is learned. Give one of them more under Advanced."
    return ""


def _task_note(given: Given, tasks: tuple[Task, ...]) -> str:
    if given.problem:
        return ""
    reasons: dict[str, list[str]] = {}
    for task in Task:
        if task not in tasks:
            reasons.setdefault(given.refusals[task], []).append(task.label)
    return "\n".join(f"Not offered: {', '.join(labels)}. {reason}" for reason, labels in reasons.items())


def _times(choice: TrainChoice | None, seconds: SecondsFn) -> Entries:
    entries = []
    for preset in PRESETS.values():
        about = None if choice is None else seconds(replace(choice, preset=preset.name))
        entries.append((preset.name, preset.title + (f", about {format_about(about)}" if about is not None else "")))
    return tuple(entries)


def _levels(state: TrainState, given: Given) -> dict[Level, float]:
    """Return the weights of the levels that there are; nothing where there is no choice."""
    weights = parse_levels(state.levels) or LEVELS
    there = {level: weights.get(level, 0.0) for level in LEVELS if level in given.levels}
    return there if len(there) > 1 and any(level in weights for level in there) else {}


def _action(given: Given, start: ModelDescriptor | None, seconds: float | None) -> str:
    if given.problem or not given.count:
        return "Train"
    verb = "Train on" if start is None else f"Train {start.title} further on"
    about = f", about {format_about(seconds)}" if seconds is not None else ""
    return f"{verb} {given.count}{about}"


def format_about(seconds: float) -> str:
    """Return a duration in words, as roughly as it is known."""
    if seconds < 90:
        return "1 min"
    minutes = seconds / 60
    if minutes < 60:
        return f"{round(minutes) if minutes < 10 else 5 * round(minutes / 5)} min"
    return f"{plural(round(minutes / 60), 'hour')}" if minutes < 36 * 60 else plural(round(minutes / 1440), "day")
