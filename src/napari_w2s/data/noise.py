"""Poisson-Gaussian noise of an image, from that image alone, and the averaging level that it resembles.

The model is ``variance = gain * mean + offset_variance``, in the image's own units. An intensity offset (a camera's
bias) makes `offset_variance` negative: ``gain * (mean - bias) + read_variance``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from napari_w2s._types import Level
from napari_w2s.data.noise_fit import MIN_SIDE, block_statistics, fit_line, measured_frame, piled_up
from napari_w2s.data.protocol import FRAME_INDICES

__all__ = ["LevelGuess", "NoiseEstimate", "dark_events", "estimate_noise", "guess_level", "range_ratio"]

_LEVEL_OCTAVES: Mapping[Level, float] = MappingProxyType(
    {level: math.log2(len(frames)) for level, frames in FRAME_INDICES.items()}
)

# Calibrated on the 8-bit release, FOVs 001-046, three channels, avg1 to avg16, by benchmarks/level_guess.py.
DARK_EVENTS_CALIBRATION = (2.076, -2.857, 0.585)
DARK_EVENTS_SPREAD = 0.70
RANGE_RATIO_CALIBRATION = -3.06
RANGE_RATIO_SPREAD = 1.56


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseEstimate:
    """Noise of one image: ``variance = gain * mean + offset_variance``.

    Attributes
    ----------
    gain : float
        Slope of the variance over the mean, in the image's intensity unit; 0 where no slope can be told.
    offset_variance : float
        Variance extrapolated to intensity 0, in squared intensity units. Negative for a camera with a bias.
    dark, median, upper, bright : float
        1st, 50th, 90th and 99.9th percentile of the locally averaged intensity.
    step : float
        Smallest difference between two grey levels; its rounding error is part of the variance.
    blocks : int
        Number of image blocks that the estimate rests on; 0 if there was nothing to measure.
    """

    gain: float
    offset_variance: float
    dark: float
    median: float
    upper: float
    bright: float
    step: float
    blocks: int

    def variance(self, mean: float) -> float:
        """Noise variance where the signal is `mean`, never negative."""
        return max(0.0, self.gain * mean + self.offset_variance)

    def std(self, mean: float) -> float:
        """Noise standard deviation where the signal is `mean`."""
        return math.sqrt(self.variance(mean))

    @property
    def median_std(self) -> float:
        """Noise standard deviation at the median signal."""
        return self.std(self.median)

    @property
    def read_noise(self) -> float:
        """Noise standard deviation in the darkest part: an upper bound of the camera's read noise."""
        return self.std(self.dark)

    def describe(self) -> str:
        """Words for a person, e.g. ``"gain 0.04, read noise 1.1"``."""
        if self.gain == 0 and self.offset_variance == 0:
            return "no noise found"
        if self.gain == 0:
            return f"noise {self.median_std:.2g} at any intensity"
        return f"gain {self.gain:.2g}, read noise {self.read_noise:.2g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelGuess:
    """The averaging level that an image's noise resembles.

    Attributes
    ----------
    level : Level
        One of avg1 to avg16 or avg400.
    frames : float
        Number of W2S frames whose mean would be as noisy; infinite if no noise was found.
    confidence : float
        Probability of `level` among all levels, by the scatter seen in calibration; in [0, 1].
    """

    level: Level
    frames: float
    confidence: float

    def describe(self) -> str:
        """Words for a person, e.g. ``"looks like avg4"``."""
        return f"looks like {self.level}"


def estimate_noise(image: npt.ArrayLike) -> NoiseEstimate:
    """Estimate the Poisson-Gaussian noise of an image from the image itself.

    The image is high-pass filtered along both axes, which leaves white noise but little of what passed a lens. In
    small blocks the mean square of the residual then follows the mean intensity on a line, whatever the structure
    inside of the block; the line is fitted with weights that follow its own variance and ignore blocks lying far
    above it, for structure can only add.

    Parameters
    ----------
    image : array_like, (..., H, W)
        Any real dtype. With leading axes the middle frame is measured. Non-finite pixels and pixels piled up at an
        end of the range (saturated ones) are left out. The central 1024 x 1024 pixels are enough for a large image.

    Returns
    -------
    NoiseEstimate
        Without noise for a constant image or one with nothing to measure (below 5 x 5 pixels, no finite pixel).

    Raises
    ------
    InputError
        If the image has less than two axes, or is complex or not numeric.

    Notes
    -----
    The noise must be independent from pixel to pixel. Interpolated, filtered or JPEG-compressed images have less
    noise at high frequencies and are underestimated; sharp structure at the scale of one pixel is overestimated.

    On simulated fields of 512 x 512 pixels with clean intensities in [0, 1], the noise at the median was within 3 % of
    the true one for slopes of 0.001 to 0.2 and read noise of 0.003 to 0.1. The slope was within 7 %, but where photons
    add little to the read noise: at a slope of 0.001 with read noise of 0.03 it was up to 21 % off (10 % rms), and with
    read noise of 0.1, as at a slope of 0.01, it cannot be trusted (``python -m benchmarks.noise_estimate``).
    The model is that of A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
    raw-data", IEEE Transactions on Image Processing 17, 2008.
    """
    frame = measured_frame(image)
    valid = np.isfinite(frame)
    if not valid.any():
        return _no_noise(0.0)
    values, counts = np.unique(frame[valid], return_counts=True)
    if values.size < 2 or min(frame.shape) < MIN_SIDE:
        return _no_noise(float(np.median(frame[valid])))
    # Halved before subtracting: the span of the widest floats would overflow. Variances need its square.
    low, unit = float(values[0]), 2.0 * float(values[-1] / 2.0 - values[0] / 2.0)
    if not math.isfinite(unit * unit):
        return _no_noise(float(np.median(frame[valid])))
    scaled = np.where(valid, (frame - low) / unit, 0.0)
    statistics = block_statistics(scaled, valid & ~piled_up(frame, values, counts))
    if statistics.means.size == 0:
        statistics = block_statistics(scaled, valid)
    if statistics.means.size == 0:
        return _no_noise(float(np.median(frame[valid])))
    gain, offset = fit_line(statistics)
    dark, median, upper, bright = (float(q) * unit + low for q in np.percentile(statistics.means, [1, 50, 90, 99.9]))
    return NoiseEstimate(
        gain=gain * unit,
        offset_variance=offset * unit * unit - gain * unit * low,
        dark=dark,
        median=median,
        upper=upper,
        bright=bright,
        step=float(np.diff(values).min()),
        blocks=int(statistics.means.size),
    )


