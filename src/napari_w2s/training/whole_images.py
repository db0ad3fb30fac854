"""How a network's answer lies to each SIM image as a whole, so that patches need not be matched one by one.

A SIM image is scaled by itself, and results are compared with it after the best affine map over the whole image. A
patch that is matched by itself hides what is wrong in the brightness of whole regions; one that is not matched at all
mostly shows how well the image's scale was guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_w2s._files import write_at_once
from napari_w2s.training.module import on_scale, restore
from napari_w2s.training.sampling import inputs_of

if TYPE_CHECKING:
    from napari_w2s.training.patches import PatchMaker

_EDGE = 1024
"""Pixels of a field, at most, along y and x: of a larger one its centre stands for the whole."""
_MOST_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Match:
    """What brings a network's answer to a SIM image, and how much the image counts.

    Attributes
    ----------
    gain, offset : float
        ``gain * answer + offset`` is closest to the image (least squares), both in units of the intensity range.
    weight : float
        Factor of an error in this image: 1 over what that leaves, as a root mean square, relative to other images. With
        it a squared error changes every image's PSNR alike.
    """

    gain: float
    offset: float
    weight: float


Matches = Sequence[Mapping[str, Match]]
"""Per field, by the name of the input."""


def measure_matches(network: nn.Module, maker: PatchMaker, device: torch.device) -> Matches:
    """Fit a network's answers to the SIM images of all fields and their inputs.

    Parameters
    ----------
    network : torch.nn.Module
        With an output ``sim``.
    maker : PatchMaker
    device : torch.device

    Returns
    -------
    Matches
        Weights are relative to the first of the config's levels: their mean square is 1 there.
    """
    was_training = network.training
    network.eval().to(device)
    lower = maker.config.precision == "bfloat16"
    found: list[dict[str, tuple[float, float, float]]] = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=lower):
        for one in maker.fields:
            fits = {}
            for name in inputs_of(maker.config, one):
                sample = maker.centre(one, name, _EDGE)
                noisy, affine = (torch.from_numpy(sample[key])[None].to(device) for key in ("noisy", "sim_map"))
                answer = on_scale(restore(network, noisy, ("sim",))["sim"], affine)
                fits[name] = _fit(answer[0, 0].double().cpu().numpy(), sample["sim"][0].astype(np.float64))
            found.append(fits)
    network.train(was_training).to("cpu")
    return _weighed(found)


def read_matches(path: Path, maker: PatchMaker) -> Matches | None:
    """Read what an earlier part of a run measured; None if it is not there, or not of these fields."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        matches = [{name: Match(*map(float, fit)) for name, fit in fits.items()} for fits in entries]
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    fitting = len(matches) == len(maker.fields) and all(
        set(inputs_of(maker.config, one)) == set(fits) for one, fits in zip(maker.fields, matches, strict=True)
    )
    return matches if fitting else None


def write_matches(matches: Matches, path: Path) -> None:
    """Write what was measured, whole or not at all."""
    write_at_once(path, json.dumps([{name: astuple(fit) for name, fit in fits.items()} for fits in matches]))


def _fit(answer: np.ndarray, target: np.ndarray) -> tuple[float, float, float]:
    """Return the gain, the offset and the mean squared error that are left; 1 and 0 for a flat answer."""
    spread = float(answer.var())
    gain = float(((answer - answer.mean()) * (target - target.mean())).mean()) / spread if spread else 1.0
    offset = float(target.mean() - gain * answer.mean())
    return gain, offset, float(np.mean((gain * answer + offset - target) ** 2))


def _weighed(found: Sequence[Mapping[str, tuple[float, float, float]]]) -> Matches:
    first = [error for fits in found for _, _, error in [next(iter(fits.values()))] if error > 0]
    common = len(first) / math.fsum(1 / error for error in first) if first else 1.0

    def weight(error: float) -> float:
        return min(_MOST_WEIGHT, math.sqrt(common / error)) if error > 0 else _MOST_WEIGHT

    return [
        {name: Match(gain, offset, weight(error)) for name, (gain, offset, error) in fits.items()} for fits in found
    ]
