"""The averaging curve, and what an error is worth in frames."""

from __future__ import annotations

import math
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from w2s_averages import FRAMES, NOISE, burst, halved, levels, truth

from napari_w2s._types import Cancelled, InputError
from napari_w2s.app.comparing.worth import (
    AveragingCurve,
    curve_of_burst,
    curve_of_levels,
    error_of,
    worth_frames,
    worth_text,
)
from napari_w2s.data.stacks import open_images

COUNTS = (1, 2, 4, 8, 16)


def by_frames(size: int = 64, seed: int = 0) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    images = levels(size, seed)
    return images["avg400"].data, {n: images[f"avg{n}"].data for n in COUNTS}


def simulated(size: int = 64, without: int | None = None) -> AveragingCurve:
    reference, means = by_frames(size)
    curve = curve_of_levels(reference, {n: mean for n, mean in means.items() if n != without})
    assert curve is not None
    return curve


class TestError:
    def test_of_an_image_with_known_noise_is_that_noise(self) -> None:
        clean = halved(truth(128))
        noisy = clean + np.random.default_rng(3).normal(0, 12, clean.shape)
        assert error_of(clean, noisy) == pytest.approx(12, rel=0.03)

    @given(gain=st.floats(0.05, 50), offset=st.floats(-1000, 1000))
    @settings(max_examples=25, deadline=None)
    def test_depends_on_neither_gain_nor_offset(self, gain: float, offset: float) -> None:
        reference, means = by_frames()
        assert error_of(reference, gain * means[1] + offset) == pytest.approx(error_of(reference, means[1]), rel=1e-4)

    def test_does_not_become_smaller_when_a_noisy_image_is_shrunk_towards_its_mean(self) -> None:
        reference, means = by_frames()
        shrunk = means[1].mean() + 0.3 * (means[1] - means[1].mean())
        assert error_of(reference, shrunk) == pytest.approx(error_of(reference, means[1]), rel=1e-4)

    def test_of_the_reference_itself_is_nothing(self) -> None:
        reference, _ = by_frames()
        assert error_of(reference, reference) == pytest.approx(0, abs=1e-4)

    @pytest.mark.parametrize("image", [np.full((64, 64), 3.0), -halved(truth())])
    def test_of_what_does_not_follow_the_reference_is_infinite(self, image: np.ndarray) -> None:
        assert error_of(by_frames()[0], image) == math.inf

    def test_leaves_out_what_is_not_finite(self) -> None:
        reference, means = by_frames()
        holed = means[4].copy()
        holed[:, 40:] = np.nan
        assert error_of(reference, holed) == pytest.approx(error_of(reference[:, :40], means[4][:, :40]))
        assert math.isnan(error_of(reference, np.full_like(reference, np.nan)))


class TestCurve:
    def test_falls_with_the_square_root_of_the_number_of_frames(self) -> None:
        curve = simulated(128)
        assert curve.frames[:5] == COUNTS
        for n, error in curve.points():
            assert error == pytest.approx(NOISE * math.sqrt(1 / n - 1 / FRAMES), rel=0.03)

    def test_says_how_far_it_was_measured_and_what_it_rests_on(self) -> None:
        curve = simulated()
        assert (curve.measured, curve.total, curve.source) == (16, 400, "levels")
        assert curve.frames[-1] > 16
        assert all(a > b for a, b in zip(curve.errors, curve.errors[1:], strict=False))
        assert "averaging levels" in curve.note
        assert "beyond 16 frames" in curve.note
        assert "among those 400" in curve.note

    def test_needs_levels_that_become_better(self) -> None:
        reference, means = by_frames()
        assert curve_of_levels(reference, {}) is None
        assert curve_of_levels(reference, {1: means[4], 2: means[2]}) is None
        assert curve_of_levels(np.ones((8, 8)), {1: np.ones((8, 8)), 2: np.ones((8, 8))}) is None

    def test_of_one_level_goes_on_by_the_law_of_averages(self) -> None:
        reference, means = by_frames(128)
        curve = curve_of_levels(reference, {1: means[1]})
        assert curve is not None
        assert worth_frames(curve, error_of(reference, means[16])) == pytest.approx(16, rel=0.1)


