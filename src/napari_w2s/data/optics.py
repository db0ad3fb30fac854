"""Images of a fluorescent object as a widefield and a structured-illumination microscope show them.

All frequencies are in cycles per µm, all lengths in µm. Pixels are squares whose first corner is the origin, so that
grids of different pixel size over the same field share their corners.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Complex64Array = npt.NDArray[np.complex64]


def widefield_otf(frequency: npt.ArrayLike, wavelength_um: float, numerical_aperture: float) -> Float32Array:
    """Optical transfer function of an ideal incoherent widefield microscope in focus.

    It is the transform of the Airy pattern ``(2 J1(v) / v)**2``: the overlap of two circular pupils.

    Parameters
    ----------
    frequency : array_like
        Spatial frequency in cycles per µm.
    wavelength_um : float
        Emission wavelength in µm.
    numerical_aperture : float

    Returns
    -------
    numpy.ndarray, like `frequency`
        1 at frequency 0, falling to 0 at the cut-off ``2 * numerical_aperture / wavelength_um``.
    """
    rho = np.minimum(np.asarray(frequency, np.float32) * np.float32(wavelength_um / (2 * numerical_aperture)), 1)
    otf: Float32Array = (2 / np.pi) * (np.arccos(rho) - rho * np.sqrt(1 - rho**2))
    return otf.astype(np.float32)


def sim_otf(frequency: npt.ArrayLike, wavelength_um: float, numerical_aperture: float) -> Float32Array:
    """Transfer function of an apodised structured-illumination reconstruction.

    Parameters
    ----------
    frequency, wavelength_um, numerical_aperture
        As in `widefield_otf`.

    Returns
    -------
    numpy.ndarray, like `frequency`
        A cosine-bell apodisation from 1 at frequency 0 to 0 at twice the widefield cut-off, as a Wiener-filtered
        reconstruction has it (M. G. L. Gustafsson, Journal of Microscopy 198, 2000).
    """
    cut_off = 4 * numerical_aperture / wavelength_um
    rho = np.minimum(np.asarray(frequency, np.float32) / np.float32(cut_off), 1)
    otf: Float32Array = np.maximum(np.cos(np.float32(np.pi / 2) * rho), 0) ** np.float32(1.5)
    return otf.astype(np.float32)


def defocus_transfer(frequency: npt.ArrayLike, width_um: float) -> Float32Array:
    """Transfer function of a Gaussian blur of standard deviation `width_um`."""
    exponent = -2 * np.float32(np.pi * width_um) ** 2 * np.asarray(frequency, np.float32) ** 2
    transfer: Float32Array = np.exp(exponent).astype(np.float32)
    return transfer


def spectrum(image: Float32Array) -> Complex64Array:
    """Half spectrum of a real square image."""
    from scipy import fft

    result: Complex64Array = fft.rfft2(image, workers=-1)
    return result


def radial_frequency(side: int, pixel_um: float) -> Float32Array:
    """Spatial frequency in cycles per µm at each entry of the half spectrum of a square image."""
    along_y = np.fft.fftfreq(side, pixel_um).astype(np.float32)
    along_x = np.fft.rfftfreq(side, pixel_um).astype(np.float32)
    return np.hypot(along_y[:, None], along_x[None, :])


def render(full: Complex64Array, transfer: Float32Array, factor: int) -> Float32Array:
    """Filter an object's spectrum and sample it with larger pixels.

    Parameters
    ----------
    full : numpy.ndarray, (factor * N, factor * N // 2 + 1)
        Half spectrum of the object on a fine grid.
    transfer : numpy.ndarray, (N, N // 2 + 1)
        Transfer function on the coarse grid; it must vanish at that grid's highest frequency.
    factor : int
        Fine pixels per coarse pixel along one axis.

    Returns
    -------
    numpy.ndarray, (N, N), float32
        The image at the coarse pixels' centres. Sums over the object are kept.
    """
    from scipy import fft

    side, columns = transfer.shape
    half = side // 2
    rows = np.r_[0:half, full.shape[0] - (side - half) : full.shape[0]]
    cropped = full[rows, :columns] * transfer
    # A coarse pixel's centre lies (factor - 1) / 2 fine pixels behind the centre of its first fine pixel.
    shift = (factor - 1) / (2 * factor)
    ramp_y = np.exp(2j * np.pi * np.fft.fftfreq(side) * shift).astype(np.complex64)
    ramp_x = np.exp(2j * np.pi * np.fft.rfftfreq(side) * shift).astype(np.complex64)
    image: Float32Array = fft.irfft2(cropped * ramp_y[:, None] * ramp_x[None, :], s=(side, side), workers=-1)
    return image


def draw_points(
    y_um: npt.ArrayLike, x_um: npt.ArrayLike, weights: npt.ArrayLike, side: int, pixel_um: float
) -> Float32Array:
    """Draw points on a square grid, each shared between the four nearest pixels by its sub-pixel position.

    Parameters
    ----------
    y_um, x_um, weights : array_like, (P,)
        Positions in µm from the grid's first corner, and brightness. Points off the grid are left out.
    side : int
        Width of the grid in pixels.
    pixel_um : float

    Returns
    -------
    numpy.ndarray, (side, side), float32
    """
    y = np.asarray(y_um, np.float32).ravel() / np.float32(pixel_um) - np.float32(0.5)
    x = np.asarray(x_um, np.float32).ravel() / np.float32(pixel_um) - np.float32(0.5)
    weight = np.asarray(weights, np.float32).ravel()
    inside = (y >= 0) & (x >= 0) & (y < side - 1) & (x < side - 1) & (weight > 0)
    y, x, weight = y[inside], x[inside], weight[inside]
    row, column = y.astype(np.intp), x.astype(np.intp)
    part_y, part_x = y - row, x - column
    first = row * side + column
    places = np.concatenate([first, first + 1, first + side, first + side + 1])
    shares = np.concatenate(
        [
            weight * (1 - part_y) * (1 - part_x),
            weight * (1 - part_y) * part_x,
            weight * part_y * (1 - part_x),
            weight * part_y * part_x,
        ]
    )
    drawn = np.bincount(places, shares, minlength=side * side)
    return drawn.reshape(side, side).astype(np.float32)
