"""Radially averaged power spectrum of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s.metrics.rings import Float64Array, PixelSize, Taper, pixel_sides, plane, rings, taper_window, transform

MIN_SIDE = 8
"""Least height and width in pixels."""


def radial_power(
    image: npt.NDArray[Any], *, pixel_size: PixelSize, taper: Taper = "hann"
) -> tuple[Float64Array, Float64Array]:
    """Average an image's power spectrum over rings of equal spatial frequency.

    Parameters
    ----------
    image : numpy.ndarray, (H, W)
        At least 8 x 8 pixels, all finite. Its mean is taken off.
    pixel_size : float or tuple of float
        One number, or (y, x).
    taper : "hann", "tukey" or "none"
        What the borders are faded with before the transform.

    Returns
    -------
    frequency : numpy.ndarray, (R,)
        In cycles per unit of `pixel_size`, rising, from one period in the image to the Nyquist frequency.
    power : numpy.ndarray, (R,)
        In squared intensities. White noise of variance v gives v at all frequencies, whatever the image's size, so that
        a noise floor reads as the noise variance. Pixel size does not enter.

    Raises
    ------
    InputError
        If the image is too small, not two-dimensional or not finite, or the pixel size not positive.
    """
    values = plane(image, "A spectrum", MIN_SIDE)
    in_rings = rings((values.shape[0], values.shape[1]), pixel_sides(pixel_size))
    power = np.square(np.abs(transform(values, taper_window((values.shape[0], values.shape[1]), taper))))
    return in_rings.frequency.copy(), in_rings.sums(power) / in_rings.counts