class TestBurst:
    def test_is_the_same_curve_as_that_of_the_levels(self) -> None:
        curve = curve_of_burst(burst(), order="ordered")
        of_levels = simulated()
        assert curve is not None
        assert (curve.source, curve.total, curve.measured) == ("burst", 400, 128)
        found = dict(curve.points())
        for n in (2, 4, 8, 16):
            assert found[n] == pytest.approx(dict(of_levels.points())[n], rel=1e-3)

    def test_in_random_order_has_less_scatter(self) -> None:
        curve = curve_of_burst(burst())
        assert curve is not None
        for n, error in curve.points():
            assert error == pytest.approx(NOISE * math.sqrt(1 / n - 1 / FRAMES), rel=0.03)

    def test_keeps_the_mean_that_it_was_measured_against(self) -> None:
        curve = curve_of_burst(burst())
        assert curve is not None
        assert curve.reference is not None
        np.testing.assert_allclose(curve.reference.pixels, burst().mean(axis=0, dtype=np.float64), rtol=1e-6)

    def test_of_a_lazy_burst_is_the_same(self) -> None:
        frames = burst()[:40]
        assert curve_of_burst(da.from_array(frames, chunks=(8, 64, 64))) == curve_of_burst(frames)

    def test_is_none_where_there_is_nothing_to_average(self) -> None:
        assert curve_of_burst(burst()[:1]) is None
        assert curve_of_burst(np.ones((8, 8, 8))) is None

    def test_refuses_what_is_no_burst(self) -> None:
        with pytest.raises(InputError, match="axes t, y and x"):
            curve_of_burst(burst()[0])
        with pytest.raises(InputError, match="random"):
            curve_of_burst(burst(), order="backwards")

    def test_can_be_stopped(self) -> None:
        calls = iter([False] * 5 + [True])
        with pytest.raises(Cancelled):
            curve_of_burst(burst(), stop=lambda: next(calls))


class TestWorth:
    @pytest.mark.parametrize("n", COUNTS)
    def test_of_a_level_itself_is_its_number_of_frames(self, n: int) -> None:
        reference, means = by_frames()
        assert worth_frames(simulated(), error_of(reference, means[n])) == pytest.approx(n)

    @pytest.mark.parametrize("n", [2, 4, 8])
    def test_of_a_level_that_the_curve_was_not_told_of(self, n: int) -> None:
        reference, means = by_frames(128)
        assert worth_frames(simulated(128, without=n), error_of(reference, means[n])) == pytest.approx(n, rel=0.06)

    @pytest.mark.parametrize("n", [32, 100, 200])
    def test_beyond_the_levels_follows_the_law_of_averages(self, n: int) -> None:
        mean = burst(128)[100 : 100 + n].mean(axis=0)
        error = error_of(levels(128)["avg400"].data, mean)
        assert worth_frames(simulated(128), error) == pytest.approx(n, rel=0.1)

    def test_is_bounded(self) -> None:
        curve = simulated()
        assert worth_frames(curve, curve.errors[0] * 1.01) == 0
        assert worth_frames(curve, math.inf) == 0
        assert worth_frames(curve, 0.0) == math.inf
        assert math.isnan(worth_frames(curve, math.nan))

    @given(st.lists(st.floats(1e-3, 30), min_size=2, max_size=2))
    @settings(max_examples=50, deadline=None)
    def test_falls_as_the_error_grows(self, errors: list[float]) -> None:
        small, large = sorted(errors)
        curve = simulated()
        assert worth_frames(curve, small) >= worth_frames(curve, large)

    def test_is_said_in_words(self) -> None:
        curve = simulated()
        assert worth_text(curve, 23.4) == "23 frames"
        assert worth_text(curve, 4.04) == "4 frames"
        assert worth_text(curve, 2.5) == "2.5 frames"
        assert worth_text(curve, 1.0) == "1 frame"
        assert worth_text(curve, 0) == "< 1 frame"
        assert worth_text(curve, math.inf) == "≥ 400 frames"
        assert worth_text(simulated(without=1), 0) == "< 2 frames"


@pytest.mark.parametrize(("fov", "channel"), [(47, 0), (50, 1), (52, 2), (56, 1)])
def test_on_real_images_avg4_is_worth_4_frames(w2s_root: Path, fov: int, channel: int) -> None:
    folder = w2s_root / "data" / "train"

    def read(level: str) -> np.ndarray:
        return np.asarray(open_images(folder / level / f"{fov:03d}_{channel}.png")[0].data)

    reference = read("avg400")
    means = {n: read(f"avg{n}") for n in COUNTS}
    for without in (None, 4):
        curve = curve_of_levels(reference, {n: mean for n, mean in means.items() if n != without})
        assert curve is not None
        assert worth_frames(curve, error_of(reference, means[4])) == pytest.approx(4, rel=0.1)
