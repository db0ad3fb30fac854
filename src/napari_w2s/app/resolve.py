"""From what a user wants to what a panel shows: one pure function, one frozen answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari_w2s._types import Level, Task
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import RestoreState
from napari_w2s.app.suggest import ImageReport, suggest_model
from napari_w2s.models.descriptor import ModelDescriptor

_WEIGHTS = {
    "built in": "built in",
    "here": "weights are here",
    "on demand": "downloads its weights on first use",
    "missing": "its weights file is gone",
    "train your own": "no weights yet: train it, or choose a file of weights",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image layer that might be restored.

    Attributes
    ----------
    id : str
        Identity; two layers may share a name.
    name : str
    problem : str or None
        Why it cannot be restored, and what to do; None if it can.
    report : ImageReport or None
        None as long as the image has not been looked at.
    source : str or None
        File that it came from.
    """

    id: str
    name: str
    problem: str | None = None
    report: ImageReport | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One line of the list of layers."""

    id: str
    name: str
    checked: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One entry of a list of models."""

    name: str
    title: str
    suggested: bool

    @property
    def text(self) -> str:
        """Title, with a star if it is the suggested one."""
        return f"★ {self.title}" if self.suggested else self.title


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Everything that a Restore panel shows, and what its buttons would do.

    Attributes
    ----------
    layers : tuple of LayerRow
    report : str
        What the chosen layers are like.
    tasks : tuple of Task
        Those that there are models for.
    task : Task or None
    models, denoisers : tuple of ModelChoice
    model, denoiser : str or None
        The choice that is in force, the suggested one where the user made none.
    offers_denoiser : bool
        True if a denoiser can be run first: not for a model that denoises itself.
    denoise_first : bool
        True if one will.
    card : str
        The model in plain words: what it is, for which level, its licence, where its weights are.
    settings : RestoreSettings or None
        What would be run; None without a model.
    title : str
        The models' names for a person, as they go into the result's name.
    scale : int
        Output pixels per input pixel.
    halo : int
        Input pixels around a region that its restoration depends on.
    chosen : tuple of str
        Identities of the layers that would be restored.
    action : str
        What the primary button says.
    missing : str
        What is missing before the button can work; empty if nothing is.
    """

    layers: tuple[LayerRow, ...]
    report: str
    tasks: tuple[Task, ...]
    task: Task | None
    models: tuple[ModelChoice, ...]
    model: str | None
    offers_denoiser: bool
    denoise_first: bool
    denoisers: tuple[ModelChoice, ...]
    denoiser: str | None
    card: str
    settings: RestoreSettings | None
    title: str
    scale: int
    halo: int
    chosen: tuple[str, ...]
    action: str
    missing: str


def resolve(
    state: RestoreState,
    candidates: Sequence[Candidate],
    descriptors: Iterable[ModelDescriptor],
    available: Mapping[str, str],
    made: Mapping[str, str] | None = None,
) -> RestorePlan:
    """Work out what a panel shows for an intent. Changes nothing.

    Parameters
    ----------
    state : RestoreState
    candidates : sequence of Candidate
        The image layers, in the order to show.
    descriptors : iterable of ModelDescriptor
        All models, in the order of the registry.
    available : mapping
        By model name: ``"built in"``, ``"here"`` or ``"on demand"``.
    made : mapping, optional
        By model name: how it was made, where its card tells.

    Returns
    -------
    RestorePlan
    """
    by_name = {d.name: d for d in descriptors}
    everything = tuple(by_name.values())
    rows = tuple(LayerRow(c.id, c.name, c.problem is None and c.id in state.layers, c.problem) for c in candidates)
    chosen = tuple(c for c in candidates if c.problem is None and c.id in state.layers)
    levels = tuple((c.name, c.report.level) for c in chosen if c.report is not None and c.report.level is not None)
    level = levels[0][1] if levels else None

    tasks = tuple(task for task in Task if any(d.serves(task) for d in everything))
    task = state.task if state.task in tasks else next(iter(tasks), None)
    models, model = _choices(everything, task, state.model, level, available)
    denoisers, denoiser = _choices(everything, Task.DENOISE, state.denoiser, level, available)
    offers = task is Task.SR and model is not None and not by_name[model].denoises and denoiser is not None
    denoise_first = offers and state.denoise_first
    names = tuple(n for n in (denoiser if denoise_first else None, model) if n is not None)
    stages = tuple(by_name[n] for n in names)

    settings = _settings(state, names) if model is not None else None
    # As in `Pipeline.title`, so that a result has one name wherever it is made.
    title = " → ".join(d.title for d in stages)
    scale = 1
    halo = 0
    for stage in stages:
        # A whole-frame model has no exact halo: a generous one keeps the edge of a region from showing.
        halo += -(-(_FRAME_HALO if stage.halo is None else stage.halo) // scale)
        scale *= stage.scale
    missing = _missing(candidates, chosen, model)
    return RestorePlan(
        layers=rows,
        report=_report(chosen),
        tasks=tasks,
        task=task,
        models=models,
        model=model,
        offers_denoiser=offers,
        denoise_first=denoise_first,
        denoisers=denoisers,
        denoiser=denoiser,
        card=_card(by_name[model], models, available, levels if not denoise_first else (), (made or {}).get(model, ""))
        if model is not None
        else "",
        settings=settings,
        title=title,
        scale=scale,
        halo=halo,
        chosen=tuple(c.id for c in chosen),
        action=_action(len(chosen), title),
        missing=missing,
    )


_FRAME_HALO = 32


def _choices(
    descriptors: tuple[ModelDescriptor, ...],
    task: Task | None,
    wanted: str | None,
    level: Level | None,
    available: Mapping[str, str],
) -> tuple[tuple[ModelChoice, ...], str | None]:
    if task is None:
        return (), None
    suggested = suggest_model(descriptors, task, level, available)
    choices = tuple(ModelChoice(d.name, d.title, d.name == suggested) for d in descriptors if d.serves(task))
    return choices, wanted if any(c.name == wanted for c in choices) else suggested


def _settings(state: RestoreState, names: tuple[str, ...]) -> RestoreSettings:
    return RestoreSettings(
        models=names,
        device=state.device,
        precision=state.precision,
        tile=state.tile,
        flips=state.flips,
        intensity_range=state.intensity_range,
        non_finite=state.non_finite,
    )


def _report(chosen: tuple[Candidate, ...]) -> str:
    if not chosen:
        return ""
    if len(chosen) == 1:
        return chosen[0].report.text if chosen[0].report is not None else "Looking at the image …"
    levels = list(dict.fromkeys(c.report.level for c in chosen if c.report is not None and c.report.level is not None))
    looks = f": {', '.join(levels)}" if levels else ""
    return f"{len(chosen)} layers{looks}"


def _card(
    model: ModelDescriptor,
    choices: tuple[ModelChoice, ...],
    available: Mapping[str, str],
    levels: tuple[tuple[str, Level], ...],
    made: str,
) -> str:
    suggested = any(c.suggested and c.name == model.name for c in choices)
    facts = ["★ suggested"] if suggested and len(choices) > 1 else []
    facts.append(f"for {model.level}" if model.level is not None else "for any noise")
    facts.append(_WEIGHTS.get(available.get(model.name, ""), "weights not found"))
    lines = [model.summary, " · ".join(facts), *made.splitlines(), f"Licence: {_brief(model.licence)}"]
    odd = [(name, level) for name, level in levels if model.level is not None and level != model.level]
    if odd:
        name, looks = odd[0]
        lines.append(f"Made for {model.level}, but {name} looks like {looks}.")
    return "\n".join(lines)


def _brief(text: str) -> str:
    """Return the first clause of a text."""
    return re.split(r"[.:;](?:\s|$)", text, maxsplit=1)[0]


def _action(count: int, title: str) -> str:
    layers = f"{count} layer{'' if count == 1 else 's'}" if count else "layers"
    return f"Restore {layers} with {title}" if title else f"Restore {layers}"


def _missing(candidates: Sequence[Candidate], chosen: tuple[Candidate, ...], model: str | None) -> str:
    if not candidates:
        return "There is no image layer yet: drop an image on the window, or take one from File > Open Sample > W2S."
    if not chosen:
        problems = [c.problem for c in candidates if c.problem is not None]
        return problems[0] if len(problems) == len(candidates) else "Tick a layer to restore."
    if model is None:
        return "There is no model for this task."
    return ""
