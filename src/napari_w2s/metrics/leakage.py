"""What a taper spreads beyond the end of a spectrum, and where that end then is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from napari_w2s.metrics.crossing import FIRST_RINGS
from napari_w2s.metrics.rings import Float64Array, Rings, Taper, taper_lines

_PER_RING = 32
_NEAREST, _FARTHEST = -4, 16
"""Distances that a spread is known at, in ring widths; the nearest are inside."""
_RISE = 3
"""Rings inside an end over which a spectrum may rise."""
_INSIDE = 2
"""Rings inside an end where its rise is read off: there the taper carries little across it."""
_FALL = 1.5
"""Least ratio of the power there to that at the end. A flat spectrum that ends abruptly has 2."""
_BACK = 14
"""Rings by which an end is looked for within the crossing, enough for a million times the noise power."""
_BEYOND = 1
"""Rings beyond the crossing where agreement still counts."""
_ENDS_PER_RING = 8
_SETTLED = 5
"""Steps outwards over which the excess beyond an end comes down to the chance scatter that stays."""
_ANGLES, _LAGS = 16, 512


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Mean power in rings near the end of an isotropic spectrum, under a taper.

    Attributes
    ----------
    flat : numpy.ndarray, (D,)
        If the spectrum is 1 up to its end, for distances beyond it from -4 to 16 ring widths, in steps of 1/32.
    rising : numpy.ndarray, (D,)
        If it is 0 at its end and rises by 1 per ring width inwards, over 3 of them.
    scatter : float
        Variance of the mean of a ring relative to what independent frequencies would have.
    """

    flat: Float64Array
    rising: Float64Array
    scatter: float


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What two images, or two halves of one, share.

    Attributes
    ----------
    rings : Rings
    correlation : numpy.ndarray, (R,)
        Of each ring.
    common : numpy.ndarray, (R,)
        Mean power that is shared, in any unit.
    whole : numpy.ndarray, (R,)
        Mean power that the correlation is the common share of, in the same unit; 0 in rings without power.
    spread : Spread or None
        Of the taper. None leaves crossings where they are.
    """

    rings: Rings
    correlation: Float64Array
    common: Float64Array
    whole: Float64Array
    spread: Spread | None


@lru_cache(maxsize=8)
def spread(shape: tuple[int, int], pixel_size: tuple[float, float], taper: Taper) -> Spread:
    """Compute how far a taper carries power across the end of a spectrum.

    A tapered image has the spectrum of the whole scene convolved with the taper's own power spectrum (E. Hivon et al.,
    "MASTER of the cosmic microwave background anisotropy power spectrum", Astrophysical Journal 567, 2002, for the
    sphere). Across an end that is straight over the width of that kernel, only its profile at right angles to the end
    matters: it is the transform of the taper's autocorrelation along one line, here averaged over all directions and
    over the width of a ring.
    """
    from scipy.interpolate import CubicSpline

    lines = taper_lines(shape, taper)
    lags = [np.arange(line.size + 1) * side for line, side in zip(lines, pixel_size, strict=True)]
    along_y, along_x = (CubicSpline(lag, _autocorrelation(line)) for lag, line in zip(lags, lines, strict=True))
    step = max(1 / lag[-1] for lag in lags)
    longest = float(np.hypot(lags[0][-1], lags[1][-1]))
    lag = (np.arange(_LAGS) + 0.5) * longest / _LAGS
    profile = np.zeros(_LAGS)
    for angle in (np.arange(_ANGLES) + 0.5) * np.pi / 2 / _ANGLES:
        y, x = lag * np.sin(angle), lag * np.cos(angle)
        inside = (y < lags[0][-1]) & (x < lags[1][-1])
        profile[inside] += along_y(y[inside]) * along_x(x[inside]) / _ANGLES
    profile *= np.sinc(lag * step) / lag * longest / _LAGS / np.pi
    distance = np.arange(0, (_FARTHEST + _RISE) * _PER_RING + 1) / _PER_RING
    beyond = np.maximum(0.5 - np.sin(2 * np.pi * step * np.outer(distance, lag)) @ profile, 0)
    flat = np.concatenate([1 - beyond[-_NEAREST * _PER_RING : 0 : -1], beyond])
    summed = np.concatenate([[0], np.cumsum((flat[1:] + flat[:-1]) / 2)]) / _PER_RING
    size = (_FARTHEST - _NEAREST) * _PER_RING + 1
    rising = summed[_RISE * _PER_RING :][:size] - summed[:size]
    scatter = np.prod([line.size * np.sum(line**4) / np.sum(line**2) ** 2 for line in lines])
    return Spread(flat[:size], rising, float(scatter))


def _autocorrelation(line: Float64Array) -> Float64Array:
    """Return it for lags of 0 to the line's length, 1 at 0."""
    spectrum = np.fft.rfft(line, 2 * line.size)
    whole = np.fft.irfft(np.square(np.abs(spectrum)), 2 * line.size)[: line.size + 1]
    whole[-1] = 0
    result: Float64Array = whole / whole[0]
    return result


