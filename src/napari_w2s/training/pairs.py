"""What a network is given and what it should answer, pixel by pixel: with clean images, and two ways without.

Noise2Noise: J. Lehtinen et al., "Noise2Noise: Learning Image Restoration without Clean Data", ICML 2018,
arXiv:1803.04189. Noise2Void: A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void - Learning Denoising from Single Noisy
Images", CVPR 2019, arXiv:1811.10980.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import SIM_SCALE, Field
from napari_w2s.training.lazy_images import AnyArray, Mean, Stack, may_have_gaps

_BLIND_EVERY = 8
"""One blind pixel in a square of so many, along y and x: 1.6 % of all."""
_NEIGHBOUR = 2
"""How far away the pixel may be that a blind one is replaced by."""
_FEW_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a field, in input pixels.

    Attributes
    ----------
    top, left, height, width : int
    """

    top: int
    left: int
    height: int
    width: int

    def of(self, zoom: int = 1) -> tuple[slice, slice]:
        """Return rows and columns in an image with `zoom` pixels for one of the input."""
        return (
            slice(zoom * self.top, zoom * (self.top + self.height)),
            slice(zoom * self.left, zoom * (self.left + self.width)),
        )

    def widened(self, edge: int, shape: tuple[int, ...]) -> Box | None:
        """Return a square of the same middle, moved into an image of that shape; None if it is too large for it."""
        if edge > min(shape):
            return None
        top, left = self.top + (self.height - edge) // 2, self.left + (self.width - edge) // 2
        return Box(min(max(top, 0), shape[0] - edge), min(max(left, 0), shape[1] - edge), edge, edge)


@dataclass(frozen=True, slots=True)
class Pixels:
    """A patch in its images' own intensities.

    Attributes
    ----------
    noisy : numpy.ndarray
        ``(H, W)``
    targets : mapping of str to numpy.ndarray
        By output: ``denoised`` ``(H, W)``, ``sim`` ``(2 H, 2 W)``.
    counts : numpy.ndarray or None
        ``(H, W)``, True where the loss counts; None if it counts everywhere.
    clean : bool
        True if ``denoised`` is the field's own clean image.
    """

    noisy: AnyArray
    targets: Mapping[str, AnyArray]
    counts: npt.NDArray[np.bool_] | None = None
    clean: bool = False


CutFn = Callable[[FrameCache, Field, str, Box, tuple[str, ...], np.random.Generator], Pixels]
"""Cuts a box out of a field: cache, field, name of the input, box, outputs, random numbers."""


def with_clean(
    cache: FrameCache, one: Field, level: str, box: Box, outputs: tuple[str, ...], rng: np.random.Generator
) -> Pixels:
    """Give the noisy image, ask for the clean and the super-resolved one."""
    del rng
    targets = {
        output: cache.part(one.target(output), *box.of(SIM_SCALE if output == "sim" else 1)) for output in outputs
    }
    return Pixels(cache.part(one.inputs[level], *box.of()), targets, clean=True)


def noise2noise(
    cache: FrameCache, one: Field, level: str, box: Box, outputs: tuple[str, ...], rng: np.random.Generator
) -> Pixels:
    """Give the average of as many frames as the input has, chosen at random; ask for that of all others."""
    del outputs
    burst, average = _burst(one, level)
    count = len(average.frames)
    order = rng.permutation(len(burst)).tolist()
    noisy = _mean(cache, burst, order[:count], box)
    return Pixels(noisy, {"denoised": _mean_of_others(cache, burst, order[:count], order[count:], noisy, box)})


def noise2noise_fixed(
    cache: FrameCache, one: Field, level: str, box: Box, outputs: tuple[str, ...], rng: np.random.Generator
) -> Pixels:
    """Give the input as it is; ask for the average of all frames that it is not made of."""
    del outputs, rng
    burst, average = _burst(one, level)
    own = list(average.frames)
    others = [index for index in range(len(burst)) if index not in set(own)]
    noisy = cache.part(average, *box.of())
    return Pixels(noisy, {"denoised": _mean_of_others(cache, burst, own, others, noisy, box)})


def noise2void(
    cache: FrameCache, one: Field, level: str, box: Box, outputs: tuple[str, ...], rng: np.random.Generator
) -> Pixels:
    """Give the image with some pixels replaced by a neighbour each; ask for the original ones there."""
    del outputs
    original = cache.part(one.inputs[level], *box.of())
    rows, columns = _blind_pixels(original.shape, rng)
    from_rows, from_columns = _neighbours(rows, columns, original.shape, rng)
    noisy = original.copy()
    noisy[rows, columns] = original[from_rows, from_columns]
    counts = np.zeros(original.shape, np.bool_)
    counts[rows, columns] = True
    return Pixels(noisy, {"denoised": original}, counts)


