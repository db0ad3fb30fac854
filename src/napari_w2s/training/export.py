"""Save what was trained as a model: one file of weights, with a card that says what it is and how it was made."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import lightning
import torch
from torch import nn

from napari_w2s._types import Level, Task
from napari_w2s.models.architectures import architecture
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import save
from napari_w2s.models.descriptor import ModelDescriptor, Normalization
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.module import TrainingModule
from napari_w2s.training.run import BEST, Run
from napari_w2s.training.start import SCALES

ORIGIN = "Trained with napari-w2s"


def export(run: Run, module: TrainingModule, *, half: bool = False) -> None:
    """Save the network that a run is judged by as the best so far.

    Parameters
    ----------
    run : Run
        With `best`.
    module : TrainingModule
    half : bool
        Store the weights as float16.

    Raises
    ------
    OutputError
        If it cannot be written; the one before is as it was.
    """
    network = module.judged
    state = network.state_dict()
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    card = make_card(
        *descriptors(run.config, network),
        date=datetime.now(UTC).date().isoformat(),
        metrics={} if run.best is None else {key: round(value, 3) for key, value in run.best.metrics.items()},
        training=training_facts(run, str(module.device)),
        versions={
            "napari-w2s": _own_version(),
            "torch": str(torch.__version__),
            "lightning": str(lightning.__version__),
            "python": platform.python_version(),
        },
    )
    save(run.folder / BEST, state, card)


def descriptors(config: TrainingConfig, network: nn.Module) -> tuple[ModelDescriptor, ...]:
    """Describe the models that a network makes: one per output."""
    return tuple(_descriptor(config, network, output) for output in config.outputs)


def training_facts(run: Run, device: str) -> dict[str, Any]:
    """Return how a model was made, as plain values."""
    return {
        "config": run.config.model_dump(mode="json"),
        "data": run.facts,
        "step": run.step,
        "seconds": round(run.clock.seconds, 1),
        "device": device,
        "batch": run.batch,
    }


def model_names(config: TrainingConfig) -> tuple[str, ...]:
    """Return the names of the models that a run makes, one per output."""
    if len(config.outputs) == 1:
        return (config.name,)
    return tuple(f"{config.name}-{_task(config, output)}" for output in config.outputs)


def _descriptor(config: TrainingConfig, network: nn.Module, output: str) -> ModelDescriptor:
    method = architecture(config.network.architecture)
    task = _task(config, output)
    single = len(config.outputs) == 1
    name = dict(zip(config.outputs, model_names(config), strict=True))[output]
    title = config.title or config.name
    own = Normalization(config.normalization)
    # Answers on the SIM grid are shares of the intensity range, whatever the input is scaled to.
    result = Normalization.UNIT if output == "sim" and own is not Normalization.UNIT else None
    levels = _levels(config)
    reach = getattr(network, "receptive_field", None)
    return ModelDescriptor(
        name=name,
        title=title if single else f"{title} ({task.label.lower()})",
        task=task,
        tasks=(Task.SR,) if task is Task.JDSR and Level.AVG400 in levels else (),
        summary=summary(config, task),
        architecture=config.network.architecture,
        build=method.build_for(output if method.outputs else None),
        licence=config.licence,
        origin=ORIGIN,
        citation=method.citation,
        scale=SCALES[output],
        level=levels[0] if len(levels) == 1 else None,
        normalization=own,
        result=result,
        output=output if method.outputs else None,
        size_multiple=int(getattr(network, "size_multiple", 1)),
        receptive_field=reach if isinstance(reach, int) else None,
        blended_tile=method.blended_tile,
    )


def summary(config: TrainingConfig, task: Task) -> str:
    """Return one line that says what a model is."""
    if config.summary:
        text = config.summary
    else:
        method = architecture(config.network.architecture).title
        levels = ", ".join(level.value for level in _levels(config))
        what = f" for {levels}" if levels else ""
        how = f", without clean images ({config.self_supervised})" if config.self_supervised else ""
        text = f"{task.label}: your own {method}{what}{how}."
    if config.generative:
        text += " Generative: it makes up detail that looks right, which need not be there."
    return text


def _task(config: TrainingConfig, output: str) -> Task:
    return Task.DENOISE if output == "denoised" else config.task


def _levels(config: TrainingConfig) -> list[Level]:
    """Return the averaging levels that were learned from; none if the images are not W2S."""
    if not config.train or any(source.kind != "w2s" for source in config.train):
        return []
    return [level for level, weight in config.levels.items() if weight > 0]


def _own_version() -> str:
    try:
        return version("napari-w2s")
    except PackageNotFoundError:
        return "0+unknown"
