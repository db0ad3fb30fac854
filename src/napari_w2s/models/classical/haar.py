"""The undecimated Haar transform in two dimensions: translation-invariant, and its own adjoint's inverse.

At level j a coefficient is the mean of ``2^j x 2^j`` pixels, or that of some of them minus that of the others, so that
it keeps the statistics of counts. All functions give only what follows from the pixels at hand: nothing is assumed
beyond the border of their input, which is to be extended first.
"""

from __future__ import annotations

import torch

BANDS = 3
"""Detail bands of a level: differences along x, along y, and along both."""


def reach(levels: int) -> int:
    """Pixels on every side that a pixel's analysis and synthesis together look at."""
    return (1 << levels) - 1


def extend(x: torch.Tensor, margin: int) -> torch.Tensor:
    """Continue ``(..., H, W)`` on all sides by its mirror image, the border pixel repeated, as often as it takes."""
    for axis in (-2, -1):
        length = x.shape[axis]
        place = torch.arange(-margin, length + margin, device=x.device) % (2 * length)
        x = x.index_select(axis, torch.where(place < length, place, 2 * length - 1 - place))
    return x


def analyse(x: torch.Tensor, levels: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Decompose.

    Parameters
    ----------
    x : torch.Tensor, (N, 1, H, W)
        H and W greater than ``reach(levels)``.
    levels : int

    Returns
    -------
    details : list of torch.Tensor, (N, 3, H - 2^j + 1, W - 2^j + 1)
        For j from 1 to `levels`. The coefficient at (y, x) is one of the pixels from there to ``2^j - 1`` further on.
    means : list of torch.Tensor, (N, 1, H - 2^j + 1, W - 2^j + 1)
        Means of the same pixels.
    """
    details, means = [], []
    for level in range(levels):
        step = 2**level
        low, high = _split(x, step, -1)
        low, low_high = _split(low, step, -2)
        high, high_high = _split(high, step, -2)
        details.append(torch.cat((high, low_high, high_high), 1))
        means.append(low)
        x = low
    return details, means


def within(coefficients: torch.Tensor, levels: int, level: int) -> torch.Tensor:
    """Leave out the coefficients that play no part in pixels at least ``reach(levels)`` from the border.

    Parameters
    ----------
    coefficients : torch.Tensor, (N, C, H - 2^j + 1, W - 2^j + 1)
        Of `analyse`.
    levels : int
    level : int
        From 0, j - 1.

    Returns
    -------
    torch.Tensor, (N, C, H - 2 reach(levels) + 2^j - 1, …)
        A view.
    """
    lost, span = 2**levels - 2 ** (level + 1), 2 ** (level + 1) - 1
    height, width = (n + span - 2 * reach(levels) + span for n in coefficients.shape[-2:])
    return coefficients[..., lost : lost + height, lost : lost + width]


def raise_means(means: torch.Tensor, level: int) -> torch.Tensor:
    """Take ``(N, C, h, w)`` means of a level one level finer, without details: ``(N, C, h - 2^level, w - 2^level)``."""
    step = 2**level
    return _join(_join(means, None, step, -2), None, step, -1)


def raise_details(details: torch.Tensor, level: int) -> torch.Tensor:
    """Take detail bands of a level one level finer, each by itself.

    Parameters
    ----------
    details : torch.Tensor, (N, 3, h, w)
    level : int
        From 0.

    Returns
    -------
    torch.Tensor, (N, 3, h - 2^level, w - 2^level)
    """
    step = 2**level
    along_x, along_y, along_both = details.unbind(1)
    return torch.stack(
        (
            _join(None, _join(along_x, None, step, -2), step, -1),
            _join(_join(None, along_y, step, -2), None, step, -1),
            _join(None, _join(None, along_both, step, -2), step, -1),
        ),
        1,
    )


def raise_all(means: torch.Tensor, details: torch.Tensor, level: int) -> torch.Tensor:
    """Join means ``(N, 1, h, w)`` and details ``(N, 3, h, w)`` of a level to means one level finer."""
    step = 2**level
    along_x, along_y, along_both = details[:, 0:1], details[:, 1:2], details[:, 2:3]
    return _join(_join(means, along_y, step, -2), _join(along_x, along_both, step, -2), step, -1)


def _split(x: torch.Tensor, step: int, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    length = x.shape[axis] - step
    first, second = x.narrow(axis, 0, length) * 0.5, x.narrow(axis, step, length) * 0.5
    return first + second, first - second


def _join(low: torch.Tensor | None, high: torch.Tensor | None, step: int, axis: int) -> torch.Tensor:
    """Undo `_split` in the mean of both of its answers for a pixel; None stands for zeros, in one of the two."""
    if low is not None and high is not None:
        return (_shifted(low + high, step, axis)[0] + _shifted(low - high, step, axis)[1]) * 0.5
    if low is not None:
        later, earlier = _shifted(low * 0.5, step, axis)
        return later + earlier
    assert high is not None
    later, earlier = _shifted(high * 0.5, step, axis)
    return later - earlier


def _shifted(x: torch.Tensor, step: int, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    length = x.shape[axis] - step
    return x.narrow(axis, step, length), x.narrow(axis, 0, length)
