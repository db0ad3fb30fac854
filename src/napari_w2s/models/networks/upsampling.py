"""What super-resolution networks have in common: layers that keep the size, and an end on the twice finer grid.

W. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
Network", CVPR 2016, arXiv:1609.05158.
"""

from __future__ import annotations

from torch import nn

SCALE = 2


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Make a 3 x 3 convolution with biases that keeps the size.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    """
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def sub_pixel_tail(width: int) -> nn.Sequential:
    """Make the layers from features to an image of one channel on the twice finer grid.

    Parameters
    ----------
    width : int
        Channels of the features.

    Returns
    -------
    torch.nn.Sequential
        Maps ``(N, width, H, W)`` to ``(N, 1, 2 * H, 2 * W)``. Its weights are ``0.0`` (to four times as many channels,
        which become squares of pixels) and ``1``.
    """
    finer = nn.Sequential(convolution(width, SCALE**2 * width), nn.PixelShuffle(SCALE))
    return nn.Sequential(finer, convolution(width, 1))


def reach(network: nn.Module) -> int:
    """Return the receptive field of a network whose convolutions all lie on one path, in input pixels.

    That is the width of the square that the 2 x 2 output pixels of one input pixel depend on. The last convolution, on
    the finer grid, reaches one input pixel further to each side, as the others do.
    """
    return 1 + sum(m.kernel_size[0] - 1 for m in network.modules() if isinstance(m, nn.Conv2d))
