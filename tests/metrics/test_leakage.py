"""What a taper carries beyond the end of a spectrum is known, and an end is found behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from napari_w2s.metrics.leakage import Agreement, abrupt_end, spread
from napari_w2s.metrics.rings import Rings, rings, taper_window, transform

Floats = npt.NDArray[np.float64]
NOISE = 1e-3


def distances(known: Floats) -> Floats:
    return np.linspace(-4, 16, known.size)


def ideal(end: float, *, taper: str = "hann", size: int = 256) -> tuple[Rings, Agreement]:
    """Expected powers of a flat spectrum that ends, in cycles per pixel, over white noise."""
    known = spread((size, size), (1.0, 1.0), taper)
    in_rings = rings((size, size), (1.0, 1.0))
    beyond = (in_rings.frequency - end) / in_rings.step
    common = np.interp(beyond, distances(known.flat), known.flat, left=1, right=0)
    whole = common + NOISE
    return in_rings, Agreement(in_rings, common / whole, common, whole, known)


@pytest.mark.parametrize(("shape", "pixel"), [((256, 256), (1.0, 1.0)), ((200, 333), (1.0, 0.5))])
@pytest.mark.parametrize("taper", ["hann", "tukey"])
def test_power_beyond_an_end_is_as_computed(shape: tuple[int, int], pixel: tuple[float, float], taper: str) -> None:
    in_rings = rings(shape, pixel)
    whole = (2 * shape[0], 2 * shape[1])
    radius = np.hypot(np.fft.fftfreq(whole[0], pixel[0])[:, None], np.fft.rfftfreq(whole[1], pixel[1])[None])
    seen = np.zeros(in_rings.frequency.size)
    for seed in range(6):
        white = np.fft.rfft2(np.random.default_rng(seed).normal(size=whole))
        part = np.fft.irfft2(white * (radius <= 0.25), whole)[: shape[0], : shape[1]]
        power = np.abs(transform(part, taper_window(shape, taper))) ** 2
        seen += in_rings.sums(power) / in_rings.counts / 6
    known = spread(shape, pixel, taper)
    distance = (in_rings.frequency - 0.25) / in_rings.step
    near = (distance > -3) & (distance < 6)
    expected = np.exp(np.interp(distance[near], distances(known.flat), np.log(known.flat)))
    np.testing.assert_allclose(seen[near], expected, rtol=0.25)


def test_a_spread_falls_from_all_to_nothing() -> None:
    known = spread((128, 128), (1.0, 1.0), "hann")
    assert known.flat[0] == pytest.approx(1, abs=1e-3)
    assert known.flat[4 * 32] == pytest.approx(0.5)
    assert 0 <= known.flat[-1] < 1e-6
    assert known.rising[0] == pytest.approx(3, abs=0.03)
    assert (np.diff(known.rising) <= 1e-12).all()
    assert known.scatter == pytest.approx((35 / 18) ** 2, rel=0.02)
    assert spread((128, 128), (1.0, 1.0), "none").scatter == pytest.approx(1)


@pytest.mark.parametrize("end", [0.0605, 0.1, 0.2021, 0.3337, 0.45])
def test_an_end_is_found_from_far_beyond(end: float) -> None:
    in_rings, found = ideal(end)
    for rings_beyond in (0, 1, 3, 6):
        crossing = end + rings_beyond * in_rings.step
        assert abrupt_end(found, crossing) == pytest.approx(end, abs=0.15 * in_rings.step)


def test_a_spectrum_that_fades_has_no_end() -> None:
    in_rings, found = ideal(0.2)
    common: Floats = np.asarray(np.exp(-in_rings.frequency * 40), np.float64)
    whole: Floats = np.asarray(common + NOISE, np.float64)
    fading = replace(found, common=common, whole=whole, correlation=np.asarray(common / whole, np.float64))
    crossing = np.log(6 / NOISE) / 40
    assert abrupt_end(fading, crossing) == crossing


def test_an_end_is_not_looked_for_without_a_spread_or_among_the_first_rings() -> None:
    in_rings, found = ideal(0.2)
    assert abrupt_end(replace(found, spread=None), 0.21) == 0.21
    early = float(in_rings.frequency[4])
    assert abrupt_end(found, early) == early


def test_rings_without_power_carry_nothing() -> None:
    in_rings, found = ideal(0.2)
    there: Floats = np.asarray(in_rings.frequency <= 0.2, np.float64)
    bare = replace(found, common=there, whole=there, correlation=there)
    assert abrupt_end(bare, 0.2 + 2 * in_rings.step) == pytest.approx(0.2, abs=1.5 * in_rings.step)
