"""The resolution of simulated images is that of the spectrum that they were made with, to within 5 %."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import pytest

from napari_w2s.metrics.frc import FrcResult, single_image_frc, two_image_frc

Floats = npt.NDArray[np.float64]
Power = Callable[[Floats], Floats]


def ending(cut_off: float, slope: float) -> Power:
    """Power 1 at the cut-off and none beyond, falling as a power of frequency towards it."""
    return lambda f: np.where(f <= cut_off, (np.maximum(f, cut_off / 500) / cut_off) ** -slope, 0.0)


def lens(cut_off: float, slope: float) -> Power:
    def power(f: Floats) -> Floats:
        x = np.clip(f / cut_off, 0, 1)
        transfer = 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x * x))
        return np.asarray(transfer**2 * (np.maximum(f, cut_off / 500) / cut_off) ** -slope)

    return power


def pair(
    power: Power, noise: float, shape: tuple[int, int], seed: int, pixel: tuple[float, float] = (1.0, 1.0)
) -> list[Floats]:
    """Two noisy images of a part of a larger scene of points."""
    rng = np.random.default_rng(seed)
    whole = (2 * shape[0], 2 * shape[1])
    points = rng.exponential(size=whole) * (rng.random(whole) < 0.02)
    points = (points - points.mean()) / points.std()
    frequency = np.hypot(np.fft.fftfreq(whole[0], pixel[0])[:, None], np.fft.rfftfreq(whole[1], pixel[1])[None])
    scene = np.fft.irfft2(np.fft.rfft2(points) * np.sqrt(power(frequency)), whole)
    part = scene[shape[0] // 3 :, shape[1] // 3 :][: shape[0], : shape[1]]
    return [part + np.sqrt(noise) * rng.normal(size=shape) for _ in range(2)]


def expected(power: Power, noise: float, found: FrcResult) -> float:
    """Where signal over signal and noise first meets the threshold."""
    frequency = np.linspace(found.frequency[3], found.frequency[-1], 20_000)
    signal = power(frequency)
    threshold = np.interp(frequency, found.frequency, found.threshold_curve)
    return float(frequency[np.argmax(signal / (signal + noise) <= threshold)])


def check(power: Power, noise: float, images: list[Floats], pixel: tuple[float, float] = (1.0, 1.0)) -> None:
    for threshold in ("1/7", "half-bit"):
        two = two_image_frc(*images, pixel_size=pixel, threshold=threshold)
        one = single_image_frc(images[0], pixel_size=pixel, threshold=threshold)
        for found, floor in ((two, noise), (one, 2 * noise)):
            assert found.resolution == pytest.approx(1 / expected(power, floor, found), rel=0.05)
            assert found.resolution is not None
            assert found.crossing is not None
            assert found.resolution >= found.crossing


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("cut_off", [0.06, 0.1, 0.2, 0.33, 0.45])
@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_an_abrupt_end_in_a_small_box(cut_off: float, slope: float, seed: int) -> None:
    power = ending(cut_off, slope)
    for ratio in (30, 1e3, 1e5):
        check(power, 1 / ratio, pair(power, 1 / ratio, (256, 256), seed))


@pytest.mark.parametrize("cut_off", [0.06, 0.1, 0.3])
def test_an_abrupt_end_in_a_whole_image(cut_off: float) -> None:
    power = ending(cut_off, 2.0)
    for ratio in (10, 1e4):
        check(power, 1 / ratio, pair(power, 1 / ratio, (512, 512), 3))


def test_an_abrupt_end_in_a_large_image() -> None:
    power = ending(0.06, 2.0)
    check(power, 1e-3, pair(power, 1e-3, (1024, 1024), 3))


@pytest.mark.parametrize("cut_off", [0.07, 0.2, 0.4])
def test_an_abrupt_end_with_oblong_pixels(cut_off: float) -> None:
    pixel = (1.0, 0.5)
    power = ending(cut_off, 2.0)
    for ratio in (30, 1e4):
        check(power, 1 / ratio, pair(power, 1 / ratio, (300, 501), 0, pixel), pixel)


@pytest.mark.parametrize(("size", "cut_off"), [(256, 0.2), (256, 0.48), (512, 0.12), (512, 0.48)])
@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_a_lens(size: int, cut_off: float, slope: float) -> None:
    power = lens(cut_off, slope)
    for share in (0.9, 0.95):
        noise = 6 * float(power(np.array(share * cut_off)))
        check(power, noise, pair(power, noise, (size, size), 2))


def test_the_plain_crossing_is_kept_beside() -> None:
    power = ending(0.06, 0.0)
    found = two_image_frc(*pair(power, 1e-3, (256, 256), 0), pixel_size=1)
    assert found.crossing is not None
    assert found.resolution is not None
    assert found.crossing < 0.9 * found.resolution


def test_noise_that_agrees_by_chance_has_neither() -> None:
    found = [two_image_frc(*np.random.default_rng(seed).normal(size=(2, 64, 64)), pixel_size=1) for seed in range(60)]
    assert sum(one.resolution is None for one in found) >= 54
    assert all((one.resolution is None) == (one.crossing is None) for one in found)


def test_spectra_of_real_images_have_no_abrupt_end(w2s_root: Path) -> None:
    for name in ("047_0", "048_1", "050_2"):
        few, many = (
            iio.imread(w2s_root / f"data/train/{level}/{name}.png").astype(float) for level in ("avg16", "avg400")
        )
        for found in (
            two_image_frc(few, (400 * many - 16 * few) / 384, pixel_size=1),
            single_image_frc(few, pixel_size=1),
            single_image_frc(many, pixel_size=1),
        ):
            assert found.resolution == pytest.approx(found.crossing, rel=0.02)
