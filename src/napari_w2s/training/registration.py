"""How far two images of one place are shifted against each other, and whether they show one place at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_w2s.training.lazy_images import AnyArray

_EDGE = 512
_SMOOTH = 1.0
_BACKGROUND = 41
_STEPS_PER_PIXEL = 10


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of one image against another.

    Attributes
    ----------
    y, x : float
        In pixels.
    before, after : float
        Correlation of the two images' structures as they are, and with the shift undone.
    """

    y: float
    x: float
    before: float
    after: float

    @property
    def length(self) -> float:
        """Of the shift, in pixels."""
        return float(np.hypot(self.y, self.x))


def find_shift(image: AnyArray, reference: AnyArray) -> Shift:
    """Find the shift of an image against another, to a tenth of a pixel.

    Cross-correlation, its peak refined by an upsampled Fourier transform: M. Guizar-Sicairos, S. T. Thurman,
    J. R. Fienup, "Efficient subpixel image registration algorithms", Optics Letters 33, 2008.

    Parameters
    ----------
    image, reference : numpy.ndarray
        ``(H, W)``, of any brightness; of large ones the central part is looked at. NaN and infinite pixels count as the
        mean of the others.
    """
    from skimage.registration import phase_cross_correlation

    moved, still = _structure(image), _structure(reference)
    # Not whitened: noise would then weigh as much as structure.
    shift, _, _ = phase_cross_correlation(still, moved, upsample_factor=_STEPS_PER_PIXEL, normalization=None)
    back = ndimage.shift(moved, shift, order=1)
    y, x = (-float(each) for each in shift)
    return Shift(y, x, _correlation(moved, still), _correlation(back, still))


def _structure(image: AnyArray) -> npt.NDArray[np.float32]:
    """Return what is neither noise nor background, faded out towards the edges."""
    middle = tuple(slice(max(0, (n - _EDGE) // 2), max(0, (n - _EDGE) // 2) + _EDGE) for n in image.shape)
    pixels = image[middle].astype(np.float32)
    there = np.isfinite(pixels)
    pixels = np.where(there, pixels, pixels[there].mean() if there.any() else 0)
    pixels = ndimage.gaussian_filter(pixels, _SMOOTH) - ndimage.uniform_filter(pixels, _BACKGROUND)
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in pixels.shape))
    structure: npt.NDArray[np.float32] = (pixels * window).astype(np.float32)
    return structure


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.vdot(one, other)) / norm if norm else 0.0
