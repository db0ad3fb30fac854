"""The noise estimate and the level guess, on images of known noise and on real ones."""

from __future__ import annotations

import math
from pathlib import Path

import dask.array as da
import imageio.v3 as iio
import numpy as np
import pytest
from scipy import ndimage

from napari_w2s._types import InputError, Level
from napari_w2s.data.noise import NoiseEstimate, estimate_noise, guess_level
from napari_w2s.data.protocol import FRAME_INDICES
from napari_w2s.data.simulate import simulate_fov

LEVELS = tuple(FRAME_INDICES)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """A cell without noise in [0, 1]."""
    image = simulate_fov(11, 1).clean.astype(float)
    return (image - image.min()) / np.ptp(image)


def noisy(clean: np.ndarray, gain: float, read: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return gain * rng.poisson(clean / gain) + read * rng.standard_normal(clean.shape)


def stds(noise: NoiseEstimate, means: np.ndarray) -> np.ndarray:
    return np.array([noise.std(mean) for mean in means])


@pytest.mark.parametrize("gain", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("read", [0.01, 0.03])
def test_gain_and_noise_within_ten_percent(clean: np.ndarray, gain: float, read: float):
    noise = estimate_noise(noisy(clean, gain, read))
    assert noise.gain == pytest.approx(gain, rel=0.1)
    means = np.array([0.2, 0.5, 0.9])
    np.testing.assert_allclose(stds(noise, means), np.sqrt(gain * means + read**2), rtol=0.1)


@pytest.mark.parametrize("gain", np.geomspace(0.001, 0.2, 6))
def test_gain_within_ten_percent_of_every_kind_of_structure(gain: float):
    """Of 512 x 512 pixels. Read noise of more than a fiftieth of the range would hide the smallest of the gains."""
    for seed, channel, read in ((3, 0, 0.0), (3, 1, 0.01), (3, 2, 0.02), (7, 0, 0.02), (7, 1, 0.0), (7, 2, 0.01)):
        field = simulate_fov(seed, channel).clean.astype(float)
        image = noisy((field - field.min()) / np.ptp(field), gain, read, seed)
        assert estimate_noise(image).gain == pytest.approx(gain, rel=0.1), (seed, channel, read)


@pytest.mark.parametrize("frames", [1, 2, 8, 16])
def test_camera_counts(frames: int):
    field = simulate_fov(12, 0)
    noise = estimate_noise(field.frames(range(frames)).mean(axis=0))
    gain, offset_variance = field.noise(frames)
    means = np.percentile(field.clean, [20, 50, 99])
    assert noise.gain == pytest.approx(gain, rel=0.1)
    np.testing.assert_allclose(stds(noise, means), np.sqrt(gain * means + offset_variance), rtol=0.1)


def test_small_image(clean: np.ndarray):
    part = clean[192:256, 192:256]
    estimates = [estimate_noise(noisy(part, 0.05, 0.02, seed)).median_std for seed in range(8)]
    assert np.median(estimates) == pytest.approx(math.sqrt(0.05 * np.median(part) + 0.02**2), rel=0.1)


@pytest.mark.parametrize("gain", [0.01, 0.05, 0.2])
def test_gain_of_a_small_image(clean: np.ndarray, gain: float):
    """Of 64 x 64 pixels a single estimate may be half or twice the gain; they lie around it."""
    part = clean[192:256, 192:256]
    gains = [estimate_noise(noisy(part, gain, 0.02, seed)).gain for seed in range(16)]
    assert np.median(gains) == pytest.approx(gain, rel=0.25)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("gain", [0.001, 0.2])
def test_flat_small_image(level: float, gain: float):
    """Its noise is known to a tenth, though not how it would grow with the signal."""
    flat = np.full((64, 64), level)
    for seed in range(8):
        noise = estimate_noise(noisy(flat, gain, 0.02, seed))
        assert noise.median_std == pytest.approx(math.sqrt(gain * level + 0.02**2), rel=0.1)


def test_gaussian_noise_has_no_gain(clean: np.ndarray):
    noise = estimate_noise(clean + 0.05 * np.random.default_rng(0).standard_normal(clean.shape))
    assert noise.median_std == pytest.approx(0.05, rel=0.05)
    assert noise.gain < 0.0005


def test_flat_image():
    noise = estimate_noise(100 + 3 * np.random.default_rng(1).standard_normal((256, 256)))
    assert noise.median_std == pytest.approx(3.0, rel=0.05)
    assert noise.describe().startswith(("noise 3", "gain", "noise 2.9"))


def test_structure_without_noise_is_not_taken_for_noise(clean: np.ndarray):
    assert estimate_noise(clean).median_std < 0.002


def test_edges_and_texture_are_outvoted(clean: np.ndarray):
    marked = clean.copy()
    marked[100:160, 60:300:2] += 0.8
    noise = estimate_noise(noisy(marked, 0.01, 0.02))
    assert noise.gain == pytest.approx(0.01, rel=0.15)


def test_intensity_unit_carries_over(clean: np.ndarray):
    image = noisy(clean, 0.02, 0.02)
    noise, other = estimate_noise(image), estimate_noise(300.0 * image - 40.0)
    assert other.gain == pytest.approx(300 * noise.gain, rel=1e-6)
    assert other.variance(300 * 0.5 - 40) == pytest.approx(300**2 * noise.variance(0.5), rel=1e-6)


def test_eight_bit_rounding(clean: np.ndarray):
    image = np.clip(np.rint(20 + 180 * noisy(clean, 0.02, 0.03)), 0, 255).astype(np.uint8)
    noise = estimate_noise(image)
    assert noise.step == 1.0
    assert noise.gain == pytest.approx(180 * 0.02, rel=0.1)


def test_saturated_pixels_are_left_out(clean: np.ndarray):
    image = noisy(clean, 0.01, 0.02)
    cut = np.clip(image, 0.0, 0.45)
    assert np.mean(cut == 0.45) > 0.005
    assert estimate_noise(cut).gain == pytest.approx(0.01, rel=0.12)


def test_a_black_frame_around_the_picture_changes_nothing(clean: np.ndarray):
    image = 50 + 100 * noisy(clean, 0.02, 0.03)
    framed = np.pad(image, 200)
    assert estimate_noise(framed).gain == pytest.approx(estimate_noise(image).gain, rel=0.05)


def test_pixels_that_are_not_numbers_are_left_out(clean: np.ndarray):
    image = noisy(clean, 0.02, 0.02)
    holed = image.copy()
    holed[::40, ::40] = np.nan
    holed[5, 7], holed[9, 9] = np.inf, -np.inf
    assert estimate_noise(holed).gain == pytest.approx(estimate_noise(image).gain, rel=0.1)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64)),
        np.full((64, 64), 7, np.uint16),
        np.full((32, 32), np.nan),
        np.full((32, 32), np.inf),
        np.zeros((0, 5)),
        np.zeros((0, 16, 16)),
        np.ones((1, 1)),
        np.random.default_rng(0).random((4, 300)),
        np.full((40, 40), 1e308) * np.where(np.arange(40) % 2, 1, -1),
        np.random.default_rng(0).random((40, 40)) * 1e300,
    ],
    ids=["zero", "constant", "nan", "inf", "empty", "no-frames", "pixel", "thin", "overflow", "variance-overflow"],
)
def test_nothing_to_measure(image: np.ndarray):
    noise = estimate_noise(image)
    assert (noise.gain, noise.offset_variance, noise.blocks) == (0.0, 0.0, 0)
    assert noise.describe() == "no noise found"
    guess = guess_level(image)
    assert guess.confidence == 0.0
    assert math.isinf(guess.frames)


