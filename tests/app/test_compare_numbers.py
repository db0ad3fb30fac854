"""Numbers of a comparison: against a second implementation, on parts, and on what cannot be measured."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from w2s_averages import (
    NOISE,
    PIXEL,
    SIZE,
    burst,
    compare,
    halved,
    image_of,
    known_as,
    levels,
    restored,
    tiles,
    truth,
    w2s_image,
)

from napari_w2s._types import Cancelled, InputError, Level
from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.finite import finite_part
from napari_w2s.app.comparing.numbers import METRICS, Numbers, TileNumbers, averaging_curve, measure
from napari_w2s.app.comparing.scores import SCORES, Reference
from napari_w2s.app.comparing.select import levels_of
from napari_w2s.app.comparing.shared import frames_of, less_shared
from napari_w2s.app.comparing.table import cell_text
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import FRAME_INDICES
from napari_w2s.data.stacks import open_images
from napari_w2s.metrics.frc import single_image_frc, two_image_frc
from napari_w2s.metrics.reference import match_affine, psnr, rmse, ssim

QUICK = tuple(name for name in METRICS if not name.startswith("frc"))


def noisy(seed: int = 0, size: int = SIZE) -> np.ndarray:
    return halved(truth(size)) + np.random.default_rng(seed).normal(0, NOISE, (size, size))


def numbers_of(image: np.ndarray, reference: np.ndarray, **options: object) -> TileNumbers:
    images = {"a": image_of(image), "reference": image_of(reference)}
    return measure(compare(images, "reference", **options), only=QUICK).of("a")  # type: ignore[arg-type]


class TestScores:
    @pytest.mark.parametrize("shape", [(64, 64), (33, 50), (7, 7)])
    def test_agree_with_scikit_image(self, shape: tuple[int, int]) -> None:
        reference = halved(truth())[: shape[0], : shape[1]]
        image = 0.4 * noisy()[: shape[0], : shape[1]] + 30
        found = numbers_of(image, reference)
        spread = float(np.ptp(reference))
        slope, offset = np.polyfit(image.ravel(), reference.ravel(), 1)
        matched = slope * image + offset
        for seen, suffix in ((image, ""), (matched, "_matched")):
            assert getattr(found, f"psnr{suffix}") == pytest.approx(
                peak_signal_noise_ratio(reference, seen, data_range=spread), rel=1e-6
            )
            assert getattr(found, f"ssim{suffix}") == pytest.approx(
                structural_similarity(reference, seen, data_range=spread), rel=1e-6, abs=1e-6
            )
            assert getattr(found, f"rmse{suffix}") == pytest.approx(
                math.sqrt(np.mean((seen - reference) ** 2)), rel=1e-6
            )

    def test_agree_with_the_package_s_own_metrics(self) -> None:
        reference, image = halved(truth()), noisy()
        found = numbers_of(image, reference, data_range=255.0)
        matched = match_affine(image, reference)
        assert found.psnr == pytest.approx(psnr(reference, image, data_range=255))
        assert found.ssim == pytest.approx(ssim(reference, image, data_range=255), abs=1e-9)
        assert found.rmse_matched == pytest.approx(rmse(reference, matched))
        assert found.ssim_matched == pytest.approx(ssim(reference, matched, data_range=255), abs=1e-9)

    def test_are_over_the_pixels_that_are_finite_in_both(self) -> None:
        reference, image = halved(truth()).copy(), noisy()
        cut = (slice(10, None), slice(None, 40))
        whole = numbers_of(image[cut], reference[cut], data_range=200.0)
        image[:10], reference[:, 40:] = np.nan, np.inf
        found = numbers_of(image, reference, data_range=200.0)
        for name in SCORES:
            assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-9)
        assert "52.7 %" in " ".join(found.notes)

    def test_of_the_same_image_are_perfect(self) -> None:
        found = numbers_of(noisy(), noisy())
        assert (found.psnr, found.rmse) == (math.inf, 0)
        assert found.ssim == pytest.approx(1)

    def test_of_a_box_too_small_for_ssim_say_so(self) -> None:
        found = numbers_of(noisy()[:6, :6], halved(truth())[:6, :6])
        assert found.ssim is None
        assert found.psnr is not None
        assert any("7 × 7" in note for note in found.notes)

    def test_of_nothing_in_common_are_none(self) -> None:
        assert Reference(np.full((8, 8), np.nan), 1.0).fit(np.ones((8, 8))) is None


class TestRange:
    def test_of_8_bit_images_is_255(self) -> None:
        images = {"a": image_of(noisy().clip(0, 255).astype(np.uint8)), "r": image_of(halved(truth()).astype(np.uint8))}
        found = measure(compare(images, "r"), only=["psnr"])
        assert (found.data_range, found.range_source) == (255, "8-bit images")

    def test_of_others_is_that_of_the_whole_reference_whatever_the_box(self) -> None:
        whole = compare({"a": image_of(noisy()), "r": image_of(halved(truth()))}, "r")
        boxed = whole.replace(box=Box(0, 0, 1, 1))
        for one in (whole, boxed):
            assert measure(one, only=["psnr"]).data_range == pytest.approx(np.ptp(halved(truth())))

    def test_can_be_given(self) -> None:
        found = measure(compare({"a": image_of(noisy()), "r": image_of(noisy(1))}, "r", data_range=400.0))
        assert (found.data_range, found.range_source) == (400, "as given")
        assert "range 400 (as given)" in found.caption()

    @pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf, math.nan])
    def test_has_to_be_a_positive_number(self, wrong: float) -> None:
        with pytest.raises(InputError, match="data range"):
            compare({"a": image_of(noisy())}, data_range=wrong)


class TestWhatIsMeasured:
    def test_whole_and_box_are_told_apart(self) -> None:
        whole = compare(levels(), "avg400")
        assert measure(whole, only=["rmse"]).area == "whole image, 64 × 64 px"
        box = Box(0.5 * PIXEL, 0.5 * PIXEL, 20.5 * PIXEL, 30.5 * PIXEL)
        assert measure(whole.replace(box=box), only=["rmse"]).area == "box, 20 × 30 px"

    def test_a_box_has_the_numbers_of_that_part(self) -> None:
        box = Box(9.5 * PIXEL, 19.5 * PIXEL, 49.5 * PIXEL, 59.5 * PIXEL)
        part = {key: halved(truth())[10:50, 20:60] if key == "r" else noisy()[10:50, 20:60] for key in "ar"}
        full = compare({"a": image_of(noisy()), "r": image_of(halved(truth()))}, "r", data_range=255.0)
        found = measure(full.replace(box=box)).of("a")
        alone = measure(compare({k: image_of(v) for k, v in part.items()}, "r", data_range=255.0)).of("a")
        for name in METRICS:
            wanted = getattr(alone, name)
            assert getattr(found, name) == (wanted if wanted is None else pytest.approx(wanted, rel=1e-9)), name

    def test_only_what_is_asked_for_is_measured(self) -> None:
        found = measure(compare(levels(), "avg400"), only=["ssim"]).of("avg1")
        assert found.ssim is not None
        assert all(getattr(found, name) is None for name in METRICS if name != "ssim")

    def test_frc_is_on_own_pixels_in_nm(self) -> None:
        images = {key: levels(128)[key] for key in ("avg1", "sim", "avg400")}
        found = measure(compare(images, "avg400"), only=["frc", "frc_two"])
        assert found.unit == "nm"
        for key, size in (("avg1", 64.0), ("sim", 32.0)):
            own = single_image_frc(np.asarray(images[key].data, float), pixel_size=size).resolution
            assert found.of(key).frc == (own if own is None else pytest.approx(own, rel=1e-9))
        both = two_image_frc(burst(128)[np.arange(400) != 249].mean(axis=0), images["avg1"].data, pixel_size=64.0)
        assert found.of("avg1").frc_two == pytest.approx(both.resolution, rel=1e-3)
        assert found.of("avg400").frc_two is None

    def test_frc_without_a_pixel_size_is_in_pixels(self) -> None:
        image = levels(128)["avg1"].data
        found = measure(compare({"a": image_of(image, pixel=None)}), only=["frc"], threshold="half-bit")
        assert (found.unit, found.threshold) == ("px", "half-bit")
        assert found.of("a").frc == pytest.approx(
            single_image_frc(image, pixel_size=1.0, threshold="half-bit").resolution
        )

    def test_noise_is_that_of_the_image(self) -> None:
        found = measure(compare(levels(128), "avg400"), only=["noise"])
        assert found.of("avg1").noise == pytest.approx(NOISE, rel=0.1)
        assert found.of("avg4").noise == pytest.approx(NOISE / 2, rel=0.1)
        assert found.of("sim").noise is None

    def test_unknown_numbers_and_thresholds_are_refused(self) -> None:
        with pytest.raises(InputError, match="no number 'mos'"):
            measure(compare(levels()), only=["mos"])
        with pytest.raises(InputError, match="thresholds"):
            measure(compare(levels()), threshold="1/2")

    def test_can_be_stopped_anywhere(self) -> None:
        one = compare({key: levels()[key] for key in ("avg1", "avg4", "avg400")}, "avg400")
        polls = [0]

        def count() -> bool:
            polls[0] += 1
            return False

        measure(one, stop=count)
        assert polls[0] > 10
        for last in range(polls[0]):
            left = iter([False] * last + [True])
            with pytest.raises(Cancelled):
                measure(one, stop=lambda left=left: next(left))


class TestWorth:
    def test_of_levels_is_their_number_of_frames(self) -> None:
        found = measure(compare(levels(128), "avg400"), only=["worth"])
        assert [found.of(f"avg{n}").worth for n in (1, 2, 4, 8, 16)] == pytest.approx([1, 2, 4, 8, 16])
        assert found.of("avg400").worth == math.inf

    def test_of_a_restoration_follows_from_its_error(self) -> None:
        images = levels(128)
        error = np.random.default_rng(9).normal(0, NOISE / 5, (128, 128))
        images["r"] = restored(images["avg1"], halved(truth(128)) + error)
        assert measure(compare(images, "avg400"), only=["worth"]).of("r").worth == pytest.approx(25, rel=0.12)

    def test_does_not_depend_on_the_reference_that_is_chosen(self) -> None:
        images = levels()
        found = measure(compare(images, "sim"), only=["worth"])
        assert found.of("avg4").worth == pytest.approx(4)

    def test_is_of_widefield_images_only(self) -> None:
        images = levels()
        images["sr"] = restored(images["avg1"], scale=2)
        images["foreign"] = image_of(np.asarray(images["sr"].data), pixel=PIXEL / 2)
        found = measure(compare(images, "avg400"), only=["worth"])
        for key in ("sim", "sr", "foreign"):
            assert found.of(key).worth is None
        assert any("Worth in frames" in note for note in found.of("sr").notes)

    def test_of_images_that_are_not_known_to_be_elsewhere_counts_too(self) -> None:
        images = levels()
        images["mine"] = image_of(np.asarray(images["avg8"].data), "mine")
        images["elsewhere"] = known_as(images["avg8"], fov=51)
        found = measure(compare(images, "avg400"), only=["worth"])
        assert found.of("mine").worth == pytest.approx(8)
        assert found.of("elsewhere").worth is None

    def test_rests_on_images_that_are_not_shown(self) -> None:
        images = levels()
        shown = {key: images[key] for key in ("avg4", "avg400")}
        hidden = tiles({key: images[key] for key in ("avg1", "avg2", "avg16")})
        one = compare(shown, "avg400", averages=hidden)
        assert measure(one, only=["worth"]).of("avg4").worth == pytest.approx(4, rel=0.1)
        assert measure(compare({"avg4": images["avg4"]}, averages=tiles({"avg400": images["avg400"]})), only=["worth"])

    def test_rests_on_the_burst_where_there_is_one(self) -> None:
        images = levels()
        shown = {"avg4": images["avg4"], "sim": images["sim"]}
        hidden = tiles({"burst": w2s_image(burst(), "burst")})
        one = compare(shown, "sim", averages=hidden, box=Box(10 * PIXEL, 8 * PIXEL, 50 * PIXEL, 60 * PIXEL))
        found = measure(one, only=["worth"])
        assert found.curve is not None
        assert found.curve.source == "burst"
        assert found.of("avg4").worth == pytest.approx(4, rel=0.15)
        curve = averaging_curve(one)
        assert curve == found.curve
        assert measure(one, only=["worth"], curve=curve).of("avg4").worth == found.of("avg4").worth

    def test_of_a_users_own_burst_counts_too(self) -> None:
        frames = burst()[:100]
        mean = image_of(frames[:10].mean(axis=0), pixel=None)
        one = compare({"mean": mean}, averages=tiles({"frames": image_of(frames, pixel=None)}))
        found = measure(one, only=["worth"])
        assert found.curve is not None
        assert found.curve.total == 100
        assert found.of("mean").worth == pytest.approx(10, rel=0.15)

    def test_without_a_curve_is_none(self) -> None:
        images = levels()
        assert averaging_curve(compare({"sim": images["sim"], "avg1": images["avg1"]})) is None
        assert measure(compare({"avg1": images["avg1"]}), only=["worth"]).curve is None


class TestBadInput:
    def test_no_reference_leaves_what_needs_none(self) -> None:
        found = measure(compare({"a": levels(128)["avg1"], "b": levels(128)["avg4"]}))
        assert (found.reference, found.data_range) == (None, None)
        for one in found.tiles:
            assert one.noise is not None
            assert one.frc is not None
            assert all(getattr(one, name) is None for name in SCORES)

    def test_constant_tiles_have_no_resolution(self) -> None:
        flat = np.full((SIZE, SIZE), 100.0)
        found = measure(compare({"flat": image_of(flat), "r": image_of(halved(truth()))}, "r")).of("flat")
        assert found.rmse_matched == pytest.approx(np.std(halved(truth())))
        assert (found.frc, found.frc_two) == (None, None)
        assert "It is constant here." in found.notes

    def test_a_constant_reference_has_no_range(self) -> None:
        found = measure(compare({"a": image_of(noisy()), "r": image_of(np.full((SIZE, SIZE), 5.0))}, "r"))
        assert (found.data_range, found.range_source) == (None, "the reference is constant")
        assert found.of("a").psnr is None
        assert found.of("a").rmse is not None
        assert (found.of("a").rmse_matched, found.of("a").ssim_matched) == (None, None)
        assert any("nothing can be matched" in note for note in found.of("a").notes)

    def test_binary_images_are_measured(self) -> None:
        mask = halved(truth(128)) > 120
        found = measure(compare({"a": image_of(~mask), "b": image_of(mask)}, "b"))
        assert (found.data_range, found.range_source) == (1, "binary images")
        assert found.of("a").rmse == 1

    def test_a_reference_without_a_finite_pixel_is_told(self) -> None:
        found = measure(compare({"a": image_of(noisy()), "r": image_of(np.full((SIZE, SIZE), np.nan))}, "r"))
        assert (found.data_range, found.range_source) == (None, "the reference has no finite pixel")

    def test_intensities_on_another_scale_are_told(self) -> None:
        images = {"r": image_of(halved(truth())), "a": image_of(noisy()), "counts": image_of(37 * noisy() + 1200)}
        found = measure(compare(images, "r"), only=QUICK)
        assert [one.key for one in found.tiles if not one.shares_scale] == ["counts"]
        assert any("another scale" in note for note in found.of("counts").notes)

    def test_a_tile_of_nan_keeps_no_other_from_being_measured(self) -> None:
        images = {"a": image_of(noisy()), "nan": image_of(np.full((SIZE, SIZE), np.nan)), "r": image_of(noisy(1))}
        found = measure(compare(images, "r"))
        assert found.of("nan").notes == ("It has no finite pixel here.",)
        assert found.of("a").psnr is not None
        assert measure(compare(images, "nan")).of("a").psnr is None

    def test_frc_of_an_image_with_gaps_is_that_of_its_largest_whole_part(self) -> None:
        image = np.array(levels(128)["avg1"].data, float)
        image[:20] = np.nan
        found = measure(compare({"a": image_of(image)}), only=["frc"]).of("a")
        assert found.frc == pytest.approx(single_image_frc(image[20:], pixel_size=64.0).resolution)

    def test_unlike_shapes_without_a_pixel_size_get_a_message(self) -> None:
        images = {"a": image_of(noisy(), pixel=None), "odd": image_of(noisy()[:50], pixel=None)}
        found = measure(compare(images, "a"), only=["psnr"])
        assert {note for one in found.tiles for note in one.notes if "pixel size" in note}

    def test_a_stack_among_flat_images(self) -> None:
        stack = np.stack([noisy(seed) for seed in range(3)])
        one = compare({"a": image_of(noisy(2)), "stack": image_of(stack)}, "a", position=(2.0,))
        assert measure(one, only=["rmse"]).of("stack").rmse == 0
        assert measure(one.replace(position=(7.0,)), only=["rmse"]).of("stack").notes == (
            "It has no finite pixel here.",
        )

    def test_thirty_tiles(self) -> None:
        images = {str(seed): image_of(noisy(seed)) for seed in range(30)}
        found = measure(compare(images, "0"), only=QUICK)
        assert len([one for one in found.tiles if one.psnr is not None]) == 29

    def test_no_tile(self) -> None:
        with pytest.raises(InputError, match="nothing to compare"):
            measure(Comparison(tiles=()))

    def test_an_unknown_key(self) -> None:
        with pytest.raises(KeyError):
            measure(compare(levels()), only=["rmse"]).of("x")


class TestWhatIsSaidOfNumbers:
    def test_scores_on_training_fields_are_flagged(self) -> None:
        images = levels(fov=3)
        images["seen"] = restored(images["avg1"], model="dncnn-avg1")
        images["judged"] = restored(known_as(images["avg1"], fov=50), model="w2s-denoise")
        images["classical"] = restored(images["avg1"], model="vst-nlm", sha256=None)
        found = measure(compare(images, "avg400"), only=["psnr"])
        assert [one.key for one in found.tiles if one.seen] == ["seen"]
        assert any("learned from this field" in note for note in found.of("seen").notes)
        assert any("judged by this field" in note for note in found.of("judged").notes)
        assert not found.of("classical").notes

    def test_images_without_a_common_intensity_scale_are_told(self) -> None:
        images = levels()
        images["sr"] = restored(images["avg1"], scale=2)
        found = measure(compare(images, "avg400"), only=["psnr"])
        assert [one.key for one in found.tiles if not one.shares_scale] == ["sim", "sr"]
        found = measure(compare(images, "sim"), only=["psnr"])
        assert {one.key for one in found.tiles if one.shares_scale} == {"sim"}

    def test_frc_of_restorations_is_commented(self) -> None:
        images = levels(128)
        images["r"] = restored(images["avg1"], np.asarray(images["avg16"].data))
        images["smooth"] = restored(images["avg1"])
        found = measure(compare(images, "avg400"), only=["frc"])
        assert found.of("r").frc is not None
        assert any("FRC of one image" in note for note in found.of("r").notes)
        assert not found.of("avg1").notes
        assert found.of("smooth").frc is None
        assert any("does not cross" in note for note in found.of("smooth").notes)


class TestSharedFrames:
    """Noise that an image and its reference share correlates up to the finest ring."""

    def floor(self, images: dict[str, Image], key: str, reference: str = "avg400") -> TileNumbers:
        return measure(compare(images, reference), only=["frc_two"]).of(key)

    def test_are_taken_out_of_the_reference(self) -> None:
        rng = np.random.default_rng(5)
        frames = rng.normal(100, NOISE, (400, 128, 128)).astype(np.float32)
        images = {
            level: w2s_image(frames[list(FRAME_INDICES[Level(level)])].mean(axis=0), level)
            for level in ("avg16", "avg400")
        }
        plain = two_image_frc(images["avg400"].data, images["avg16"].data, pixel_size=64.0)
        assert plain.correlation.mean() == pytest.approx(0.2, abs=0.02)
        tile = tiles(images)[0]
        comparison = compare(images, "avg400")
        pixels = {key: np.asarray(image.data, float) for key, image in images.items()}
        rest = less_shared(comparison, tile, pixels)
        assert rest is not None
        np.testing.assert_allclose(rest, frames[16:].mean(axis=0), rtol=1e-5)
        assert abs(two_image_frc(rest, images["avg16"].data, pixel_size=64.0).correlation.mean()) < 0.02
        found = measure(comparison, only=["frc_two"]).of("avg16")
        assert not found.shares_frames
        assert any("taken out" in note for note in found.notes)

    def test_of_a_restoration_are_those_of_its_input(self) -> None:
        images = levels(128)
        images = {"avg400": images["avg400"], "avg8": images["avg8"], "r": restored(images["avg8"])}
        assert not self.floor(images, "r").shares_frames
        del images["avg8"]
        found = measure(compare(images, "avg400"), only=["frc_two"])
        assert found.of("r").shares_frames
        assert any("looks finer" in note for note in found.of("r").notes)
        assert cell_text(found, found.of("r"), "frc_two").startswith("≥ ")

    def test_that_cannot_be_taken_out_make_a_bound(self) -> None:
        images = levels(128)
        assert self.floor(images, "avg16", "avg8").shares_frames
        assert not self.floor(images, "avg8", "avg16").shares_frames
        assert not self.floor(images, "avg1", "avg16").shares_frames
        assert self.floor(images, "avg8", "avg16").frc_two != self.floor(images, "avg16", "avg8").frc_two

    def test_are_of_one_place_only(self) -> None:
        images = levels(128)
        images["elsewhere"] = known_as(images["avg8"], fov=51)
        images["mine"] = image_of(images["avg8"].data)
        for key in ("elsewhere", "mine", "sim"):
            assert not self.floor(images, key).shares_frames
            assert not any("taken out" in note for note in self.floor(images, key).notes)

    def test_of_a_mean_are_those_that_it_names(self) -> None:
        mean = known_as(w2s_image(np.zeros((4, 4)), "avg8"), level=None, frames=[3, 9])
        assert frames_of(mean) == range(3, 10)
        assert frames_of(image_of(np.zeros((4, 4)))) is None


def test_finite_part_is_the_largest_rectangle_of_blocks() -> None:
    image = np.ones((128, 128))
    assert finite_part(image) == (slice(0, 128), slice(0, 128))
    image[50, 100] = np.nan
    assert finite_part(image) == (slice(0, 128), slice(0, 100))
    other = np.ones((128, 128))
    other[10, 10] = np.inf
    assert finite_part(image, other) in (
        (slice(12, 128), slice(0, 100)),
        (slice(52, 128), slice(0, 128)),
    )
    assert finite_part(np.full((8, 8), np.nan)) is None
    assert finite_part(np.ones((8, 8), np.uint8)) == (slice(0, 8), slice(0, 8))


@pytest.fixture(scope="module")
def real(w2s_root: Path) -> Numbers:
    levels = ("avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "sim")
    images = {level: open_images(w2s_root / "data" / "train" / level / "050_1.png")[0] for level in levels}
    return measure(levels_of(images).replace(box=Box(5.0, 5.0, 5.0 + 256 * PIXEL, 5.0 + 256 * PIXEL)))


class TestRealImages:
    def test_have_scores_that_rise_with_the_number_of_frames(self, real: Numbers) -> None:
        order = ["avg1", "avg2", "avg4", "avg8", "avg16"]
        for name in ("psnr", "psnr_matched", "ssim", "ssim_matched", "worth"):
            values = [getattr(real.of(key), name) for key in order]
            assert values == sorted(values), name
        assert (real.data_range, real.area) == (255, "box, 256 × 256 px")

    def test_have_a_worth_of_their_number_of_frames(self, real: Numbers) -> None:
        assert [real.of(f"avg{n}").worth for n in (1, 2, 4, 8, 16)] == pytest.approx([1, 2, 4, 8, 16])

    def test_have_a_noise_that_falls_with_the_number_of_frames(self, real: Numbers) -> None:
        noise = [real.of(f"avg{n}").noise for n in (1, 4, 16)]
        assert noise[0] / noise[1] == pytest.approx(2, rel=0.25)  # type: ignore[operator]
        assert noise[1] / noise[2] == pytest.approx(2, rel=0.25)  # type: ignore[operator]

    def test_have_a_finer_resolution_in_sim(self, real: Numbers) -> None:
        assert real.of("sim").frc < 0.7 * real.of("avg400").frc  # type: ignore[operator]