def guess_level(image: npt.ArrayLike, noise: NoiseEstimate | None = None) -> LevelGuess:
    """Guess which averaging level of the benchmark an image's noise resembles.

    The guess does not change if intensities are shifted or scaled. It rests on one physical constant: averaging
    multiplies the number of detected events in the dark background, ``variance / gain**2``, by the number of frames,
    and W2S frames have a typical number there, which depends on how much of the field is filled.

    Parameters
    ----------
    image : array_like, (..., H, W)
        As for `estimate_noise`; not looked at if `noise` is given.
    noise : NoiseEstimate, optional
        Its noise, if already known.

    Returns
    -------
    LevelGuess

    Raises
    ------
    InputError
        As `estimate_noise`.

    Notes
    -----
    An average of N dim frames looks like one bright frame, so that neighbouring levels cannot be told apart for
    certain: on FOVs 047-056 of the real data, which were not used in calibration, the level is right in 84 % of
    images and at most one level off in 98 %; on FOVs 001-046, which were, in 74 % and 99 %. An image without
    signal-dependent noise is judged by its noise over its range, which is a rougher guide, and also bounds the
    guess for any other image.
    """
    noise = estimate_noise(image) if noise is None else noise
    if noise.gain == 0 and noise.offset_variance <= 0:
        return LevelGuess(level=Level.AVG400, frames=math.inf, confidence=0.0)
    octaves = 2.0 * (RANGE_RATIO_CALIBRATION - range_ratio(noise))
    spread = RANGE_RATIO_SPREAD
    events = dark_events(noise)
    if events is not None:
        measured, filled_half, filled_most = events
        constant, per_most, per_half = DARK_EVENTS_CALIBRATION
        by_events = measured - (constant + per_most * filled_most + per_half * filled_half)
        # Another camera's background may be far from the benchmark's: never far from what the range says.
        octaves = min(max(by_events, octaves - 2.0 * spread), octaves + 2.0 * spread)
        spread = DARK_EVENTS_SPREAD
    distance = {level: abs(octaves - of_level) for level, of_level in _LEVEL_OCTAVES.items()}
    level = min(distance, key=distance.__getitem__)
    nearest = distance[level]
    odds = sum(math.exp((nearest**2 - d**2) / (2.0 * spread**2)) for d in distance.values())
    return LevelGuess(level=level, frames=2.0**octaves, confidence=1.0 / odds)


def dark_events(noise: NoiseEstimate) -> tuple[float, float, float] | None:
    """Measure detected events in the dark background and how the image is filled, in terms free of intensity units.

    Returns
    -------
    tuple of float or None
        log2 of ``variance / gain**2`` at the dark percentile, log2 of the median's place between dark and bright,
        and the place of the 90th percentile there. None if the noise does not depend on the signal.
    """
    span = noise.bright - noise.dark
    if noise.gain <= 0 or span <= 0:
        return None
    variance = noise.variance(noise.dark) - noise.step**2 / 12.0
    events = max(variance / noise.gain**2, 0.02 / noise.gain * max(noise.step, 0.0), 1e-6)
    half = max((noise.median - noise.dark) / span, 0.01)
    return math.log2(events), math.log2(half), (noise.upper - noise.dark) / span


def range_ratio(noise: NoiseEstimate) -> float:
    """log2 of the noise at the median over the range from dark to bright; at most 0."""
    spread = max(noise.median_std, 1e-300)
    return math.log2(spread / max(noise.bright - noise.dark, spread))


def _no_noise(level: float) -> NoiseEstimate:
    return NoiseEstimate(
        gain=0.0, offset_variance=0.0, dark=level, median=level, upper=level, bright=level, step=0.0, blocks=0
    )
