"""Whether the data support a result: the residual against its input, and the spread over flips of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.given import given_tile, grid_of, planes_of
from napari_w2s.app.comparing.grid import Grid, Plane, on_grid
from napari_w2s.app.comparing.maps import Difference, error_map, ssim_difference
from napari_w2s.app.comparing.place import is_finer
from napari_w2s.app.comparing.spread import Spread, flip_spread
from napari_w2s.app.comparing.stopping import poll
from napari_w2s.metrics.trust import WINDOW, TrustMap

__all__ = [
    "Difference",
    "Spread",
    "Trust",
    "error_map",
    "flip_spread",
    "ssim_difference",
    "trust",
    "trust_sentence",
]

_REACH = 3.0
_NO_HAZE = (
    "SIM shows no light from out of focus. Where there is some, even a real SIM image disagrees with the widefield "
    "one, and so does a result that is like it."
)


@dataclass(frozen=True, eq=False)
class Trust:
    """Where a result disagrees with its input.

    Attributes
    ----------
    key, given : str
        Of the result and of its input.
    grid : Grid
        Of the maps: the input's.
    map : TrustMap
    sentence : str
        E.g. ``"12 % of the area is not supported by the data."``
    note : str
        What to know of it; empty if nothing.
    """

    key: str
    given: str
    grid: Grid
    map: TrustMap
    sentence: str
    note: str = ""


def trust(comparison: Comparison, key: str, *, given: str | None = None, stop: StopFn | None = None) -> Trust:
    """Blur a result back to its input's resolution and compare the two.

    The noise of the input is estimated from the input itself (`napari_w2s.data.noise`).

    Parameters
    ----------
    comparison : Comparison
        The box limits the maps and the share; blur, shift and brightness are fitted to the whole image.
    key : str
        Of the result.
    given : str, optional
        Of its input, a tile or one of `averages`; by default the one that the metadata tell of.

    Raises
    ------
    InputError
        If the input is not there, or the two cannot be compared.
    Cancelled
        If `stop` returned True.
    """
    from napari_w2s.data.noise import estimate_noise
    from napari_w2s.metrics.trust import resolution_scaled_error

    source = given_tile(comparison, key, given)
    tile = comparison.tile(key)
    found = planes_of(comparison, (tile, source), stop)
    result, measured = found[key], found[source.key]
    noise = estimate_noise(measured.pixels)
    if not noise.blocks:
        raise InputError(f"The noise of {source.title} cannot be told, and so not what it supports.")

    def std(mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the noise where the signal is `mean`: of counts, and at least that of rounding to grey levels."""
        variance = noise.gain * mean + noise.offset_variance
        return np.sqrt(np.maximum(variance, max(noise.step**2 / 12.0, 1e-6 * noise.variance(noise.bright), 1e-30)))

    poll(stop)
    pixels = _covering(result, measured)
    whole = resolution_scaled_error(_filled(pixels), _filled(measured.pixels), noise_std=std)
    poll(stop)
    error = np.where(_near_gaps(measured.pixels) | _near_gaps(pixels, measured), np.nan, whole.error)
    part = (slice(None), slice(None)) if comparison.box is None else measured.part(comparison.box)
    if part is None:
        raise InputError(f"The box lies outside of {source.title}. Draw it on the image.")
    shown = measured if comparison.box is None else measured.cut(comparison.box)
    assert shown is not None
    unsupported = whole.unsupported[part] & np.isfinite(error[part])
    share = float(unsupported.sum() / max(1, int(np.isfinite(error[part]).sum())))
    cut = replace(whole, error=error[part], unsupported=unsupported, share=share)
    return Trust(key, source.key, grid_of(shown), cut, trust_sentence(share), _NO_HAZE if is_finer(tile.image) else "")


def trust_sentence(share: float) -> str:
    """Say how much of an area is not supported by the data."""
    if share == 0:
        return "Nothing in this area contradicts the data."
    if share < 0.001:
        return "Less than 0.1 % of the area is not supported by the data."
    percent = f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"
    return f"{percent} % of the area is not supported by the data."


def _covering(result: Plane, measured: Plane) -> npt.NDArray[Any]:
    """Return the pixels of a result that cover its input: as they are where each input pixel holds a whole number."""
    factor = max(1, round(measured.scale[0] / result.scale[0]))
    grid = grid_of(measured)
    fine = Grid(
        (grid.shape[0] * factor, grid.shape[1] * factor),
        (grid.scale[0] / factor, grid.scale[1] / factor),
        (
            grid.origin[0] - grid.scale[0] * (1 - 1 / factor) / 2,
            grid.origin[1] - grid.scale[1] * (1 - 1 / factor) / 2,
        ),
        grid.unit,
    )
    return on_grid(result, fine)


def _near_gaps(pixels: npt.NDArray[Any], measured: Plane | None = None) -> npt.NDArray[np.bool_]:
    """Mark the pixels of the input that lie within the averaging window of one that is not finite."""
    from scipy.ndimage import maximum_filter

    gaps: npt.NDArray[np.bool_] = ~np.isfinite(pixels)
    if measured is not None:
        height, width = measured.pixels.shape
        factor = pixels.shape[0] // height
        gaps = gaps.reshape(height, factor, width, factor).max(axis=(1, 3))
    return np.asarray(maximum_filter(gaps, 2 * round(_REACH * WINDOW) + 1), np.bool_) if gaps.any() else gaps


def _filled(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Put the mean where a pixel is not finite."""
    values = pixels.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        values[bad] = values[~bad].mean()
    return values
