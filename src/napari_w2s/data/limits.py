"""A display range from a few pixels, so that a viewer need not read the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_w2s.data.image import AnyArray

_SIDE = 256
_PERCENTILES = (0.1, 99.9)


def display_limits(data: AnyArray, frame: tuple[int, ...] | None = None) -> tuple[float, float]:
    """Return a display range from every n-th pixel of one frame.

    Parameters
    ----------
    data : array
        ``(..., y, x)``; only one frame is read, and of a memory map only every n-th row of it.
    frame : tuple of int, optional
        Index of the frame along the leading axes. By default the first.

    Returns
    -------
    tuple of float
        Low and high, finite, with low < high whatever the pixels are (constant, NaN, boolean, none at all).
    """
    import numpy as np

    if 0 in data.shape:
        return (0.0, 1.0)
    plane = data[frame if frame is not None else (0,) * (data.ndim - 2)]
    step = tuple(slice(None, None, max(1, size // _SIDE)) for size in plane.shape)
    if isinstance(plane, np.ndarray):
        plane = plane[step]
        sample = np.asarray(plane)
    else:
        sample = np.asarray(plane)[step]
    if sample.dtype.kind == "b":
        return (0.0, 1.0)
    values = sample.astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        return (0.0, 1.0)
    low, high = (float(value) for value in np.percentile(values, _PERCENTILES))
    if low >= high:
        low, high = float(values.min()), float(values.max())
    if low >= high:
        # A constant image: any range that holds it will do, as long as it survives float32.
        high = low + max(1.0, abs(low) * 1e-3)
    return low, high
