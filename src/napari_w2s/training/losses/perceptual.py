"""Losses that compare what a network sees in two images: ``features`` and ``texture``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import torch

from napari_w2s.training.losses import vgg
from napari_w2s.training.losses.frozen import Frozen
from napari_w2s.training.losses.image_loss import ImageLoss, require
from napari_w2s.training.losses.network_maps import MAPS, NetworkMaps

CRITERIA: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"l1": torch.Tensor.abs, "mse": torch.Tensor.square}
)
"""What is averaged over a map, from its differences."""


class Features(ImageLoss):
    """The difference of feature maps.

    J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016,
    arXiv:1603.08155. The defaults are those of ESRGAN (X. Wang et al., ECCVW 2018, arXiv:1809.00219): mean absolute
    difference of the last convolution of VGG-19 before its activation.

    Parameters
    ----------
    features : str
        ``"vgg19"``, or the name of a registered model, or the path of a trained model's file.
    layers : sequence of int, optional
        For VGG-19 numbers of its ``features``, for another network numbers of its convolutions. By default the deepest
        of those that `Texture` takes.
    layer_weights : sequence of float, optional
        One for each layer. By default they are equal and sum to 1.
    criterion : {"l1", "mse"}
        Mean over a map's absolute or squared differences.
    covariance : float
        Weight of the mean squared difference of the covariances of the deepest map: see `covariance`.
    weights : str, optional
        For VGG-19: the file of its weights.

    Raises
    ------
    InputError
        If an option cannot be used, or the weights are not here: the message says where to get them.

    Attributes
    ----------
    deepest : int
        Number of layers that are taken by default.
    """

    deepest: ClassVar[int] = 1

    def __init__(
        self,
        features: str = vgg.NAME,
        *,
        layers: Sequence[int] | None = None,
        layer_weights: Sequence[float] | None = None,
        criterion: str = "l1",
        covariance: float = 0.0,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if layers is not None:
            sound = all(type(layer) is int for layer in layers) and list(layers) == sorted(set(layers))
            require(sound and bool(layers), "layers", "whole numbers in ascending order", layers)
        require(criterion in CRITERIA, "criterion", f"one of {', '.join(CRITERIA)}", criterion)
        require(covariance >= 0, "covariance", "at least 0", covariance)
        self.features: Frozen
        if features == vgg.NAME:
            chosen = tuple(layers or vgg.LAYERS[-self.deepest :])
            self.features = vgg.VGGMaps(chosen, weights)
        else:
            require(weights is None, "weights", f"left out, since {features} has its own", weights)
            self.features = maps = NetworkMaps(features, layers, self.deepest)
            chosen = maps.layers
        shares = [1 / len(chosen)] * len(chosen) if layer_weights is None else [float(share) for share in layer_weights]
        sound = len(shares) == len(chosen) and min(shares) >= 0
        require(sound, "layer_weights", f"{len(chosen)} numbers of at least 0, one for each layer", layer_weights)
        self.layer_weights, self.criterion, self.covariance = tuple(shares), CRITERIA[criterion], covariance

    def compare(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the loss of each patch ``(N,)``; every channel is taken for a grey image, and they are averaged."""
        del mask
        patches = len(prediction)
        prediction, target = prediction.flatten(0, 1)[:, None], target.flatten(0, 1)[:, None]
        with torch.no_grad():
            wanted = self.features.maps(target, target)
        seen = self.features.maps(prediction, target)
        total = prediction.new_zeros(len(prediction))
        for share, own, goal in zip(self.layer_weights, seen, wanted, strict=True):
            total = total + share * self.criterion(own - goal).flatten(1).mean(1)
        if self.covariance:
            difference = covariance(seen[-1]) - covariance(wanted[-1])
            total = total + self.covariance * difference.square().flatten(1).mean(1)
        return total.view(patches, -1).mean(1)


class Texture(Features):
    """The texture loss of W2S, without its pixel term.

    R. Zhou et al., "W2S: Microscopy Data with Joint Denoising and Super-Resolution for Widefield to SIM Mapping", ECCVW
    2020, arXiv:2003.05961. Five feature maps and the covariance of the last one count 0.2 each; the paper's loss is
    ``mse`` with the weight 1 and this one with the weight 0.05.

    Parameters
    ----------
    features, layers, layer_weights, criterion, covariance, weights
        See `Features`. By default layers 2, 7, 16, 25 and 34 of VGG-19; for another network five convolutions, evenly
        over its depth.
    """

    deepest = MAPS

    def __init__(
        self,
        features: str = vgg.NAME,
        *,
        layers: Sequence[int] | None = None,
        layer_weights: Sequence[float] | None = None,
        criterion: str = "mse",
        covariance: float = 0.2,
        weights: str | None = None,
    ) -> None:
        super().__init__(
            features,
            layers=layers,
            layer_weights=layer_weights,
            criterion=criterion,
            covariance=covariance,
            weights=weights,
        )


def covariance(features: torch.Tensor) -> torch.Tensor:
    """Return the covariances ``(N, C, C)`` of a map's channels over its pixels (second-order pooling).

    T. Dai et al., "Second-Order Attention Network for Single Image Super-Resolution", CVPR 2019.
    """
    pixels = features.flatten(2)
    centred = pixels - pixels.mean(2, keepdim=True)
    return centred @ centred.mT / pixels.shape[2]
