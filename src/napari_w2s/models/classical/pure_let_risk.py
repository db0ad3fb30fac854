"""The risk of shrinking Haar coefficients, estimated from the noisy image alone, and the weights that minimise it.

F. Luisier, T. Blu, M. Unser, "Image Denoising in Mixed Poisson-Gaussian Noise", IEEE TIP 20, 2011. The estimate rests
on ``E[counts * f(counts - 1)] = mean * E[f(counts)]`` for Poisson counts and on Stein's lemma for the Gaussian part.
The reference expands f to first order, which fails where single counts matter. Haar coefficients need no expansion: a
count less in one pixel lowers a mean by as much as it lowers or raises the coefficient beside it, so that there are
only two cases, and both are computed.
"""

from __future__ import annotations

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
_LARGEST_SIDE = 1024
_STRIP_PIXELS = 2**16


@dataclass(frozen=True, slots=True)
class PoissonGaussian:
    """Noise of variance ``gain * (mean - bias) + read_variance``.

    Attributes
    ----------
    gain : float
        Intensity of one count; at least 0.
    bias : float
        Intensity without any count.
    read_variance : float
        Variance of the Gaussian part.
    least_variance : float
        No coefficient is taken to have less noise than pixels of this variance would give it; above 0.
    """

    gain: float
    bias: float
    read_variance: float
    least_variance: float

    @classmethod
    def of(cls, noise: NoiseEstimate) -> PoissonGaussian | None:
        """Model of an estimated noise; None if no noise was found.

        Bias and read noise cannot be told apart: a negative variance at intensity 0 is taken for a bias alone, and a
        positive one for read noise alone.
        """
        typical = max(noise.variance(noise.median), 0.1 * noise.variance(noise.bright))
        if not typical > 0.0:
            return None
        gain, at_zero = max(0.0, noise.gain), noise.offset_variance
        bias = -at_zero / gain if gain > 0.0 > at_zero else 0.0
        return cls(gain, bias, max(0.0, at_zero), _LEAST_SHARE * typical)

    def below(self, level: float) -> PoissonGaussian:
        """Return the model for intensities less `level`."""
        return replace(self, bias=self.bias - level)

    def variance(self, means: torch.Tensor) -> torch.Tensor:
        """Noise variance of pixels by the mean of some of them; negative where that is far below the bias."""
        return self.gain * (means - self.bias) + self.read_variance


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
        weights: FloatArray = np.linalg.solve(self.gram + pull * np.eye(plain.size), self.target + pull * plain)
        return weights.reshape(-1, haar.BANDS, TERMS)


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
        Unbiased for weights that do not follow from the frame, but for coefficients that reach over its border.
    """
    pixels = _centre(np.asarray(frame, np.float64))
    level = float(np.median(pixels))
    noise = noise.below(level)
    margin = haar.reach(levels)
    height, width = pixels.shape
    extended = haar.extend(torch.from_numpy(pixels - level)[None, None], margin)
    count = levels * haar.BANDS * TERMS
    gram, target, constant = np.zeros((count, count)), np.zeros(count), 0.0
    rows = max(margin, _STRIP_PIXELS // width)
    for start in range(0, height, rows):
        strip = extended[..., start : min(height, start + rows) + 2 * margin, :]
        images, low, covariances, low_covariance = _measure(strip, noise, levels)
        rest = (strip[..., margin:-margin, margin:-margin] - low).flatten()
        gram += (images @ images.T).numpy()
        target += (images @ rest - covariances).numpy()
        constant += float(rest @ rest) + 2.0 * low_covariance
    total = float(noise.variance(extended[..., margin:-margin, margin:-margin]).sum())
    return Risk(gram, target, constant - total, pixels.size, max(total / pixels.size, noise.least_variance))


def shrink(details: torch.Tensor, means: torch.Tensor, noise: PoissonGaussian, level: int) -> list[torch.Tensor]:
    """Apply the functions that are weighted.

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
        One per term.
    """
    squares = details.square() / _noise_of(means, noise, level)
    return [details, *(details * torch.exp(-_power(squares, threshold)) for threshold in THRESHOLDS)]


def _power(squares: torch.Tensor, threshold: float) -> torch.Tensor:
    """Eighth power of coefficients over a threshold, from their squares over their noise variance."""
    return (squares / threshold**2).square().square()


def _noise_of(means: torch.Tensor, noise: PoissonGaussian, level: int) -> torch.Tensor:
    """Noise variance of coefficients, with the least value that it may have."""
    return noise.variance(means).clamp(min=noise.least_variance) * _share(level)


def _share(level: int) -> float:
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
    """(K,): estimated sums over pixels of an image of `images` times the noise."""
    low_covariance: float


def _measure(strip: torch.Tensor, noise: PoissonGaussian, levels: int) -> _Measured:
    details, means = haar.analyse(strip, levels)
    low = means[-1]
    images = strip.new_empty(0)
    covariances: list[torch.Tensor] = []
    for level in reversed(range(levels)):
        detail, mean = (haar.within(c, levels, level) for c in (details[level], means[level]))
        # From (N, 3, h, w) per term to all terms of a band together.
        new = torch.stack([haar.raise_details(t, level) for t in shrink(detail, mean, noise, level)], 2).flatten(1, 2)
        images = torch.cat((new, haar.raise_means(images, level)), 1) if covariances else new
        low = haar.raise_means(low, level)
        covariances.insert(0, _covariances(_once(detail, level), _once(mean, level), noise, level).flatten())
    variance = noise.variance(_once(haar.within(means[-1], levels, levels - 1), levels - 1))
    return _Measured(images[0].flatten(1), low, torch.cat(covariances), float(variance.sum()) * _share(levels - 1))


def _once(coefficients: torch.Tensor, level: int) -> torch.Tensor:
    """Keep the coefficients whose middle is a pixel of the strip: as many as it has pixels."""
    first, lost = 2**level - 1, 2 ** (level + 1) - 1
    height, width = (n - lost for n in coefficients.shape[-2:])
    return coefficients[..., first : first + height, first : first + width]


def _covariances(details: torch.Tensor, means: torch.Tensor, noise: PoissonGaussian, level: int) -> torch.Tensor:
    """Estimate the sum over pixels of the noise times the image that a function of a band gives: ``(3, TERMS)``."""
    count, read = noise.gain * _share(level), noise.read_variance * _share(level)
    itself = (noise.variance(means).sum() * _share(level)).expand(haar.BANDS)
    half = (means - noise.bias) * 0.5
    found = [itself]
    here = shrink(details, means, noise, level)[1:]
    # With a count less in a pixel that adds to the coefficient, and in one that takes from it.
    lower, upper = (shrink(details + sign * count, means - count, noise, level)[1:] for sign in (-1, 1))
    for kept, less, more in zip(here, lower, upper, strict=True):
        found.append((details * (kept - (less + more) * 0.5) - half * (less - more)).sum((0, 2, 3)))
    if read > 0.0:
        lower, upper = (_slopes(details + sign * count, means - count, noise, level, -sign) for sign in (-1, 1))
        for term, (less, more) in enumerate(zip(lower, upper, strict=True), 1):
            found[term] = found[term] + 0.5 * read * (less + more).sum((0, 2, 3))
    return torch.stack(found, 1)


def _slopes(
    details: torch.Tensor, means: torch.Tensor, noise: PoissonGaussian, level: int, sign: int
) -> list[torch.Tensor]:
    """Slopes over the coefficient, plus or minus those over the mean, of all functions but the first of `shrink`."""
    variance = _noise_of(means, noise, level)
    falling = 4.0 * sign * noise.gain * _share(level) * details / variance
    falling = falling * (noise.variance(means) > noise.least_variance)
    squares = details.square() / variance
    found = []
    for threshold in THRESHOLDS:
        power = _power(squares, threshold)
        found.append(torch.exp(-power) * (1.0 + power * (falling - 8.0)))
    return found
