"""Feature maps of a restoration network: what its convolutions say, from the first to the last but one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, RestorationModel
from napari_w2s.models.registry import Registry
from napari_w2s.training.losses.frozen import Frozen
from napari_w2s.training.losses.image_loss import require

MAPS = 5
_PROBE = 16
_LEAST_SPREAD = 0.02


class NetworkMaps(Frozen):
    """Feature maps of a registered model, or of one in a file.

    Parameters
    ----------
    name : str
        Of a registered model, or path of a safetensors file with a card (of which the first model counts).
    layers : sequence of int, optional
        Which convolutions, numbered from 0 in the order in which they run, in ascending order. By default five
        (`MAPS`), or as many as there are, evenly over the depth; never the last one, whose result is the image.
    deepest : int, optional
        Take only so many of the default ones, the deepest.

    Raises
    ------
    InputError
        If there is no such model, it has no convolutions, or no such layers.
    """

    def __init__(self, name: str, layers: Sequence[int] | None = None, deepest: int = MAPS) -> None:
        model = load_model(name)
        super().__init__(model.network)
        self.descriptor = model.descriptor
        total = self._count()
        if layers is None:
            layers = evenly(total - 1 or 1, MAPS)[-deepest:]
        inside = all(0 <= layer < total for layer in layers)
        require(inside, "layers", f"among the convolutions 0 to {total - 1} of {name}", list(layers))
        self.layers = tuple(layers)

    def maps(self, image: torch.Tensor, reference: torch.Tensor) -> list[torch.Tensor]:
        """Return the results of the chosen convolutions."""
        return self._watch(self._scaled(image, reference), self.layers)

    def _scaled(self, image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Bring images to the network's range and size."""
        if self.descriptor.normalization is Normalization.STANDARD:
            mean, std = reference.mean((-2, -1), keepdim=True), reference.std((-2, -1), keepdim=True)
            image = (image - mean) / std.clamp_min(_LEAST_SPREAD)
        multiple = self.descriptor.size_multiple
        down, right = (-size % multiple for size in image.shape[-2:])
        return F.pad(image, (0, right, 0, down), mode="replicate") if down or right else image

    def _count(self) -> int:
        """Return the number of convolutions that run."""
        edge = -(-_PROBE // self.descriptor.size_multiple) * self.descriptor.size_multiple
        with torch.no_grad():
            return len(self._watch(torch.zeros(1, 1, edge, edge), None))

    def _watch(self, batch: torch.Tensor, layers: Sequence[int] | None) -> list[torch.Tensor]:
        """Run the network, and return what some (or all) of its convolutions made."""
        number, found = count(), []

        def keep(module: nn.Module, given: Any, made: torch.Tensor) -> None:
            del module, given
            if layers is None or next(number) in layers:
                # What follows may write over the result.
                found.append(made.clone())

        hooks = [m.register_forward_hook(keep) for m in self.network.modules() if isinstance(m, nn.Conv2d)]
        try:
            self.network(batch)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def evenly(total: int, wanted: int) -> tuple[int, ...]:
    """Return at most `wanted` of the numbers below `total`, evenly spread and away from the ends."""
    return tuple(dict.fromkeys((i + 1) * total // (wanted + 1) for i in range(wanted)))


def load_model(name: str) -> RestorationModel:
    """Load a network by the name of its model, or from its file.

    Raises
    ------
    InputError
        If there is no such model, or it is not a network.
    WeightsError
        If its weights are missing, damaged or foreign.
    """
    registry: Registry = default_registry()
    if name not in registry:
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(
                f"{name!r} is neither a model nor a file whose features a loss can compare. Give vgg19, the path of a "
                f"trained model's file, or one of {', '.join(d.name for d in registry if _is_network(d))}."
            )
        registry = Registry()
        name = registry.register_trained(path)[0].name
    if not _is_network(registry.descriptor(name)):
        raise InputError(f"{name} is not a network: it has no features to compare. Choose another model.")
    return registry.load(name)


def _is_network(descriptor: ModelDescriptor) -> bool:
    return descriptor.weights is not None and not descriptor.frame_context
