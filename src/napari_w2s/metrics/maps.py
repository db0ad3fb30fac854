"""Where an image differs from a reference of the same scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.metrics.reference import match_affine

Image = npt.NDArray[Any]
Float64Array = npt.NDArray[np.float64]


def absolute_error(reference: Image, image: Image, *, matched: bool) -> Float64Array:
    """Return the absolute difference of each pixel, in the reference's intensities.

    Parameters
    ----------
    reference, image : numpy.ndarray
        Of one shape.
    matched : bool
        Match the image to the reference by an affine least-squares fit first, as for two images that share no
        intensity scale. See `napari_w2s.metrics.reference.match_affine`.

    Returns
    -------
    numpy.ndarray, like `reference`
        NaN where a pixel of either is NaN, if not matched.

    Raises
    ------
    InputError
        If the shapes differ, or the images are empty.
    """
    _check(reference, image)
    compared = match_affine(image, reference) if matched else np.asarray(image, np.float64)
    return np.abs(np.asarray(reference, np.float64) - compared)


def ssim_map(reference: Image, image: Image, *, data_range: float) -> Float64Array:
    """Structural similarity around each pixel (Wang et al. 2004), in a 7 x 7 uniform window.

    Parameters
    ----------
    reference, image : numpy.ndarray, (H, W)
        Of one shape, at least 7 x 7.
    data_range : float
        The greatest possible difference of intensities. See `napari_w2s.metrics.reference.ssim`, which is the mean of
        this map without a border of 3 pixels.

    Returns
    -------
    numpy.ndarray, (H, W)
        In [-1, 1]. Within 3 pixels of the border the image is continued by its mirror image.

    Raises
    ------
    InputError
        If the shapes differ, the images are too small, or `data_range` is not positive.
    """
    from skimage.metrics import structural_similarity

    _check(reference, image)
    if np.ndim(reference) != 2 or min(reference.shape) < 7:
        raise InputError(f"An SSIM map needs a plane of at least 7 x 7 pixels; this image has {reference.shape}.")
    if not data_range > 0:
        raise InputError(f"data_range must be positive; got {data_range:g}.")
    first, second = np.asarray(reference, np.float64), np.asarray(image, np.float64)
    _, similarity = structural_similarity(first, second, data_range=float(data_range), full=True)
    return np.asarray(similarity, np.float64)


def _check(reference: Image, image: Image) -> None:
    if reference.shape != image.shape:
        raise InputError(f"An image of shape {image.shape} cannot be compared with a reference of {reference.shape}.")
    if not reference.size:
        raise InputError("Empty images cannot be compared.")
