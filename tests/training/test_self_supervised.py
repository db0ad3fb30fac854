"""Learning without clean images: independent halves of a burst, and pixels that the network does not see."""

from __future__ import annotations

import numpy as np
import pytest
import w2s_fields
from w2s_fields import coordinates, own, places

from napari_w2s.training.burst_fields import averages, fields_of_burst
from napari_w2s.training.fields import Field
from napari_w2s.training.lazy_images import Mean, Stack
from napari_w2s.training.patches import PatchMaker

PATCH = 16


def binary_burst(frames: int) -> np.ndarray:
    """Return frames of which the sum of any tells which they are: frame i is all 2 to the power of i."""
    return np.broadcast_to((2.0 ** np.arange(frames))[:, None, None], (frames, PATCH, PATCH)).copy()


def members(mean: float, count: int) -> set[int]:
    total = round(mean * count)
    return {i for i in range(total.bit_length()) if total >> i & 1}


def pixels_of(maker: PatchMaker, one: Field, level: str, number: int | None) -> tuple[float, float]:
    """Return input and target of a patch of constant frames, in their own intensities."""
    sample = maker.centre(one, level, PATCH) if number is None else maker.draw(number)
    image = one.inputs[level].read()
    noisy, target = own(sample, "noisy", image), own(sample, "denoised", image)
    assert np.ptp(noisy) == 0 == np.ptp(target)
    return float(noisy[0, 0]), float(target[0, 0])


@pytest.mark.parametrize(
    ("level", "frames", "count"), [("avg1", 10, 1), ("avg4", 10, 4), ("avg8", 9, 8), ("avg1", 2, 1)]
)
def test_no_frame_is_in_the_input_and_in_the_target(level: str, frames: int, count: int) -> None:
    config = w2s_fields.unsupervised("noise2noise", levels={level: 1})
    found = fields_of_burst(binary_burst(frames), "burst", "burst", config)
    one = found.fields[0]
    maker = PatchMaker(config, found.fields)
    chosen = set()
    for number in [*range(30), None]:
        noisy, target = pixels_of(maker, one, level, number)
        given, asked = members(noisy, count), members(target, frames - count)
        assert len(given) == count
        assert given | asked == set(range(frames))
        assert not given & asked
        chosen.add(frozenset(given))
    assert len(chosen) > 1
    assert not found.warnings


@pytest.mark.parametrize(("level", "frames", "half"), [("avg16", 7, 3), ("avg4", 4, 2)])
def test_a_level_of_too_many_frames_takes_half_of_them(level: str, frames: int, half: int) -> None:
    config = w2s_fields.unsupervised("noise2noise", levels={level: 1})
    found = fields_of_burst(binary_burst(frames), "short", "short", config)
    noisy, target = pixels_of(PatchMaker(config, found.fields), found.fields[0], level, 3)
    assert len(members(noisy, half)) == half
    assert members(noisy, half) | members(target, frames - half) == set(range(frames))
    assert f"short has {frames} frames, too few for {level}" in found.warnings[0]


def test_of_a_long_burst_the_target_is_the_mean_of_all_other_frames() -> None:
    burst = np.random.default_rng(0).integers(90, 400, (40, PATCH, PATCH)).astype(np.uint16)
    config = w2s_fields.unsupervised("noise2noise")
    one = fields_of_burst(burst, "long", "long", config).fields[0]
    maker = PatchMaker(config, [one])
    for number in range(10):
        sample = maker.draw(number)
        noisy, target = (own(sample, name, one.inputs["avg1"].read()) for name in ("noisy", "denoised"))
        index = np.abs(burst - noisy).sum((1, 2)).argmin()
        assert np.allclose(noisy, burst[index], atol=1e-2)
        assert np.allclose(target, np.delete(burst, index, axis=0).mean(0), atol=1e-2)


def test_inputs_of_a_burst_are_spread_over_it() -> None:
    inputs, _ = averages(Stack(np.zeros((100, 8, 8))), "b", w2s_fields.unsupervised("noise2noise", levels={"avg4": 1}))
    assert list(inputs["avg4"].frames) == [0, 25, 50, 75]


def test_noise2noise_reads_few_frames_of_a_patch_and_no_others() -> None:
    read: list[tuple[int, slice]] = []

    class Spy(np.ndarray):
        def __getitem__(self, key: object) -> object:
            if self.ndim == 3:
                read.append(key)  # type: ignore[arg-type]
            return super().__getitem__(key)

    data = np.random.default_rng(0).integers(0, 255, (100, 64, 64)).astype(np.uint8).view(Spy)
    config = w2s_fields.unsupervised("noise2noise", levels={"avg2": 1})
    maker = PatchMaker(config, fields_of_burst(data, "b", "b", config).fields)
    maker.draw(0)
    read.clear()
    for number in range(1, 6):
        maker.draw(number)
    assert len(read) <= 10


