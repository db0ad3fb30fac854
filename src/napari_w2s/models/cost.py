"""What a model costs to run: weights, multiplications, time. Figures come from a table that a benchmark writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.descriptor import ModelDescriptor

_TABLE = "costs.json"
_EDGE = 128


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model costs.

    Attributes
    ----------
    parameters : int
        Weights that were learned; 0 for a classical method.
    multiply_adds : float or None
        Per input pixel, in a frame of 128 x 128; None for a classical method.
    seconds : float or None
        For a frame of 512 x 512 in float32 on the machine of the table; None if it was not measured.
    """

    parameters: int
    multiply_adds: float | None = None
    seconds: float | None = None

    def words(self) -> tuple[str, str]:
        """Return weights and multiply-adds for a person, e.g. ``("0.56 M", "0.55 M")``."""
        weights = f"{self.parameters / 1e6:.2f} M" if self.parameters else "none"
        return weights, "-" if self.multiply_adds is None else f"{self.multiply_adds / 1e6:.2f} M"


def count(descriptor: ModelDescriptor) -> Cost:
    """Count weights and multiplications of a model, without any arithmetic and without its weights.

    Parameters
    ----------
    descriptor : ModelDescriptor
        Its `options` say how large its network is.

    Returns
    -------
    Cost
        Without a time.
    """
    method = ARCHITECTURES[descriptor.architecture]
    if not method.has_weights:
        return Cost(0)
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    options = dict(descriptor.options)
    if descriptor.output is not None:
        options["outputs"] = [descriptor.output]
    with torch.device("meta"):
        network = method.create(**options).eval()
        frame = torch.zeros(1, 1, _EDGE, _EDGE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(frame)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    # An addition and a multiplication count as two there.
    return Cost(parameters, counter.get_total_flops() / 2 / _EDGE**2)


def known_cost(name: str) -> Cost | None:
    """Return what a model of the package costs, from the table; None for other models."""
    entries = _table().get(name)
    return None if entries is None else Cost(**entries)


@cache
def _table() -> Mapping[str, Any]:
    text = (files("napari_w2s") / "models" / _TABLE).read_text(encoding="utf-8")
    models: Mapping[str, Any] = json.loads(text)["models"]
    return models
