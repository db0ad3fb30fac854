"""From what a user wants to what a panel shows: one pure function, one frozen answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from napari_w2s._types import Task
from napari_w2s.app.resolve_models import (
    ModelChoice,
    card_text,
    default_weights,
    is_weights_file,
    lack_of_weights,
    model_choices,
)
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import RestoreState
from napari_w2s.app.suggest import ImageReport
from napari_w2s.models.descriptor import ModelDescriptor


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
    weights_default : str
        What is taken where the user chooses no weights.
    weights_refusal : str
        Why none can be chosen for the model; empty if they can.
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
    weights_default: str
    weights_refusal: str
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
        By model name, where its weights are; see `napari_w2s.models.registry.Registry.available`.
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
    models, model = model_choices(everything, task, state.model, level, available)
    denoisers, denoiser = model_choices(everything, Task.DENOISE, state.denoiser, level, available)
    offers = task is Task.SR and model is not None and not by_name[model].denoises and denoiser is not None
    denoise_first = offers and state.denoise_first
    names = tuple(n for n in (denoiser if denoise_first else None, model) if n is not None)
    stages = tuple(by_name[n] for n in names)
    takes_weights = bool(stages) and stages[-1].weights is not None
    weights = state.weights if takes_weights else None
    if weights is not None:
        models = tuple(replace(c, mark="") if c.name == model else c for c in models)

    settings = _settings(state, names, weights) if model is not None else None
    # As in `Pipeline.title`, so that a result has one name wherever it is made.
    title = " → ".join(d.title for d in stages)
    scale = 1
    halo = 0
    for stage in stages:
        halo += -(-_halo(stage, known=stage is not stages[-1] or weights is None) // scale)
        scale *= stage.scale
    missing = _missing(candidates, chosen) or _lacking(stages, available, weights)
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
        card=""
        if model is None
        else card_text(
            by_name[model],
            available.get(model, ""),
            suggested=len(models) > 1 and any(c.suggested and c.name == model for c in models),
            weights=weights,
            levels=levels if not denoise_first else (),
            made=(made or {}).get(model, ""),
        ),
        weights_default=default_weights(stages[-1], available) if stages else "",
        weights_refusal=f"{stages[-1].title} takes no weights." if stages and not takes_weights else "",
        settings=settings,
        title=title,
        scale=scale,
        halo=halo,
        chosen=tuple(c.id for c in chosen),
        action=_action(len(chosen), title),
        missing=missing,
    )


_FRAME_HALO = 32


def _halo(model: ModelDescriptor, *, known: bool) -> int:
    """Return the halo of a model: a generous one where there is no exact one, so that no edge of a region shows.

    A model that sees the whole frame has none, and that of weights of the user's is not known before they are read.
    """
    if model.halo is None:
        return _FRAME_HALO
    return model.halo if known else max(model.halo, _FRAME_HALO)


def _settings(state: RestoreState, names: tuple[str, ...], weights: str | None) -> RestoreSettings:
    return RestoreSettings(
        models=names,
        device=state.device,
        precision=state.precision,
        tile=state.tile,
        flips=state.flips,
        intensity_range=state.intensity_range,
        non_finite=state.non_finite,
        weights=weights,
    )


def _report(chosen: tuple[Candidate, ...]) -> str:
    if not chosen:
        return ""
    if len(chosen) == 1:
        return chosen[0].report.text if chosen[0].report is not None else "Looking at the image …"
    levels = list(dict.fromkeys(c.report.level for c in chosen if c.report is not None and c.report.level is not None))
    looks = f": {', '.join(levels)}" if levels else ""
    return f"{len(chosen)} layers{looks}"


def _action(count: int, title: str) -> str:
    layers = f"{count} layer{'' if count == 1 else 's'}" if count else "layers"
    return f"Restore {layers} with {title}" if title else f"Restore {layers}"


def _missing(candidates: Sequence[Candidate], chosen: tuple[Candidate, ...]) -> str:
    if not candidates:
        return "There is no image layer yet: drop an image on the window, or take one from File > Open Sample > W2S."
    if not chosen:
        problems = [c.problem for c in candidates if c.problem is not None]
        return problems[0] if len(problems) == len(candidates) else "Tick a layer to restore."
    return ""


def _lacking(stages: tuple[ModelDescriptor, ...], available: Mapping[str, str], weights: str | None) -> str:
    """Say which weights there are not, with what the user gave: a file is the last model's, a folder is for all."""
    if not stages:
        return "There is no model for this task."
    *first, model = stages
    lacking = [] if weights is not None else [(model, "choose a file of weights under Advanced")]
    if weights is None or is_weights_file(weights):
        lacking += [(denoiser, "choose another denoiser") for denoiser in first]
    texts = (lack_of_weights(one, available.get(one.name, ""), otherwise) for one, otherwise in lacking)
    return next(filter(None, texts), "")
