"""Display ranges of compared images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import StopFn
from napari_w2s.app.comparing.comparison import Comparison, Contrast
from napari_w2s.app.comparing.grid import Aligned, Plane, align, readable_planes
from napari_w2s.app.comparing.scores import Reference

_PERCENTILES = (0.1, 99.9)
_SIDE = 256
_LEAST_CORRELATION = 0.05


def limits(
    comparison: Comparison,
    *,
    planes: Mapping[str, Plane] | None = None,
    aligned: Aligned | None = None,
    stop: StopFn | None = None,
) -> dict[str, tuple[float, float]]:
    """Return the display range of each tile, by key, in its own intensities.

    Per tile: from the 0.1th to the 99.9th percentile of each. Shared: one range for all, which holds those of all.
    Matched: the reference's range, seen through each tile's affine least-squares fit to the reference; a tile that
    does not follow the reference at all has its own range. The box does not change the range.

    Parameters
    ----------
    comparison : Comparison
        Matched without a reference is as per tile.
    planes, aligned
        If they are there already (`aligned` of the comparison without its box).
    stop : callable, optional

    Returns
    -------
    dict
        (low, high) with low < high, finite, whatever the pixels are; (0, 1) for a tile that cannot be shown.

    Raises
    ------
    Cancelled
        If `stop` returned True.
    """
    found = dict(planes) if planes is not None else readable_planes(comparison, stop=stop)[0]
    samples = {key: _sample(one.pixels) for key, one in found.items()}
    if comparison.contrast is Contrast.SHARED:
        ranges = [_range(values) for values in samples.values() if values.size] or [(0.0, 1.0)]
        shared = min(low for low, _ in ranges), max(high for _, high in ranges)
        return {tile.key: shared for tile in comparison.tiles}
    own = {tile.key: _range(samples.get(tile.key, np.empty(0))) for tile in comparison.tiles}
    if comparison.contrast is Contrast.MATCHED and comparison.reference in found:
        laid = aligned or align(comparison.replace(box=None), found, stop=stop)
        own |= _matched(laid, str(comparison.reference), own)
    return own


def label(comparison: Comparison, key: str) -> str:
    """Say in a few words what the range of a tile is, e.g. ``"contrast matched to avg400"``."""
    if comparison.contrast is Contrast.SHARED:
        return "one contrast for all"
    if comparison.contrast is Contrast.MATCHED and comparison.reference is not None and key != comparison.reference:
        return f"contrast matched to {comparison.tile(comparison.reference).title}"
    return "own contrast"


def _matched(laid: Aligned, reference: str, own: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    if reference not in laid.pixels:
        return {}
    low, high = own[reference]
    step = tuple(slice(None, None, max(1, size // (2 * _SIDE))) for size in laid.grid.shape)
    target = Reference(np.ascontiguousarray(laid.pixels[reference][step]), None)
    found = {}
    for key, pixels in laid.pixels.items():
        fit = None if key == reference else target.fit(np.ascontiguousarray(pixels[step]))
        if fit is not None and fit.correlation > _LEAST_CORRELATION:
            found[key] = ((low - fit.offset) / fit.gain, (high - fit.offset) / fit.gain)
    return {key: one for key, one in found.items() if np.isfinite(one).all() and one[0] < one[1]}


def _sample(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the finite values of every n-th pixel."""
    step = tuple(slice(None, None, max(1, size // _SIDE)) for size in pixels.shape)
    values = pixels[step].astype(np.float64).ravel()
    return values[np.isfinite(values)]


def _range(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, _PERCENTILES))
    if not low < high:
        low, high = float(values.min()), float(values.max())
    if not low < high:
        high = low + max(1.0, abs(low) * 1e-3)
    return low, high
