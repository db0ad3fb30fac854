"""What may be wrong with images to learn from, found before a training starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_w2s._types import InputError
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import SIM_SCALE, Field, named, plural, size
from napari_w2s.training.lazy_images import AnyArray, Mean
from napari_w2s.training.likeness import leave_out_identical, warn_of_noisier_clean, warn_of_several_fields
from napari_w2s.training.patches import LEAST_EDGE
from napari_w2s.training.registration import Shift, find_shift
from napari_w2s.training.sampling import inputs_of
from napari_w2s.training.split import Loaded, warn_of_shared

_MOST_READ = 400
_MOST_REGISTERED = 20
_MOST_SHIFT = 1.0
_GAIN = 0.01
"""By how much the correlation must rise with a shift undone: along stripes, any shift is as good as another."""
_SAME_PLACE = 0.3
_MOST_SATURATED = 0.02
_MOST_CONTRAST = 2.0


def check_fields(loaded: Loaded, config: TrainingConfig, cache: FrameCache | None = None) -> list[str]:
    """Look through images to learn from, and take out of `loaded` what cannot be used.

    Of up to 400 fields, evenly spread, the images are read; of 20, clean and SIM images are registered and their noise
    is compared, or the frames of a burst.

    Parameters
    ----------
    loaded : Loaded
        Fields that are smaller than a patch, constant, or clean as they are, are taken out of its lists, if others
        are left.
    config : TrainingConfig
    cache : FrameCache, optional
        Keeps what was read for the training.

    Returns
    -------
    list of str
        What a user should know, beyond the warnings that `loaded` has.

    Raises
    ------
    InputError
        If no field is large enough for a patch, all are constant, all clean images are the noisy ones, or an image has
        no finite pixel.
    """
    cache = cache or FrameCache()
    said = set(loaded.warnings)
    warnings = [*_leave_out_small(loaded, config), *_test_images(loaded)]
    warnings += _look(loaded, config, cache)
    warnings += _register(_spread(loaded.train, _MOST_REGISTERED), config, cache)
    if not loaded.validation:
        loaded.validation[:] = loaded.train
    warnings += warn_of_shared(loaded.train, loaded.validation)
    return [text for text in dict.fromkeys(warnings) if text not in said]


def _leave_out_small(loaded: Loaded, config: TrainingConfig) -> list[str]:
    warnings = []
    for fields, edge, what in (
        (loaded.train, config.patch, f"patches of {config.patch} x {config.patch}"),
        (loaded.validation, LEAST_EDGE, "validation"),
    ):
        small = [one for one in fields if min(one.shape) < edge]
        if small and len(small) == len(fields):
            largest = max(small, key=lambda one: min(one.shape))
            raise InputError(
                f"No image is large enough for {what}: the largest, {largest.name}, has {size(largest.shape)} pixels. "
                "Choose smaller patches or larger images."
            )
        if small:
            fields[:] = [one for one in fields if min(one.shape) >= edge]
            names = named(small, lambda one: f"{one.name}, {size(one.shape)}")
            warnings.append(f"{plural(len(small), 'image is', 'images are')} left out, too small for {what}: {names}.")
    return warnings


def _test_images(loaded: Loaded) -> list[str]:
    warnings = []
    learned, judged = ([one for one in fields if one.is_test] for fields in (loaded.train, loaded.validation))
    if learned:
        warnings.append(
            f"{plural(len(learned), 'test image', 'test images')} of the benchmark will be learned from "
            f"({named(learned)}): this model's results there cannot be compared with others."
        )
    if judged:
        warnings.append(
            f"{plural(len(judged), 'test image', 'test images')} of the benchmark will be judged by "
            f"({named(judged)}): the best model is chosen by them, so that its results there look too good."
        )
    return warnings


@dataclass
class _Seen:
    """What was seen in images."""

    constant: list[tuple[Field, str]] = field(default_factory=list)
    gaps: list[tuple[Field, float]] = field(default_factory=list)
    saturated: list[tuple[Field, float]] = field(default_factory=list)


def _look(loaded: Loaded, config: TrainingConfig, cache: FrameCache) -> list[str]:
    """Read images for what makes them useless, and leave out those that are."""
    seen = _Seen()
    everything = list(dict.fromkeys((*loaded.train, *loaded.validation)))
    looked_at = _spread(everything, _MOST_READ)
    for one in looked_at:
        for what, image in _needed(one, config):
            _see(seen, one, what, cache.read(image))
    warnings = []
    constant: dict[Field, list[str]] = {}
    for one, what in seen.constant:
        constant.setdefault(one, []).append(what)
    if constant:
        if all(one in constant for one in loaded.train):
            first, what = seen.constant[0]
            raise InputError(
                f"Every field to learn from has a constant image, {first.name} for one ({what}): there is nothing to "
                "see in it. Choose others."
            )
        for fields in (loaded.train, loaded.validation):
            fields[:] = [one for one in fields if one not in constant]
        names = named(list(constant), lambda one: f"{one.name} ({' and '.join(constant[one])})")
        warnings.append(f"{plural(len(constant), 'field is', 'fields are')} left out with a constant image: {names}.")
    if config.self_supervised is None and "denoised" in config.outputs:
        warnings += leave_out_identical(loaded, [one for one in looked_at if one not in constant], cache)
    if seen.gaps:
        gaps = dict(seen.gaps)
        names = named(list(gaps), lambda one: f"{one.name}, {100 * gaps[one]:.2g} %")
        warnings.append(
            f"{plural(len(gaps), 'field has', 'fields have')} NaN or infinite pixels ({names}): they are filled with "
            "the image's mean where they are learned from, and do not count where they should be learned."
        )
    if seen.saturated:
        saturated = dict(seen.saturated)
        names = named(list(saturated), lambda one: f"{one.name}, {100 * saturated[one]:.0f} %")
        warnings.append(
            f"{plural(len(saturated), 'field has', 'fields have')} many saturated pixels ({names}), whose intensities "
            "are lost. Leave them out if you can."
        )
    return warnings


def _needed(one: Field, config: TrainingConfig) -> Iterator[tuple[str, Any]]:
    """Yield the images of a field to look at: one input, and the targets that are read without much ado."""
    name = next(iter(inputs_of(config, one)))
    yield f"{name} image", one.inputs[name]
    if config.self_supervised is None:
        targets = {"clean image": one.denoised, "SIM image": one.sim}
        wanted = {"denoised": "clean image", "sim": "SIM image"}
        for output in config.outputs:
            image = targets[wanted[output]]
            if image is not None and not (isinstance(image, Mean) and not image.in_parts):
                yield wanted[output], image


def _see(seen: _Seen, one: Field, what: str, pixels: AnyArray) -> None:
    if pixels.dtype.kind == "f":
        there = np.isfinite(pixels)
        if not there.any():
            raise InputError(
                f"{one.name}: all pixels of {what} are NaN or infinite. Leave this image out, or repair it."
            )
        if not there.all():
            seen.gaps.append((one, 1 - float(there.mean())))
            pixels = pixels[there]
    least, greatest = pixels.min(), pixels.max()
    if least == greatest:
        seen.constant.append((one, what))
    elif pixels.dtype.kind in "ui" and greatest == np.iinfo(pixels.dtype).max:
        share = float((pixels == greatest).mean())
        if share > _MOST_SATURATED:
            seen.saturated.append((one, share))


def _register(fields: Sequence[Field], config: TrainingConfig, cache: FrameCache) -> list[str]:
    """Compare the images of fields that should show one place at one spot."""
    if config.self_supervised is not None:
        return warn_of_several_fields(fields, cache) if config.self_supervised == "noise2noise" else []
    warnings = []
    if "sim" in config.outputs:
        pairs = [(one, *_sim_and_clean(one, cache)) for one in fields if one.sim is not None]
        warnings += _misplaced(pairs, "SIM image", "widefield image")
    if "denoised" in config.outputs:
        own = [one for one in fields if one.denoised is not None and one.fov is None]
        pairs = [(one, cache.read(one.denoised), cache.read(next(iter(one.inputs.values())))) for one in own]
        warnings += _misplaced(pairs, "clean image", "noisy image")
        warnings += warn_of_noisier_clean(pairs)
        warnings += [] if config.match_clean else _of_other_brightness(pairs)
    return warnings


def _sim_and_clean(one: Field, cache: FrameCache) -> tuple[AnyArray, AnyArray]:
    """Return a field's SIM image on the grid of its widefield images, and the least noisy of these."""
    height, width = one.shape
    sim = cache.read(one.sim).astype(np.float32).reshape(height, SIM_SCALE, width, SIM_SCALE).mean((1, 3))
    return sim, cache.read(one.clean)


