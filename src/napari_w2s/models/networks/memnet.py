"""MemNet: a very deep network of memory blocks, each of which gates what was seen before.

Y. Tai, J. Yang, X. Liu, C. Xu, "MemNet: A Persistent Memory Network for Image Restoration", ICCV 2017,
arXiv:1708.02209.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.state_dict import count_children, fit, require_shape

ARCHITECTURE = "MemNet"


class PreActivation(nn.Sequential):
    """BatchNorm, ReLU, then a convolution without bias.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : int
        Width of the kernel, odd.
    """

    bn: nn.BatchNorm2d
    conv: nn.Conv2d

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.add_module("bn", nn.BatchNorm2d(inputs))
        self.add_module("relu", nn.ReLU())
        self.add_module("conv", nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False))


class ResidualBlock(nn.Module):
    """Two pre-activated convolutions and a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.relu_conv1 = PreActivation(width, width)
        self.relu_conv2 = PreActivation(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        refined: torch.Tensor = self.relu_conv2(self.relu_conv1(x))
        return refined + x


class MemoryBlock(nn.Module):
    """Residual blocks in a row (the short-term memory), gated together with all earlier memories.

    Parameters
    ----------
    width : int
        Channels.
    residual_blocks : int
        Residual blocks in a row.
    earlier : int
        Memories made before: the features, and the outputs of the blocks before this one.
    """

    def __init__(self, width: int, residual_blocks: int, earlier: int) -> None:
        super().__init__()
        self.recursive_unit = nn.ModuleList(ResidualBlock(width) for _ in range(residual_blocks))
        self.gate_unit = PreActivation((residual_blocks + earlier) * width, width, kernel=1)

    def forward(self, x: torch.Tensor, memories: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map the last memory ``(N, C, H, W)``, with all memories up to it, to the next one."""
        short_term = []
        for block in self.recursive_unit:
            x = block(x)
            short_term.append(x)
        gated: torch.Tensor = self.gate_unit(torch.cat([*short_term, *memories], dim=1))
        return gated


class MemNet(nn.Module):
    """MemNet as the benchmark uses it: a global skip adds ``x`` to the body, and the sum is read as the noise.

    So ``out = x - (body(x) + x)``, which is minus the body's output.

    Parameters
    ----------
    channels : int
        Channels of the image.
    width : int
        Channels inside.
    memory_blocks : int
        Memory blocks.
    residual_blocks : int
        Residual blocks in each of them.
    """

    def __init__(self, channels: int = 1, width: int = 20, memory_blocks: int = 6, residual_blocks: int = 4) -> None:
        super().__init__()
        self.feature_extractor = PreActivation(channels, width)
        self.reconstructor = PreActivation(width, channels)
        self.dense_memory = nn.ModuleList(
            MemoryBlock(width, residual_blocks, earlier=index + 1) for index in range(memory_blocks)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a noisy ``(N, C, H, W)`` in [0, 1] to the denoised image of the same shape."""
        memory = self.feature_extractor(x)
        memories = [memory]
        for block in self.dense_memory:
            memory = block(memory, memories)
            memories.append(memory)
        body: torch.Tensor = self.reconstructor(memory)
        return -body

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that one output pixel depends on: every convolution lies on one path."""
        return 1 + sum(m.kernel_size[0] - 1 for m in self.modules() if isinstance(m, nn.Conv2d))


def create(channels: int = 1, width: int = 20, memory_blocks: int = 6, residual_blocks: int = 4) -> MemNet:
    """Make a MemNet with random weights; the defaults are the benchmark's.

    Parameters
    ----------
    channels, width, memory_blocks, residual_blocks : int
        See `MemNet`.

    Returns
    -------
    MemNet
        In training mode.

    Raises
    ------
    InputError
        If a number is below 1.
    """
    require_positive(
        ARCHITECTURE, channels=channels, width=width, memory_blocks=memory_blocks, residual_blocks=residual_blocks
    )
    network = MemNet(channels, width, memory_blocks, residual_blocks)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network


def build(state: Mapping[str, Any] | None) -> MemNet:
    """Rebuild a MemNet from its weights: channels and numbers of blocks are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`).

    Returns
    -------
    MemNet
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of a MemNet.
    """
    state = state or {}
    width, channels, _, _ = require_shape(state, "feature_extractor.conv.weight", 4, ARCHITECTURE)
    require_shape(state, "dense_memory.0.gate_unit.conv.weight", 4, ARCHITECTURE)
    memory_blocks = count_children(state, "dense_memory")
    residual_blocks = count_children(state, "dense_memory.0.recursive_unit")
    return fit(lambda: MemNet(channels, width, memory_blocks, residual_blocks), state, ARCHITECTURE)
