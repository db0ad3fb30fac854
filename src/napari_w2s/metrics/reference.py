"""Quality of an image against a reference of the same scene.

A pixel that is NaN in either image makes every number NaN: none is left out without a word. Cut such parts away first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.metrics.affine import PLAIN, Affine, fit_affine
from napari_w2s.metrics.row_blocks import RowBlocks, check_alike
from napari_w2s.metrics.similarity import WINDOW, mean_ssim

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
    return psnr_of(rmse(reference, image), data_range=data_range)


def psnr_of(error: float, *, data_range: float) -> float:
    """Return the PSNR in dB that belongs to a root mean squared error. See `psnr`."""
    data_range = _positive(data_range)
    return float("inf") if error == 0 else float(20 * np.log10(data_range / error))


def rmse(reference: Image, image: Image) -> float:
    """Root of the mean squared difference, in the images' own intensities."""
    return rmses(reference, image, (PLAIN,))[0]


def rmses(reference: Image, image: Image, fits: Sequence[Affine]) -> tuple[float, ...]:
    """Return the `rmse` of an image that is scaled in some ways, one number for each."""
    check_alike(reference, image)
    blocks = RowBlocks(image, reference)
    spare, totals = np.empty(blocks.shape), [0.0] * len(fits)
    with np.errstate(invalid="ignore", over="ignore"):
        for x, y in blocks:
            error = spare[: len(x)]
            for place, fit in enumerate(fits):
                np.multiply(x, fit.gain, out=error)
                error += fit.offset
                error -= y
                error *= error
                totals[place] += float(error.sum())
    return tuple(float(np.sqrt(total / image.size)) for total in totals)


def ssim(reference: Image, image: Image, *, data_range: float) -> float:
    """Structural similarity (Wang et al. 2004) with scikit-image's 7 x 7 uniform window, averaged over the image.

    Parameters
    ----------
    reference, image : numpy.ndarray
        ``(H, W)`` of one shape, at least 7 x 7.
    data_range : float
        See `psnr`. The stabilising constants depend on it: a wider range gives higher values.
    """
    return ssims(reference, image, (PLAIN,), data_range=data_range)[0]


def ssims(reference: Image, image: Image, fits: Sequence[Affine], *, data_range: float) -> tuple[float, ...]:
    """Return the `ssim` of an image that is scaled in some ways, one number for each."""
    check_alike(reference, image)
    if np.ndim(reference) != 2 or min(reference.shape) < WINDOW:
        raise InputError(f"SSIM needs at least {WINDOW} x {WINDOW} pixels; this image has {reference.shape}.")
    return mean_ssim(reference, image, data_range=_positive(data_range), fits=fits)


def match_affine(image: Image, reference: Image) -> npt.NDArray[np.float64]:
    """Return ``a * image + b`` with the a and b that bring it closest to the reference in the least-squares sense.

    Widefield and SIM share no intensity scale; errors after this match compare structure, not brightness. A constant
    image becomes the reference's mean.
    """
    fit = fit_affine(image, reference)
    matched = np.array(image, np.float64)
    matched *= fit.gain
    matched += fit.offset
    return matched


def _positive(data_range: float) -> float:
    if not data_range > 0:
        raise InputError(f"data_range must be positive; got {data_range:g}.")
    return float(data_range)