def _misplaced(pairs: Sequence[tuple[Field, AnyArray, AnyArray]], what: str, reference: str) -> list[str]:
    found = [(one, find_shift(image, still)) for one, image, still in pairs]
    others = [(one, shift) for one, shift in found if shift.after < _SAME_PLACE]
    moved = [
        (one, shift)
        for one, shift in found
        if shift.after >= _SAME_PLACE and shift.length > _MOST_SHIFT and shift.after > shift.before + _GAIN
    ]
    warnings = []
    looked = f"of {plural(len(found), 'field', 'fields')} that {'was' if len(found) == 1 else 'were'} compared"
    if others:
        names = named([one for one, _ in others])
        warnings.append(
            f"{what} and {reference} do not look like one place in {len(others)} {looked} ({names}). Check which "
            "images belong together."
        )
    if moved:
        shifts = dict(sorted(moved, key=lambda item: -item[1].length))
        names = named(list(shifts), lambda one: f"{one.name} by {_pixels(shifts[one])}")
        warnings.append(
            f"{what} and {reference} are shifted against each other in {len(moved)} {looked} ({names}), in pixels of "
            f"the {reference} along y and x. What is learned from them will be blurred: register or leave them out."
        )
    return warnings


def _of_other_brightness(pairs: Sequence[tuple[Field, AnyArray, AnyArray]]) -> list[str]:
    """Warn of clean images that are not on the intensity scale of the noisy ones."""
    found = {}
    for one, clean, noisy in pairs:
        (mean, std), (own, spread) = _moments(clean), _moments(noisy)
        if abs(mean - own) > spread or std > _MOST_CONTRAST * spread:
            found[one] = f"{one.name}: {mean:.4g} ± {std:.4g} against {own:.4g} ± {spread:.4g}"
    if not found:
        return []
    return [
        f"The clean image is of another brightness than the noisy one in {plural(len(found), 'field', 'fields')} "
        f"({named(list(found), lambda one: found[one])}), and so would be what is restored. Scale the clean image to "
        "the noisy one first. A recipe for napari-w2s train can also have them matched (match_clean: true)."
    ]


def _moments(image: AnyArray) -> tuple[float, float]:
    """Return mean and standard deviation of the finite pixels; NaN if there are none."""
    pixels = image[np.isfinite(image)]
    return (float(pixels.mean(dtype=float)), float(pixels.std(dtype=float))) if pixels.size else (np.nan, np.nan)


def _pixels(shift: Shift) -> str:
    return f"{shift.length:.1f} ({shift.y:+.1f}, {shift.x:+.1f})"


def _spread(fields: Sequence[Field], most: int) -> list[Field]:
    """Return all fields, or so many that are evenly spread."""
    count = min(most, len(fields))
    return [fields[i * len(fields) // count] for i in range(count)]
