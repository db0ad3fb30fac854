"""Quality of an image against a reference of the same scene.

A pixel that is NaN in either image makes every number NaN: none is left out without a word. Cut such parts away first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError

Image = npt.NDArray[Any]


def psnr(reference: Image, image: Image, *, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB.

    Parameters
    ----------
    reference, image : numpy.ndarray
        Of one shape.
    data_range : float
        The greatest possible difference of intensities, e.g. 255 for 8-bit images. It is asked for, since a guess
        from the data type or the pixels changes the result without a word.

    Returns
    -------
    float
        ``20 log10(data_range / RMSE)``; infinite for identical images.
    """
    error = rmse(reference, image)
    return float("inf") if error == 0 else float(20 * np.log10(_positive(data_range) / error))


def rmse(reference: Image, image: Image) -> float:
    """Root of the mean squared difference, in the images' own intensities."""
    _check(reference, image)
    return float(np.sqrt(np.mean(np.square(_float(reference) - _float(image)))))


def ssim(reference: Image, image: Image, *, data_range: float) -> float:
    """Structural similarity (Wang et al. 2004) with scikit-image's 7 x 7 uniform window, averaged over the image.

    Parameters
    ----------
    reference, image : numpy.ndarray
        ``(H, W)`` of one shape, at least 7 x 7.
    data_range : float
        See `psnr`. The stabilising constants depend on it: a wider range gives higher values.
    """
    from skimage.metrics import structural_similarity

    _check(reference, image)
    if min(reference.shape) < 7:
        raise InputError(f"SSIM needs at least 7 x 7 pixels; this image has {reference.shape}.")
    return float(structural_similarity(_float(reference), _float(image), data_range=_positive(data_range)))


def match_affine(image: Image, reference: Image) -> npt.NDArray[np.float64]:
    """Return ``a * image + b`` with the a and b that bring it closest to the reference in the least-squares sense.

    Widefield and SIM share no intensity scale; errors after this match compare structure, not brightness. A constant
    image becomes the reference's mean.
    """
    _check(reference, image)
    x, y = _float(image), _float(reference)
    variance = float(np.var(x))
    slope = 0.0 if variance == 0 else float(np.mean((x - x.mean()) * (y - y.mean()))) / variance
    matched: npt.NDArray[np.float64] = slope * (x - x.mean()) + y.mean()
    return matched


def _float(image: Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


def _check(reference: Image, image: Image) -> None:
    if reference.shape != image.shape:
        raise InputError(f"An image of shape {image.shape} cannot be compared with a reference of {reference.shape}.")
    if not reference.size:
        raise InputError("Empty images cannot be compared.")


def _positive(data_range: float) -> float:
    if not data_range > 0:
        raise InputError(f"data_range must be positive; got {data_range:g}.")
    return float(data_range)
