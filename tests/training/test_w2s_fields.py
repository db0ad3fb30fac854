"""Fields of the benchmark, of every release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import w2s_fields
import w2s_tree

from napari_w2s._types import InputError, Level
from napari_w2s.data.average import average
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import Source
from napari_w2s.training.fields import Field, Gathered
from napari_w2s.training.patches import PatchMaker
from napari_w2s.training.w2s_fields import gather_w2s

LEVELS = dict.fromkeys(("avg1", "avg2", "avg16"), 1.0)


def gather(root: Path, fovs: str = "1-3", channels: tuple[int, ...] = (0, 1, 2), **changes: Any) -> Gathered:
    source = Source(paths={"root": (str(root),)}, fovs=fovs, channels=channels)
    return gather_w2s(source, w2s_fields.config(**{"levels": LEVELS, **changes}))


def pixels(image: Any) -> np.ndarray:
    return FrameCache().read(image)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return w2s_tree.make_raw(tmp_path_factory.mktemp("raw"), [1, 2], channels=(0, 1), frames=400)


def test_8bit_images_become_fields_with_all_levels(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "data" / "train", [1, 2, 3])
    found = gather(tmp_path)
    assert [one.name for one in found.fields] == [f"{fov:03d} ch{channel}" for fov in (1, 2, 3) for channel in range(3)]
    one = found.fields[4]
    assert list(one.inputs) == [level for level in w2s_tree.LEVELS if level != "sim"]
    for level in ("avg1", "avg16"):
        assert np.array_equal(pixels(one.inputs[level]), w2s_tree.frame(2, 1, level))
    assert np.array_equal(pixels(one.denoised), w2s_tree.frame(2, 1, "avg400"))
    assert np.array_equal(pixels(one.sim), w2s_tree.frame(2, 1, "sim"))
    assert {each.group for each in found.fields if each.fov == 2} == {one.group}
    assert not found.warnings


def test_normalised_images_become_fields(tmp_path: Path) -> None:
    w2s_tree.make_normalized(tmp_path / "data" / "normalized", [1, 2], ("avg1", "avg400", "sim"))
    one = gather(tmp_path, "2").fields[0]
    assert np.allclose(pixels(one.inputs["avg1"]), (w2s_tree.frame(2, 0, "avg1", np.float64) - 154.5) / 66)
    sample = PatchMaker(w2s_fields.both(levels={"avg1": 1}), [one]).draw(0)
    assert sample["sim"].shape == (1, 32, 32)


def test_levels_of_the_raw_release_are_the_benchmarks_averages(raw: Path) -> None:
    one = gather(raw, "1,2").fields[3]
    burst = np.load(raw / "Image002" / "wf_channel1.npy")
    assert one.name == "002 ch1"
    for level in Level:
        if level is not Level.SIM:
            assert np.array_equal(pixels(one.inputs[level.value]), average(burst, level))
    assert one.denoised is one.inputs["avg400"]
    assert one.sim.shape == (32, 32)


def test_a_patch_of_a_raw_level_is_that_of_the_average(raw: Path) -> None:
    one = gather(raw, "1").fields[0]
    cache = FrameCache(0)
    part = (slice(3, 9), slice(2, 5))
    for level, image in one.inputs.items():
        assert np.array_equal(cache.part(image, *part), pixels(image)[part]), level


def test_a_short_burst_gives_the_levels_that_it_is_long_enough_for(tmp_path: Path) -> None:
    w2s_tree.make_raw(tmp_path, [1], frames=20)
    one = gather(tmp_path, "1").fields[0]
    assert list(one.inputs) == ["avg2", "avg4", "avg8", "avg16"]
    assert one.denoised is None


def test_noise2noise_learns_from_the_frames_of_the_raw_release(raw: Path) -> None:
    found = gather(raw, "1,2", self_supervised="noise2noise", levels={"avg1": 1, "avg400": 1})
    assert "avg400" not in found.fields[0].inputs
    config = w2s_fields.unsupervised("noise2noise", levels={"avg1": 1, "avg400": 1})
    maker = PatchMaker(config, found.fields)
    assert maker.draw(1)["denoised"].shape == (1, 16, 16)
    # It is judged by the clean image.
    one = found.fields[0]
    judged = maker.centre(one, "avg1", 16)
    clean, noisy = pixels(one.denoised), pixels(one.inputs["avg1"])
    assert np.allclose(w2s_fields.own(judged, "denoised", noisy), clean, atol=0.01)


def test_noise2noise_needs_the_raw_release(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "train", [1])
    with pytest.raises(InputError, match=r"001 ch0 has no single frames.*raw release"):
        gather(tmp_path, "1", self_supervised="noise2noise")


def test_test_fields_are_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "train", [80, 81, 120], [0])
    with pytest.raises(InputError, match=r"081-120 are test images.*allow_test_fovs"):
        gather(tmp_path, "80-120")
    with pytest.raises(InputError, match="Fields of view 081 are test images"):
        gather(tmp_path, "80,81")
    found = gather(tmp_path, "80,81", allow_test_fovs=True)
    assert [one.is_test for one in found.fields] == [False, True]


def test_what_is_in_the_folder_of_test_images_is_refused_whatever_its_number(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "data" / "test", [5], [0])
    with pytest.raises(InputError, match=r"005_0\.png is in the folder of the benchmark's test images"):
        gather(tmp_path, "5")
    assert [one.is_test for one in gather(tmp_path, "5", allow_test_fovs=True).fields] == [True]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "train", [1, 2], [0])
    w2s_tree.make_8bit(tmp_path / "train", [4], [0], ("avg4", "avg400"))
    found = gather(tmp_path, "1-5")
    assert [one.fov for one in found.fields] == [1, 2]
    assert "no images of the fields of view 003, 005" in found.warnings[0]
    assert "1 field is left out, 004 ch0 for one: no image of the levels avg1, avg2, avg16" in found.warnings[1]


def test_nothing_that_was_asked_for_is_an_error_that_says_what_there_is(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "train", [7, 9], [0], ("avg4", "sim"))
    with pytest.raises(InputError, match=r"none of the fields of view 1-3. It has 007 to 009"):
        gather(tmp_path)
    with pytest.raises(InputError, match="no images of the levels avg1, avg2, avg16, only avg4"):
        gather(tmp_path, "7")
    w2s_tree.make_patches(tmp_path / "avg1_64_32.h5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="It has no W2S images"):
        gather(tmp_path / "empty")
    with pytest.raises(InputError, match="kind 'patches'"):
        gather(tmp_path / "avg1_64_32.h5")
    with pytest.raises(InputError, match="does not exist"):
        gather(tmp_path / "nowhere")
    with pytest.raises(InputError, match="NO_SUCH_VARIABLE names an environment variable that is not set"):
        gather(Path("$NO_SUCH_VARIABLE"))


def test_of_several_releases_the_first_is_taken_and_the_choice_is_said(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "data" / "train", [1], [0])
    w2s_tree.make_normalized(tmp_path / "data" / "normalized", [1])
    found = gather(tmp_path, "1")
    assert found.fields[0].inputs["avg1"].dtype == np.float64
    assert "normalized and 8bit: normalized is learned from" in found.warnings[0]


def test_a_damaged_image_is_an_input_error_that_names_it_when_a_patch_is_drawn(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "train", [1, 2, 3], [0])
    broken = tmp_path / "train" / "avg400" / "002_0.png"
    broken.write_bytes(broken.read_bytes()[:60])
    maker = PatchMaker(w2s_fields.config(levels=LEVELS), gather(tmp_path).fields)
    with pytest.raises(InputError, match=r"avg400.002_0\.png"):
        [maker.draw(number) for number in range(50)]


def test_images_of_two_sizes_are_refused_with_both(tmp_path: Path) -> None:
    w2s_tree.make_8bit(tmp_path / "train", [1], [0], ("avg1", "avg400"))
    iio.imwrite(tmp_path / "train" / "avg400" / "001_0.png", np.zeros((16, 18), np.uint8))
    with pytest.raises(InputError, match=r"001 ch0: .* has 16 x 18 pixels, but 16 x 16 are needed"):
        gather(tmp_path)


def test_a_sim_image_of_another_scale_is_refused_with_what_it_should_be() -> None:
    with pytest.raises(InputError, match=r"cell: its SIM image has 48 x 48 pixels, but 32 x 32.*twice as many pixels"):
        Field("cell", "g", {"avg1": np.zeros((16, 16))}, sim=np.zeros((48, 48)))
    with pytest.raises(InputError, match="single images of axes y and x"):
        Field("cell", "g", {"avg1": np.zeros((3, 16, 16))})


def test_the_real_benchmark(w2s_root: Path) -> None:
    found = gather(w2s_root, "1,26", (0, 2))
    assert [one.name for one in found.fields] == ["001 ch0", "001 ch2", "026 ch0", "026 ch2"]
    assert found.fields[0].shape == (512, 512)
    assert found.fields[0].sim.shape == (1024, 1024)
    assert pixels(found.fields[0].inputs["avg1"]).dtype == np.uint8
