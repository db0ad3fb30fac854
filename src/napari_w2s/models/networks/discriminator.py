"""A discriminator in the manner of VGG: tells images that were measured from images that were made.

C. Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
arXiv:1609.04802; in the size that ESRGAN uses it in (X. Wang et al., ECCVW 2018, arXiv:1809.00219).
"""

from __future__ import annotations

import torch
from torch import nn

from napari_w2s._types import InputError

_SLOPE = 0.2
_WIDEST = 8


class Discriminator(nn.Module):
    """Stages of two convolutions that halve the image, then two linear layers.

    Parameters
    ----------
    widths : list of int
        Features of each stage.
    size : int
        Edge of the images.
    channels : int
        Channels of the images.
    hidden : int
        Features between the linear layers.
    """

    def __init__(self, widths: list[int], size: int, channels: int, hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for stage, width in enumerate(widths):
            layers.append(nn.Conv2d(before, width, 3, padding=1, bias=stage == 0))
            if stage:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(_SLOPE))
            layers += [nn.Conv2d(width, width, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers.append(nn.LeakyReLU(_SLOPE))
            before = width
        self.features = nn.Sequential(*layers)
        edge = size >> len(widths)
        self.judge = nn.Sequential(nn.Linear(before * edge**2, hidden), nn.LeakyReLU(_SLOPE), nn.Linear(hidden, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images ``(N, C, size, size)`` to one logit each ``(N,)``: above 0 for measured, below for made."""
        verdict: torch.Tensor = self.judge(self.features(x).flatten(1))
        return verdict[:, 0]


def create(
    size: int = 128, width: int = 64, stages: int | None = None, *, channels: int = 1, hidden: int = 100
) -> Discriminator:
    """Make a discriminator with random weights; the defaults are those of ESRGAN and W2S.

    Parameters
    ----------
    size : int
        Edge of the images in pixels.
    width : int
        Features of the first stage; each further stage has twice as many, up to eight times.
    stages : int, optional
        How often the image is halved. By default 5, or fewer for images below 64 pixels, so that 2 x 2 remain.
    channels, hidden
        See `Discriminator`.

    Returns
    -------
    Discriminator
        In training mode.

    Raises
    ------
    InputError
        If the images are too small for that.
    """
    if stages is None:
        stages = max(1, min(5, size.bit_length() - 2))
    if stages < 1 or width < 1 or size >> stages < 1:
        raise InputError(
            f"A discriminator of {stages} stages and {width} features cannot judge images of {size} x {size} pixels. "
            "Choose larger patches or fewer stages."
        )
    widths = [width * min(2**stage, _WIDEST) for stage in range(stages)]
    network = Discriminator(widths, size, channels, hidden)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            # Biases stay as they are drawn: without them a black image, which a new network may well make, has no
            # variance anywhere, and batch norms make its gradients as large as they can.
            nn.init.kaiming_normal_(module.weight, a=_SLOPE)
    return network
