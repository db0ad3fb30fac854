"""RDN: dense blocks in a row, whose results are all fused before the pixels are doubled.

Y. Zhang, Y. Tian, Y. Kong, B. Zhong, Y. Fu, "Residual Dense Network for Image Super-Resolution", CVPR 2018,
arXiv:1802.08797.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from napari_w2s.models.networks.options import require_positive
from napari_w2s.models.state_dict import count_children, fit, mismatch, require_shape

ARCHITECTURE = "RDN"

_OTHER_NAMES = (
    (r"SFENet(\d)\.", r"sfe\1."),
    (r"RDBs\.(\d+)\.convs\.(\d+)\.conv\.0\.", r"rdbs.\1.layers.\2.conv."),
    (r"RDBs\.(\d+)\.LFF\.", r"rdbs.\1.lff."),
    (r"GFF\.", "gff."),
    (r"UPNet\.0\.", "upscale.0."),
    (r"UPNet\.2\.", "output."),
)
"""Names of the paper's authors, and those of the benchmark's authors, which are used here."""


class DenseLayer(nn.Module):
    """A convolution whose result is put beside its input.

    Parameters
    ----------
    inputs, growth : int
        Channels that come in, and channels that are added.
    """

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, inputs + growth, H, W)``."""
        return torch.cat([x, self.relu(self.conv(x))], dim=1)


class DenseBlock(nn.Module):
    """Dense layers in a row, fused by a 1 x 1 convolution and added to the input.

    Parameters
    ----------
    features, growth, layers : int
        See `RDN`.
    """

    def __init__(self, features: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseLayer(features + index * growth, growth) for index in range(layers)))
        self.lff = nn.Conv2d(features + layers * growth, features, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, features, H, W)`` to the same shape."""
        fused: torch.Tensor = self.lff(self.layers(x))
        return x + fused


class RDN(nn.Module):
    """Residual dense network, which doubles the pixels.

    Parameters
    ----------
    features : int
        Channels between the blocks.
    growth : int
        Channels that a layer adds within a block.
    blocks : int
    layers : int
        Layers of a block.
    channels : int
        Channels of the image.
    """

    scale = 2

    def __init__(
        self, features: int = 64, growth: int = 64, blocks: int = 16, layers: int = 8, channels: int = 1
    ) -> None:
        super().__init__()
        self.sfe1 = nn.Conv2d(channels, features, 3, padding=1)
        self.sfe2 = nn.Conv2d(features, features, 3, padding=1)
        self.rdbs = nn.ModuleList(DenseBlock(features, growth, layers) for _ in range(blocks))
        self.gff = nn.Sequential(nn.Conv2d(blocks * features, features, 1), nn.Conv2d(features, features, 3, padding=1))
        self.upscale = nn.Sequential(nn.Conv2d(features, 4 * features, 3, padding=1), nn.PixelShuffle(2))
        self.output = nn.Conv2d(features, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` in [0, 1] to ``(N, C, 2 * H, 2 * W)``."""
        shallow = self.sfe1(x)
        features = self.sfe2(shallow)
        results = []
        for block in self.rdbs:
            features = block(features)
            results.append(features)
        fused = self.gff(torch.cat(results, dim=1)) + shallow
        fine: torch.Tensor = self.output(self.upscale(fused))
        return fine

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that the output pixels of one input pixel depend on."""
        return 1 + sum(m.kernel_size[0] - 1 for m in self.modules() if isinstance(m, nn.Conv2d))


def create(features: int = 64, growth: int = 64, blocks: int = 16, layers: int = 8, channels: int = 1) -> RDN:
    """Make an RDN with random weights, which torch draws; the defaults are the paper's and the benchmark's.

    Parameters
    ----------
    features, growth, blocks, layers, channels : int
        See `RDN`; at least 1.

    Returns
    -------
    RDN
        In training mode.

    Raises
    ------
    InputError
        If a number is below 1.
    """
    require_positive(ARCHITECTURE, features=features, growth=growth, blocks=blocks, layers=layers, channels=channels)
    return RDN(features, growth, blocks, layers, channels)


def build(state: Mapping[str, Any] | None) -> RDN:
    """Rebuild an RDN from its weights: channels and numbers of blocks and layers are read off them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Keys with plain names (see `napari_w2s.models.state_dict.canonical`): those of the benchmark's authors, or
        those of the paper's (``SFENet1``, ``RDBs``, ``GFF``, ``UPNet``).

    Returns
    -------
    RDN
        In eval mode.

    Raises
    ------
    WeightsError
        If the weights are not those of an RDN for twice as many pixels.
    """
    state = _renamed(state or {})
    features, channels = require_shape(state, "sfe1.weight", 4, ARCHITECTURE)[:2]
    growth = require_shape(state, "rdbs.0.layers.0.conv.weight", 4, ARCHITECTURE)[0]
    blocks, layers = count_children(state, "rdbs"), count_children(state, "rdbs.0.layers")
    return fit(lambda: RDN(features, growth, blocks, layers, channels), state, ARCHITECTURE)


def _renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    """Give a state dict the names that are used here."""
    renamed = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in _OTHER_NAMES:
            name = re.sub(f"^{pattern}", replacement, name)
        if name in renamed:
            raise mismatch(ARCHITECTURE, state, reason=f"it has {name} under two names")
        renamed[name] = value
    return renamed
