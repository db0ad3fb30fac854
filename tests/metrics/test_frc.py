"""Fourier ring correlation finds a known cut-off and agrees with one written in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_w2s._types import InputError
from napari_w2s.metrics.frc import FrcResult, single_image_frc, two_image_frc

Floats = npt.NDArray[np.float64]
PIXEL = 0.064


def scene(
    shape: tuple[int, int],
    cut_off: float,
    pixel: tuple[float, float] = (1.0, 1.0),
    *,
    seed: int = 0,
    soft: bool = False,
) -> Floats:
    """A part of a larger scene of points whose spectrum ends at a frequency; standard deviation 1."""
    rng = np.random.default_rng(seed)
    height, width = 2 * shape[0], 2 * shape[1]
    points = rng.exponential(size=(height, width)) * (rng.random((height, width)) < 0.02)
    radius = np.hypot(np.fft.fftfreq(height, pixel[0])[:, None], np.fft.fftfreq(width, pixel[1])[None])
    transfer = np.clip(1 - radius / cut_off, 0, None) ** 2 if soft else radius <= cut_off
    whole = np.fft.ifft2(np.fft.fft2(points) * transfer).real
    part = whole[shape[0] // 2 :, shape[1] // 2 :][: shape[0], : shape[1]]
    return np.asarray((part - part.mean()) / part.std(), np.float64)


def noisy(clean: Floats, std: float, seed: int) -> Floats:
    return clean + np.random.default_rng(seed).normal(0, std, clean.shape)


def by_hand(first: Floats, second: Floats) -> Floats:
    """Correlate ring after ring of the full spectrum, under a Hann window; square images, frequencies in steps."""
    side = len(first)
    hann = np.sin(np.pi * (np.arange(side) + 1) / (side + 1)) ** 2
    window = hann[:, None] * hann
    spectra = [np.fft.fft2((one - np.average(one, weights=window)) * window) for one in (first, second)]
    step = np.fft.fftfreq(side, 1 / side)
    radius = np.sqrt(step[:, None] ** 2 + step[None] ** 2)
    curve = []
    for ring in range(1, side // 2 + 1):
        a, b = (one[(radius > ring - 0.5) & (radius <= ring + 0.5)] for one in spectra)
        curve.append(np.vdot(a, b).real / np.linalg.norm(a) / np.linalg.norm(b))
    return np.array(curve)


def first_below(curve: Floats, side: int, threshold: float) -> float:
    """Period, in pixels, where the mean of three neighbours is below for the first time."""
    mean = np.convolve(curve, np.ones(3) / 3, "valid")
    ring = int(np.argmax(mean < threshold)) + 2
    return side / ring


@pytest.mark.parametrize("std", [0.1, 0.5, 1.0])
def test_two_images_agree_with_another_implementation(std: float) -> None:
    clean = scene((256, 256), 0.3, soft=True)
    first, second = noisy(clean, std, 1), noisy(clean, std, 2)
    curve = by_hand(first, second)
    result = two_image_frc(first, second, pixel_size=1)
    np.testing.assert_allclose(result.correlation, curve, atol=1e-9)
    assert result.resolution == pytest.approx(first_below(curve, 256, 1 / 7), rel=0.03)


def test_one_image_agrees_with_halves_that_are_drawn() -> None:
    for std in (0.1, 0.4):
        image = noisy(scene((256, 256), 0.3, soft=True), std, 1)
        drawn = []
        for seed in range(8):
            split = np.random.default_rng(100 + seed).normal(0, std, image.shape)
            drawn.append(by_hand(image + split, image - split))
        for known in (std, np.full(image.shape, std), None):
            result = single_image_frc(image, pixel_size=1, noise_std=known)
            expected = first_below(np.mean(drawn, axis=0), 256, 1 / 7)
            assert result.resolution == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("cut_off", [0.15, 0.25, 0.4])
@pytest.mark.parametrize("std", [0.1, 0.5])
def test_a_known_cut_off_is_found(cut_off: float, std: float) -> None:
    clean = scene((512, 512), cut_off / PIXEL, (PIXEL, PIXEL))
    first, second = noisy(clean, std, 1), noisy(clean, std, 2)
    for threshold in ("1/7", "half-bit"):
        two = two_image_frc(first, second, pixel_size=PIXEL, threshold=threshold)
        one = single_image_frc(first, pixel_size=PIXEL, threshold=threshold)
        assert two.resolution == pytest.approx(PIXEL / cut_off, rel=0.05)
        assert one.resolution == pytest.approx(PIXEL / cut_off, rel=0.05)


def test_pixels_and_images_need_not_be_square() -> None:
    pixel = (0.1, 0.05)
    clean = scene((300, 501), 3.0, pixel)
    for result in (
        two_image_frc(noisy(clean, 0.3, 1), noisy(clean, 0.3, 2), pixel_size=pixel),
        single_image_frc(noisy(clean, 0.3, 1), pixel_size=pixel),
    ):
        assert result.resolution == pytest.approx(1 / 3.0, rel=0.05)
        assert result.frequency[-1] <= 1 / (2 * max(pixel)) * 1.01
        assert (np.diff(result.frequency) > 0).all()


def test_the_checkerboard_follows_its_paper() -> None:
    image = noisy(scene((256, 256), 0.2, soft=True), 0.3, 1)
    pairs = [(image[::2, ::2], image[1::2, 1::2]), (image[::2, 1::2], image[1::2, ::2])]
    curve = np.mean([by_hand(*pair) for pair in pairs], axis=0)
    result = single_image_frc(image, pixel_size=PIXEL, split="checkerboard")
    np.testing.assert_allclose(result.correlation, curve, atol=1e-9)
    x = 2 / first_below(curve, 128, 1 / 7)
    expected = 2 * PIXEL / x / (0.95988146 * np.exp(13.90441896 * (x - 0.97979108)) + 0.55146136)
    assert result.resolution == pytest.approx(expected, rel=0.03)
    two = two_image_frc(image, noisy(scene((256, 256), 0.2, soft=True), 0.3, 2), pixel_size=PIXEL)
    assert result.resolution == pytest.approx(two.resolution, rel=0.2)


def test_less_noise_resolves_more() -> None:
    clean = scene((256, 256), 0.4, soft=True)
    found = [single_image_frc(noisy(clean, std, 3), pixel_size=1).resolution for std in (2.0, 1.0, 0.5, 0.1)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4


def test_intensity_scales_and_units_do_not_matter() -> None:
    first, second = (noisy(scene((128, 128), 0.3, soft=True), 0.4, seed) for seed in (1, 2))
    two, one = two_image_frc(first, second, pixel_size=1), single_image_frc(first, pixel_size=1)
    scaled = two_image_frc(first, -3 + 40 * second, pixel_size=64)
    assert scaled.resolution == pytest.approx(64 * two.resolution)
    np.testing.assert_allclose(single_image_frc(7 + 9 * first, pixel_size=1).correlation, one.correlation, atol=1e-9)


def test_the_half_bit_curve() -> None:
    image = noisy(scene((128, 128), 0.3, soft=True), 0.4, 1)
    curve = single_image_frc(image, pixel_size=1, threshold="half-bit").threshold_curve
    count = np.sum(np.rint(np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(128, 1 / 128)]))) == 20)
    assert curve[19] == pytest.approx((0.2071 + 1.9102 / np.sqrt(count)) / (1.2071 + 0.9102 / np.sqrt(count)))
    assert (single_image_frc(image, pixel_size=1).threshold_curve == 1 / 7).all()


def test_nothing_to_tell_is_none() -> None:
    noise = [np.random.default_rng(seed).normal(size=(64, 64)) for seed in range(40)]
    constant = np.full((64, 64), 7.3)
    found = [two_image_frc(*pair, pixel_size=1).resolution for pair in zip(noise[::2], noise[1::2], strict=True)]
    assert found.count(None) >= 17
    assert two_image_frc(noise[0], noise[0], pixel_size=1).resolution is None
    assert two_image_frc(noise[0], constant, pixel_size=1).resolution is None
    for split in ("noise", "checkerboard"):
        result = single_image_frc(constant, pixel_size=1, split=split)
        assert result.resolution is None
        assert (result.correlation == 0).all()


def test_an_image_without_noise_ends_where_its_spectrum_does() -> None:
    rng = np.random.default_rng(0)
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    periodic = np.fft.ifft2(np.fft.fft2(rng.normal(size=(128, 128))) * (radius <= 0.25)).real
    for result in (
        two_image_frc(periodic, 3 * periodic + 1, pixel_size=1, taper="none"),
        single_image_frc(periodic, pixel_size=1, taper="none"),
    ):
        assert result.resolution == pytest.approx(4, rel=0.06)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(32, 70), st.integers(32, 70)),
    st.sampled_from([np.uint8, np.uint16, np.float32, np.int16]),
    st.sampled_from(["hann", "tukey", "none"]),
    st.sampled_from(["1/7", "half-bit"]),
    st.floats(1e-6, 1e6),
    st.integers(0, 1000),
)
def test_any_shape_and_type(
    shape: tuple[int, int], dtype: Any, taper: Any, threshold: Any, pixel: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 200, shape).astype(dtype) for _ in range(2)]
    kept = [image.copy() for image in images]
    for result in (
        single_image_frc(images[0], pixel_size=pixel, taper=taper, threshold=threshold),
        two_image_frc(*images, pixel_size=(pixel, 2 * pixel), taper=taper, threshold=threshold),
    ):
        assert isinstance(result, FrcResult)
        assert np.isfinite(result.correlation).all()
        assert (np.abs(result.correlation) <= 1).all()
        assert result.correlation.shape == result.frequency.shape == result.threshold_curve.shape
        assert result.resolution is None or result.resolution > 2 * pixel * 0.9
    assert all((image == before).all() for image, before in zip(images, kept, strict=True))


def test_what_cannot_be_correlated_is_refused() -> None:
    image = np.random.default_rng(0).normal(size=(64, 64))
    broken = image.copy()
    broken[3, 4] = np.nan
    with pytest.raises(InputError, match="finite pixels"):
        single_image_frc(broken, pixel_size=1)
    with pytest.raises(InputError, match="finite pixels"):
        two_image_frc(image, broken, pixel_size=1)
    with pytest.raises(InputError, match="32 x 32"):
        single_image_frc(image[:31], pixel_size=1)
    with pytest.raises(InputError, match="64 x 64"):
        single_image_frc(image[:, :63], pixel_size=1, split="checkerboard")
    with pytest.raises(InputError, match="one grid"):
        two_image_frc(image, image[:40], pixel_size=1)
    with pytest.raises(InputError, match="two-dimensional"):
        single_image_frc(image[None], pixel_size=1)
    with pytest.raises(InputError, match="pixel size"):
        single_image_frc(image, pixel_size=(1, 0))
    with pytest.raises(InputError, match="half-bit"):
        single_image_frc(image, pixel_size=1, threshold="0.5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="tukey"):
        single_image_frc(image, pixel_size=1, taper="cosine")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="noise must be"):
        single_image_frc(image, pixel_size=1, noise_std=np.ones((3, 3)))


@pytest.mark.parametrize("name", ["047_0", "050_0"])
def test_real_averages_resolve_more_with_every_frame(w2s_root: Path, name: str) -> None:
    levels = ["avg1", "avg2", "avg4", "avg8", "avg16", "avg400"]
    images = {level: iio.imread(w2s_root / f"data/train/{level}/{name}.png") for level in levels}
    found = [single_image_frc(images[level], pixel_size=PIXEL).resolution for level in levels]
    assert found == sorted(found, reverse=True)
    assert 0.4 < found[0] < 0.6
    assert 0.25 < found[-1] < 0.35
    for level, resolution in zip(levels[:3], found, strict=False):
        against = two_image_frc(images[level], images["avg400"], pixel_size=PIXEL)
        crossing = PIXEL * first_below(against.correlation, 512, 1 / 2)
        assert resolution == pytest.approx(crossing, rel=0.12)
