"""The risk of shrinking Haar coefficients, estimated from the noisy image alone, and the gains that minimise it.

F. Luisier, T. Blu, M. Unser, "Image Denoising in Mixed Poisson-Gaussian Noise", IEEE TIP 20, 2011. The estimate rests
on ``mean * E[f(counts)] = E[counts * f(counts - 1)]``, which holds for Poisson counts. The reference expands f to first
order, which fails where single counts matter. Haar coefficients need no expansion: a count less in one pixel lowers a
mean by as much as it lowers or raises the coefficient beside it, so that there are only two cases, and both are
computed. Gaussian noise is that of very many very small counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_w2s.models.classical import haar

if TYPE_CHECKING:
    from napari_w2s.data.noise import NoiseEstimate

FloatArray = npt.NDArray[np.float64]

THRESHOLDS = (2.0, 4.0)
"""In standard deviations of a coefficient's noise."""
PARTS = 1 + len(THRESHOLDS)
"""Coefficients below, between and above the thresholds are amplified by gains of their own."""
PLAIN_GAINS = (0.0, 0.5, 1.0)
"""Gains for want of evidence."""
_PLAIN_PIXELS = 20.0
"""How many pixels' noise the plain gains weigh as much as."""
_GAIN_BOUNDS = (-0.25, 1.75)
"""Gains beyond them were not met on images whose noise was well known, but where single counts mattered."""
_LEAST_SHARE = 0.2
"""Noise variance of the darkest coefficient, at least, over that at the image's median."""
_SMALL_COUNT = 1e-4
"""Over the noise's standard deviation: there is no end to what it may be made of."""
_LARGEST_SIDE = 1024
_STRIP_PIXELS = 2**16


@dataclass(frozen=True, slots=True)
class PoissonGaussian:
    """Noise of variance ``gain * (mean - bias) + read_variance``.

    Attributes
    ----------
    gain : float
        Slope of the variance over the mean; at least 0.
    bias : float
        Intensity without any count.
    read_variance : float
        Variance of the Gaussian part.
    least_variance : float
        No coefficient is taken to have less noise than pixels of this variance would give it; above 0.
    count : float
        Intensity of one count: the gain, if the noise is Poisson noise; half of it behind an electron multiplier. 0
        stands for very small ones.
    """

    gain: float
    bias: float
    read_variance: float
    least_variance: float
    count: float = 0.0

    @classmethod
    def poisson(cls, gain: float, bias: float, read_variance: float, typical: float) -> PoissonGaussian:
        """Poisson noise and Gaussian noise of which all is known.

        Parameters
        ----------
        gain, bias, read_variance : float
        typical : float
            Variance in much of the image; above 0.
        """
        return cls(gain, bias, read_variance, _LEAST_SHARE * typical, gain)

    @classmethod
    def of(cls, noise: NoiseEstimate) -> PoissonGaussian | None:
        """Model of an estimated noise; None if no noise was found.

        A camera's bias and its read noise cannot be told apart from a variance: all of it is taken for that of counts.
        One count is taken to be the gain; `napari_w2s.models.classical.count_size` finds out what suits the image.
        """
        typical = max(noise.variance(noise.median), 0.1 * noise.variance(noise.bright))
        if not typical > 0.0:
            return None
        least = _LEAST_SHARE * typical
        if noise.gain > 0.0:
            return cls(noise.gain, -noise.offset_variance / noise.gain, 0.0, least, noise.gain)
        return cls(0.0, 0.0, typical, least)

    @property
    def small_count(self) -> float:
        """Intensity of a count that is small against the noise."""
        return _SMALL_COUNT * math.sqrt(self.least_variance)

    def below(self, level: float) -> PoissonGaussian:
        """Return the model for intensities less `level`."""
        return replace(self, bias=self.bias - level)

    def variance(self, means: torch.Tensor) -> torch.Tensor:
        """Noise variance of pixels by the mean of some of them; negative where that is far below the bias."""
        return self.gain * (means - self.bias) + self.read_variance


