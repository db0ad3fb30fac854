"""The two attentions of SAN: by the covariance of the channels, and by what pixels of a quarter of the frame share.

T. Dai, J. Cai, Y. Zhang, S.-T. Xia, L. Zhang, "Second-order Attention Network for Single Image Super-Resolution",
CVPR 2019; the matrix square root after P. Li, J. Xie, Q. Wang, Z. Gao, "Towards Faster Training of Global Covariance
Pooling Networks by Iterative Matrix Square Root Normalization", CVPR 2018, arXiv:1712.01034.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import fx, nn

ITERATIONS = 5
"""Newton-Schulz steps of the matrix square root."""

MOST = 1000
"""Edge in pixels of the centre that the covariance of a larger frame is taken from."""

_SMALLEST_TRACE = 1e-12


def channel_roots(x: torch.Tensor) -> torch.Tensor:
    """Return the means over the rows of the square root of the channels' covariance.

    Computed in float32 at least, whatever precision the features have: in less, the iteration does not converge.

    Parameters
    ----------
    x : torch.Tensor, (N, C, H, W)

    Returns
    -------
    torch.Tensor, (N, C, 1, 1)
        Of the precision of `x`; 0 where all pixels are alike.
    """
    device = x.device.type
    full = nullcontext() if not torch.amp.is_autocast_available(device) else torch.autocast(device, enabled=False)
    with full:
        root = covariance_root(x.to(torch.promote_types(x.dtype, torch.float32)))
        return root.mean(1)[:, :, None, None].to(x.dtype)


def covariance_root(x: torch.Tensor) -> torch.Tensor:
    """Return the square root of the channels' covariance over a frame, about as Newton-Schulz iteration finds it.

    Parameters
    ----------
    x : torch.Tensor, (N, C, H, W)
        float32 or float64. Of frames larger than 1000 pixels the centre counts.

    Returns
    -------
    torch.Tensor, (N, C, C)
    """
    pixels = _centre(_centre(x, 2), 3).flatten(2)
    centred = pixels - pixels.mean(2, keepdim=True)
    covariance = centred @ centred.mT / pixels.shape[2]
    trace = covariance.diagonal(dim1=1, dim2=2).sum(1).clamp_min(_SMALLEST_TRACE)[:, None, None]
    y = covariance / trace
    three = 3 * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    correction = (three - y) / 2
    y, z = y @ correction, correction
    for _ in range(ITERATIONS - 2):
        correction = (three - z @ y) / 2
        y, z = y @ correction, correction @ z
    return y @ (three - z @ y) / 2 * trace.sqrt()


def regional_attention(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Give every pixel a mean of the values in its quarter of the frame, weighed by how alike query and key are.

    Keys and values are pooled: the greatest of every 2 x 2 pixels counts. Where a quarter has a single row or column
    of pixels, they are pooled along it; a frame of one row or column has two quarters, one of one pixel has one.

    Parameters
    ----------
    queries, keys, values : torch.Tensor, (N, C, H, W)

    Returns
    -------
    torch.Tensor, (N, C, H, W)
    """
    height, width = queries.shape[2:]
    rows = []
    for top, bottom in _halves(height):
        row = []
        for left, right in _halves(width):
            here = (..., slice(top, bottom), slice(left, right))
            row.append(_attend(queries[here], _pooled(keys[here]), _pooled(values[here])))
        rows.append(torch.cat(row, dim=3))
    return torch.cat(rows, dim=2)


# What depends on the shape of the data stays one step in a traced network.
fx.wrap("channel_roots")
fx.wrap("regional_attention")


class SecondOrderAttention(nn.Module):
    """Weighs every channel by how the channels vary together over the frame.

    Parameters
    ----------
    width : int
        Channels.
    reduced : int
        Channels of the layer between.
    """

    def __init__(self, width: int, reduced: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, reduced, 1), nn.ReLU(inplace=True), nn.Conv2d(reduced, width, 1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        weights: torch.Tensor = self.conv_du(channel_roots(x))
        return weights * x


class NonLocal(nn.Module):
    """Adds to every pixel what is found at pixels like it, within its quarter of the frame.

    Parameters
    ----------
    width : int
        Channels.
    inner : int
        Channels of queries, keys and values.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.g = nn.Sequential(nn.Conv2d(width, inner, 1))
        self.W = nn.Conv2d(inner, width, 1)
        self.theta = nn.Conv2d(width, inner, 1)
        self.phi = nn.Sequential(nn.Conv2d(width, inner, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        found: torch.Tensor = self.W(regional_attention(self.theta(x), self.phi(x), self.g(x)))
        return found + x


def _centre(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the centre of a frame along an axis, or all of it if it is small."""
    length = x.shape[axis]
    return x.narrow(axis, (length - MOST) // 2, MOST) if length > MOST else x


def _halves(length: int) -> list[tuple[int, int]]:
    """Cut an axis in two, of which the second part is the longer one; a single pixel is left as it is."""
    middle = length // 2
    return [(0, middle), (middle, length)] if middle else [(0, length)]


def _pooled(x: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(x, (min(2, x.shape[2]), min(2, x.shape[3])))


def _attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Attend with all of ``(N, C, h, w)`` to all of ``(N, C, h', w')``."""
    # Contiguous, as torch's kernels that never hold the whole matrix of weights want them.
    q, k, v = (part.flatten(2).mT.contiguous()[:, None] for part in (queries, keys, values))
    found: torch.Tensor = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    return found[:, 0].mT.reshape(queries.shape)
