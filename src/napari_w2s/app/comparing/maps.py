"""Maps of a tile against the reference: absolute error and local SSIM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.grid import Grid, align, full_position, readable_planes
from napari_w2s.app.comparing.ruler import data_range
from napari_w2s.app.comparing.scores import Reference
from napari_w2s.metrics.similarity import WINDOW


@dataclass(frozen=True, eq=False)
class Difference:
    """A map of a tile against the reference, on the reference's grid.

    Attributes
    ----------
    key : str
    grid : Grid
    values : numpy.ndarray, (H, W)
        Absolute error in the reference's intensities, or local SSIM.
    sentence : str
    """

    key: str
    grid: Grid
    values: npt.NDArray[np.float64]
    sentence: str


def error_map(comparison: Comparison, key: str, *, matched: bool = True, stop: StopFn | None = None) -> Difference:
    """Return the absolute difference of a tile to the reference, within the box; NaN where one of them is not finite.

    Parameters
    ----------
    comparison : Comparison
        With a reference.
    key : str
        Of the tile.
    matched : bool
        Match it to the reference by an affine least-squares fit first.
    stop : callable, optional

    Raises
    ------
    InputError
        If there is no reference, or the two have no pixel in common.
    Cancelled
        If `stop` returned True.
    """
    from napari_w2s.metrics.maps import absolute_error

    reference, pixels, grid, _ = _pair(comparison, key, stop, matched=matched)
    values = absolute_error(reference, pixels, matched=False)
    return Difference(key, grid, values, f"The absolute error is {float(np.nanmean(values)):.3g} on average.")


def ssim_difference(
    comparison: Comparison, key: str, *, matched: bool = True, stop: StopFn | None = None
) -> Difference:
    """Return the local SSIM of a tile against the reference, within the box; NaN where a window is not finite.

    Parameters and errors are those of `error_map`; the range is that of `napari_w2s.app.comparing.numbers.measure`.
    """
    from scipy.ndimage import maximum_filter

    from napari_w2s.metrics.maps import ssim_map

    reference, pixels, grid, limit = _pair(comparison, key, stop, matched=matched)
    if limit is None:
        raise InputError("The reference is constant, and SSIM needs a range. Give one.")
    bad = ~(np.isfinite(reference) & np.isfinite(pixels))
    values = ssim_map(np.where(bad, 0.0, reference), np.where(bad, 0.0, pixels), data_range=limit)
    if bad.any():
        values = np.where(maximum_filter(bad, WINDOW), np.nan, values)
    if not np.isfinite(values).any():
        raise InputError(f"SSIM needs {WINDOW} × {WINDOW} finite pixels, and {comparison.tile(key).title} has none.")
    return Difference(key, grid, values, f"SSIM is {float(np.nanmean(values)):.3f} on average.")


def _pair(
    comparison: Comparison, key: str, stop: StopFn | None, *, matched: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Grid, float | None]:
    """Return reference and tile on one grid, the grid, and the data range."""
    if comparison.reference is None:
        raise InputError("There is no reference to compare with. Choose one.")
    if key == comparison.reference:
        raise InputError(f"{comparison.tile(key).title} is the reference itself. Choose another tile.")
    both = comparison.replace(
        tiles=(comparison.tile(key), comparison.tile(comparison.reference)),
        averages=(),
        position=full_position(comparison),
    )
    found, problems = readable_planes(both, stop=stop)
    laid = align(both, found, problems, stop=stop)
    if laid.problems:
        raise InputError(next(iter(laid.problems.values())))
    reference, pixels = laid.pixels[comparison.reference], laid.pixels[key]
    fit = Reference(reference, None).fit(pixels)
    if fit is None:
        raise InputError(f"{comparison.tile(key).title} and the reference have no finite pixel in common.")
    if matched:
        pixels = fit.gain * pixels + fit.offset
    return reference, pixels, laid.grid, data_range(both, found)[0]
