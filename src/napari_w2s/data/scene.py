"""A structure of a cell as light on a grid: widefield with its haze, and the SIM-like target."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_w2s.data import optics
from napari_w2s.data.protocol import ASSUMED_PIXEL_SIZE_UM, CHANNELS, NUMERICAL_APERTURE, SIM_SCALE
from napari_w2s.data.structures import NUCLEUS_DEPTH, STRUCTURES, Cell, make_cell

Float32Array = npt.NDArray[np.float32]

_FINE = 4
_MARGIN = 24
_HAZE = (0.24, 0.15, 0.22)
_OUT_OF_FOCUS_UM = 0.45


def render_scene(seed: int, channel: int, size: int) -> tuple[Float32Array, Float32Array]:
    """Draw the structure of one channel and form its two images.

    Parameters
    ----------
    seed : int
        The cell depends on seed and size, the structure on the channel, too.
    channel : int
    size : int
        Width and height of the widefield image in pixels.

    Returns
    -------
    wide : numpy.ndarray, (size, size), float32
        In-focus and out-of-focus light and the cell's haze; 1 is the 99.9th percentile before the haze.
    target : numpy.ndarray, (2 * size, 2 * size), float32
        The in-focus structure at twice the resolution; 1 is its 99.9th percentile. It undershoots 0 a little.
    """
    from scipy import fft

    side = fft.next_fast_len(size + 2 * _MARGIN)
    side += side % 2
    pixel = ASSUMED_PIXEL_SIZE_UM
    margin = (side - size) // 2
    cell = make_cell(side * pixel, np.random.default_rng([seed, size]))
    rng = np.random.default_rng([seed, channel, size, 0])
    points = STRUCTURES[channel](cell, rng)
    sharp = optics.spectrum(
        optics.draw_points(points.y, points.x, points.weight * points.focus, side * _FINE, pixel / _FINE)
    )
    blurred = optics.spectrum(optics.draw_points(points.y, points.x, points.weight * (1 - points.focus), side, pixel))
    wavelength = CHANNELS[channel].emission_nm / 1000
    frequency = optics.radial_frequency(side, pixel)
    pixel_area = np.sinc(np.fft.fftfreq(side))[:, None] * np.sinc(np.fft.rfftfreq(side))[None, :]
    otf = optics.widefield_otf(frequency, wavelength, NUMERICAL_APERTURE) * pixel_area.astype(np.float32)
    wide = optics.render(sharp, otf, _FINE)
    wide += optics.render(blurred, otf * optics.defocus_transfer(frequency, _OUT_OF_FOCUS_UM), 1)
    fine_frequency = optics.radial_frequency(side * SIM_SCALE, pixel / SIM_SCALE)
    target = optics.render(sharp, optics.sim_otf(fine_frequency, wavelength, NUMERICAL_APERTURE), _FINE // SIM_SCALE)

    inside = slice(margin, margin + size)
    wide = wide[inside, inside] / np.percentile(wide[inside, inside], 99.9)
    wide += _HAZE[channel] * _haze(cell, margin, size)
    inside = slice(SIM_SCALE * margin, SIM_SCALE * (margin + size))
    target = target[inside, inside] / np.percentile(target[inside, inside], 99.9)
    return wide, target


def _haze(cell: Cell, margin: int, size: int) -> Float32Array:
    """Light from above and below the focal plane: as the cell is thick, less over the nucleus."""
    place = (np.arange(margin, margin + size) + 0.5) * ASSUMED_PIXEL_SIZE_UM
    depth = cell.depth(place[:, None], place[None, :])
    edge = 1.0 / (1.0 + np.exp((depth - 0.97) / 0.03))
    thickness = 0.35 + 1.3 * np.exp(-((depth / 0.55) ** 2))
    nucleus = 1.0 - 0.45 / (1.0 + np.exp((depth - NUCLEUS_DEPTH) / 0.03))
    cloud = sum(
        np.sin(place[:, None] * ky + phase) * np.sin(place[None, :] * kx + phase * ky)
        for ky, kx, phase in ((0.31, 0.47, 1.0), (0.72, 0.58, 2.3), (1.1, 1.4, 4.1))
    )
    haze: Float32Array = (edge * thickness * nucleus * (1.0 + 0.08 * cloud)).astype(np.float32)
    return haze