def abrupt_end(found: Agreement, crossing: float) -> float:
    """Return where a spectrum ends abruptly, if such an end accounts for what is shared up to a crossing.

    For each frequency within the crossing it is supposed that the spectrum ends there: then the common power at that
    frequency and inside it gives what the taper carries beyond. The lowest frequency is taken at which this explains
    all agreement beyond, to within its chance scatter, and at which the power falls as steeply as the taper allows.

    Parameters
    ----------
    found : Agreement
    crossing : float
        Frequency where its curve falls below a threshold.

    Returns
    -------
    float
        A frequency of at most `crossing`; that itself if there is no such end.
    """
    if found.spread is None:
        return crossing
    step = found.rings.step
    place, start = found.rings.frequency / step, crossing / step
    ends = np.arange(start, max(start - _BACK, place[FIRST_RINGS - 1] + _INSIDE), -1 / _ENDS_PER_RING)
    if not ends.size:
        return crossing
    common = np.interp(ends, place, found.common)
    inside = np.interp(ends - _INSIDE, place, found.common)
    near = (place > ends[-1]) & (place < start + _BEYOND + 0.5)
    distance = place[near] - ends[:, None]
    weight = np.clip(distance, 0, 1) * np.clip(start + _BEYOND - place[near] + 0.5, 0, 1)
    leaked = _leaked(found.spread, common, inside, distance)
    whole = found.whole[near]
    share = np.divide(leaked, whole, out=np.zeros_like(leaked), where=whole > 0)
    excess = np.sum(weight * (found.correlation[near] - np.clip(share, 0, 1)), axis=1)
    excess = np.where(common > 0, excess, np.inf)
    chance = np.sqrt(found.spread.scatter * np.sum(np.square(weight) / found.rings.counts[near], axis=1))
    fits = np.flatnonzero((excess <= chance) & (inside >= _FALL * common))
    return step * _first_explained(ends, excess, int(fits[-1])) if fits.size else crossing


def _leaked(known: Spread, common: Float64Array, inside: Float64Array, distance: Float64Array) -> Float64Array:
    """Power that is carried beyond each end, (E, R), from what is seen at it and inside it."""
    at_end, within = -_NEAREST * _PER_RING, (-_NEAREST - _INSIDE) * _PER_RING
    flat, rising = known.flat, known.rising
    determinant = rising[within] * flat[at_end] - rising[at_end] * flat[within]
    rise = np.clip((inside * flat[at_end] - common * flat[within]) / determinant, 0, common / rising[at_end])
    level = (common - rise * rising[at_end]) / flat[at_end]
    i = np.clip(np.rint((distance - _NEAREST) * _PER_RING), 0, flat.size - 1).astype(np.intp)
    result: Float64Array = level[:, None] * flat[i] + rise[:, None] * rising[i]
    return result


def _first_explained(ends: Float64Array, excess: Float64Array, last: int) -> float:
    """Place, in rings, where the excess beyond an end has come down to what stays a little farther out, or to 0."""
    lowest = max(0.0, float(excess[max(0, last - _SETTLED) : last + 1].min()))
    i = int(np.flatnonzero(excess[: last + 1] <= lowest)[-1])
    if i + 1 == ends.size or excess[i + 1] <= lowest:
        return float(ends[i])
    share = (lowest - excess[i]) / (excess[i + 1] - excess[i])
    return float(ends[i] + share * (ends[i + 1] - ends[i]))
