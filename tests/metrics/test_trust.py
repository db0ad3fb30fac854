"""A true restoration is supported, a tampered one is marked where it was tampered with."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_w2s._types import InputError
from napari_w2s.data.noise import estimate_noise
from napari_w2s.metrics.trust import BACKGROUND, LIMIT, resolution_scaled_error, spread

Floats = npt.NDArray[np.float64]


def line(shape: tuple[int, int], start: tuple[float, float], end: tuple[float, float], sigma: float) -> Floats:
    """A straight filament of height 1."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    along = np.subtract(end, start)
    place = ((y - start[0]) * along[0] + (x - start[1]) * along[1]) / np.dot(along, along)
    place = np.clip(place, 0, 1)
    away = np.hypot(y - start[0] - place * along[0], x - start[1] - place * along[1])
    return np.exp(-0.5 * (away / sigma) ** 2)


def cell(side: int = 160, sigma: float = 1.5, count: int = 14) -> list[Floats]:
    """Filaments of a scene, one by one; the same whatever the side."""
    rng = np.random.default_rng(7)
    ends = rng.uniform(0.05, 0.95, (count, 2, 2)) * side
    return [line((side, side), tuple(start), tuple(end), sigma) for start, end in ends]


def std_of(clean: Floats) -> Floats:
    return np.sqrt(4.0 + 1.5 * np.maximum(clean, 0))


def observe(clean: Floats, seed: int = 0) -> Floats:
    return clean + std_of(clean) * np.random.default_rng(seed).normal(size=clean.shape)


CLEAN = 20 + 60 * np.sum(cell(), axis=0)


def test_noise_alone_is_marked_as_rarely_as_stated() -> None:
    shares = {3.0: [], 4.0: []}  # type: dict[float, list[float]]
    for seed in range(8):
        for limit, found in shares.items():
            trust = resolution_scaled_error(CLEAN, observe(CLEAN, seed), noise_std=std_of, limit=limit)
            found.append(trust.share)
            assert trust.error.std() == pytest.approx(1, abs=0.06)
            assert trust.rse == pytest.approx(np.sqrt(np.mean(std_of(CLEAN) ** 2)), rel=0.03)
    assert np.mean(shares[3.0]) == pytest.approx(2 * 0.00135, rel=0.6)
    assert np.mean(shares[4.0]) < 4e-4


def test_the_border_is_judged_like_the_middle() -> None:
    errors = []
    for seed in range(60):
        given = np.random.default_rng(seed).normal(10, 1, (40, 40))
        errors.append(resolution_scaled_error(np.full((40, 40), 3.0), given, noise_std=1.0).error)
    deviation = np.std(errors, axis=0)
    assert deviation[[0, 0, -1, 20], [0, 20, -1, 20]] == pytest.approx(1, abs=0.3)
    assert deviation.mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("blur", "move"), [(0.0, (0.0, 0.0)), (1.3, (0.0, 0.0)), (1.8, (1.5, -0.75))])
def test_shift_blur_gain_and_offset_come_out(blur: float, move: tuple[float, float]) -> None:
    seen = gaussian_filter(shift(CLEAN, move, order=3, mode="nearest"), blur) if blur else CLEAN
    result = (CLEAN - 5) / 4
    trust = resolution_scaled_error(result, observe(seen), noise_std=std_of)
    assert trust.blur == pytest.approx(blur, abs=0.2)
    assert trust.shift == pytest.approx(move, abs=0.1)
    assert trust.gain == pytest.approx(4, rel=0.02)
    assert trust.offset == pytest.approx(5, abs=0.5)
    assert trust.rsp > 0.9
    assert trust.share < 1e-3


def test_intensities_of_the_result_do_not_matter() -> None:
    given = observe(CLEAN)
    first = resolution_scaled_error(CLEAN, given, noise_std=std_of)
    second = resolution_scaled_error(0.01 * CLEAN - 7, given, noise_std=std_of)
    np.testing.assert_allclose(first.error, second.error, atol=1e-6)
    assert second.gain == pytest.approx(100 * first.gain)


@pytest.mark.parametrize("scale", [1, 2])
def test_an_erased_and_an_invented_filament_are_marked(scale: int) -> None:
    filaments = cell()
    given = observe(20 + 60 * np.sum(filaments, axis=0))
    fine = cell(160 * scale, 1.0 * scale)
    kept = np.sum(fine[1:], axis=0)
    erased = resolution_scaled_error(kept, given, noise_std=std_of)
    there = (filaments[0] > 0.7) & (np.sum(filaments[1:], axis=0) < 0.2)
    assert erased.unsupported[there].mean() > 0.9
    assert (erased.error[there] > 0).all()
    away = gaussian_filter(filaments[0], 4) < 0.01
    assert erased.unsupported[away].mean() < 2e-3
    assert erased.share == pytest.approx(erased.unsupported.mean())

    whole = resolution_scaled_error(np.sum(fine, axis=0), given, noise_std=std_of)
    assert whole.share < 2e-3
    new = line((160, 160), (20, 110), (60, 140), 1.5)
    drawn = line((160 * scale, 160 * scale), (20 * scale, 110 * scale), (60 * scale, 140 * scale), 1.0 * scale)
    invented = resolution_scaled_error(np.sum(fine, axis=0) + drawn, given, noise_std=std_of)
    assert invented.unsupported[new > 0.7].mean() > 0.9
    assert (invented.error[new > 0.7] < 0).all()
    assert invented.unsupported[gaussian_filter(new, 4) < 0.01].mean() < 2e-3


