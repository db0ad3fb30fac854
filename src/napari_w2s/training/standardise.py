"""Where a frame's intensities lie, and what brings them and a network's answers to a common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.engine.frames import Intensities, measure
from napari_w2s.training.cache import ByIdentity, FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import SIM_SCALE, Field
from napari_w2s.training.lazy_images import AnyArray
from napari_w2s.training.pairs import Pixels
from napari_w2s.training.renoise import NoiseLine, draw_noisy, fit_noise

Float = npt.NDArray[np.float32]

_LEAST_SPREAD = 0.2
"""A patch's own standard deviation counts as at least this share of its frame's."""

_PHOTONS = 2.0, 200.0
"""Mean photons a pixel, least and most, in patches of noise alone."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image's place on the intensity scale.

    Attributes
    ----------
    range : Intensities
        Its own range, which counts as [0, 1].
    mean, std : float
        In that range. A constant image has the standard deviation 1.
    """

    range: Intensities
    mean: float
    std: float

    def to_unit(self, pixels: AnyArray) -> Float:
        """Bring own intensities ``(H, W)`` to the range [0, 1], NaN and infinite ones to the image's mean."""
        gaps = ~np.isfinite(pixels) if pixels.dtype.kind == "f" else None
        unit: Float = pixels.astype(np.float32)
        if gaps is not None and gaps.any():
            unit[gaps] = self.range.fill
        unit -= np.float32(self.range.low)
        unit /= np.float32(self.range.span)
        return unit


@dataclass
class Frames:
    """What was measured of images, each once.

    Attributes
    ----------
    cache : FrameCache
    """

    cache: FrameCache
    _known: ByIdentity[Frame] = field(default_factory=ByIdentity)
    _drifts: ByIdentity[tuple[float, float]] = field(default_factory=ByIdentity)
    _noises: ByIdentity[NoiseLine] = field(default_factory=ByIdentity)

    def of(self, one: Field, image: object) -> Frame:
        """Return the place of one of a field's images on the intensity scale.

        Raises
        ------
        InputError
            If it has no finite pixel, or float32 cannot hold its pixels.
        """
        return self._known.get(lambda: self._measure(one, image), image)

    def drift(self, one: Field, noisy: object) -> tuple[np.float32, np.float32]:
        """Return the a and b that bring ``a * clean + b`` closest to a noisy image, in units of that image's range."""
        own = self.of(one, noisy).range

        def fit() -> tuple[float, float]:
            x, y = ((self.cache.read(i).astype(np.float64) - own.low) / own.span for i in (one.clean, noisy))
            there = np.isfinite(x) & np.isfinite(y)
            if not there.all():
                x, y = x[there], y[there]
            spread = float(x.var()) if x.size else 0.0
            slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread else 1.0
            return slope, float(y.mean() - slope * x.mean()) if x.size else 0.0

        slope, shift = self._drifts.get(fit, noisy, one.clean)
        return np.float32(slope), np.float32(shift)

    def redrawn(self, one: Field, level: str, clean: AnyArray, camera: str, rng: np.random.Generator) -> AnyArray:
        """Return a part of a noisy image with other noise of the same strength, in the image's intensities.

        Parameters
        ----------
        one : Field
            One with a clean image.
        level : str
        clean : numpy.ndarray
            The part of the clean image, in the clean image's intensities.
        camera : str
            A name in `napari_w2s.training.renoise.CAMERAS`.
        rng : numpy.random.Generator
        """
        image = one.inputs[level]

        def fit() -> NoiseLine:
            whole = self.as_bright(one, image, self.cache.read(one.denoised))
            return fit_noise(self.cache.read(image).astype(np.float64), whole)

        noise = self._noises.get(fit, image, one.denoised)
        noisy = draw_noisy(self.as_bright(one, image, clean), noise, camera, rng)
        if np.dtype(image.dtype).kind in "iu":
            limits = np.iinfo(image.dtype)
            noisy = np.clip(np.rint(noisy), limits.min, limits.max)
        return noisy.astype(np.float32)

    def as_bright(self, one: Field, noisy: object, clean: AnyArray) -> npt.NDArray[np.float64]:
        """Bring a part of the clean image to a noisy image's brightness, in intensities."""
        own = self.of(one, noisy).range
        slope, shift = self.drift(one, noisy)
        unit = float(slope) * (clean.astype(np.float64) - own.low) + float(shift) * own.span
        return unit + own.low

    def _measure(self, one: Field, image: object) -> Frame:
        pixels = self.cache.read(image)
        try:
            own = measure(pixels, one.intensity_range, "keep")
        except InputError as error:
            raise InputError(f"{one.name}: {error}") from error
        values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
        if not values.size:
            raise InputError(f"{one.name}: all pixels of an image are NaN or infinite. Leave it out, or repair it.")
        mean, std = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        return Frame(own, (mean - own.low) / own.span, std / own.span or 1.0)


