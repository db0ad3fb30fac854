"""Whether images are what they are taken for: frames of one field, a clean image that is cleaner than the noisy one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_w2s._types import InputError, Level
from napari_w2s.data.noise import estimate_noise, range_ratio
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.fields import Field, named, plural
from napari_w2s.training.lazy_images import AnyArray, Stack
from napari_w2s.training.split import Loaded

FloatArray = npt.NDArray[np.float64]

_MOST_FRAMES = 16
_SMOOTH = 2.0
_BACKGROUND = 41
_LEAST_SHARE = 0.2
"""Of structure in what is left of a mean of frames once it is smoothed: with less, nothing can be told."""
_ONE_FIELD = 0.5
"""Correlation, noise allowed for: of real images it was 0.96 and more between two of one field, else 0.1 and less."""
_OCTAVES = 0.4
"""By how much more of its range, in powers of 2, the noise of a clean image takes up if it is the noisy one."""
_LEAST_NOISE = -7.6
"""Logarithm (base 2) of the noise over the range: what is less, 0.5 %, is rounding and structure."""


def leave_out_identical(loaded: Loaded, fields: Sequence[Field], cache: FrameCache) -> list[str]:
    """Take fields whose clean image is their noisy one out of `loaded`: they teach to leave noise as it is.

    Parameters
    ----------
    loaded : Loaded
    fields : sequence of Field
        Those to look at. The benchmark's own are not: its clean images are among the inputs.
    cache : FrameCache

    Raises
    ------
    InputError
        If no field is left.
    """
    same = {one for one in fields if one.fov is None and _is_identical(one, cache)}
    if not same:
        return []
    if all(one in same for one in loaded.train):
        raise InputError(
            f"The clean image is the noisy image itself ({named(sorted(same, key=lambda one: one.name))}): there is no "
            "noise to learn from. Choose a clean image of the same place, or learn from images alone."
        )
    for some in (loaded.train, loaded.validation):
        some[:] = [one for one in some if one not in same]
    return [
        f"{plural(len(same), 'field is', 'fields are')} left out, whose clean image is the noisy image itself: "
        f"{named([one for one in fields if one in same])}."
    ]


def warn_of_several_fields(fields: Sequence[Field], cache: FrameCache) -> list[str]:
    """Return a warning if frames of bursts do not show one field; the benchmark's are known to."""
    bursts = [one for one in fields if one.burst is not None and one.fov is None]
    found = [one for one in bursts if one.burst is not None and shows_several_fields(one.burst, cache)]
    if not found:
        return []
    return [
        f"The frames of {named(found)} do not show one and the same field, or it has moved between them. What is "
        "learned would be one image from another: choose the axis of the frames, or learn from images alone "
        "(Noise2Void)."
    ]


def warn_of_noisier_clean(pairs: Sequence[tuple[Field, AnyArray, AnyArray]]) -> list[str]:
    """Return a warning if clean images have clearly more noise than noisy ones.

    Parameters
    ----------
    pairs : sequence
        Field, clean image and noisy image.
    """
    found = {one: noise for one, clean, noisy in pairs if (noise := noisier(clean, noisy)) is not None}
    if not found:
        return []
    names = named(list(found), lambda one: "{}: {:.2g} % of its range, and {:.2g} %".format(one.name, *found[one]))
    return [
        f"The clean image has more noise than the noisy one in {plural(len(found), 'field', 'fields')} ({names}). "
        "They look swapped: noise would be learned. Choose them the other way round."
    ]


def shows_several_fields(burst: Stack, cache: FrameCache) -> bool:
    """Tell whether frames that should be of one field clearly are not.

    Up to 16 frames are averaged in two parts, once the first against the last and once every other one. What is left
    of the two means when they are smoothed and the background is taken off should be alike. Its correlation is divided
    by what noise leaves of it, which follows from the noise at the scale of a pixel (see `estimate_noise`).

    Parameters
    ----------
    burst : Stack
    cache : FrameCache

    Returns
    -------
    bool
        False too where there is too much noise, or too small an image, to tell.
    """
    count = len(burst)
    half = _MOST_FRAMES // 2
    numbers = range(count) if count <= _MOST_FRAMES else [i * count // half + j for i in range(half) for j in (0, 1)]
    frames = [_finite(cache.read(burst.frame(i))) for i in numbers]
    middle = len(frames) // 2
    parts = ((frames[:middle], frames[middle:]), (frames[::2], frames[1::2]))
    return any(_differ(_mean(one), _mean(other)) for one, other in parts)


def noisier(clean: AnyArray, noisy: AnyArray) -> tuple[float, float] | None:
    """Return the noise of a clean and of a noisy image in percent of their ranges, if the clean one has clearly more.

    Brightness and contrast do not matter.
    """
    noise = estimate_noise(clean)
    of_clean, of_noisy = range_ratio(noise), range_ratio(estimate_noise(noisy))
    if noise.median_std == 0.0 or of_clean < max(_LEAST_NOISE, of_noisy + _OCTAVES):
        return None
    return 100.0 * 2.0**of_clean, 100.0 * 2.0**of_noisy


def _is_identical(one: Field, cache: FrameCache) -> bool:
    if one.denoised is None:
        return False
    clean = cache.read(one.denoised)
    others = (image for name, image in one.inputs.items() if name != Level.AVG400)
    return any(np.array_equal(cache.read(image), clean, equal_nan=clean.dtype.kind == "f") for image in others)


def _finite(frame: AnyArray) -> FloatArray:
    pixels = frame.astype(np.float64)
    there = np.isfinite(pixels)
    return pixels if there.all() else np.where(there, pixels, pixels[there].mean() if there.any() else 0.0)


def _mean(frames: Sequence[FloatArray]) -> FloatArray:
    mean: FloatArray = np.mean(frames, axis=0)
    return mean


def _differ(one: FloatArray, other: FloatArray) -> bool:
    (structure, share), (against, other_share) = _structure(one), _structure(other)
    if min(share, other_share) < _LEAST_SHARE:
        return False
    correlation = float((structure * against).mean()) / (structure.std() * against.std())
    # So far from 0 it may be by chance.
    chance = 2.0 * np.sqrt(4.0 * np.pi * _SMOOTH**2 / structure.size)
    return bool(correlation + chance < _ONE_FIELD * np.sqrt(share * other_share))


def _structure(image: FloatArray) -> tuple[FloatArray, float]:
    """Return what is neither noise nor background, and the share of its variance that noise does not explain."""
    noise = estimate_noise(image)
    variance = float(np.maximum(noise.gain * image + noise.offset_variance, 0.0).mean()) * _noise_left()
    structure = _filtered(image)
    structure -= structure.mean()
    total = float(structure.var())
    return structure, (1.0 - variance / total if total > 0.0 else 0.0)


def _filtered(image: FloatArray) -> FloatArray:
    left: FloatArray = ndimage.gaussian_filter(image, _SMOOTH) - ndimage.uniform_filter(image, _BACKGROUND)
    return left


@cache
def _noise_left() -> float:
    """Return the share of white noise's variance that the filter lets through."""
    point = np.zeros((2 * _BACKGROUND + 1,) * 2)
    point[_BACKGROUND, _BACKGROUND] = 1.0
    return float(np.square(_filtered(point)).sum())
