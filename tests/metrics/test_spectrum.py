"""Radially averaged power is that of white noise and of waves of a known period."""

from __future__ import annotations

import numpy as np
import pytest

from napari_w2s._types import InputError
from napari_w2s.metrics.spectrum import radial_power


@pytest.mark.parametrize("taper", ["hann", "tukey", "none"])
@pytest.mark.parametrize("shape", [(256, 256), (191, 300)])
def test_white_noise_reads_as_its_variance(shape: tuple[int, int], taper: str) -> None:
    noise = 5 + 3 * np.random.default_rng(0).normal(size=shape)
    frequency, power = radial_power(noise, pixel_size=0.1, taper=taper)  # type: ignore[arg-type]
    assert power[20:].mean() == pytest.approx(9, rel=0.03)
    assert 1 <= frequency[0] * 0.1 * min(shape) < 1.5
    assert frequency[-1] == pytest.approx(5, rel=0.02)


def test_without_a_taper_the_power_adds_up_to_the_variance() -> None:
    side = 65
    noise = np.random.default_rng(0).normal(size=(side, side))
    _, power = radial_power(noise, pixel_size=1, taper="none")
    spectrum = np.abs(np.fft.fft2(noise - noise.mean())) ** 2 / noise.size
    step = np.fft.fftfreq(side, 1 / side)
    ring = np.rint(np.hypot(step[:, None], step[None]))
    for number in (1, 10, 32):
        assert power[number - 1] == pytest.approx(spectrum[ring == number].mean())


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (0.6, 0.8)])
def test_a_wave_peaks_at_its_frequency(direction: tuple[float, float]) -> None:
    pixel = (0.05, 0.08)
    y, x = np.mgrid[:200, :180]
    wave = np.cos(2 * np.pi * 1.5 * (direction[0] * pixel[0] * y + direction[1] * pixel[1] * x))
    frequency, power = radial_power(wave, pixel_size=pixel)
    assert frequency[np.argmax(power)] == pytest.approx(1.5, abs=0.1)


def test_a_constant_image_has_no_power() -> None:
    _, power = radial_power(np.full((40, 40), 250, np.uint8), pixel_size=1)
    np.testing.assert_allclose(power, 0, atol=1e-20)


def test_what_has_no_spectrum_is_refused() -> None:
    with pytest.raises(InputError, match="finite pixels"):
        radial_power(np.full((20, 20), np.inf), pixel_size=1)
    with pytest.raises(InputError, match="8 x 8"):
        radial_power(np.zeros((20, 7)), pixel_size=1)
    with pytest.raises(InputError, match="pixel size"):
        radial_power(np.zeros((20, 20)), pixel_size=-1)