@pytest.mark.parametrize("side", [5, 6, 7, 9, 16, 33])
def test_any_small_size_gives_finite_numbers(side: int):
    noise = estimate_noise(np.random.default_rng(side).poisson(9, (side, side + 3)))
    assert math.isfinite(noise.gain)
    assert noise.median_std > 0
    assert guess_level(np.zeros((2, 2)), noise).level in LEVELS


@pytest.mark.parametrize(
    "convert",
    [
        lambda image: image.astype(">u2"),
        lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
        lambda image: np.asfortranarray(image),
        lambda image: image.astype(np.float32),
        lambda image: image.tolist(),
        lambda image: np.stack([image, image, image]),
    ],
    ids=["big-endian", "strides", "fortran", "float32", "list", "stack"],
)
def test_memory_layout_and_type_do_not_matter(convert):
    image = np.random.default_rng(3).poisson(np.linspace(5, 80, 128), (128, 128)).astype(np.uint16)
    plain, other = estimate_noise(image), estimate_noise(convert(image))
    assert other.gain == pytest.approx(plain.gain, rel=1e-5)
    assert other.offset_variance == pytest.approx(plain.offset_variance, rel=1e-5, abs=1e-5)


def test_bool_image_is_measured_without_an_error():
    mask = np.random.default_rng(4).random((64, 64)) > 0.5
    assert math.isfinite(estimate_noise(mask).median_std)


