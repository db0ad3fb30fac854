"""Curves across all tiles of a comparison: intensities along a line, and power over spatial frequency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.planes import Plane, planes
from napari_w2s.app.comparing.stopping import poll
from napari_w2s.metrics.profile import fwhm, line_profile
from napari_w2s.metrics.spectrum import radial_power

Float64Array = npt.NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Profile:
    """Intensities of one tile along a line.

    Attributes
    ----------
    key, title : str
        Of the tile.
    distance : numpy.ndarray, (P,)
        From the start of the line, in `unit`.
    values : numpy.ndarray, (P,)
        In the tile's intensities, or from 0 to 1; NaN outside of the tile.
    width : float or None
        Full width at half maximum of the highest peak, in `unit`, if it falls to half on both sides.
    unit : str
        ``"um"`` or ``"pixel"``.
    """

    key: str
    title: str
    distance: Float64Array
    values: Float64Array
    width: float | None
    unit: str


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Radially averaged power of one tile, measured on its own pixels.

    Attributes
    ----------
    key, title : str
        Of the tile.
    frequency : numpy.ndarray, (R,)
        In cycles per `unit`, without 0.
    power : numpy.ndarray, (R,)
        Relative to that of the lowest frequency, which makes images of any brightness and pixel size comparable.
    unit : str
        ``"um"`` or ``"pixel"``.
    """

    key: str
    title: str
    frequency: Float64Array
    power: Float64Array
    unit: str


def profiles(
    comparison: Comparison,
    start: Point,
    end: Point,
    *,
    width: float = 0.0,
    normalised: bool = False,
    shown: Mapping[str, Plane] | None = None,
    stop: StopFn | None = None,
) -> list[Profile]:
    """Read all tiles along one line.

    Parameters
    ----------
    comparison : Comparison
    start, end : tuple of float
        (y, x) in world coordinates.
    width : float
        Of the band that is averaged, in world units, the same in all tiles; 0 is the line alone.
    normalised : bool
        Bring each curve to the range 0 to 1.
    shown : mapping, optional
        The tiles' planes, if they are there already.
    stop : callable, optional
        Polled before each tile.

    Returns
    -------
    list of Profile
        One per tile, in their order.

    Raises
    ------
    InputError
        If the line has no length, or lies outside of every tile.
    Cancelled
        If `stop` returned True.
    """
    if not np.hypot(end[0] - start[0], end[1] - start[1]) > 0:
        raise InputError("The line has no length. Draw it anew.")
    shown = planes(comparison) if shown is None else shown
    made = []
    for tile in comparison.tiles:
        poll(stop)
        plane = shown[tile.key]
        distance, values = line_profile(plane.pixels, start, end, scale=plane.scale, origin=plane.origin, width=width)
        peak = fwhm(distance, values)
        values = _stretched(values) if normalised else values
        made.append(Profile(tile.key, tile.title, distance, values, peak, plane.unit))
    if not any(np.isfinite(one.values).any() for one in made):
        raise InputError("The line lies outside of the images. Draw it anew.")
    return made


def profile_unit(comparison: Comparison) -> str:
    """Return the unit of distances along a line: ``"um"`` if any image knows its pixel size, else ``"pixel"``."""
    return "um" if any(tile.image.units[-2:] == ("um", "um") for tile in comparison.tiles) else "pixel"


def spectra(
    comparison: Comparison, *, shown: Mapping[str, Plane] | None = None, stop: StopFn | None = None
) -> list[Spectrum]:
    """Measure the power of all tiles, in the box if there is one.

    Parameters
    ----------
    comparison : Comparison
    shown, stop
        As for `profiles`.

    Returns
    -------
    list of Spectrum
        In the order of the tiles. Those whose power cannot be told are left out: with pixels that are no number, or
        without any structure.

    Raises
    ------
    Cancelled
        If `stop` returned True.
    """
    shown = planes(comparison) if shown is None else shown
    made = []
    for tile in comparison.tiles:
        poll(stop)
        plane = shown[tile.key]
        part = plane if comparison.box is None else plane.cut(comparison.box)
        if part is None:
            continue
        try:
            frequency, power = radial_power(part.pixels, pixel_size=part.scale)
        except InputError:
            continue
        if power.size and np.isfinite(power).all() and power[0] > 0:
            made.append(Spectrum(tile.key, tile.title, frequency, power / power[0], plane.unit))
    return made


def _stretched(values: Float64Array) -> Float64Array:
    finite = values[np.isfinite(values)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    return (values - finite.min()) / span if span > 0 else values * 0.0