def test_every_place_of_a_burst_is_a_field_and_every_frame_is_one_for_noise2void() -> None:
    data = np.arange(2 * 3 * 20 * 20).reshape(2, 3, 20, 20)
    halves = fields_of_burst(data, "b", "b", w2s_fields.unsupervised("noise2noise"))
    assert [one.name for one in halves.fields] == ["b [0]", "b [1]"]
    frames = fields_of_burst(data, "b", "b", w2s_fields.unsupervised("noise2void"))
    assert len(frames.fields) == 6
    assert {one.group for one in (*halves.fields, *frames.fields)} == {"b"}
    assert np.array_equal(frames.fields[4].inputs["noisy"], data[1, 1])


@pytest.mark.parametrize("flips", [False, True])
def test_blind_pixels_show_a_neighbour_and_are_asked_for_what_they_were(flips: bool) -> None:
    image = coordinates()
    config = w2s_fields.unsupervised(
        "noise2void", patch=20, augmentation={"flips": flips, "scale": 0.2, "offset": 0.2, "own_statistics": 0.5}
    )
    maker = PatchMaker(config, [Field("single", "g", {"noisy": image})])
    steps = set()
    for number in range(60):
        sample = maker.draw(number)
        noisy, target = (own(sample, name, image) for name in ("noisy", "denoised"))
        blind = sample["mask"][0] == 1
        assert set(np.unique(sample["mask"])) <= {0, 1}
        assert np.allclose(noisy[~blind], target[~blind], atol=0.05)
        moved = places(noisy) - places(target)
        assert (np.abs(moved).max(0) <= 2).all()
        assert (np.abs(moved)[:, blind].max(0) >= 1).all()
        steps |= set(map(tuple, moved[:, blind].T))
    # All 24 pixels around it are taken.
    assert len(steps) == 24


def test_about_one_pixel_in_sixty_is_blind_wherever_it_is() -> None:
    maker = PatchMaker(w2s_fields.unsupervised("noise2void", patch=20), [Field("s", "g", {"noisy": coordinates(20)})])
    blind = np.stack([maker.draw(number)["mask"][0] for number in range(1500)]).mean(0)
    assert blind.mean() == pytest.approx(1 / 64, rel=0.1)
    # Those of the squares at the edge that are cut off are as likely as any.
    assert blind[16:, 16:].mean() == pytest.approx(1 / 64, rel=0.3)


def test_noise2void_is_judged_blindly_too_unless_there_is_a_clean_image() -> None:
    image = coordinates()
    config = w2s_fields.unsupervised("noise2void")
    alone, with_clean = Field("s", "g", {"noisy": image}), Field("c", "g", {"noisy": image}, denoised=image + 1)
    maker = PatchMaker(config, [alone, with_clean])
    judged, again, clean = (maker.centre(one, "noisy", 32) for one in (alone, alone, with_clean))
    assert 0 < judged["mask"].mean() < 0.05
    assert np.array_equal(judged["noisy"], again["noisy"])
    assert clean["mask"].all()
    assert np.allclose(own(clean, "denoised", image), own(clean, "noisy", image) + 1, atol=0.05)


def test_gaps_of_a_burst_do_not_count() -> None:
    data = np.random.default_rng(0).random((4, 32, 32)).astype(np.float32)
    data[2, 8, 9] = np.nan
    config = w2s_fields.unsupervised("noise2noise", patch=32)
    maker = PatchMaker(config, fields_of_burst(data, "b", "b", config).fields)
    masks = np.stack([maker.draw(number)["mask"][0] for number in range(12)])
    assert masks.sum((1, 2)).min() == 32 * 32 - 1
    assert set(zip(*np.nonzero(masks.min(0) == 0), strict=True)) == {(8, 9)}
    assert all(np.isfinite(maker.draw(n)["denoised"]).all() for n in range(12))


def test_a_mean_is_that_of_its_frames() -> None:
    stack = Stack(np.random.default_rng(0).integers(0, 60000, (9, 6, 7)).astype(np.uint16))
    mean = Mean(stack, [1, 4, 8])
    assert np.array_equal(mean.read(), stack.data[[1, 4, 8]].mean(0).astype(np.float32))
    assert np.array_equal(mean.part(slice(2, 5), slice(1, 3)), mean.read()[2:5, 1:3])
