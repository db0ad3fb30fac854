"""DnCNN: convolutions in a row that predict the noise.

K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image
Denoising", IEEE TIP 26, 2017, arXiv:1608.03981.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.state_dict import fit, mismatch

ARCHITECTURE = "DnCNN"
_PREFIX = "dncnn."


class DnCNN(nn.Module):
    """A row of layers ``f`` used as a noise predictor: ``out = x - f(x)``.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
        Stride-1 convolutions that keep the size, batch norms and ReLUs.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.dncnn = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a noisy ``(N, C, H, W)`` in [0, 1] to the denoised image of the same shape."""
        noise: torch.Tensor = self.dncnn(x)
        return x - noise

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that one output pixel depends on."""
        return 1 + sum(m.kernel_size[0] - 1 for m in self.dncnn if isinstance(m, nn.Conv2d))


def create(channels: int = 1, depth: int = 17, width: int = 64, *, batch_norm: bool = True) -> DnCNN:
    """Make a DnCNN with random weights; the defaults are the paper's and the benchmark's.

    Parameters
    ----------
    channels : int
        Channels of the image, at least 1.
    depth : int
        Convolutions, at least 2.
    width : int
        Channels inside, at least 1.
    batch_norm : bool
        Put a BatchNorm after all convolutions but the first and the last; without it they have biases.

    Returns
    -------
    DnCNN
        In training mode.

    Raises
    ------
    InputError
        If a number is below that.
    """
    require_positive(ARCHITECTURE, channels=channels, width=width)
    if depth < 2:
        raise InputError(f"DnCNN has at least 2 convolutions, not {depth}.")
    bias = not batch_norm
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=bias), nn.ReLU(inplace=True)]
    for _ in range(depth - 2):
        layers.append(nn.Conv2d(width, width, 3, padding=1, bias=bias))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
    layers.append(nn.Conv2d(width, channels, 3, padding=1, bias=bias))
    network = DnCNN(layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network


def build(state: Mapping[str, Any] | None) -> DnCNN:
    """Rebuild a DnCNN from its weights: depth, widths, kernels, biases and batch norms are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys ``dncnn.N.…`` with plain names (see `napari_w2s.models.state_dict.canonical`).

    Returns
    -------
    DnCNN
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of a DnCNN.
    """
    state = state or {}
    return fit(lambda: DnCNN(_layers(state)), state, ARCHITECTURE)


def _layers(state: Mapping[str, Any]) -> list[nn.Module]:
    """Layers in order: a weight of 4 axes is a convolution, one of 1 axis a batch norm, what has none a ReLU."""
    weights = {key: value for key, value in state.items() if key.startswith(_PREFIX) and key.endswith(".weight")}
    names = {key.removeprefix(_PREFIX).removesuffix(".weight"): value for key, value in weights.items()}
    if len(names) < 2 or not all(name.isdecimal() and len(name) < 6 for name in names):
        raise mismatch(ARCHITECTURE, state, reason="it has weights dncnn.0.weight, dncnn.2.weight, …")
    layers: list[nn.Module] = []
    channels: int | None = None
    for index, weight in sorted((int(name), value) for name, value in names.items()):
        if index == len(layers) + 1 and layers:
            layers.append(nn.ReLU(inplace=True))
        if index != len(layers):
            raise mismatch(ARCHITECTURE, state, reason=f"layer {len(layers)} is missing before layer {index}")
        layer, channels = _layer(weight, channels, f"{_PREFIX}{index}.bias" in state)
        if layer is None:
            shape = tuple(weight.shape)
            raise mismatch(ARCHITECTURE, state, reason=f"layer {index} with weights {shape} does not go there")
        layers.append(layer)
    if not isinstance(layers[0], nn.Conv2d) or channels != layers[0].in_channels:
        raise mismatch(ARCHITECTURE, state, reason="its output must have as many channels as its input")
    return layers


def _layer(weight: torch.Tensor, channels: int | None, bias: bool) -> tuple[nn.Module | None, int | None]:
    shape = tuple(weight.shape)
    if len(shape) == 4 and 0 not in shape and channels in (None, shape[1]) and shape[2] == shape[3] and shape[2] % 2:
        return nn.Conv2d(shape[1], shape[0], shape[2], padding=shape[2] // 2, bias=bias), shape[0]
    if len(shape) == 1 and shape[0] == channels:
        return nn.BatchNorm2d(shape[0]), channels
    return None, channels
