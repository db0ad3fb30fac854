"""What is found wrong with images before they are learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import w2s_fields
from scipy import ndimage
from w2s_fields import textured

from napari_w2s._types import InputError
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.checks import check_fields
from napari_w2s.training.config import Source
from napari_w2s.training.fields import Field
from napari_w2s.training.lazy_images import plane
from napari_w2s.training.registration import find_shift
from napari_w2s.training.split import Loaded
from napari_w2s.training.w2s_fields import gather_w2s

EDGE = 96


def sound(number: int, **changes: Any) -> Field:
    """Return a field with nothing wrong."""
    clean = textured(number, EDGE)
    noise = np.random.default_rng(number).normal(0, 5, clean.shape).astype(np.float32)
    images = {"inputs": {"avg1": clean + noise}, "denoised": clean, "sim": np.kron(clean, np.ones((2, 2))) * 3 + 10}
    return Field(name=f"field {number}", **{"group": f"group {number}", **images, **changes})


def loaded(*train: Field) -> Loaded:
    return Loaded(list(train), [sound(100), sound(101)])


def check(of: Loaded, **changes: Any) -> list[str]:
    return check_fields(of, w2s_fields.both(**changes))


def test_nothing_is_said_of_images_with_nothing_wrong() -> None:
    of = loaded(sound(1), sound(2))
    assert check(of) == []
    assert [len(of.train), len(of.validation)] == [2, 2]


def test_small_images_are_left_out_with_their_sizes() -> None:
    of = loaded(sound(1), w2s_fields.place_field("little", 24), sound(2))
    warnings = check(of, patch=32)
    assert [one.name for one in of.train] == ["field 1", "field 2"]
    assert warnings == ["1 image is left out, too small for patches of 32 x 32: little, 24 x 24."]


def test_no_image_of_the_size_of_a_patch_is_an_error_with_advice() -> None:
    with pytest.raises(InputError, match="patches of 64 x 64: the largest, b, has 40 x 40 pixels"):
        check(loaded(w2s_fields.place_field("a", 24), w2s_fields.place_field("b", 40)), patch=64)


def test_validation_images_may_be_smaller_than_a_patch() -> None:
    of = Loaded([sound(1)], [w2s_fields.place_field("small", 24, denoised=w2s_fields.coordinates(24) + 1)])
    assert check(of, patch=64) == []
    of.validation.append(w2s_fields.place_field("tiny", 6))
    assert "too small for validation: tiny, 6 x 6" in check(of, patch=64)[0]
    with pytest.raises(InputError, match="large enough for validation"):
        check(Loaded([sound(1)], [w2s_fields.place_field("tiny", 6)]))


@pytest.mark.parametrize(
    ("which", "what"), [("inputs", "avg1 image"), ("denoised", "clean image"), ("sim", "SIM image")]
)
def test_constant_images_are_left_out_by_name(which: str, what: str) -> None:
    flat = np.full((2 * EDGE,) * 2 if which == "sim" else (EDGE, EDGE), 7, np.uint16)
    of = loaded(sound(1), sound(2, **{which: {"avg1": flat} if which == "inputs" else flat}))
    assert check(of) == [f"1 field is left out with a constant image: field 2 ({what})."]
    assert [one.name for one in of.train] == ["field 1"]


def test_nothing_but_constant_images_is_an_error() -> None:
    flat = np.zeros((EDGE, EDGE), np.uint8)
    said = r"Every field to learn from has a constant image, field 1 for one \(%s\)"
    with pytest.raises(InputError, match=said % "avg1 image"):
        check(loaded(sound(1, inputs={"avg1": flat}), sound(2, inputs={"avg1": flat})))
    with pytest.raises(InputError, match=said % "clean image"):
        check(loaded(sound(1, denoised=flat), sound(2, denoised=flat)))


def test_without_a_validation_image_left_training_images_are_judged_by_with_a_warning() -> None:
    of = Loaded([sound(1), sound(2)], [sound(3, inputs={"avg1": np.zeros((EDGE, EDGE))})])
    warnings = check(of)
    assert of.validation == of.train
    assert "The validation set is the training set (field 1 for one)" in warnings[1]


def test_a_shared_group_is_warned_of_once() -> None:
    of = Loaded([sound(1)], [sound(1)])
    warnings = check(of)
    assert ["The validation set is the training set" in text for text in warnings] == [True]
    of.warnings += warnings
    assert check(of) == []


def test_images_without_a_number_are_an_error_and_gaps_are_told() -> None:
    gaps = textured(2, EDGE)
    gaps[:24] = np.nan
    warnings = check(loaded(sound(1), sound(2, inputs={"avg1": gaps})))
    assert len(warnings) == 1
    assert "1 field has NaN or infinite pixels (field 2, 25 %)" in warnings[0]
    with pytest.raises(InputError, match="field 2: all pixels of SIM image are NaN"):
        check(loaded(sound(1), sound(2, sim=np.full((2 * EDGE,) * 2, np.nan))))


def test_saturated_images_are_told() -> None:
    bright = np.clip(textured(4, EDGE) * 2, 0, 255).astype(np.uint8)
    share = 100 * (bright == 255).mean()
    assert (
        f"1 field has many saturated pixels (field 2, {share:.0f} %)"
        in check(loaded(sound(1), sound(2, inputs={"avg1": bright})), match_clean=True)[0]
    )


def test_test_images_of_the_benchmark_are_told() -> None:
    warnings = check(Loaded([sound(1, fov=81), sound(2, fov=80)], [sound(3, split="test")]))
    assert "1 test image of the benchmark will be learned from (field 1)" in warnings[0]
    assert "1 test image of the benchmark will be judged by (field 3)" in warnings[1]


def moved(image: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    return ndimage.shift(image, shift, order=3, mode="reflect")


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.5, -1.2), (-4.0, 0.3), (0.0, 7.0)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel(shift: tuple[float, float]) -> None:
    still = textured(5, 160)
    noisy = still + np.random.default_rng(0).normal(0, 20, still.shape)
    found = find_shift(3 * moved(still, shift) + 50, noisy)
    assert (found.y, found.x) == pytest.approx(shift, abs=0.21)
    assert found.after >= found.before - 1e-3


def test_shifted_sim_images_are_told_with_how_much() -> None:
    sim = moved(np.kron(textured(2, EDGE), np.ones((2, 2))), (6.0, -4.0))
    warnings = check(loaded(sound(1), sound(2, sim=sim)))
    assert len(warnings) == 1
    assert "SIM image and widefield image are shifted against each other in 1 of 2 fields" in warnings[0]
    assert "field 2 by 3.6 (+3.0, -2.0)" in warnings[0]
    small = moved(np.kron(textured(2, EDGE), np.ones((2, 2))), (1.0, 0.6))
    assert check(loaded(sound(1), sound(2, sim=small))) == []


def test_a_shift_that_cannot_be_told_is_not_told() -> None:
    row = ndimage.gaussian_filter1d(np.random.default_rng(0).random(160), 2)
    stripes = np.tile(100 * row / np.ptp(row), (160, 1))
    of = loaded()
    for seed in range(4):
        noise = [
            ndimage.gaussian_filter(np.random.default_rng((seed, i)).normal(0, 60, stripes.shape), 2) for i in (0, 1)
        ]
        clean, other = (stripes + each for each in noise)
        of.train.append(sound(seed, inputs={"avg1": clean + 1}, denoised=clean, sim=np.kron(other, np.ones((2, 2)))))
        assert find_shift(other, clean).after > 0.7
    assert any(find_shift(one.sim[::2, ::2], one.denoised).length > 1.5 for one in of.train)
    assert check(of) == []


def test_images_of_two_places_are_told() -> None:
    other = textured(77, EDGE)
    warnings = check(
        loaded(sound(1), sound(2, denoised=other, sim=None), sound(3)),
        task="denoise",
        losses={"denoised": [{"name": "l1"}]},
    )
    assert (
        "clean image and noisy image do not look like one place in 1 of 3 fields that were compared (field 2)"
        in warnings[0]
    )


def test_a_clean_image_of_another_brightness_is_told_unless_it_is_matched() -> None:
    of = loaded(sound(1), sound(2, denoised=20 * textured(2, EDGE)))
    assert "of another brightness than the noisy one in 1 field (field 2:" in check(of)[0]
    assert check(of, match_clean=True) == []


@pytest.mark.parametrize("gap", [np.inf, -np.inf, np.nan])
def test_brightness_is_that_of_finite_pixels(gap: float) -> None:
    bright, noisy = 20 * textured(2, EDGE), textured(2, EDGE)
    bright[3, 4] = noisy[5, 6] = gap
    there = bright[np.isfinite(bright)]
    warnings = check(loaded(sound(1), sound(2, denoised=bright, inputs={"avg1": noisy})))
    (text,) = (text for text in warnings if "brightness" in text)
    assert f"field 2: {there.mean():.4g} ± {there.std():.4g} against" in text
    assert "inf" not in text
    assert "nan" not in text
    usual = textured(3, EDGE)
    usual[3, 4] = gap
    assert not any("brightness" in text for text in check(loaded(sound(1), sound(3, denoised=usual))))


def test_advice_on_brightness_can_be_followed_without_a_recipe() -> None:
    (text,) = check(loaded(sound(1), sound(2, denoised=20 * textured(2, EDGE))))
    assert "Scale the clean image to the noisy one first. A recipe for napari-w2s train can also" in text


def test_without_clean_images_only_the_noisy_ones_are_looked_at() -> None:
    one = Field("alone", "g", {"noisy": textured(1, EDGE)})
    of = Loaded([one], [Field("other", "h", {"noisy": textured(2, EDGE)})])
    assert check_fields(of, w2s_fields.unsupervised("noise2void")) == []


def test_what_was_read_is_kept_for_the_training(tmp_path: Path) -> None:
    reads = []

    def load(block_id: tuple[int, ...]) -> np.ndarray:
        reads.append(block_id)
        return textured(1, EDGE)[None]

    stack = da.map_blocks(load, chunks=((1,), (EDGE,), (EDGE,)), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    one = Field("lazy", "g", {"noisy": plane(stack, (0,))})
    cache = FrameCache()
    check_fields(Loaded([one], [sound(1)]), w2s_fields.unsupervised("noise2void"), cache)
    cache.read(one.inputs["noisy"])
    assert len(reads) == 1


def test_the_real_field_26_is_shifted_and_field_1_is_not(w2s_root: Path) -> None:
    def fields(fov: int, channel: int) -> list[Field]:
        source = Source(paths={"root": (str(w2s_root),)}, fovs=str(fov), channels=(channel,))
        return gather_w2s(source, w2s_fields.both()).fields

    assert check(Loaded(fields(1, 0), fields(3, 0))) == []
    warnings = check(Loaded([*fields(1, 0), *fields(26, 2)], fields(3, 0)))
    assert len(warnings) == 1
    assert "in 1 of 2 fields" in warnings[0]
    assert "026 ch2 by " in warnings[0]
    assert 3 < float(warnings[0].split("026 ch2 by ")[1].split()[0]) < 4.5
