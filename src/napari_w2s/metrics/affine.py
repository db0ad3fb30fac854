"""The affine fit of an image to a reference, for two images that share no intensity scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s.metrics.row_blocks import RowBlocks, check_alike

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Affine:
    """What is done to intensities: ``gain * image + offset``."""

    gain: float = 1.0
    offset: float = 0.0


PLAIN = Affine()
"""Leaves an image as it is."""


def fit_affine(image: npt.NDArray[Any], reference: npt.NDArray[Any]) -> Affine:
    """Return what brings an image closest to a reference in the least-squares sense.

    Parameters
    ----------
    image, reference : numpy.ndarray
        Of one shape. A pixel that is NaN makes the fit NaN.

    Returns
    -------
    Affine
        That of a constant image has the gain 0.

    Raises
    ------
    InputError
        If the shapes differ, or the images are empty.
    """
    check_alike(reference, image)
    blocks = RowBlocks(image, reference)
    mean_x = mean_y = 0.0
    for x, y in blocks:
        mean_x += float(x.sum()) / image.size
        mean_y += float(y.sum()) / image.size
    variance = covariance = 0.0
    for x, y in blocks:
        x -= mean_x
        y -= mean_y
        y *= x
        x *= x
        variance += float(x.sum()) / image.size
        covariance += float(y.sum()) / image.size
    if variance <= (4 * _EPSILON * mean_x) ** 2:  # nothing but the rounding of the mean
        return Affine(0.0, mean_y)
    gain = covariance / variance
    return Affine(gain, mean_y - gain * mean_x)
