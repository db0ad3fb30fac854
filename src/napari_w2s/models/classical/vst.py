"""The generalised Anscombe transform: makes Poisson-Gaussian noise Gaussian with standard deviation 1, and back.

M. Mäkitalo, A. Foi, "Optimal Inversion of the Generalized Anscombe Transformation for Poisson-Gaussian Noise", IEEE
TIP 22, 2013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_w2s.data.noise import NoiseEstimate

FloatArray = npt.NDArray[np.float64]

_ROOT = math.sqrt(1.5)
_SMALLEST_MEAN = 2.0 * math.sqrt(0.375)
"""Mean of transformed Poisson counts of mean 0: no signal's mean is less."""


@dataclass(frozen=True, slots=True)
class GeneralizedAnscombe:
    """The transform for one noise model, ``variance = gain * mean + offset_variance``.

    The textbook form ``2 / gain * sqrt(gain * z + 3 / 8 * gain^2 + offset_variance)`` loses all its digits as the gain
    goes to 0. Here its value at `reference` is subtracted and the difference of roots rearranged, so that it goes over
    into ``(z - reference) / sqrt(offset_variance)``, which is right for Gaussian noise, without a special case.
    A camera's bias needs no knowledge of it: it makes `offset_variance` less, and cancels out.

    Attributes
    ----------
    gain : float
        Slope of the variance over the mean, at least 0.
    offset_variance : float
        Variance extrapolated to intensity 0; negative for a camera with a bias.
    reference : float
        Intensity that is mapped to 0.
    """

    gain: float
    offset_variance: float
    reference: float = 0.0

    def __post_init__(self) -> None:
        if not self.gain >= 0.0 or not math.isfinite(self.gain + self.offset_variance + self.reference):
            raise ValueError(f"no noise model: gain {self.gain}, offset variance {self.offset_variance}")
        if self.gain == 0.0 and self.offset_variance <= 0.0:
            raise ValueError("an image without noise needs no transform")
        if self.gain > 0.0:
            # Below this intensity there would be no noise: the reference must lie where the root is defined.
            no_signal = -self.offset_variance / self.gain
            object.__setattr__(self, "reference", max(self.reference, no_signal))

    @classmethod
    def of(cls, noise: NoiseEstimate) -> GeneralizedAnscombe | None:
        """Transform for an estimated noise; None if no noise was found."""
        if noise.gain <= 0.0 and noise.offset_variance <= 0.0:
            return None
        return cls(max(0.0, noise.gain), noise.offset_variance, noise.median)

    def forward(self, intensities: npt.ArrayLike) -> FloatArray:
        """Stabilise the variance.

        Parameters
        ----------
        intensities : array_like
            Any shape and any values; negative ones are as good as others.

        Returns
        -------
        numpy.ndarray
            Same shape; noise of standard deviation about 1, and 0 at `reference`.
        """
        z = np.asarray(intensities, np.float64)
        root = np.sqrt(np.maximum(self._under_root(z), 0.0))
        root_0 = math.sqrt(self._under_root(self.reference))
        if self.gain > 0.0:
            z = np.maximum(z, self._zero())
        stable: FloatArray = 2.0 * (z - self.reference) / (root + root_0)
        return stable

    def inverse(self, stable: npt.ArrayLike) -> FloatArray:
        """Map means of stabilised values to mean intensities: the exact unbiased inverse in its closed form.

        The algebraic inverse would be biased, since the mean of a root is not the root of a mean. The closed form is
        that of the reference (eq. 8 there): ``D^2/4 + sqrt(3/2)/4 D^-1 - 11/8 D^-2 + 5/8 sqrt(3/2) D^-3 - 1/8``, with
        the Gaussian part's variance subtracted.

        Parameters
        ----------
        stable : array_like
            Any shape; values less than any signal's mean count as no signal.

        Returns
        -------
        numpy.ndarray
            Same shape, intensities.
        """
        t = np.asarray(stable, np.float64)
        root_0 = math.sqrt(self._under_root(self.reference))
        # gain * D / 2, where D is the value of the textbook transform
        root = np.maximum(root_0 + 0.5 * self.gain * t, 0.5 * self.gain * _SMALLEST_MEAN)
        if self.gain > 0.0:
            t = np.maximum(t, _SMALLEST_MEAN - 2.0 * root_0 / self.gain)
        algebraic = self.reference + t * (root_0 + 0.25 * self.gain * t)
        inverse_d = 0.5 * self.gain / root
        correction = 0.25 + inverse_d * (0.25 * _ROOT + inverse_d * (-1.375 + inverse_d * 0.625 * _ROOT))
        mean: FloatArray = algebraic + self.gain * correction
        return mean

    def _under_root(self, z: Any) -> Any:
        return self.gain * z + 0.375 * self.gain**2 + self.offset_variance

    def _zero(self) -> float:
        """Return the intensity where the root is 0."""
        return -self.offset_variance / self.gain - 0.375 * self.gain
