"""What a run starts from: a network with random weights, or the weights of a model that there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_w2s._types import InputError, Task, WeightsError
from napari_w2s.models.architectures import architecture
from napari_w2s.models.card import descriptors_of
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.training.config import Network, TrainingConfig
from napari_w2s.training.fields import SIM_SCALE
from napari_w2s.training.files import expand
from napari_w2s.training.module import make_network, restore

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry

SCALES: Mapping[str, int] = {"denoised": 1, "sim": SIM_SCALE}
_PROBE = 32


@dataclass(frozen=True)
class Start:
    """Weights to go on from.

    Attributes
    ----------
    name : str
        For messages.
    state : mapping of str to torch.Tensor
    descriptor : ModelDescriptor or None
        None for a file of weights that does not say what they are.
    """

    name: str
    state: Mapping[str, torch.Tensor]
    descriptor: ModelDescriptor | None


def find_start(config: TrainingConfig, registry: Registry | None = None) -> Start | None:
    """Read the weights that a config goes on from; None if it begins with random ones.

    Raises
    ------
    InputError, WeightsError
        If there are none of that name, or they cannot be read.
    """
    name = config.network.start_from
    if name is None:
        return None
    if registry is None:
        from napari_w2s.models.builtin import default_registry

        registry = default_registry()
    if name in registry:
        model = registry.load(name)
        if model.weights_path is None:
            raise InputError(f"{name} has no weights to go on from. Choose a network.")
        return Start(name, load_state_dict(model.weights_path).state, model.descriptor)
    if not _is_path(name):
        registry.descriptor(name)
    checkpoint = load_state_dict(expand(name))
    if checkpoint.card is None:
        return Start(name, checkpoint.state, None)
    made = descriptors_of(checkpoint.card, checkpoint.path, checkpoint.sha256)
    fitting = [one for one in made if one.serves(config.task)]
    return Start(name, checkpoint.state, (fitting or list(made))[-1])


def adapted(config: TrainingConfig, start: Start | None) -> TrainingConfig:
    """Return a config with what follows from the model that it goes on from: architecture and normalisation.

    Raises
    ------
    InputError
        If the config says something else.
    """
    if start is None or start.descriptor is None:
        return config
    found = start.descriptor
    for what, wanted, given in (
        ("architecture", found.architecture, config.network.architecture),
        ("normalization", str(found.normalization), config.normalization),
    ):
        said = config.network.model_fields_set if what == "architecture" else config.model_fields_set
        if what in said and given != wanted:
            raise InputError(f"{start.name} has the {what} {wanted}, and the recipe says {given}. Change the recipe.")
    network = Network(architecture=found.architecture, options={}, start_from=config.network.start_from)
    return config.model_copy(update={"network": network, "normalization": str(found.normalization)})


def begin(config: TrainingConfig, state: Mapping[str, torch.Tensor] | None = None, name: str = "") -> nn.Module:
    """Return the network that a run trains, in training mode.

    Parameters
    ----------
    config : TrainingConfig
    state : mapping of str to torch.Tensor, optional
        Weights to take over; random ones if left out.
    name : str
        Of the weights, for messages.

    Raises
    ------
    InputError
        If the network cannot do the task.
    """
    network = make_network(config) if state is None else _rebuilt(config, state, name)
    check_answers(config, network, name or architecture(config.network.architecture).title)
    return network.train()


def check_answers(config: TrainingConfig, network: nn.Module, name: str) -> None:
    """Check on a small image that a network answers with what a config has losses for.

    Raises
    ------
    InputError
        If it does not.
    """
    multiple = int(getattr(network, "size_multiple", 1))
    edge = -(-_PROBE // multiple) * multiple
    if config.patch % multiple:
        raise InputError(f"{name} takes patches whose edge is a multiple of {multiple}, not {config.patch}. Change it.")
    mode = network.training
    try:
        with torch.no_grad():
            answers = restore(network.eval(), torch.zeros(1, 1, edge, edge), config.outputs)
    except (KeyError, RuntimeError) as error:
        raise _cannot(config, name) from error
    finally:
        network.train(mode)
    if any(answer.shape != (1, 1, edge * SCALES[key], edge * SCALES[key]) for key, answer in answers.items()):
        raise _cannot(config, name)


def _rebuilt(config: TrainingConfig, state: Mapping[str, torch.Tensor], name: str) -> nn.Module:
    method = architecture(config.network.architecture)
    chosen = config.outputs[0] if method.outputs and len(config.outputs) == 1 else None
    try:
        network: nn.Module = method.build_for(chosen)(state)
    except WeightsError as error:
        raise InputError(f"{name} cannot be gone on from: {error}") from error
    return network.requires_grad_(requires_grad=True)


def _cannot(config: TrainingConfig, name: str) -> InputError:
    needs = " and ".join(f"{output} (x{SCALES[output]})" for output in config.outputs)
    return InputError(
        f"{name} cannot be trained to {Task(config.task).label.lower()}: that needs the answer {needs}. "
        "Choose another network or task."
    )


def _is_path(name: str) -> bool:
    return any(mark in name for mark in "/\\$~") or Path(name).suffix in {".safetensors", ".pth", ".pt", ".ckpt"}


def network_state(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the network's weights in a run's checkpoint."""
    return {
        key.removeprefix("network."): v for key, v in checkpoint["state_dict"].items() if key.startswith("network.")
    }
