"""Noise drawn anew: as strong as before at every intensity, never the same twice, only where a clean image is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import w2s_fields
from w2s_fields import PLAIN

from napari_w2s._types import InputError
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import Source
from napari_w2s.training.fields import Field
from napari_w2s.training.patches import PatchMaker, Sample
from napari_w2s.training.renoise import CAMERAS, NoiseLine, draw_noisy, fit_noise
from napari_w2s.training.standardise import Frames
from napari_w2s.training.w2s_fields import gather_w2s

EDGE = 256
ALWAYS = {**PLAIN, "renoise": 1.0}


def ramp(edge: int = EDGE, low: float = 20.0, high: float = 220.0) -> np.ndarray:
    return np.tile(np.linspace(low, high, edge), (edge, 1))


def skew(values: np.ndarray) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / centred.std() ** 3)


def shot_field(clean: np.ndarray, gain: float, seed: int = 0) -> Field:
    noisy = gain * np.random.default_rng(seed).poisson(clean / gain)
    return Field("shot", "shot", {"avg1": noisy.astype(np.float32), "avg400": clean}, denoised=clean)


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize(("gain", "bias"), [(2.0, 0.0), (8.0, 15.0), (0.05, -3.0)])
def test_the_noise_that_is_drawn_is_the_noise_that_is_found(camera: str, gain: float, bias: float) -> None:
    noise = NoiseLine(gain, gain * bias)
    noisy = draw_noisy(ramp(), noise, camera, np.random.default_rng(0))
    assert (noisy - ramp()).mean() == pytest.approx(0, abs=5 * np.sqrt(gain * 250) / EDGE)
    found = fit_noise(noisy, ramp())
    assert found.gain == pytest.approx(gain, rel=0.05)
    assert found.offset == pytest.approx(gain * bias, abs=0.06 * gain * 120)


def test_multiplied_photons_are_half_as_lopsided_again() -> None:
    clean, noise = np.full((EDGE, EDGE), 4.0), NoiseLine(1.0, 0.0)
    counted, multiplied = (draw_noisy(clean, noise, camera, np.random.default_rng(1)) for camera in ("scmos", "emccd"))
    assert counted.std() == pytest.approx(2, rel=0.02)
    assert multiplied.std() == pytest.approx(2, rel=0.02)
    assert skew(counted) == pytest.approx(1 / 2, rel=0.1)
    assert skew(multiplied) == pytest.approx(3 / 4, rel=0.1)


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        (np.ones((4, 4)), np.ones((4, 4))),
        (np.full((64, 64), np.nan), ramp(64)),
        (ramp(64), ramp(64)),
        (np.full((64, 64), 3.0), np.full((64, 64), 3.0)),
    ],
    ids=["few pixels", "no numbers", "no noise", "constant"],
)
def test_where_there_is_no_noise_to_find_none_is_drawn(noisy: np.ndarray, clean: np.ndarray) -> None:
    noise = fit_noise(noisy, clean)
    assert noise == NoiseLine(0.0, 0.0)
    assert np.array_equal(draw_noisy(clean, noise, "scmos", np.random.default_rng(0)), clean)


def test_noise_that_does_not_grow_with_intensity_is_drawn_alike_everywhere() -> None:
    rng = np.random.default_rng(2)
    noise = fit_noise(ramp() + rng.normal(0, 5, (EDGE, EDGE)) * np.linspace(1.1, 0.9, EDGE), ramp())
    assert noise.gain == 0
    assert (draw_noisy(ramp(), noise, "emccd", rng) - ramp()).std() == pytest.approx(5, rel=0.02)


def test_pixels_that_are_not_numbers_stay_so_and_spoil_nothing() -> None:
    clean = ramp()
    clean[3, 5] = np.inf
    drawn = draw_noisy(clean, NoiseLine(1.0, 0.0), "emccd", np.random.default_rng(0))
    assert np.argwhere(~np.isfinite(drawn)).tolist() == [[3, 5]]
    assert fit_noise(drawn, clean).gain == pytest.approx(1, rel=0.05)


def noisy_of(sample: Sample) -> np.ndarray:
    gain, offset = sample["denoised_map"]
    return sample["noisy"] * gain + offset


def test_every_patch_has_noise_of_its_own_about_the_same_clean_image() -> None:
    one = shot_field(ramp(), 2.0)
    maker = PatchMaker(w2s_fields.config(augmentation=ALWAYS, patch=EDGE), [one])
    first, second = (noisy_of(maker.draw(number)) - maker.draw(number)["denoised"] for number in (0, 1))
    original = noisy_of(PatchMaker(w2s_fields.config(augmentation=PLAIN, patch=EDGE), [one]).draw(0))
    original = original - maker.draw(0)["denoised"]
    assert first.std() == pytest.approx(original.std(), rel=0.03)
    for other in (second, original):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.02
    assert np.array_equal(maker.draw(0)["noisy"], maker.draw(0)["noisy"])


def test_a_share_is_drawn_and_validation_and_the_clean_image_never() -> None:
    one = shot_field(ramp(), 2.0)
    plain = PatchMaker(w2s_fields.config(augmentation=PLAIN, patch=EDGE), [one])
    some = PatchMaker(w2s_fields.config(augmentation={**PLAIN, "renoise": 0.25}, patch=EDGE), [one])
    drawn = sum(not np.array_equal(some.draw(n)["noisy"], plain.draw(n)["noisy"]) for n in range(100))
    assert 10 < drawn < 40
    always = PatchMaker(w2s_fields.config(augmentation=ALWAYS, patch=EDGE), [one])
    assert np.array_equal(always.centre(one, "avg1", EDGE)["noisy"], plain.centre(one, "avg1", EDGE)["noisy"])
    clean = PatchMaker(w2s_fields.config(augmentation=ALWAYS, patch=EDGE, levels={"avg400": 1}), [one])
    assert np.allclose(noisy_of(clean.draw(0)), clean.draw(0)["denoised"], atol=1e-5)


def test_whole_numbers_stay_whole_and_in_range() -> None:
    noisy = np.random.default_rng(0).poisson(ramp(high=300)).clip(0, 255).astype(np.uint8)
    one = Field("small", "small", {"avg1": noisy}, denoised=ramp(high=255).astype(np.uint8))
    drawn = Frames(FrameCache()).redrawn(one, "avg1", one.denoised, "scmos", np.random.default_rng(0))
    assert np.array_equal(drawn, np.rint(drawn))
    assert drawn.min() >= 0
    assert drawn.max() <= 255


def test_without_a_clean_image_it_is_refused_by_name() -> None:
    lone = Field("lone", "lone", {"avg1": ramp()}, sim=np.kron(ramp(), np.ones((2, 2))))
    config = w2s_fields.config(task="sr", losses={"sim": [{"name": "l1"}]}, augmentation=ALWAYS)
    with pytest.raises(InputError, match=r"lone has no clean image to draw noisy ones from. Set augmentation\.renoise"):
        PatchMaker(config, [lone])
    with pytest.raises(InputError, match=r"augmentation\.renoise needs clean images"):
        w2s_fields.config(self_supervised="noise2void", augmentation=ALWAYS)


@pytest.mark.skipif(not os.environ.get("W2S_ROOT"), reason="W2S_ROOT names no W2S data")
@pytest.mark.parametrize("level", ["avg1", "avg4"])
def test_drawn_noise_resembles_that_of_real_images(level: str) -> None:
    config = w2s_fields.config(levels={level: 1}, match_clean=True)
    root = Source(paths={"root": (str(Path(os.environ["W2S_ROOT"])),)}, fovs="1-2", channels=(0, 1))
    frames = Frames(FrameCache())
    for one in gather_w2s(root, config).fields:
        real = frames.cache.read(one.inputs[level]).astype(np.float64)
        drawn = frames.redrawn(one, level, frames.cache.read(one.denoised), "emccd", np.random.default_rng(0))
        clean = frames.as_bright(one, one.inputs[level], frames.cache.read(one.denoised))
        assert drawn.mean() == pytest.approx(real.mean(), rel=0.01)
        assert (drawn - clean).std() == pytest.approx((real - clean).std(), rel=0.03)
        assert skew(drawn - clean) == pytest.approx(skew(real - clean), rel=0.15)