def nothing_but_noise(
    frames: Frames, one: Field, level: str, edge: int, outputs: Sequence[str], rng: np.random.Generator
) -> Pixels:
    """Make up a patch of a specimen-free place: shot noise as strong as the frame's contrast, about the frame's mean.

    Parameters
    ----------
    frames : Frames
    one : Field
        Its frames say how bright and how strong; its pixels are not used.
    level : str
    edge : int
        Of the patch.
    outputs : sequence of str
        Their targets are even: the means of the images.
    rng : numpy.random.Generator
    """
    frame = frames.of(one, one.inputs[level])
    photons = float(np.exp(rng.uniform(*np.log(_PHOTONS))))
    noise = (rng.poisson(photons, (edge, edge)) - photons) / np.sqrt(photons)
    noisy = frame.range.low + frame.range.span * (frame.mean + frame.std * noise)
    targets: dict[str, AnyArray] = {}
    for output in outputs:
        image = frames.of(one, one.sim) if output == "sim" else frame
        size = SIM_SCALE * edge if output == "sim" else edge
        targets[output] = np.full((size, size), image.range.low + image.range.span * image.mean, np.float32)
    return Pixels(noisy.astype(np.float32), targets)


@dataclass(frozen=True, slots=True)
class Scale:
    """What a patch is standardised by: it becomes ``(patch - mean) / std``, all in the range of its frame.

    Attributes
    ----------
    mean, std : float
    """

    mean: float
    std: float


def draw_scale(config: TrainingConfig, frame: Frame, noisy: Float, rng: np.random.Generator | None) -> Scale:
    """Choose what a patch is standardised by.

    Parameters
    ----------
    config : TrainingConfig
        Its normalisation, and its augmentation: by these the patch's scale and offset are changed at random.
    frame : Frame
    noisy : numpy.ndarray
        The patch, in the frame's range.
    rng : numpy.random.Generator or None
        None changes nothing.
    """
    augmentation = config.augmentation
    mean, std = (frame.mean, frame.std) if config.normalization == "standard" else (0.0, 1.0)
    if rng is None:
        return Scale(mean, std)
    own, factor, shift = rng.random(), rng.standard_normal(), rng.standard_normal()
    if config.normalization == "standard" and own < augmentation.own_statistics:
        mean, std = float(noisy.mean()), max(float(noisy.std()), _LEAST_SPREAD * std)
    mean += augmentation.offset * shift * frame.std
    std *= float(np.exp(augmentation.scale * factor))
    return Scale(mean, std)


def sim_on_scale(
    config: TrainingConfig, frames: Frames, one: Field, input_frame: Frame, scale: Scale, pixels: Float
) -> tuple[Float, float, float]:
    """Bring a SIM patch to the brightness that a network shall answer with.

    Parameters
    ----------
    config : TrainingConfig
        Its `sim_brightness`; without one, SIM images keep their own.
    frames : Frames
    one : Field
    input_frame : Frame
        Of the widefield image.
    scale : Scale
        What its patch is standardised by.
    pixels : numpy.ndarray
        SIM patch in its own range.

    Returns
    -------
    target : numpy.ndarray
    gain, offset : float
        Of the map from the network's answer to the target's scale.
    """
    brightness = config.sim_brightness
    if brightness is None:
        return pixels, 1.0, 0.0
    own = frames.of(one, one.sim)
    target = brightness.std * (pixels - own.mean) / own.std + brightness.mean
    # What the network answers to an input of another scale changes with it, as far as SIM follows widefield.
    clean = frames.of(one, one.clean)
    gain = scale.std / input_frame.std
    shift = (scale.mean - input_frame.mean) * input_frame.range.span / (clean.std * clean.range.span)
    offset = brightness.mean * (1 - gain) + brightness.slope * shift
    return target.astype(np.float32), gain, offset
