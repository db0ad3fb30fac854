"""Fluorescent structures of a cell as clouds of points: filaments, mitochondria-like tubes, puncta.

Lengths are in µm; positions count from the first corner of a square field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_STEP_UM = 0.02
_RING = 15


@dataclass(frozen=True)
class Points:
    """Point emitters.

    Attributes
    ----------
    y, x : numpy.ndarray, (P,)
        Position in µm.
    weight : numpy.ndarray, (P,)
        Brightness.
    focus : numpy.ndarray, (P,)
        Share of the brightness that is in focus, in [0, 1].
    """

    y: FloatArray
    x: FloatArray
    weight: FloatArray
    focus: FloatArray


@dataclass(frozen=True)
class Cell:
    """The outline of a spread cell and its nucleus.

    Attributes
    ----------
    centre : tuple of float
        (y, x) of the nucleus in µm.
    radius : float
        Typical radius in µm.
    elongation, angle : float
        Ratio of long to short axis, and direction of the long axis in radians.
    waves : tuple of (int, float, float)
        Order, amplitude and phase of the outline's undulations.
    """

    centre: tuple[float, float]
    radius: float
    elongation: float
    angle: float
    waves: tuple[tuple[int, float, float], ...]

    def depth(self, y: npt.ArrayLike, x: npt.ArrayLike) -> FloatArray:
        """Relative distance from the nucleus' centre: 0 there, 1 on the outline, more outside."""
        dy, dx = np.asarray(y, float) - self.centre[0], np.asarray(x, float) - self.centre[1]
        along = (dx * np.cos(self.angle) + dy * np.sin(self.angle)) / np.sqrt(self.elongation)
        across = (dy * np.cos(self.angle) - dx * np.sin(self.angle)) * np.sqrt(self.elongation)
        theta = np.arctan2(across, along)
        outline = 1.0 + sum(size * np.cos(order * theta + phase) for order, size, phase in self.waves)
        result: FloatArray = np.hypot(along, across) / (self.radius * outline)
        return result

    def outward(self, y: FloatArray, x: FloatArray) -> FloatArray:
        """Direction away from the nucleus, in radians."""
        return np.arctan2(y - self.centre[0], x - self.centre[1])

    def places(self, count: int, inner: float, outer: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """`count` random positions between two relative depths, denser towards the nucleus."""
        theta = rng.uniform(0, 2 * np.pi, count)
        depth = rng.uniform(inner, outer, count)
        outline = 1.0 + sum(size * np.cos(order * theta + phase) for order, size, phase in self.waves)
        along = depth * outline * self.radius * np.cos(theta) * np.sqrt(self.elongation)
        across = depth * outline * self.radius * np.sin(theta) / np.sqrt(self.elongation)
        x = self.centre[1] + along * np.cos(self.angle) - across * np.sin(self.angle)
        y = self.centre[0] + along * np.sin(self.angle) + across * np.cos(self.angle)
        return y, x


NUCLEUS_DEPTH = 0.25


def make_cell(extent_um: float, rng: np.random.Generator) -> Cell:
    """Make a random cell that fills about half of a square field."""
    centre = tuple(float(c) for c in extent_um * rng.uniform(0.38, 0.62, 2))
    waves = tuple(
        (order, float(rng.uniform(0.3, 1.0) * size), float(rng.uniform(0, 2 * np.pi)))
        for order, size in ((2, 0.12), (3, 0.14), (4, 0.07), (5, 0.06), (7, 0.03))
    )
    return Cell(
        centre=(centre[0], centre[1]),
        radius=0.48 * extent_um,
        elongation=float(rng.uniform(1.3, 1.8)),
        angle=float(rng.uniform(0, np.pi)),
        waves=waves,
    )


def _chains(
    start: tuple[FloatArray, FloatArray],
    direction: FloatArray,
    length_um: float,
    persistence_um: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Worm-like chains: y, x and direction at every step, each (chains, steps)."""
    steps = max(2, int(length_um / _STEP_UM))
    bends = rng.standard_normal((direction.size, steps)) * np.sqrt(_STEP_UM / persistence_um)
    # Bending is smoothed over 0.4 µm: thermal kinks at every step would make a filament fuzzy.
    width = int(0.4 / _STEP_UM)
    smooth = np.cumsum(bends, axis=1)
    smooth[:, width:] = (smooth[:, width:] + smooth[:, :-width]) / 2
    angle = direction[:, None] + smooth
    y = start[0][:, None] + np.cumsum(np.sin(angle), axis=1) * _STEP_UM
    x = start[1][:, None] + np.cumsum(np.cos(angle), axis=1) * _STEP_UM
    return y, x, angle


def _slow_noise(shape: tuple[int, int], period_um: float, rng: np.random.Generator) -> FloatArray:
    """Random values in [0, 1] along each chain that change over `period_um`, linearly interpolated."""
    chains, steps = shape
    place = np.arange(steps) * (_STEP_UM / period_um)
    knots = rng.uniform(0, 1, (chains, int(place[-1]) + 2))
    left = place.astype(int)
    part = place - left
    result: FloatArray = knots[:, left] * (1 - part) + knots[:, left + 1] * part
    return result


def filaments(cell: Cell, rng: np.random.Generator) -> Points:
    """Microtubule-like filaments: long curved chains from around the nucleus to the outline, unevenly labelled."""
    count = max(12, int(15 * cell.radius))
    y0, x0 = cell.places(count, 0.15, 0.7, rng)
    along = np.where(np.cos(cell.outward(y0, x0) - cell.angle) > 0, cell.angle, cell.angle + np.pi)
    mix = rng.uniform(0.2, 1.0, count)
    outward = cell.outward(y0, x0)
    direction = outward + mix * np.angle(np.exp(1j * (along - outward))) + rng.normal(0, 0.35, count)
    y, x, _ = _chains((y0, x0), direction, 2.2 * cell.radius, 14.0, rng)
    inside = np.cumprod(cell.depth(y, x) < 0.97, axis=1)
    label = 0.35 + 1.6 * _slow_noise((count, y.shape[1]), 0.09, rng) ** 2
    height = _slow_noise((count, y.shape[1]), 5.0, rng)
    bright = rng.lognormal(0.0, 0.35, (count, 1))
    return Points(y.ravel(), x.ravel(), (bright * label * inside).ravel(), np.sqrt(height).ravel())


def mitochondria(cell: Cell, rng: np.random.Generator) -> Points:
    """Mitochondria-like tubes: hollow, of uneven width, curling away from the nucleus."""
    count = max(8, int(12 * cell.radius))
    y0, x0 = cell.places(count, NUCLEUS_DEPTH + 0.04, 0.85, rng)
    direction = cell.outward(y0, x0) + rng.normal(0, 0.8, count)
    y, x, angle = _chains((y0, x0), direction, 9.0, 3.0, rng)
    steps = np.arange(y.shape[1])[None, :]
    last = rng.integers(int(1.2 / _STEP_UM), y.shape[1], (count, 1))
    depth = cell.depth(y, x)
    last = np.minimum(last, np.cumprod((depth < 0.93) & (depth > NUCLEUS_DEPTH), axis=1).sum(axis=1, keepdims=True))
    on = steps < last
    radius = 0.07 + 0.15 * _slow_noise((count, y.shape[1]), 0.5, rng) ** 1.5
    to_end = np.clip(np.minimum(steps, last - steps)[on] * _STEP_UM / radius[on], 0, 1)
    radius = radius[on] * np.sqrt(to_end * (2 - to_end))
    bright = np.broadcast_to(rng.lognormal(0.0, 0.3, (count, 1)), on.shape)[on] * np.sqrt(radius / 0.2)
    focus = 0.35 + 0.65 * _slow_noise((count, y.shape[1]), 4.0, rng)[on]
    # A stained outer membrane seen from above: points around the tube, projected.
    turns = 2 * np.pi * (np.arange(_RING)[:, None] + rng.uniform(0, 1, (1, radius.size))) / _RING
    offset = radius * np.cos(turns)
    return Points(
        (y[on] + offset * np.cos(angle[on])).ravel(),
        (x[on] - offset * np.sin(angle[on])).ravel(),
        np.tile(bright, _RING),
        np.tile(focus, _RING),
    )


def puncta(cell: Cell, rng: np.random.Generator) -> Points:
    """Vesicle-like puncta of varied size and brightness, denser towards the nucleus, some in clusters."""
    count = max(20, int(5.5 * cell.radius**2))
    y, x = cell.places(count, 0.12, 0.96, rng)
    gathered = rng.integers(0, max(1, count // 12), count)
    clustered = rng.uniform(size=count) < 0.25
    y = np.where(clustered, y[gathered] + rng.normal(0, 0.45, count), y)
    x = np.where(clustered, x[gathered] + rng.normal(0, 0.45, count), x)
    size = rng.uniform(0.02, 0.16, count)
    theta, away = rng.uniform(0, 2 * np.pi, (24, count)), np.sqrt(rng.uniform(0, 1, (24, count)))
    weight = rng.lognormal(0.0, 0.55, count) * (0.5 + size / 0.16)
    focus = rng.beta(2.0, 1.0, count)
    spread_y, spread_x = y + size * away * np.sin(theta), x + size * away * np.cos(theta)
    shape = spread_y.shape
    return Points(
        spread_y.ravel(),
        spread_x.ravel(),
        np.broadcast_to(weight, shape).ravel(),
        np.broadcast_to(focus, shape).ravel(),
    )


STRUCTURES: Mapping[int, Callable[[Cell, np.random.Generator], Points]] = MappingProxyType(
    {0: filaments, 1: mitochondria, 2: puncta}
)
"""What each channel of the simulated field shows."""
