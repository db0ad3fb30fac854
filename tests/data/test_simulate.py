"""The simulated field of view: optics, noise, reproducibility, and the images made of it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from skimage.registration import phase_cross_correlation

from napari_w2s._types import InputError, Level
from napari_w2s.data import optics, simulate
from napari_w2s.data.noise import guess_level
from napari_w2s.data.protocol import CHANNELS, FRAME_INDICES, NUMERICAL_APERTURE
from napari_w2s.data.simulate import simulate_fov, simulated_images

SIZE = 96


def centroid(image: np.ndarray) -> tuple[float, float]:
    places = np.arange(image.shape[0]) + 0.5
    return float(image.sum(1) @ places / image.sum()), float(image.sum(0) @ places / image.sum())


def test_widefield_otf_is_the_overlap_of_two_pupils():
    cut_off = 2 * NUMERICAL_APERTURE / 0.525
    otf = optics.widefield_otf(np.array([0.0, 0.5, 1.0, 1.5]) * cut_off, 0.525, NUMERICAL_APERTURE)
    np.testing.assert_allclose(otf, [1.0, 0.391, 0.0, 0.0], atol=1e-3)


def test_sim_otf_reaches_twice_as_far_and_is_finite():
    cut_off = 2 * NUMERICAL_APERTURE / 0.525
    otf = optics.sim_otf(np.linspace(0, 3, 301) * cut_off, 0.525, NUMERICAL_APERTURE)
    assert otf[0] == 1.0
    assert otf[150] > 0.05
    assert np.all(otf[200:] < 1e-6)
    assert np.all(np.isfinite(otf))


def test_points_keep_their_sub_pixel_position_on_every_grid():
    fine, side, pixel = 4, 64, 0.064
    y, x = 31.37 * pixel, 28.81 * pixel
    full = optics.spectrum(optics.draw_points([y], [x], [1.0], side * fine, pixel / fine))
    for factor in (4, 2):
        grid = side * fine // factor
        blur = optics.defocus_transfer(optics.radial_frequency(grid, pixel * factor / fine), 0.15)
        image = optics.render(full, blur, factor)
        place = np.array(centroid(image)) * factor / fine
        np.testing.assert_allclose(place, [31.37, 28.81], atol=0.01)
        assert image.sum() == pytest.approx(1.0, rel=1e-3)


def test_points_outside_the_grid_are_left_out():
    assert optics.draw_points([-1.0, 99.0], [0.5, 0.5], [1.0, 1.0], 16, 0.064).sum() == 0


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_sim_resolves_what_widefield_cannot(channel: int):
    field = simulate_fov(1, channel, 128)
    cut_off = 2 * NUMERICAL_APERTURE / (CHANNELS[channel].emission_nm / 1000)

    def power(image: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray]:
        window = np.hanning(image.shape[0])
        spectrum = np.abs(np.fft.rfft2((image - image.mean()) * window[:, None] * window)) ** 2
        return optics.radial_frequency(image.shape[0], pixel), spectrum

    frequency, wide = power(field.clean, 0.064)
    assert wide[frequency > 1.15 * cut_off].sum() < 1e-5 * wide.sum()
    frequency, fine = power(field.sim, 0.032)
    between = (frequency > 1.15 * cut_off) & (frequency < 1.9 * cut_off)
    assert fine[between].sum() > 3e-3 * fine.sum()


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_sim_and_widefield_show_the_same_place(channel: int):
    field = simulate_fov(2, channel, 128)
    binned = field.sim.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    shift, _, _ = phase_cross_correlation(field.clean, binned, upsample_factor=50, normalization=None)
    assert np.all(np.abs(shift) <= 0.06)


def test_frames_depend_on_their_number_only():
    field = simulate_fov(3, 1, SIZE)
    forward, backward = field.frames([5, 7]), field.frames([7, 5])
    np.testing.assert_array_equal(forward, backward[::-1])
    assert not np.array_equal(forward[0], forward[1])
    np.testing.assert_array_equal(field.burst()[7].compute(scheduler="synchronous"), forward[1])


def test_burst_is_lazy_with_one_chunk_per_frame(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulate, "_render", lambda _field: pytest.fail("pixels were made"))
    burst = simulate_fov(0, 0).burst()
    assert burst.shape == (400, 512, 512)
    assert burst.dtype == np.uint16
    assert burst.numblocks == (400, 1, 1)


def test_seeds_and_channels_differ_and_repeat():
    first = simulate_fov(4, 0, SIZE).clean
    simulate._render.cache_clear()
    np.testing.assert_array_equal(simulate_fov(4, 0, SIZE).clean, first)
    assert not np.array_equal(simulate_fov(5, 0, SIZE).clean, first)
    assert not np.array_equal(simulate_fov(4, 1, SIZE).clean, first)


def test_frames_have_the_stated_mean_and_variance():
    field = simulate_fov(6, 0, 32)
    frames = field.frames(range(300)).astype(float)
    assert frames.mean() == pytest.approx(field.clean.mean(), rel=2e-3)
    gain, offset_variance = field.noise()
    expected = gain * field.clean + offset_variance
    bright = field.clean > np.median(field.clean)
    for part in (bright, ~bright):
        assert frames.var(axis=0, ddof=1)[part].mean() == pytest.approx(expected[part].mean(), rel=0.05)


@pytest.mark.parametrize("level", [Level.AVG1, Level.AVG4])
def test_averages_are_means_of_the_benchmark_frames(level: Level):
    field = simulate_fov(7, 2, 48)
    expected = field.frames(FRAME_INDICES[level]).mean(axis=0)
    np.testing.assert_allclose(field.average(level), expected, rtol=1e-6)


def test_avg400_has_the_noise_of_400_frames():
    field = simulate_fov(8, 0, 256)
    gain, offset_variance = field.noise(400)
    expected = gain * field.clean + offset_variance
    ratio = (field.average(Level.AVG400) - field.clean) ** 2 / expected
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_array_equal(field.average(Level.AVG400), field.average(Level.AVG400))


def test_sim_is_no_average():
    with pytest.raises(InputError, match="attribute sim"):
        simulate_fov().average(Level.SIM)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_frame_is_about_as_noisy_as_a_real_one(channel: int):
    field = simulate_fov(0, channel)
    noisy, clean = field.average(Level.AVG1), field.clean
    span = float(np.ptp(noisy))
    psnr = 10 * np.log10(span**2 / np.mean((noisy - clean) ** 2))
    assert 22 < psnr < 29
    assert 90 < clean.min() < 110
    assert 120 < clean.mean() < 180
    assert guess_level(noisy).level is Level.AVG1


def test_pixels_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        simulate_fov(0, 0, SIZE).clean[0, 0] = 1


def test_a_field_travels_between_processes():
    field = simulate_fov(9, 1, 32)
    again = pickle.loads(pickle.dumps(field))
    np.testing.assert_array_equal(again.frames([3]), field.frames([3]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 3), "channel 3"), ((0, 0, 8), "8 pixels"), ((0, 0, 10**6), "1000000 pixels"), ((-1, 0), "seed -1")],
)
def test_impossible_fields_are_refused(arguments: tuple[int, ...], message: str):
    with pytest.raises(InputError, match=message):
        simulate_fov(*arguments)


def test_images_cost_nothing_until_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulate, "_render", lambda _field: pytest.fail("pixels were made"))
    images = simulated_images(seed=1)
    assert len(images) == 3 * 8
    assert {image.w2s["level"] for image in images} == {"burst", *map(str, Level)}


def test_images_of_one_channel_share_their_corners():
    images = {image.w2s["level"]: image for image in simulated_images(0, [1], SIZE)}
    wide, sim, burst = images["avg4"], images["sim"], images["burst"]
    assert wide.units == sim.units == ("um", "um")
    assert wide.scale == (0.064, 0.064)
    assert sim.scale == (0.032, 0.032)
    assert burst.axes == ("t", "y", "x")
    for image in (wide, sim):
        first = np.array(image.translate) - np.array(image.scale) / 2
        last = first + np.array(image.scale) * image.data.shape
        np.testing.assert_allclose(first, -0.032)
        np.testing.assert_allclose(last, SIZE * 0.064 - 0.032)


def test_images_say_what_they_are():
    field = simulate_fov(3, 2, SIZE)
    for image in simulated_images(3, [2], SIZE):
        known = image.w2s
        assert (known["release"], known["fov"], known["channel"]) == ("simulated", 3, 2)
        assert known["excitation_nm"] == 640
        assert image.colormap == "magenta"
        assert image.contrast_limits is not None
        pixels = np.asarray(image.data[0] if image.data.ndim == 3 else image.data)
        low, high = image.contrast_limits
        assert np.mean((pixels > high) | (pixels < low - 40)) < 0.01
        if known["level"] == "sim":
            np.testing.assert_array_equal(pixels, field.sim)
        elif known["level"] == "burst":
            np.testing.assert_array_equal(pixels, field.frames([0])[0])
        else:
            np.testing.assert_array_equal(pixels, field.average(Level(known["level"])))