@dataclass(frozen=True, slots=True)
class Method:
    """A way to learn.

    Attributes
    ----------
    train, judge : callable
        Cut a training patch, and a validation patch of a field without a clean image.
    masked : bool
        True if the loss does not count everywhere.
    """

    train: CutFn
    judge: CutFn
    masked: bool = False


METHODS: Mapping[str | None, Method] = MappingProxyType(
    {
        None: Method(with_clean, with_clean),
        "noise2noise": Method(noise2noise, noise2noise_fixed),
        "noise2void": Method(noise2void, noise2void, masked=True),
    }
)
"""By `napari_w2s.training.config.TrainingConfig.self_supervised`."""


@dataclass
class Cutter:
    """Cut pixels as a config says.

    Attributes
    ----------
    config : TrainingConfig
    cache : FrameCache
    method : Method
    """

    config: TrainingConfig
    cache: FrameCache
    method: Method = field(init=False)

    def __post_init__(self) -> None:
        self.method = METHODS[self.config.self_supervised]

    def train(self, one: Field, level: str, box: Box, rng: np.random.Generator) -> Pixels:
        """Cut a training patch."""
        return self.method.train(self.cache, one, level, box, self.config.outputs, rng)

    def judge(self, one: Field, level: str, box: Box) -> Pixels:
        """Cut a validation patch, always the same: against the clean image wherever there is one."""
        complete = all(one.target(output) is not None for output in self.config.outputs)
        cut = with_clean if complete else self.method.judge
        return cut(self.cache, one, level, box, self.config.outputs, np.random.default_rng(self.config.seed))

    def is_masked(self, one: Field) -> bool:
        """Tell whether the loss may not count everywhere in a field."""
        targets = [one.target(output) for output in self.config.outputs]
        gaps = [may_have_gaps(image) for image in targets if image is not None]
        burst = [] if one.burst is None else [may_have_gaps(one.burst.mean)]
        return self.method.masked or any(gaps) or any(burst)


def _burst(one: Field, level: str) -> tuple[Stack, Mean]:
    average = one.inputs[level]
    assert one.burst is not None, "Noise2Noise needs a burst"
    assert isinstance(average, Mean), "Noise2Noise needs averages of a burst"
    return one.burst, average


def _mean(cache: FrameCache, burst: Stack, frames: list[int], box: Box) -> npt.NDArray[np.float64]:
    """Return the mean of frames in a box, reading no other pixels where the burst allows it."""
    total = np.zeros((box.height, box.width))
    for index in frames:
        total += cache.part(burst.frame(index), *box.of())
    total /= len(frames)
    return total


def _mean_of_others(
    cache: FrameCache, burst: Stack, own: list[int], others: list[int], noisy: Any, box: Box
) -> npt.NDArray[np.float64]:
    """Return the mean of all but some frames; of many, by taking those away from the mean of all."""
    if len(others) <= _FEW_FRAMES:
        return _mean(cache, burst, others, box)
    everything = cache.part(burst.mean, *box.of()).astype(np.float64)
    others_sum: npt.NDArray[np.float64] = len(burst) * everything - len(own) * noisy.astype(np.float64)
    return others_sum / len(others)


def _blind_pixels(
    shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Choose one pixel in each of the squares that cover an image."""
    starts = [np.arange(0, size, _BLIND_EVERY) for size in shape]
    grid = len(starts[0]), len(starts[1])
    rows = (starts[0][:, None] + rng.integers(_BLIND_EVERY, size=grid)).ravel()
    columns = (starts[1][None, :] + rng.integers(_BLIND_EVERY, size=grid)).ravel()
    inside = (rows < shape[0]) & (columns < shape[1])
    return rows[inside], columns[inside]


def _neighbours(
    rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Choose another pixel near each, all that are inside the image with the same chance."""
    top, left = np.maximum(rows - _NEIGHBOUR, 0), np.maximum(columns - _NEIGHBOUR, 0)
    height = np.minimum(rows + _NEIGHBOUR + 1, shape[0]) - top
    width = np.minimum(columns + _NEIGHBOUR + 1, shape[1]) - left
    itself = (rows - top) * width + (columns - left)
    chosen = (rng.random(rows.size) * (height * width - 1)).astype(np.intp)
    chosen += chosen >= itself
    return top + chosen // width, left + chosen % width
