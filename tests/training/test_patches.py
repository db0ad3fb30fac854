"""Patches: the same for the same number, cut alike from all images of a field, standardised so that they map back."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import w2s_fields
import w2s_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from w2s_fields import EDGE, PLAIN, coordinates, own, place_field, places, textured

from napari_w2s._types import InputError
from napari_w2s.training.config import Source
from napari_w2s.training.fields import Field
from napari_w2s.training.patches import PatchMaker, Sample
from napari_w2s.training.sampling import Choices
from napari_w2s.training.w2s_fields import gather_w2s

ALL = {"flips": True, "scale": 0.3, "offset": 0.3, "own_statistics": 0.5}
PATCH = 16


def equal(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_a_number_stands_for_one_patch_whatever_was_drawn_before() -> None:
    config = w2s_fields.both(augmentation=ALL, foreground=0.5)
    fields = [place_field(str(i)) for i in range(3)]
    first, second = PatchMaker(config, fields), PatchMaker(config, fields)
    drawn = {number: first.draw(number) for number in range(20)}
    for number in reversed(range(20)):
        assert equal(second.draw(number), drawn[number])
    assert not equal(drawn[0], drawn[1])
    assert not equal(PatchMaker(config.model_copy(update={"seed": 1}), fields).draw(0), drawn[0])


def test_a_number_stands_for_the_same_patch_in_another_process(tmp_path: Path) -> None:
    w2s_tree.make_normalized(tmp_path / "data", [1, 2], ("avg1", "avg400", "sim"))
    w2s_tree.make_8bit(tmp_path / "8bit" / "train", [3], [0])
    config = w2s_fields.both(patch=16, augmentation=ALL, foreground=0.5)
    roots = [
        Source(paths={"root": (str(tmp_path / "data"),)}, fovs="1,2"),
        Source(paths={"root": (str(tmp_path / "8bit"),)}, fovs="3"),
    ]
    fields = [one for source in roots for one in gather_w2s(source, config).fields]
    assert len(fields) == 3
    maker = PatchMaker(config, fields)
    here = [maker.draw(number) for number in range(12)]
    again = pickle.dumps(maker)
    code = (
        "import pickle, sys; maker = pickle.load(sys.stdin.buffer);"
        "sys.stdout.buffer.write(pickle.dumps([maker.draw(n) for n in range(12)]))"
    )
    made = subprocess.run([sys.executable, "-c", code], input=again, capture_output=True, check=True, timeout=100)
    there: list[Sample] = pickle.loads(made.stdout)
    assert all(equal(one, other) for one, other in zip(here, there, strict=True))


@pytest.mark.parametrize("flips", [False, True])
def test_input_and_targets_are_cut_from_the_same_spot(flips: bool) -> None:
    one = place_field()
    maker = PatchMaker(w2s_fields.both(augmentation={**PLAIN, "flips": flips}, foreground=0.5), [one])
    turns = set()
    for number in range(40):
        sample = maker.draw(number)
        here = places(own(sample, "noisy", one.inputs["avg1"]))
        assert np.array_equal(here, places(own(sample, "denoised", one.denoised)))
        fine = places(own(sample, "sim", one.sim))
        assert np.array_equal(fine // 2, here.repeat(2, 1).repeat(2, 2))
        assert {len(np.unique(axis)) for axis in here} == {PATCH}
        turns.add((*(here[:, 0, 0] < here[:, -1, -1]), bool(here[0, 0, 0] == here[0, 0, -1])))
    # Four corners may come to lie at the top left, by a row or by a column.
    assert len(turns) == (8 if flips else 1)


@settings(deadline=None, max_examples=40)
@given(
    number=st.integers(0, 10**9),
    scale=st.floats(0, 0.5),
    offset=st.floats(0, 0.5),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    normalization=st.sampled_from(["standard", "unit"]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
def test_the_answer_of_a_perfect_network_maps_to_the_target(
    number: int, scale: float, offset: float, share: float, normalization: str, dtype: type
) -> None:
    clean = textured(1, dtype=dtype)
    one = Field("clean", "clean", {"avg1": clean}, denoised=clean)
    augmentation = {"flips": True, "scale": scale, "offset": offset, "own_statistics": share}
    config = w2s_fields.config(augmentation=augmentation, normalization=normalization)
    sample = PatchMaker(config, [one]).draw(number)
    gain, offset = sample["denoised_map"]
    # The input has no noise, so that the perfect answer is the input.
    assert np.allclose(sample["noisy"] * gain + offset, sample["denoised"], atol=2e-5)


@settings(deadline=None, max_examples=25)
@given(
    number=st.integers(0, 10**9), scale=st.floats(0, 0.4), offset=st.floats(0, 0.4), share=st.sampled_from([0.0, 1.0])
)
def test_a_sim_answer_that_follows_the_input_maps_to_the_target(
    number: int, scale: float, offset: float, share: float
) -> None:
    clean = textured(2)
    one = Field("clean", "clean", {"avg1": clean}, denoised=clean, sim=np.kron(5 * clean + 3, np.ones((2, 2))))
    brightness = {"mean": 0.1, "std": 0.06, "slope": 0.06}
    augmentation = {"flips": True, "scale": scale, "offset": offset, "own_statistics": share}
    config = w2s_fields.both(augmentation=augmentation, sim_brightness=brightness)
    sample = PatchMaker(config, [one]).draw(number)
    answer = brightness["mean"] + brightness["slope"] * np.kron(sample["noisy"], np.ones((2, 2)))
    gain, offset = sample["sim_map"]
    assert np.allclose(answer * gain + offset, sample["sim"], atol=1e-4)


def test_sim_images_get_the_brightness_that_was_asked_for() -> None:
    one = place_field(edge=PATCH)
    config = w2s_fields.both(sim_brightness={"mean": 0.1, "std": 0.06, "slope": 0.05})
    sim = PatchMaker(config, [one]).draw(0)["sim"]
    assert sim.mean() == pytest.approx(0.1, abs=1e-5)
    assert sim.std() == pytest.approx(0.06, abs=1e-5)


def test_clean_images_are_matched_to_the_noisy_ones_if_asked_for() -> None:
    clean = textured(3)
    one = Field("drift", "drift", {"avg1": 0.5 * clean + 20}, denoised=clean)
    kept, matched = (PatchMaker(w2s_fields.config(match_clean=match), [one]).draw(5) for match in (False, True))
    gain, offset = matched["denoised_map"]
    assert np.allclose(matched["noisy"] * gain + offset, matched["denoised"], atol=1e-4)
    assert not np.allclose(kept["noisy"] * gain + offset, kept["denoised"], atol=0.1)


def test_standardised_by_frame_a_patch_tells_its_brightness_and_by_itself_it_does_not() -> None:
    one = Field("ramp", "ramp", {"avg1": coordinates()}, denoised=coordinates())
    frame = PatchMaker(w2s_fields.config(), [one])
    alone = PatchMaker(w2s_fields.config(augmentation={**PLAIN, "own_statistics": 1.0}), [one])
    assert np.ptp([frame.draw(n)["noisy"].mean() for n in range(20)]) > 1
    assert np.ptp([alone.draw(n)["noisy"].mean() for n in range(20)]) < 1e-4
    unit = PatchMaker(w2s_fields.config(normalization="unit"), [one])
    assert all(0 <= unit.draw(n)["noisy"].min() <= unit.draw(n)["noisy"].max() <= 1 for n in range(20))


def test_scale_and_offset_change_at_random_and_input_and_target_share_them() -> None:
    one = place_field()
    gains, offsets = [], []
    maker = PatchMaker(w2s_fields.config(augmentation={**PLAIN, "scale": 0.2, "offset": 0.3}), [one])
    plain = PatchMaker(w2s_fields.config(), [one])
    for number in range(300):
        sample = maker.draw(number)
        gain, offset = sample["denoised_map"]
        gains.append(gain)
        offsets.append(offset)
        assert np.allclose(sample["noisy"] * gain + offset, sample["denoised"], atol=1e-5)
    gain, offset = plain.draw(0)["denoised_map"]
    assert np.std(np.log(gains / gain)) == pytest.approx(0.2, rel=0.2)
    assert np.std((offsets - offset) / gain) == pytest.approx(0.3, rel=0.2)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.0, 0.3), (0.5, 0.45, 0.75), (1.0, 1.0, 1.0)])
def test_a_share_of_the_patches_is_drawn_where_there_is_something_to_see(
    share: float, least: float, most: float
) -> None:
    dark = np.zeros((128, 128), np.uint8)
    dark[96:112, 16:32] = 200
    maker = PatchMaker(w2s_fields.config(foreground=share), [Field("spot", "spot", {"avg1": dark}, denoised=dark)])
    seen = np.mean([maker.draw(number)["denoised"].max() > 0 for number in range(300)])
    assert least <= seen <= most


def test_gaps_are_nothing_to_see() -> None:
    image = np.full((64, 64), 5, np.float32)
    image[:16, :16] = np.nan
    image[32:48, 32:48] = 200
    maker = PatchMaker(w2s_fields.config(foreground=1.0), [Field("gap", "gap", {"avg1": image}, denoised=image)])
    assert all(maker.draw(number)["denoised"].max() > 0.5 for number in range(30))


def test_patches_are_drawn_at_every_spot() -> None:
    one = place_field(edge=20)
    maker = PatchMaker(w2s_fields.config(), [one])
    corners = {tuple(places(own(maker.draw(n), "noisy", one.inputs["avg1"]))[:, 0, 0]) for n in range(600)}
    assert corners == {(row, column) for row in range(5) for column in range(5)}


def test_levels_are_drawn_by_weight() -> None:
    grid = coordinates()
    many = place_field(inputs={"avg1": grid, "avg2": grid, "avg4": grid, "avg400": grid})
    own_name = place_field(inputs={"noisy": grid})
    config = w2s_fields.config(levels={"avg1": 3, "avg4": 1, "avg2": 0})
    choices = Choices(config, [many, own_name])
    rng = np.random.default_rng(0)
    drawn = Counter(choices.draw(0, rng) for _ in range(2000))
    assert set(drawn) == {"avg1", "avg4"}
    assert drawn["avg1"] / 2000 == pytest.approx(0.75, abs=0.04)
    assert choices.draw(1, rng) == "noisy"


def test_all_fields_are_drawn_from() -> None:
    fields = [
        Field(str(i), str(i), {"avg1": np.full((16, 16), i, np.uint8)}, denoised=coordinates(16)) for i in range(5)
    ]
    maker = PatchMaker(w2s_fields.config(normalization="unit"), fields)
    assert {round(float(maker.draw(n)["noisy"].mean() * 255)) for n in range(80)} == set(range(5))


def test_the_centre_is_the_centre_at_a_multiple_of_eight() -> None:
    one = place_field(edge=45)
    maker = PatchMaker(w2s_fields.both(augmentation=ALL), [one])
    here = places(own(maker.centre(one, "avg1", 1000), "noisy", one.inputs["avg1"]))
    assert here.shape == (2, 40, 40)
    assert (here[:, 0, 0].tolist(), here[:, -1, -1].tolist()) == ([2, 2], [41, 41])
    assert maker.centre(one, "avg1", 21)["sim"].shape == (1, 32, 32)
    assert equal(maker.centre(one, "avg1", 21), maker.centre(one, "avg1", 21))


def test_gaps_are_filled_in_the_input_and_do_not_count_in_the_targets() -> None:
    noisy, clean, sim = coordinates(), coordinates(), coordinates(zoom=2)
    noisy[10, 11], clean[20, 21], sim[61, 70], clean[5, 5] = np.nan, np.nan, np.inf, np.nan
    one = Field("gaps", "gaps", {"avg1": noisy}, denoised=clean, sim=sim)
    maker = PatchMaker(w2s_fields.both(patch=EDGE), [one, place_field()])
    holed, whole = (maker.centre(each, "avg1", EDGE) for each in maker.fields)
    assert all(np.isfinite(value).all() for value in holed.values())
    assert own(holed, "noisy", noisy)[10, 11] == pytest.approx(np.nanmean(noisy), rel=1e-4)
    assert set(zip(*np.nonzero(holed["mask"][0] == 0), strict=True)) == {(20, 21), (30, 35), (5, 5)}
    # All samples of a batch have the same entries.
    assert whole["mask"].all()


def test_images_without_gaps_have_no_mask() -> None:
    image = textured(4, dtype=np.uint8)
    assert "mask" not in PatchMaker(w2s_fields.config(), [Field("a", "a", {"avg1": image}, denoised=image)]).draw(0)


def test_a_known_range_counts_as_zero_to_one() -> None:
    image = np.full((16, 16), 0.25, np.float32)
    image[0, 0] = 0.5
    one = Field("row", "row", {"avg1": image}, denoised=image, intensity_range=(0.0, 1.0))
    assert PatchMaker(w2s_fields.config(), [one]).draw(0)["denoised"].max() == pytest.approx(0.5)


def test_what_a_field_lacks_is_named() -> None:
    image = coordinates()
    with pytest.raises(InputError, match="lonely has no SIM image"):
        PatchMaker(w2s_fields.both(), [Field("lonely", "g", {"avg1": image}, denoised=image)])
    with pytest.raises(InputError, match="lonely has no clean image"):
        PatchMaker(w2s_fields.config(), [Field("lonely", "g", {"avg1": image})])
    with pytest.raises(InputError, match="lonely has no single frames"):
        PatchMaker(w2s_fields.unsupervised("noise2noise"), [Field("lonely", "g", {"avg1": image})])
    with pytest.raises(InputError, match="no image to learn from"):
        PatchMaker(w2s_fields.config(), [])


def test_an_image_smaller_than_a_patch_is_named() -> None:
    maker = PatchMaker(w2s_fields.config(patch=64), [place_field("little")])
    with pytest.raises(InputError, match=r"little has 48 x 48 pixels.*patches of 64 x 64.*smaller patches"):
        maker.draw(0)


def test_an_image_without_a_number_is_named() -> None:
    image = np.full((16, 16), np.nan, np.float32)
    with pytest.raises(InputError, match="dead: all pixels of an image are NaN"):
        PatchMaker(w2s_fields.config(), [Field("dead", "g", {"avg1": image}, denoised=image)]).draw(0)


def test_intensities_beyond_float32_are_refused_by_name() -> None:
    image = textured(5).astype(np.float64) * 1e300
    with pytest.raises(InputError, match="bright: Intensities reach"):
        PatchMaker(w2s_fields.config(), [Field("bright", "g", {"avg1": image}, denoised=image)]).draw(0)


def test_half_precision_images_are_standardised_like_others() -> None:
    image = (900 * textured(5) / textured(5).max()).astype(np.float16)
    half, whole = (
        PatchMaker(w2s_fields.config(augmentation=PLAIN), [Field("h", "h", {"avg1": i}, denoised=i)]).draw(0)["noisy"]
        for i in (image, image.astype(np.float32))
    )
    assert np.allclose(half, whole, atol=1e-3)


def test_patches_of_noise_alone_have_even_targets() -> None:
    brightness = {"mean": 0.1, "std": 0.06, "slope": 0.06}
    config = w2s_fields.both(augmentation={**ALL, "empty": 1.0}, sim_brightness=brightness)
    maker = PatchMaker(config, [place_field(edge=PATCH)])
    for number in range(20):
        sample = maker.draw(number)
        assert sample["noisy"].std() > 0.3
        assert np.ptp(sample["denoised"]) == np.ptp(sample["sim"]) == 0
        gain, offset = sample["denoised_map"]
        # The best answer to noise is its mean.
        assert sample["noisy"].mean() * gain + offset == pytest.approx(float(sample["denoised"].mean()), abs=0.1)


def test_a_share_of_the_patches_is_noise_alone() -> None:
    maker = PatchMaker(w2s_fields.config(augmentation={**PLAIN, "empty": 0.25}), [place_field()])
    assert 60 < sum(np.ptp(maker.draw(number)["denoised"]) == 0 for number in range(400)) < 140
