"""The risk of shrinking Haar coefficients, estimated from the noisy image alone, and the weights that minimise it.

F. Luisier, T. Blu, M. Unser, "Image Denoising in Mixed Poisson-Gaussian Noise", IEEE TIP 20, 2011. The estimate rests
on ``mean * E[f(counts)] = E[counts * f(counts - 1)]``, which holds for Poisson counts. The reference expands f to first
order, which fails where single counts matter. Haar coefficients need no expansion: a count less in one pixel lowers a
mean by as much as it lowers or raises the coefficient beside it, so that there are only two cases, and both are
computed.
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
TERMS = 1 + len(THRESHOLDS)
"""Functions of a coefficient that are weighted: the coefficient itself, and its part below each threshold."""
_PLAIN_WEIGHTS = (1.0, -0.5, -0.5)
"""Weights for want of evidence: what is below a threshold counts less."""
_PLAIN_PIXELS = 20.0
"""How many pixels' noise the plain weights weigh as much as."""
_LEAST_SHARE = 0.2
"""Noise variance of the darkest coefficient, at least, over that at the image's median."""
_SMALLEST_COUNT = 1e-4
"""Gain of Gaussian noise, over its standard deviation."""
_LARGEST_SIDE = 1024
_STRIP_PIXELS = 2**16


@dataclass(frozen=True, slots=True)
class CountNoise:
    """Noise of counts above a bias: of variance ``gain * (mean - bias)``.

    It stands for Poisson-Gaussian noise, too. Read noise is taken for that of further counts, whose mean is taken off
    again: they have the same variance, and differ in skewness, on which the estimated risk hardly depends. A camera's
    bias and its read noise cannot be told apart from their variance anyway, and thus need not be.

    Attributes
    ----------
    gain : float
        Intensity of one count; above 0.
    bias : float
        Intensity at which the noise would vanish.
    least_variance : float
        No coefficient is taken to have less noise than pixels of this variance would give it; above 0.
    """

    gain: float
    bias: float
    least_variance: float

    @classmethod
    def of(cls, noise: NoiseEstimate) -> CountNoise | None:
        """Model of an estimated noise; None if no noise was found."""
        typical = max(noise.variance(noise.median), 0.1 * noise.variance(noise.bright))
        if not typical > 0.0:
            return None
        return cls.near(noise.median, noise.gain, noise.gain * noise.median + noise.offset_variance, typical)

    @classmethod
    def near(cls, level: float, gain: float, variance: float, typical: float | None = None) -> CountNoise:
        """Model of noise by its variance at an intensity, and by its gain, which may be 0.

        Parameters
        ----------
        level, gain, variance : float
        typical : float, optional
            Variance of much of the image, by default the same, above 0. A share of it is the least one.
        """
        typical = variance if typical is None else typical
        # Gaussian noise is that of very many very small counts.
        gain = max(gain, _SMALLEST_COUNT * math.sqrt(typical))
        return cls(gain, level - variance / gain, _LEAST_SHARE * typical)

    def below(self, level: float) -> CountNoise:
        """Return the model for intensities less `level`."""
        return replace(self, bias=self.bias - level)

    def variance(self, means: torch.Tensor) -> torch.Tensor:
        """Noise variance of pixels by the mean of some of them; negative below the bias."""
        return self.gain * (means - self.bias)


