"""Whether the data support a result: residual, spread over orientations, maps against the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from w2s_averages import NOISE, PIXEL, SIZE, compare, halved, image_of, known_as, levels, restored, tiles, truth

from napari_w2s._types import Cancelled, InputError, Progress, WeightsError
from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.trust import error_map, flip_spread, ssim_difference, trust, trust_sentence
from napari_w2s.app.restore import restore_image
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import Image
from napari_w2s.data.stacks import open_images
from napari_w2s.metrics.maps import absolute_error, ssim_map
from napari_w2s.metrics.reference import match_affine

WIDE = 128
CLEAN = halved(truth(WIDE))
SPOT = (slice(40, 64), slice(70, 94))


def with_spot() -> np.ndarray:
    """Return the truth with a bright square that is not in the specimen."""
    image = CLEAN.copy()
    image[SPOT] += 3 * NOISE
    return image


def comparison(result: np.ndarray, **options: Any) -> Comparison:
    images = levels(WIDE)
    images["r"] = restored(images["avg1"], result)
    return compare(images, "avg400", **options)


class TestTrust:
    def test_of_the_truth_finds_nothing(self) -> None:
        found = trust(comparison(CLEAN), "r")
        assert found.given == "avg1"
        assert found.map.share < 0.001
        assert found.grid.shape == found.map.error.shape == (WIDE, WIDE)

    def test_finds_what_was_made_up(self) -> None:
        found = trust(comparison(with_spot()), "r")
        spot = np.zeros((WIDE, WIDE), bool)
        spot[SPOT] = True
        assert found.map.unsupported[spot].mean() > 0.8
        assert found.map.unsupported[~spot].mean() < 0.05
        assert found.map.error[spot].mean() < 0
        assert f"{100 * found.map.share:.1f} %" in found.sentence

    def test_of_a_box_is_that_part(self) -> None:
        box = Box(39.5 * PIXEL, 69.5 * PIXEL, 63.5 * PIXEL, 93.5 * PIXEL)
        found, whole = trust(comparison(with_spot(), box=box), "r"), trust(comparison(with_spot()), "r")
        assert found.grid.shape == (24, 24)
        assert found.grid.origin == pytest.approx((40 * PIXEL, 70 * PIXEL))
        np.testing.assert_array_equal(found.map.error, whole.map.error[SPOT])
        assert found.map.share == pytest.approx(whole.map.unsupported[SPOT].mean())
        with pytest.raises(InputError, match="outside"):
            trust(comparison(CLEAN, box=Box(50, 50, 60, 60)), "r")

    def test_brings_a_finer_result_to_the_input(self) -> None:
        images = levels(WIDE)
        images["sr"] = restored(images["avg1"], 5 * truth(WIDE) + 3, scale=2)
        found = trust(compare(images), "sr")
        assert found.map.share < 0.001
        assert found.map.gain == pytest.approx(0.2, rel=0.05)
        assert "out of focus" in found.note
        assert not trust(comparison(CLEAN), "r").note

    def test_takes_the_input_from_the_averages_or_as_given(self) -> None:
        images = levels(WIDE)
        result = restored(images["avg1"], CLEAN)
        hidden = compare({"r": result}, averages=tiles({"avg1": images["avg1"]}))
        assert trust(hidden, "r").given == "avg1"
        assert trust(compare({**images, "r": result}), "r", given="avg4").given == "avg4"
        assert trust(compare(images), "avg400", given="avg1").map.share < 0.001

    def test_leaves_gaps_out(self) -> None:
        images = levels(WIDE)
        holed = np.array(images["avg1"].data)
        holed[10:14, 10:14] = np.nan
        images["avg1"] = images["avg1"].replace(data=holed)
        result = CLEAN.copy()
        result[100:104, 100:104] = np.nan
        images["r"] = restored(images["avg1"], result)
        found = trust(compare(images), "r")
        assert np.isnan(found.map.error[8:16, 8:16]).all()
        assert np.isnan(found.map.error[98:106, 98:106]).all()
        assert np.isfinite(found.map.error[40:80, 40:80]).all()
        assert found.map.share < 0.001

    def test_needs_the_input(self) -> None:
        images = levels(WIDE)
        result = restored(images["avg1"], CLEAN)
        with pytest.raises(InputError, match="made from is not in the comparison"):
            trust(compare({"r": result, "avg4": images["avg4"]}), "r")
        with pytest.raises(InputError, match="with itself"):
            trust(compare({"r": result}), "r", given="r")

    def test_needs_pixels(self) -> None:
        images = levels(WIDE)
        images["r"] = restored(images["avg1"], np.full((WIDE, WIDE), np.nan))
        with pytest.raises(InputError, match="no finite pixel"):
            trust(compare(images), "r")

    def test_can_be_stopped(self) -> None:
        with pytest.raises(Cancelled):
            trust(comparison(CLEAN), "r", stop=lambda: True)

    @pytest.mark.parametrize(
        ("share", "sentence"),
        [
            (0.0, "Nothing in this area contradicts the data."),
            (0.0004, "Less than 0.1 % of the area is not supported by the data."),
            (0.0312, "3.1 % of the area is not supported by the data."),
            (0.1204, "12 % of the area is not supported by the data."),
        ],
    )
    def test_is_said_in_a_sentence(self, share: float, sentence: str) -> None:
        assert trust_sentence(share) == sentence


def made(model: str = "pure-let", size: int = 32) -> tuple[Image, Image]:
    given = known_as(image_of(np.asarray(levels(size)["avg1"].data)), release="image", source="/x/cells.tif")
    return given, restore_image(given, RestoreSettings((model,), device="cpu", precision="float32"))


class TestSpread:
    def test_is_that_of_the_answers_to_all_orientations(self) -> None:
        given, result = made()
        done: list[float] = []
        found = flip_spread(compare({"a": given, "r": result}), "r", progress=lambda p: done.append(p.fraction))
        assert found.grid.shape == found.std.shape == (32, 32)
        assert done == sorted(done)
        assert done[-1] == 1
        answers = []
        for mirrored in (False, True):
            for turns in range(4):
                turned = np.rot90(given.data[:, ::-1] if mirrored else given.data, turns)
                again = restore_image(given.replace(data=np.ascontiguousarray(turned)), RestoreSettings(("pure-let",)))
                back = np.rot90(again.data, -turns)
                answers.append(back[:, ::-1] if mirrored else back)
        np.testing.assert_allclose(answers[0], result.data, atol=1e-4)
        np.testing.assert_allclose(found.std, np.std(answers, axis=0), atol=1e-3)
        assert f"{found.std.max():.2g} at most" in found.sentence

    def test_of_what_treats_all_directions_alike_is_nothing(self) -> None:
        given, result = made("bicubic")
        found = flip_spread(compare({"a": given, "r": result}), "r")
        assert found.grid.shape == (64, 64)
        assert found.grid.scale == pytest.approx((PIXEL / 2, PIXEL / 2))
        assert found.grid.origin == pytest.approx((-PIXEL / 4, -PIXEL / 4))
        assert found.std.max() < 1e-3

    def test_of_a_box_is_that_part(self) -> None:
        given, result = made()
        whole = compare({"a": given, "r": result})
        part = flip_spread(whole.replace(box=Box(7.5 * PIXEL, 3.5 * PIXEL, 19.5 * PIXEL, 23.5 * PIXEL)), "r")
        np.testing.assert_array_equal(part.std, flip_spread(whole, "r").std[8:20, 4:24])

    def test_needs_the_model_that_it_was_made_with(self) -> None:
        given, result = made()
        changed = known_as(
            result,
            restoration={
                **result.w2s["restoration"],
                "models": [{**result.w2s["restoration"]["models"][0], "weights_sha256": "1" * 64}],
            },
        )
        with pytest.raises(WeightsError, match="other weights"):
            flip_spread(compare({"a": given, "r": changed}), "r")
        unknown = known_as(result, restoration={"models": [], "scale": 1, "source": "/x/cells.tif"})
        with pytest.raises(InputError, match="does not say how"):
            flip_spread(compare({"a": given, "r": unknown}), "r")
        with pytest.raises(InputError, match="no restoration"):
            flip_spread(compare({"a": given, "r": result}), "a")

    def test_can_be_stopped(self) -> None:
        given, result = made()
        reports: list[Progress] = []
        with pytest.raises(Cancelled):
            flip_spread(
                compare({"a": given, "r": result}), "r", progress=reports.append, stop=lambda: len(reports) >= 2
            )
        assert len(reports) < 8


class TestMaps:
    @pytest.mark.parametrize("matched", [False, True])
    def test_of_absolute_error_is_that_of_the_metric(self, matched: bool) -> None:
        images = levels()
        found = error_map(compare(images, "avg400"), "avg1", matched=matched)
        wanted = absolute_error(images["avg400"].data, images["avg1"].data, matched=matched)
        np.testing.assert_allclose(found.values, wanted, rtol=1e-6, atol=1e-6)
        assert f"{wanted.mean():.3g}" in found.sentence

    def test_of_ssim_is_that_of_the_metric(self) -> None:
        images = levels()
        reference, image = (np.asarray(images[key].data, float) for key in ("avg400", "avg1"))
        found = ssim_difference(compare(images, "avg400"), "avg1")
        wanted = ssim_map(reference, match_affine(image, reference), data_range=float(np.ptp(reference)))
        np.testing.assert_allclose(found.values, wanted, rtol=1e-6, atol=1e-6)

    def test_lie_on_the_grid_of_the_reference_within_the_box(self) -> None:
        box = Box(3.5 * PIXEL, 3.5 * PIXEL, 23.5 * PIXEL, 43.5 * PIXEL)
        for make in (error_map, ssim_difference):
            found = make(compare(levels(), "sim", box=box), "avg4")
            assert found.grid.shape == found.values.shape == (40, 80)

    def test_leave_gaps_out(self) -> None:
        images = levels()
        holed = np.array(images["avg1"].data)
        holed[20, 20] = np.nan
        images["avg1"] = images["avg1"].replace(data=holed)
        one = compare(images, "avg400")
        assert np.isnan(error_map(one, "avg1").values).sum() == 1
        assert np.isnan(ssim_difference(one, "avg1").values).sum() == 49

    def test_need_a_reference_and_another_tile(self) -> None:
        for make in (error_map, ssim_difference):
            with pytest.raises(InputError, match="no reference"):
                make(compare(levels()), "avg1")
            with pytest.raises(InputError, match="reference itself"):
                make(compare(levels(), "avg400"), "avg400")
        flat = {"a": image_of(np.zeros((SIZE, SIZE))), "r": image_of(np.ones((SIZE, SIZE)))}
        with pytest.raises(InputError, match="constant"):
            ssim_difference(compare(flat, "r"), "a")


def test_on_real_images_finds_what_was_added_and_little_else(w2s_root: Path) -> None:
    folder = w2s_root / "data" / "train"
    images = {level: open_images(folder / level / "050_0.png")[0] for level in ("avg1", "avg400")}
    honest = trust(compare(images), "avg400", given="avg1")
    assert honest.map.share < 0.005
    forged = np.asarray(images["avg400"].data, float)
    forged[200:240, 300:340] += 30
    images["avg400"] = images["avg400"].replace(data=forged)
    found = trust(compare(images), "avg400", given="avg1")
    assert found.map.unsupported[200:240, 300:340].mean() > 0.8
    assert found.map.share == pytest.approx(1600 / 512**2 + honest.map.share, abs=0.004)
