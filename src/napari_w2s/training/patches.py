"""Patches to learn from: drawn at random, alike for the same seed and number, wherever and whenever they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import SIM_SCALE, Field, size
from napari_w2s.training.pairs import Box, Cutter, Pixels
from napari_w2s.training.sampling import Choices, Corners
from napari_w2s.training.standardise import Frames, draw_scale, nothing_but_noise, sim_on_scale
from napari_w2s.training.turning import draw_turn
from napari_w2s.training.whole_images import Match, Matches

Sample = dict[str, npt.NDArray[np.float32]]
"""Arrays of one patch: ``noisy`` ``(1, P, P)``, and per output its target and the affine map to the target's scale."""

LEAST_EDGE = 8
"""Pixels that a validation image needs along y and x; it is cut to a multiple of these."""


@dataclass
class PatchMaker:
    """Cut patches out of fields as a config says.

    A sample holds ``noisy`` ``(1, P, P)``, standardised, and for each output its target, in units of the intensity
    range, and ``OUTPUT_map``, the gain and offset that bring the network's answer to the target's scale. Where the loss
    does not count everywhere, ``mask`` ``(1, P, P)`` is 1 where it does and else 0; then every sample has one.

    Attributes
    ----------
    config : TrainingConfig
    fields : sequence of Field
    cache : FrameCache
    matches : Matches or None
        How training patches are matched to their SIM images; None leaves them as they are.

    Raises
    ------
    InputError
        If a field has not what the config learns from.
    """

    config: TrainingConfig
    fields: Sequence[Field]
    cache: FrameCache = field(default_factory=FrameCache)
    matches: Matches | None = None

    def __post_init__(self) -> None:
        if not self.fields:
            raise InputError("There is no image to learn from.")
        self._choices = Choices(self.config, self.fields)
        self._corners = Corners(self.config.foreground, self.cache)
        self._frames = Frames(self.cache)
        self._cutter = Cutter(self.config, self.cache)
        for one in self.fields:
            self._check(one)
        self._masked = any(self._cutter.is_masked(one) for one in self.fields)

    def draw(self, number: int) -> Sample:
        """Return the training patch of that number: the same one whenever it is asked for.

        Raises
        ------
        InputError
            If the field is smaller than a patch, or a file of it cannot be read.
        """
        rng = np.random.default_rng((self.config.seed, number))
        place = int(rng.integers(len(self.fields)))
        one = self.fields[place]
        level = self._choices.draw(place, rng)
        edge = self.config.patch
        check_size(one, edge)
        top, left = self._corners.draw(one, edge, rng)
        empty = self._is_empty(rng)
        if empty:
            pixels = nothing_but_noise(self._frames, one, level, edge, self.config.outputs, rng)
        else:
            pixels = self._cut(one, level, Box(top, left, edge, edge), rng)
        sample = self._sample(one, level, pixels, rng)
        if self.matches is not None and not empty:
            _match(sample, self.matches[place][level])
        return _turned(sample, rng) if self.config.augmentation.flips else sample

    def centre(self, one: Field, level: str, edge: int) -> Sample:
        """Return the part at the centre of a field, at most `edge` pixels wide, as it is."""
        height, width = (max(LEAST_EDGE, min(edge, n) // LEAST_EDGE * LEAST_EDGE) for n in one.shape)
        check_size(one, LEAST_EDGE)
        top, left = (one.shape[0] - height) // 2, (one.shape[1] - width) // 2
        return self._sample(one, level, self._cutter.judge(one, level, Box(top, left, height, width)), None)

    def _cut(self, one: Field, level: str, box: Box, rng: np.random.Generator) -> Pixels:
        augmentation = self.config.augmentation
        if not self._is_redrawn(one, level, rng):
            return self._cutter.train(one, level, box, rng)
        turn = draw_turn(augmentation.zoom, rng) if augmentation.turn and rng.random() < augmentation.turn else None
        wide = None if turn is None else box.widened(turn.around(box.height), one.shape)
        if turn is None or wide is None:
            clean = self.cache.part(one.denoised, *box.of())
            pixels = self._cutter.train(one, level, box, rng)
        else:
            clean = turn.seen(self.cache.part(one.denoised, *wide.of()), box.height)
            pixels = self._cutter.train(one, level, wide, rng)
            targets = {
                name: turn.seen(target, box.height * target.shape[0] // wide.height)
                for name, target in pixels.targets.items()
            }
            pixels = replace(pixels, targets=targets)
        return replace(pixels, noisy=self._frames.redrawn(one, level, clean, augmentation.camera, rng))

    def _is_empty(self, rng: np.random.Generator) -> bool:
        share = self.config.augmentation.empty
        return share > 0 and bool(rng.random() < share)

    def _is_redrawn(self, one: Field, level: str, rng: np.random.Generator) -> bool:
        share = self.config.augmentation.renoise
        return share > 0 and bool(rng.random() < share) and one.inputs[level] is not one.denoised

    def _check(self, one: Field) -> None:
        wanted = self.config.self_supervised
        if wanted == "noise2noise" and one.burst is None:
            raise InputError(f"{one.name} has no single frames, which Noise2Noise needs. Choose bursts.")
        for output in self.config.outputs if wanted is None else ():
            if one.target(output) is None:
                what = "clean image" if output == "denoised" else "SIM image"
                raise InputError(f"{one.name} has no {what} to learn from. Choose another task or other images.")
        if self.config.augmentation.renoise and one.denoised is None:
            raise InputError(
                f"{one.name} has no clean image to draw noisy ones from. Set augmentation.renoise to 0, or choose "
                "other images."
            )

    def _sample(self, one: Field, level: str, pixels: Pixels, rng: np.random.Generator | None) -> Sample:
        frame = self._frames.of(one, one.inputs[level])
        noisy = frame.to_unit(pixels.noisy)
        scale = draw_scale(self.config, frame, noisy, rng)
        sample: Sample = {"noisy": ((noisy - scale.mean) / scale.std)[None]}
        for output, target in pixels.targets.items():
            if output == "sim":
                unit = self._frames.of(one, one.sim).to_unit(target)
                unit, gain, offset = sim_on_scale(self.config, self._frames, one, frame, scale, unit)
            else:
                unit, gain, offset = frame.to_unit(target), scale.std, scale.mean
                if self.config.match_clean and pixels.clean:
                    slope, shift = self._frames.drift(one, one.inputs[level])
                    unit = slope * unit + shift
            sample[output] = unit[None]
            sample[f"{output}_map"] = np.array([gain, offset], np.float32)
        if self._masked:
            sample["mask"] = _mask(pixels)[None]
        return sample


def check_size(one: Field, edge: int) -> None:
    """Raise an InputError if a field is smaller than a patch."""
    if min(one.shape) < edge:
        raise InputError(
            f"{one.name} has {size(one.shape)} pixels, which is too small for patches of {edge} x {edge}. "
            "Choose smaller patches or larger images."
        )


def _mask(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return 1 where the loss counts and all targets are numbers, on the grid of the input."""
    height, width = pixels.noisy.shape
    counts = np.ones((height, width), np.float32) if pixels.counts is None else pixels.counts.astype(np.float32)
    for output, target in pixels.targets.items():
        gaps = ~np.isfinite(target)
        if output == "sim":
            gaps = np.logical_or.reduce(gaps.reshape(height, SIM_SCALE, width, SIM_SCALE), axis=(1, 3))
        counts[gaps] = 0
    return counts


def _match(sample: Sample, match: Match) -> None:
    """Bring the network's answer to the SIM image's brightness, and both to the image's weight."""
    weight = match.weight
    gain, offset = sample["sim_map"]
    sample["sim"] *= np.float32(weight)
    sample["sim_map"] = np.array(
        [weight * match.gain * gain, weight * (match.gain * offset + match.offset)], np.float32
    )


def _turned(sample: Sample, rng: np.random.Generator) -> Sample:
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turn(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        turned = image.swapaxes(-2, -1) if turns % 2 else image
        rows = slice(None, None, -1) if turns in (1, 2) else slice(None)
        columns = slice(None, None, -1) if (turns in (2, 3)) != mirrored else slice(None)
        return np.ascontiguousarray(turned[..., rows, columns])

    return {key: turn(value) if value.ndim == 3 else value for key, value in sample.items()}
