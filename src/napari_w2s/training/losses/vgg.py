"""Feature maps of VGG-19, the photographs' network that perceptual losses are usually made of.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556. The weights are torchvision's file, which the user fetches: they are not part of this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.state_dict import fit, mismatch
from napari_w2s.training.losses.frozen import Frozen
from napari_w2s.training.losses.image_loss import require

NAME = "vgg19"
LAYERS = (2, 7, 16, 25, 34)
"""Convolutions before their ReLU: the second of the first two stages, the fourth of the others."""

WEIGHTS_FILE = "vgg19-dcbb9e9d.pth"
_WEIGHTS_URL = f"https://download.pytorch.org/models/{WEIGHTS_FILE}"
_TITLE = "VGG-19"
_PREFIX = "features."
_LAYER = re.compile(r"features\.\d{1,5}\.")
_STAGES = (2, 2, 4, 4, 4)
_STARTS = (0, 5, 10, 19, 28)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGGMaps(Frozen):
    """Feature maps of a VGG-19.

    Parameters
    ----------
    layers : sequence of int
        Which of its ``features``, numbered from 0 as torchvision does, in ascending order.
    weights : str or Path, optional
        Its weights; by default the file that torchvision keeps in PyTorch's cache.

    Raises
    ------
    InputError
        If there are no weights or no such layers.
    WeightsError
        If the weights are damaged, or not those of a VGG-19.
    """

    def __init__(self, layers: Sequence[int] = LAYERS, weights: str | Path | None = None) -> None:
        count = sum(2 * stage + 1 for stage in _STAGES)
        inside = all(0 <= layer < count for layer in layers)
        require(inside, "layers", f"among the layers 0 to {count - 1} of {_TITLE}", list(layers))
        state = load_state_dict(_weights_file(weights)).state
        super().__init__(build(state, max(layers) + 1))
        self.layers = tuple(layers)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def maps(self, image: torch.Tensor, reference: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of grey images, which are taken for photographs without colour."""
        del reference
        assert isinstance(self.network, nn.Sequential)
        assert isinstance(self.mean, torch.Tensor)
        assert isinstance(self.std, torch.Tensor)
        features = (image.expand(-1, 3, -1, -1) - self.mean) / self.std
        found = []
        for number, layer in enumerate(self.network):
            features = layer(features)
            if number in self.layers:
                found.append(features)
        return found


def build(state: Mapping[str, Any], count: int) -> nn.Sequential:
    """Rebuild the first layers of a VGG-19's ``features``; the widths are read off the weights.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys ``features.N.weight`` and ``features.N.bias``; others, such as those of the classifier, are left aside.
    count : int
        Number of layers.

    Returns
    -------
    torch.nn.Sequential
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of a VGG-19.
    """
    own = {key.removeprefix(_PREFIX): value for key, value in state.items() if _LAYER.match(key)}
    shapes = {int(key.split(".")[0]): tuple(v.shape) for key, v in own.items() if key.endswith(".weight")}
    convolutions = {first + 2 * i for stage, first in zip(_STAGES, _STARTS, strict=True) for i in range(stage)}
    if set(shapes) != convolutions or any(len(shape) != 4 or shape[2:] != (3, 3) for shape in shapes.values()):
        raise mismatch(_TITLE, state, reason="its 16 convolutions of 3 x 3 are features.0.weight, features.2.weight, …")
    if shapes[0][1] != len(_MEAN):
        raise mismatch(_TITLE, state, reason=f"it takes images of {shapes[0][1]} channels, and not of {len(_MEAN)}")

    def make() -> nn.Sequential:
        layers: list[nn.Module] = []
        for number in range(count):
            if number in convolutions:
                layers.append(nn.Conv2d(shapes[number][1], shapes[number][0], 3, padding=1))
            else:
                # A map is kept before its ReLU, which must not write over it.
                layers.append(nn.ReLU() if number - 1 in convolutions else nn.MaxPool2d(2))
        return nn.Sequential(*layers)

    return fit(make, {key: value for key, value in own.items() if int(key.split(".")[0]) < count}, _TITLE)


def _weights_file(weights: str | Path | None) -> Path:
    if weights is not None:
        return Path(weights).expanduser()
    cached = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE
    if not cached.is_file():
        raise InputError(
            f"The weights of {_TITLE} are not part of this package. Download {_WEIGHTS_URL} (550 MB; see PyTorch for "
            f"its terms) and name the file in the loss's option 'weights', or put it into {cached.parent}. Or compare "
            "by the features of a model that is here: give the option 'features' its name, or the path of its file."
        )
    return cached
