"""The one visible list of losses, and how a config's terms become one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import nn

from napari_w2s._types import InputError, W2SError
from napari_w2s.models.architectures import Deferred
from napari_w2s.training.config import Loss
from napari_w2s.training.losses.image_loss import as_float

_HERE = "napari_w2s.training.losses"

LOSSES: Mapping[str, Deferred] = MappingProxyType(
    {
        "l1": Deferred(f"{_HERE}.pixels", "L1"),
        "mse": Deferred(f"{_HERE}.pixels", "MSE"),
        "charbonnier": Deferred(f"{_HERE}.pixels", "Charbonnier"),
        "ssim": Deferred(f"{_HERE}.structure", "SSIM"),
        "fourier": Deferred(f"{_HERE}.structure", "Fourier"),
        "features": Deferred(f"{_HERE}.perceptual", "Features"),
        "texture": Deferred(f"{_HERE}.perceptual", "Texture"),
    }
)
"""Each makes a `napari_w2s.training.losses.image_loss.ImageLoss`: called with prediction and target ``(N, C, H, W)``,
in units of the intensity range, and a mask of that shape or None, it returns one number per patch ``(N,)``."""


class Term(nn.Module):
    """One loss with its weight.

    Parameters
    ----------
    config : Loss
    """

    def __init__(self, config: Loss) -> None:
        super().__init__()
        self.name = ("matched-" if config.matched else "") + config.name
        self.weight = config.weight
        self.matched = config.matched
        self.loss = make_loss(config.name, **config.options)

    def forward(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the weighted mean over the patches."""
        if self.matched:
            with torch.autocast(prediction.device.type, enabled=False):
                prediction = match_brightness(as_float(prediction), as_float(target))
        value: torch.Tensor = self.loss(prediction, target, mask)
        return self.weight * value.mean()


def make_loss(name: str, **options: object) -> nn.Module:
    """Make a loss by name.

    Raises
    ------
    InputError
        If there is none of that name, it does not take these options, or it needs something that is not here.
    """
    if name not in LOSSES:
        raise InputError(f"There is no loss {name!r}. Known are: {', '.join(LOSSES)}.")
    try:
        loss: nn.Module = LOSSES[name](**options)
    except W2SError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"The loss {name!r} does not take the options {options}: {error}.") from error
    return loss


def make_terms(losses: Sequence[Loss]) -> nn.ModuleList:
    """Make the terms of one output."""
    return nn.ModuleList(Term(loss) for loss in losses)


def match_brightness(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return ``a * prediction + b`` with the a and b per patch that bring it closest to the target (least squares).

    For a flat prediction a is 1, so that a network whose first answers are flat learns from it.
    """
    axes = (-3, -2, -1)
    mean, goal = prediction.mean(axes, keepdim=True), target.mean(axes, keepdim=True)
    centred = prediction - mean
    least = torch.finfo(prediction.dtype).eps
    covariance = (centred * (target - goal)).mean(axes, keepdim=True)
    slope = (covariance + least) / (centred.square().mean(axes, keepdim=True) + least)
    return slope * centred + goal
