"""Fourier ring correlation: the finest detail that two images, or two halves of one, agree on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.metrics.crossing import THRESHOLDS, Threshold, first_crossing, threshold_curve
from napari_w2s.metrics.leakage import Agreement, Spread, abrupt_end, spread
from napari_w2s.metrics.rings import (
    Float64Array,
    PixelSize,
    Rings,
    Taper,
    is_constant,
    pixel_sides,
    plane,
    rings,
    taper_window,
    transform,
)

Image = npt.NDArray[Any]
Split = Literal["noise", "checkerboard"]

SPLITS: tuple[Split, ...] = ("noise", "checkerboard")
MIN_SIDE = 32
"""Least height and width in pixels."""

_NO_POWER = 1e-26
"""Share of the whole power below which a ring holds rounding errors only."""
_CHECKERBOARD_CALIBRATION = (0.95988146, 13.90441896, 0.97979108, 0.55146136)


@dataclass(frozen=True, slots=True, eq=False)
class FrcResult:
    """Correlation of two images over spatial frequency.

    Attributes
    ----------
    frequency : numpy.ndarray, (R,)
        Mean frequency of each ring in cycles per unit of the pixel size, rising.
    correlation : numpy.ndarray, (R,)
        In [-1, 1], as measured; 0 in rings without any power.
    threshold_curve : numpy.ndarray, (R,)
        What the correlation is compared with.
    crossing : float or None
        Inverse of the frequency where the correlation, smoothed, first falls below the threshold, in the unit of the
        pixel size: what papers call the FRC resolution. None if it never does, which means that the pixels are too
        large to tell; or if the images agree on too little to tell it from chance.
    resolution : float or None
        The same where the spectrum fades; where it ends abruptly, the inverse of the frequency where it ends, without
        what the taper carries beyond. See the notes of `two_image_frc`.
    threshold : str
        ``"1/7"`` or ``"half-bit"``.
    """

    frequency: Float64Array
    correlation: Float64Array
    threshold_curve: Float64Array
    crossing: float | None
    resolution: float | None
    threshold: Threshold


def two_image_frc(
    first: Image, second: Image, *, pixel_size: PixelSize, threshold: Threshold = "1/7", taper: Taper = "hann"
) -> FrcResult:
    """Correlate two images of one scene.

    Parameters
    ----------
    first, second : numpy.ndarray, (H, W)
        Of one shape, registered, at least 32 x 32 pixels, all finite. What they share counts as signal, so that their
        noise must be independent: two averages that have frames in common look better than they are. Intensity scales
        may differ.
    pixel_size : float or tuple of float
        One number, or (y, x).
    threshold : "1/7" or "half-bit"
        The half-bit curve counts all frequencies of a ring, as common software does.
    taper : "hann", "tukey" or "none"
        What the borders are faded with before the transform. Hann leaks least from strong low frequencies into weak
        high ones; Tukey keeps more of the area.

    Returns
    -------
    FrcResult
        Its resolution is that of both images together. For the resolution of an image against a reference with far less
        noise than itself, see Notes.

    Raises
    ------
    InputError
        If an image is too small, not two-dimensional or not finite, or the shapes differ.

    Notes
    -----
    W. O. Saxton and W. Baumeister, Journal of Microscopy 127, 1982; R. P. J. Nieuwenhuizen et al., "Measuring image
    resolution in optical nanoscopy", Nature Methods 10, 2013 (threshold 1/7); M. van Heel and M. Schatz, "Fourier shell
    correlation threshold criteria", Journal of Structural Biology 151, 2005 (half-bit).

    `FrcResult.crossing` is the plain definition: where a local linear fit to the curve (tricube weights, about 1/40 of
    all rings to either side, so that a single low ring does not end it) is first below the threshold. Where a spectrum
    ends abruptly that is too fine, as the taper carries power across the end, and the more so the less noise there is:
    by 17 % on average for an end at 0.06 cycles per pixel in a box of 256 pixels, by 3 % at 0.4.
    `FrcResult.resolution` is therefore the end itself if a spectrum that ends there accounts for all agreement beyond
    it, by the known spread of the taper; otherwise it is the crossing. For abrupt ends from 0.06 to 0.45 cycles per
    pixel, 10 to 100 000 times as strong as the noise, it is right to 1.1 % on average, and to 5 % but for noisy ends
    at few rings (0.06 and 0.15 in 256 pixels: at most 17 and 6 % too fine; 1.4 % in 512 pixels, 1.1 % in 1024).
    ``python -m benchmarks.frc_cutoff`` measures both, also of spectra that fade.

    Against a reference with far less noise the correlation of an image is the square root of what two images like it
    would give. It falls to 1/2 where that of the image's own halves falls to 1/7, and to 1/7 only later: numbers
    against such a reference compare with each other, not with `single_image_frc`.
    """
    _check_choice(threshold, THRESHOLDS)
    a, b = (plane(image, "Fourier ring correlation", MIN_SIDE) for image in (first, second))
    if a.shape != b.shape:
        raise InputError(f"Images of shape {a.shape} and {b.shape} cannot be correlated. Bring them to one grid.")
    return _result(_correlate(a, b, pixel_sides(pixel_size), taper), threshold)


def single_image_frc(
    image: Image,
    *,
    pixel_size: PixelSize,
    threshold: Threshold = "1/7",
    taper: Taper = "hann",
    split: Split = "noise",
    noise_std: float | npt.NDArray[Any] | None = None,
) -> FrcResult:
    """Correlate two halves of one image.

    Parameters
    ----------
    image : numpy.ndarray, (H, W)
        At least 32 x 32 pixels (64 x 64 for the checkerboard), all finite. Its noise must be independent from pixel to
        pixel, as a camera's is.
    pixel_size, threshold, taper
        As for `two_image_frc`.
    split : "noise" or "checkerboard"
        How one image becomes two. See Notes.
    noise_std : float or numpy.ndarray, (H, W), optional
        For the split by noise: standard deviation of the noise. By default it is read off the corners of the spectrum,
        beyond the Nyquist frequency of the axes, where no lens transmits if pixels are at most half as large as the
        finest detail.

    Returns
    -------
    FrcResult
        Its resolution is that of the image itself.

    Raises
    ------
    InputError
        As `two_image_frc`, or if `noise_std` is negative or of another shape.

    Notes
    -----
    *noise*: an image of known noise can be split into two with independent noise, each as if taken with half of the
    light (B. Rieger et al., "Single image Fourier ring correlation", Optics Express 32, 2024, who draw binomially from
    photon counts). Here only the expected correlation of such halves is computed: adding and subtracting noise like
    the image's own doubles the noise of either half and leaves the common part, so that it is ``(P - N) / (P + N)``
    for mean power P in a ring and noise power N. There is no random draw, it reaches the Nyquist frequency, and scale
    and offset of the intensities do not matter.

    *checkerboard*: four images of every second pixel, correlated along the two diagonals, and their mean (S. Koho et
    al., "Fourier ring correlation simplifies image restoration in fluorescence microscopy", Nature Communications 10,
    2019). Halved sampling folds frequencies above half of the Nyquist frequency back, the diagonal shift by half a
    coarse pixel turns phases, and each image has a quarter of the signal; the paper corrects the crossing point x, as a
    share of the coarse images' Nyquist frequency, with one curve calibrated against two-image correlation:
    ``0.960 exp(13.90 (x - 0.980)) + 0.551`` is what the resolution in units of two *fine* pixels over x is divided by.
    It is given for comparison with published numbers. It holds for spectra that fall smoothly, as an
    objective's; for an abrupt end above about a quarter of the Nyquist frequency it is far too optimistic.

    Neither knows whether detail is true. Restored, filtered, deconvolved or interpolated images and SIM reconstructions
    have little noise or none that is independent from pixel to pixel: their single-image resolution says where their
    spectrum ends, not what can be trusted. Correlate those with an independent image of the scene.
    """
    _check_choice(threshold, THRESHOLDS)
    _check_choice(split, SPLITS)
    least = MIN_SIDE if split == "noise" else 2 * MIN_SIDE
    values = plane(image, "Fourier ring correlation", least)
    sides = pixel_sides(pixel_size)
    if split == "noise":
        return _result(_split_noise(values, sides, taper, noise_std), threshold)
    return _checkerboard(values, sides, taper, threshold)


def _correlate(
    a: Float64Array, b: Float64Array, sides: tuple[float, float], taper: Taper, *, plain: bool = False
) -> Agreement:
    shape = (a.shape[0], a.shape[1])
    in_rings, window = rings(shape, sides), taper_window(shape, taper)
    if is_constant(a) or is_constant(b):
        return _nothing(in_rings)
    first, second = transform(a, window), transform(b, window)
    common = in_rings.sums(first.real * second.real + first.imag * second.imag)
    power = [in_rings.sums(np.square(one.real) + np.square(one.imag)) for one in (first, second)]
    there = np.logical_and(*(one > _NO_POWER * one.sum() for one in power))
    whole = np.where(there, np.sqrt(power[0]) * np.sqrt(power[1]), 0)
    known = None if plain else spread(shape, sides, taper)
    return _agreement(in_rings, common / in_rings.counts, whole / in_rings.counts, known)


def _split_noise(
    values: Float64Array, sides: tuple[float, float], taper: Taper, noise_std: float | npt.NDArray[Any] | None
) -> Agreement:
    shape = (values.shape[0], values.shape[1])
    in_rings, window = rings(shape, sides), taper_window(shape, taper)
    if noise_std is not None:
        std = np.asarray(noise_std, np.float64)
        if std.shape not in ((), shape) or not (np.isfinite(std).all() and (std >= 0).all()):
            raise InputError(f"The noise must be one number or an image of shape {shape}, not negative.")
    if is_constant(values):
        return _nothing(in_rings)
    spectrum = transform(values, window)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    if noise_std is None:
        floor = in_rings.corner_mean(power)
    else:
        weight = np.square(window)
        floor = float(np.sum(weight * np.square(std)) / np.sum(weight))
    summed = in_rings.sums(power)
    mean = summed / in_rings.counts
    whole = np.where(summed > _NO_POWER * summed.sum(), mean + floor, 0)
    return _agreement(in_rings, mean - floor, whole, spread(shape, sides, taper))


def _agreement(in_rings: Rings, common: Float64Array, whole: Float64Array, known: Spread | None) -> Agreement:
    correlation = np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
    return Agreement(in_rings, np.clip(correlation, -1.0, 1.0), common, whole, known)


def _nothing(in_rings: Rings) -> Agreement:
    zero = np.zeros_like(in_rings.frequency)
    return Agreement(in_rings, zero, zero, zero, None)


def _checkerboard(values: Float64Array, sides: tuple[float, float], taper: Taper, threshold: Threshold) -> FrcResult:
    """Correct the crossing point of a checkerboard split for its shift and its halved sampling."""
    height, width = (side // 2 * 2 for side in values.shape)
    even, odd = values[:height:2], values[1:height:2]
    coarse = (2 * sides[0], 2 * sides[1])
    falling = _correlate(even[:, :width:2], odd[:, 1:width:2], coarse, taper, plain=True)
    rising = _correlate(even[:, 1:width:2], odd[:, :width:2], coarse, taper, plain=True)
    raw = _result(replace(falling, correlation=(falling.correlation + rising.correlation) / 2), threshold)
    if raw.crossing is None:
        return raw
    height, rate, place, base = _CHECKERBOARD_CALIBRATION
    crossing = 4 * max(sides) / raw.crossing
    resolution = 2 * max(sides) / crossing / (height * np.exp(rate * (crossing - place)) + base)
    return replace(raw, resolution=float(resolution))


def _result(found: Agreement, threshold: Threshold) -> FrcResult:
    in_rings = found.rings
    curve = threshold_curve(in_rings.counts, threshold)
    crossing = first_crossing(in_rings.frequency, found.correlation, in_rings.counts, curve)
    return FrcResult(
        frequency=in_rings.frequency.copy(),
        correlation=found.correlation,
        threshold_curve=curve,
        crossing=None if crossing is None else 1 / crossing,
        resolution=None if crossing is None else 1 / abrupt_end(found, crossing),
        threshold=threshold,
    )


def _check_choice(choice: str, choices: tuple[str, ...]) -> None:
    if choice not in choices:
        raise InputError(f"There is no {choice!r} here. Choose one of {', '.join(choices)}.")