@pytest.mark.parametrize("image", [np.zeros(5), np.zeros((8, 8), complex), np.zeros((8, 8), object)])
def test_what_is_no_image_is_refused(image: np.ndarray):
    with pytest.raises(InputError):
        estimate_noise(image)


def test_one_frame_of_a_lazy_burst_is_read():
    read: list[int] = []

    def frame(block_info=None) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][0])
        return np.random.default_rng(0).poisson(9, (1, 64, 64))

    burst = da.map_blocks(frame, chunks=((1,) * 20, 64, 64), dtype=int, meta=np.zeros((0, 0, 0), int))
    assert estimate_noise(burst).median_std == pytest.approx(3.0, rel=0.1)
    assert read == [10]


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_levels_of_the_simulated_field(channel: int):
    field = simulate_fov(13, channel)
    guesses = [guess_level(field.average(level)) for level in LEVELS]
    off = [abs(LEVELS.index(guess.level) - place) for place, guess in enumerate(guesses)]
    assert max(off) <= 1
    assert sum(off) <= 2
    frames = [guess.frames for guess in guesses]
    assert frames == sorted(frames)
    assert all(0 < guess.confidence <= 1 for guess in guesses)
    assert guesses[0].describe() == f"looks like {guesses[0].level}"


def test_the_guess_does_not_depend_on_intensity_units():
    image = simulate_fov(14, 0).average(Level.AVG4).astype(float)
    guess, other = guess_level(image), guess_level((image - 154.5) / 66.0)
    assert other.level is guess.level
    assert other.frames == pytest.approx(guess.frames, rel=1e-3)


def test_noise_without_gain_is_judged_by_the_range(clean: np.ndarray):
    rng = np.random.default_rng(5)
    frames = [guess_level(clean + std * rng.standard_normal(clean.shape)).frames for std in (0.2, 0.05, 0.01)]
    assert frames == sorted(frames)
    assert frames[0] < 6
    assert guess_level(100 + rng.standard_normal((128, 128))).level is Level.AVG1


def test_a_clean_image_of_a_camera_without_background_is_no_single_frame(clean: np.ndarray):
    events = np.random.default_rng(6).poisson(20000 * clean) + np.random.default_rng(7).standard_normal(clean.shape)
    assert guess_level(events).frames > 8


def test_real_frames_against_their_reference(w2s_root: Path):
    ratios = []
    for fov in (1, 12, 25, 40):
        for channel in range(3):
            name = f"{fov:03d}_{channel}.png"
            noisy_image = iio.imread(w2s_root / "data/train/avg1" / name)
            reference = iio.imread(w2s_root / "data/train/avg400" / name).astype(float)
            residual = noisy_image - reference
            residual -= ndimage.gaussian_filter(residual, 4)
            middle = np.abs(reference - np.median(reference)) <= 2
            ratios.append(estimate_noise(noisy_image).std(float(np.median(reference))) / residual[middle].std())
    assert np.median(ratios) == pytest.approx(1.0, abs=0.05)
    assert np.all(np.abs(np.array(ratios) - 1) < 0.2)


def test_real_levels_are_told_within_one(w2s_root: Path):
    off = []
    for fov in (47, 50, 53, 56):
        for place, level in enumerate(LEVELS):
            image = iio.imread(w2s_root / "data/train" / level / f"{fov:03d}_0.png")
            off.append(abs(LEVELS.index(guess_level(image).level) - place))
    assert np.mean(np.array(off) <= 1) >= 0.95
    assert np.mean(np.array(off) == 0) >= 0.6