def test_light_from_out_of_focus_is_left_out_for_finer_results_only() -> None:
    haze = gaussian_filter(CLEAN, 24) * 2
    fine = np.sum(cell(320, 2.0), axis=0)
    given = observe(CLEAN + haze)
    default = resolution_scaled_error(fine, given, noise_std=std_of)
    assert default.background == BACKGROUND
    assert default.share < 2e-3
    assert default.gain * fine.mean() + default.offset == pytest.approx(given.mean(), abs=1e-6)
    strict = resolution_scaled_error(fine, given, noise_std=std_of, background=math.inf)
    assert strict.background is None
    assert strict.share > 0.05
    assert resolution_scaled_error(CLEAN, given, noise_std=std_of).share > 0.05
    assert resolution_scaled_error(CLEAN, given, noise_std=std_of, background=16.0).share < 2e-3


def test_noise_may_be_a_number_an_image_or_a_function() -> None:
    given = CLEAN + np.random.default_rng(0).normal(0, 2.5, CLEAN.shape)
    forms = [2.5, np.full(CLEAN.shape, 2.5), lambda signal: np.full_like(signal, 2.5)]
    first, *others = (resolution_scaled_error(CLEAN, given, noise_std=form) for form in forms)
    for other in others:
        np.testing.assert_array_equal(first.error, other.error)


def test_constant_results_and_inputs() -> None:
    given = observe(CLEAN)
    empty = resolution_scaled_error(np.full(CLEAN.shape, 9), given, noise_std=std_of)
    assert empty.gain == 0
    assert empty.rsp == 0
    assert empty.unsupported[np.sum(cell(), axis=0) > 0.9].mean() > 0.9
    flat = resolution_scaled_error(CLEAN, np.full(CLEAN.shape, 20.0), noise_std=2.0)
    assert flat.share == 0
    assert flat.offset == pytest.approx(20, abs=0.01)


def test_an_inverted_result_is_not_matched_by_surprise() -> None:
    trust = resolution_scaled_error(-CLEAN, observe(CLEAN), noise_std=std_of)
    assert trust.gain < 0
    assert trust.rsp < 0


def test_what_cannot_be_tested_is_refused() -> None:
    given = observe(CLEAN)
    holed = given.copy()
    holed[0, 0] = np.nan

    def refused(match: str, call: Callable[[], object]) -> None:
        with pytest.raises(InputError, match=match):
            call()

    refused("finite", lambda: resolution_scaled_error(CLEAN, holed, noise_std=1.0))
    refused("finite", lambda: resolution_scaled_error(holed, given, noise_std=1.0))
    refused("multiple", lambda: resolution_scaled_error(CLEAN[:-1], given, noise_std=1.0))
    refused("multiple", lambda: resolution_scaled_error(CLEAN[:80, :80], given, noise_std=1.0))
    refused("must be positive", lambda: resolution_scaled_error(CLEAN, given, noise_std=0.0))
    refused("must be the same", lambda: resolution_scaled_error(CLEAN, given, noise_std=np.ones((3, 3))))
    refused("Window and limit", lambda: resolution_scaled_error(CLEAN, given, noise_std=1.0, window=0))
    refused("background", lambda: resolution_scaled_error(CLEAN, given, noise_std=1.0, background=1.0))
    refused("16 x 16", lambda: resolution_scaled_error(CLEAN[:15], given[:15], noise_std=1.0))
    refused("at least two", lambda: spread([CLEAN]))
    refused("one shape", lambda: spread([CLEAN, CLEAN[1:]]))


def test_the_spread_is_the_standard_deviation() -> None:
    images = [np.random.default_rng(seed).integers(0, 255, (20, 30)).astype(np.uint8) for seed in range(8)]
    np.testing.assert_allclose(spread(images), np.std(np.stack(images).astype(float), axis=0), atol=1e-9)
    np.testing.assert_array_equal(spread([CLEAN, CLEAN]), 0)


def measured_noise(image: npt.NDArray[np.uint8]) -> Callable[[Floats], Floats]:
    noise = estimate_noise(image)
    least = max(noise.read_noise, 0.1)
    return lambda signal: np.maximum(np.sqrt(np.maximum(noise.gain * signal + noise.offset_variance, 0)), least)


PART, FINE_PART = np.s_[120:376, 120:376], np.s_[240:752, 240:752]


@pytest.mark.parametrize("name", ["047_0", "050_0"])
def test_real_frames_support_their_average_but_no_forgery(w2s_root: Path, name: str) -> None:
    given, clean = (iio.imread(w2s_root / f"data/train/{level}/{name}.png")[PART] for level in ("avg1", "avg400"))
    sim = iio.imread(w2s_root / f"data/train/sim/{name}.png")[FINE_PART]
    noise_std = measured_noise(given)
    true = resolution_scaled_error(clean, given, noise_std=noise_std)
    assert true.share < 1e-3
    assert true.error.std() == pytest.approx(1, abs=0.1)
    assert true.gain == pytest.approx(1, abs=0.1)
    assert resolution_scaled_error(sim, given, noise_std=noise_std).share < 0.03

    bright = np.unravel_index(np.argmax(gaussian_filter(clean.astype(float), 2)[16:-16, 16:-16]), (224, 224))
    y, x = (int(place) + 16 for place in bright)
    forged = clean.astype(float)
    forged[y - 5 : y + 6, x - 5 : x + 6] = np.median(clean)
    marked = resolution_scaled_error(forged, given, noise_std=noise_std)
    assert marked.unsupported[y - 3 : y + 4, x - 3 : x + 4].all()
    assert marked.error[y, x] > 2 * LIMIT
    new = line((256, 256), (100, 100), (130, 118), 1.3)
    height = 3 * noise_std(clean.astype(float))[new > 0.5].mean()
    invented = resolution_scaled_error(clean + height * new, given, noise_std=noise_std)
    assert invented.unsupported[new > 0.7].mean() > 0.9
    assert invented.share < 0.01