@dataclass(frozen=True, slots=True)
class Risk:
    """The estimated squared error as a quadratic form of the weights.

    Attributes
    ----------
    gram : numpy.ndarray, (K, K)
        Inner products of the images that the functions give, K = levels x 3 bands x `TERMS`.
    target : numpy.ndarray, (K,)
        Estimates of their inner products with what the true image has beside the coarsest means.
    constant : float
        What weights do not change.
    pixels : int
    variance : float
        Mean noise variance of a pixel.
    """

    gram: FloatArray
    target: FloatArray
    constant: float
    pixels: int
    variance: float

    def at(self, weights: npt.ArrayLike) -> float:
        """Estimate the mean squared error of the image that weights, ``(levels, 3, TERMS)``, give."""
        w = np.asarray(weights, np.float64).ravel()
        return float(self.constant - 2.0 * w @ self.target + w @ self.gram @ w) / self.pixels

    def minimise(self) -> FloatArray:
        """Return the best weights, ``(levels, 3, TERMS)``; those of a small image are drawn to plain ones."""
        plain = np.tile(_PLAIN_WEIGHTS, self.target.size // TERMS)
        pull = _PLAIN_PIXELS * self.variance
        weights = np.linalg.solve(self.gram + pull * np.eye(plain.size), self.target + pull * plain)
        return weights.astype(np.float64).reshape(-1, haar.BANDS, TERMS)


def risk_estimate(frame: npt.ArrayLike, noise: CountNoise, levels: int) -> Risk:
    """Estimate the risk of shrinking an image's Haar coefficients.

    Parameters
    ----------
    frame : array_like, (H, W)
        Finite intensities with noise that is independent from pixel to pixel. Of a large frame the middle 1024 x 1024
        pixels are measured.
    noise : CountNoise
    levels : int
        Levels of the transform.

    Returns
    -------
    Risk
        That of the pixels which are not at the border (see `border`). Unbiased for weights that do not follow from the
        frame itself.
    """
    pixels = _centre(np.asarray(frame, np.float64))
    level = float(np.median(pixels))
    noise = noise.below(level)
    margin, rim = haar.reach(levels), border(pixels.shape, levels)
    height, width = pixels.shape
    extended = haar.extend(torch.from_numpy(pixels - level)[None, None], margin)
    counted = torch.zeros_like(extended)
    counted[..., margin + rim : margin + height - rim, margin + rim : margin + width - rim] = 1.0
    count = levels * haar.BANDS * TERMS
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


def shrink(details: torch.Tensor, means: torch.Tensor, noise: CountNoise, level: int) -> list[torch.Tensor]:
    """Apply the functions that are weighted.

    Parameters
    ----------
    details : torch.Tensor, (N, 3, h, w)
    means : torch.Tensor, (N, 1, h, w)
    noise : CountNoise
    level : int
        From 0.

    Returns
    -------
    list of torch.Tensor, (N, 3, h, w)
        One per term.
    """
    squares = details.square() / _noise_of(means, noise, level)
    return [details, *(details * torch.exp(-_power(squares, threshold)) for threshold in THRESHOLDS)]


def _power(squares: torch.Tensor, threshold: float) -> torch.Tensor:
    """Eighth power of coefficients over a threshold, from their squares over their noise variance."""
    return (squares / threshold**2).square().square()


def _noise_of(means: torch.Tensor, noise: CountNoise, level: int) -> torch.Tensor:
    """Noise variance of coefficients, with the least value that it may have."""
    return noise.variance(means).clamp(min=noise.least_variance) * _weight(level)


def _weight(level: int) -> float:
    """Weight of one pixel in a coefficient."""
    return 4.0 ** -(level + 1)


def _centre(pixels: FloatArray) -> FloatArray:
    rows, columns = (max(0, (n - _LARGEST_SIDE) // 2) for n in pixels.shape)
    return pixels[rows : rows + _LARGEST_SIDE, columns : columns + _LARGEST_SIDE]


class _Measured(NamedTuple):
    images: torch.Tensor
    """(K, pixels): what each function of each band gives."""
    low: torch.Tensor
    """(1, 1, H, W): the coarsest means alone."""
    covariances: torch.Tensor
    """(K,): estimated sums over counted pixels of an image of `images` times the noise."""
    low_covariance: float


class _Coefficients(NamedTuple):
    """Details (3 bands) and means of a level, of all pixels, and of the counted ones above the bias, others being 0."""

    details: torch.Tensor
    means: torch.Tensor
    counted_details: torch.Tensor
    counted_means: torch.Tensor


def _measure(strip: torch.Tensor, used: torch.Tensor, noise: CountNoise, levels: int) -> _Measured:
    details, means = haar.analyse(torch.cat((strip, (strip - noise.bias) * used)), levels)
    low = means[-1][:1]
    images = strip.new_empty(0)
    covariances: list[torch.Tensor] = []
    for level in reversed(range(levels)):
        detail, mean = (haar.within(c, levels, level) for c in (details[level], means[level]))
        at = _Coefficients(*(c[i : i + 1] for i in range(2) for c in (detail, mean)))
        if not covariances:
            low_covariance = float(noise.gain * at.counted_means.sum())
        new = torch.stack(
            [haar.raise_details(term, level) for term in shrink(at.details, at.means, noise, level)], 2
        ).flatten(1, 2)
        images = torch.cat((new, haar.raise_means(images, level)), 1) if covariances else new
        low = haar.raise_means(low, level)
        covariances.insert(0, _covariances(at, noise, level).flatten())
    return _Measured(images[0].flatten(1), low, torch.cat(covariances), low_covariance * _weight(levels - 1))


def _covariances(at: _Coefficients, noise: CountNoise, level: int) -> torch.Tensor:
    """Estimate the sum over counted pixels of the noise times the image that a function of a band gives: (3, TERMS)."""
    count = noise.gain * _weight(level)
    found = [(count * at.counted_means.sum()).expand(haar.BANDS)]
    here = shrink(at.details, at.means, noise, level)[1:]
    # With a count less in a pixel that adds to the coefficient, and in one that takes from it.
    lower = shrink(at.details - count, at.means - count, noise, level)[1:]
    upper = shrink(at.details + count, at.means - count, noise, level)[1:]
    adding, taking = (at.counted_means + at.counted_details) * 0.5, (at.counted_means - at.counted_details) * 0.5
    for kept, less, more in zip(here, lower, upper, strict=True):
        found.append((at.counted_details * kept - adding * less + taking * more).sum((0, 2, 3)))
    return torch.stack(found, 1)