@dataclass(frozen=True, slots=True)
class Risk:
    """The estimated squared error as a quadratic form of the gains.

    Attributes
    ----------
    gram : numpy.ndarray, (K, K)
        Inner products of the images that the parts give, K = levels x 3 bands x `PARTS`.
    target : numpy.ndarray, (K,)
        Estimates of their inner products with what the true image has beside the coarsest means.
    constant : float
        What gains do not change.
    pixels : int
    variance : float
        Mean noise variance of a pixel.
    """

    gram: FloatArray
    target: FloatArray
    constant: float
    pixels: int
    variance: float

    def at(self, gains: npt.ArrayLike) -> float:
        """Estimate the mean squared error of the image that gains, ``(levels, 3, PARTS)``, give."""
        g = np.asarray(gains, np.float64).ravel()
        return float(self.constant - 2.0 * g @ self.target + g @ self.gram @ g) / self.pixels

    def minimise(self) -> FloatArray:
        """Return the best gains, ``(levels, 3, PARTS)``, within bounds; of a small image they are drawn to plain ones.

        The bounds keep an estimate that went astray from doing harm.
        """
        from scipy.optimize import lsq_linear

        plain = np.tile(PLAIN_GAINS, self.target.size // PARTS)
        pull = _PLAIN_PIXELS * self.variance
        # Divided, so that the solver's tolerances mean the same in any unit.
        root = np.linalg.cholesky(self.gram / pull + np.eye(plain.size))
        found = lsq_linear(root.T, np.linalg.solve(root, self.target / pull + plain), _GAIN_BOUNDS)
        gains: FloatArray = found.x.reshape(-1, haar.BANDS, PARTS)
        return gains


def risk_estimate(frame: npt.ArrayLike, noise: PoissonGaussian, levels: int) -> Risk:
    """Estimate the risk of shrinking an image's Haar coefficients.

    Parameters
    ----------
    frame : array_like, (H, W)
        Finite intensities with noise that is independent from pixel to pixel. Of a large frame the middle 1024 x 1024
        pixels are measured.
    noise : PoissonGaussian
    levels : int
        Levels of the transform.

    Returns
    -------
    Risk
        That of the pixels which are not at the border (see `border`). Unbiased for gains that do not follow from the
        frame itself.
    """
    pixels = centre(np.asarray(frame, np.float64))
    level = float(np.median(pixels))
    noise = noise.below(level)
    margin, rim = haar.reach(levels), border(pixels.shape, levels)
    height, width = pixels.shape
    extended = haar.extend(torch.from_numpy(pixels - level)[None, None], margin)
    counted = torch.zeros_like(extended)
    counted[..., margin + rim : margin + height - rim, margin + rim : margin + width - rim] = 1.0
    count = levels * haar.BANDS * PARTS
    gram, target, constant = np.zeros((count, count)), np.zeros(count), 0.0
    rows = max(margin, _STRIP_PIXELS // width)
    for start in range(0, height, rows):
        strip, used = (a[..., start : min(height, start + rows) + 2 * margin, :].clone() for a in (extended, counted))
        used[..., :margin, :] = used[..., -margin:, :] = 0.0
        images, low, covariances, low_covariance = _measure(strip, used, noise, levels)
        inner = used[..., margin:-margin, margin:-margin]
        rest = ((strip[..., margin:-margin, margin:-margin] - low) * inner).flatten()
        images *= inner.flatten()
        gram += (images @ images.T).numpy()
        target += (images @ rest - covariances).numpy()
        constant += float(rest @ rest) + 2.0 * low_covariance - float((noise.variance(strip) * used).sum())
    area = int(counted.sum())
    variance = float((noise.variance(extended) * counted).sum()) / area
    return Risk(gram, target, constant, area, max(variance, noise.least_variance))


def border(shape: tuple[int, ...], levels: int) -> int:
    """Width of the border whose pixels are not measured, for they may have a mirror image in their surroundings."""
    return min(haar.reach(levels), min(shape) // 8)


def split(details: torch.Tensor, means: torch.Tensor, noise: PoissonGaussian, level: int) -> list[torch.Tensor]:
    """Split coefficients into parts below, between and above the thresholds, which add up to them.

    Parameters
    ----------
    details : torch.Tensor, (N, 3, h, w)
    means : torch.Tensor, (N, 1, h, w)
    noise : PoissonGaussian
    level : int
        From 0.

    Returns
    -------
    list of torch.Tensor, (N, 3, h, w)
        `PARTS` of them.
    """
    variance = noise.variance(means).clamp(min=noise.least_variance) * _weight(level)
    squares = details.square() / variance
    # The eighth power: nearly a step, but with a slope.
    below = [details * torch.exp(-(squares / t**2).square().square()) for t in THRESHOLDS]
    return [upper - lower for lower, upper in zip([torch.zeros_like(details), *below], [*below, details], strict=True)]


def _weight(level: int) -> float:
    """Weight of one pixel in a coefficient."""
    return 4.0 ** -(level + 1)


def centre(pixels: FloatArray) -> FloatArray:
    """Return the middle of a large image."""
    rows, columns = (max(0, (n - _LARGEST_SIDE) // 2) for n in pixels.shape)
    return pixels[rows : rows + _LARGEST_SIDE, columns : columns + _LARGEST_SIDE]


class _Coefficients(NamedTuple):
    """Details (3 bands) and means of a level."""

    details: torch.Tensor
    means: torch.Tensor
    counted_details: torch.Tensor
    """Of intensities above the bias, with 0 where pixels are not counted."""
    counted_means: torch.Tensor
    surplus: torch.Tensor
    """Share of pixels that are counted and add to a detail, less the share of those that take from it."""
    share: torch.Tensor
    """Share of pixels that are counted."""


def _measure(
    strip: torch.Tensor, used: torch.Tensor, noise: PoissonGaussian, levels: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
    """Return the images that parts give, (K, pixels), that of the means, and the covariances of both with the noise."""
    details, means = haar.analyse(torch.cat((strip, (strip - noise.bias) * used, used)), levels)
    low = means[-1][:1]
    images = strip.new_empty(0)
    covariances: list[torch.Tensor] = []
    for level in reversed(range(levels)):
        detail, mean = (haar.within(c, levels, level) for c in (details[level], means[level]))
        at = _Coefficients(*(c[i : i + 1] for i in range(3) for c in (detail, mean)))
        if not covariances:
            total = float((noise.gain * at.counted_means + noise.read_variance * at.share).sum()) * _weight(level)
        parts = [haar.raise_details(part, level) for part in split(at.details, at.means, noise, level)]
        new = torch.stack(parts, 2).flatten(1, 2)
        images = torch.cat((new, haar.raise_means(images, level)), 1) if covariances else new
        low = haar.raise_means(low, level)
        covariances.insert(0, _covariances(at, noise, level).flatten())
    return images[0].flatten(1), low, torch.cat(covariances), total


def _covariances(at: _Coefficients, noise: PoissonGaussian, level: int) -> torch.Tensor:
    """Estimate the sum over counted pixels of the noise times the image that a part of a band gives: (3, PARTS)."""

    def less(intensity: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Parts with so much less in a pixel that adds to the coefficient, and in one that takes from it."""
        change = intensity * _weight(level)
        lower, upper = at.details - change, at.details + change
        return split(lower, at.means - change, noise, level), split(upper, at.means - change, noise, level)

    count = noise.count or noise.small_count
    lower, upper = less(count)
    size = noise.gain / count
    adding, taking = (0.5 * size * (at.counted_means + sign * at.counted_details) for sign in (1.0, -1.0))
    here = split(at.details, at.means, noise, level)
    found = [
        (size * at.counted_details * kept - adding * low + taking * high).sum((0, 2, 3))
        for kept, low, high in zip(here, lower, upper, strict=True)
    ]
    if noise.read_variance > 0.0:
        # By Stein's lemma for what is left when a count is gone.
        size = noise.read_variance / noise.small_count
        adding, taking = (0.5 * size * (at.share + sign * at.surplus) for sign in (1.0, -1.0))
        for part, (low, high) in enumerate(zip(*less(count + noise.small_count), strict=True)):
            found[part] += (adding * (lower[part] - low) - taking * (upper[part] - high)).sum((0, 2, 3))
    return torch.stack(found, 1)
