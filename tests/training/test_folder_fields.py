"""Images of one name show one place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from w2s_fields import BOTH, textured
from w2s_sources import all_fields, pairs, pixels, save, source_config

from napari_w2s._types import InputError, Task, UnreadableFileError
from napari_w2s.training.patches import PatchMaker
from napari_w2s.training.sources import load_fields


def test_files_of_one_name_are_a_pair(tmp_path: Path) -> None:
    images = pairs(tmp_path)
    loaded = load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean"))
    fields = all_fields(loaded)
    assert [one.name for one in fields] == list("abcd")
    for one in fields:
        assert np.array_equal(pixels(one.inputs["noisy"]), images[one.name])
        assert np.array_equal(pixels(one.denoised), 255 - images[one.name])
    assert not loaded.warnings


@pytest.mark.parametrize("suffix", [".png", ".npy", ".tif", ".ome.tif"])
def test_images_of_all_formats_can_be_learned_from(tmp_path: Path, suffix: str) -> None:
    image = textured(1, 24, np.uint16)
    save(tmp_path / f"a{suffix}", image)
    save(tmp_path / "sim" / f"a{suffix}", np.kron(image, np.ones((2, 2), np.uint16)))
    entries = {"task": Task.JDSR, "losses": {"sim": BOTH["sim"]}}
    loaded = load_fields(source_config("folders", noisy=tmp_path / f"a{suffix}", sim=tmp_path / "sim", **entries))
    assert np.array_equal(pixels(loaded.train[0].inputs["noisy"]), image)
    assert loaded.train[0].sim.shape == (48, 48)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_each_frame_of_a_stack_is_a_field_of_the_stacks_group(tmp_path: Path, compression: str | None) -> None:
    stack = np.random.default_rng(0).integers(0, 4000, (2, 3, 24, 20)).astype(np.uint16)
    for folder, image in (("noisy", stack), ("clean", stack + 1)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "s.tif", image, photometric="minisblack", compression=compression)
    loaded = load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean"))
    assert [one.name for one in loaded.train] == [f"s [{i}]" for i in range(6)]
    assert len({one.group for one in loaded.train}) == 1
    assert np.array_equal(pixels(loaded.train[4].inputs["noisy"]), stack[1, 1])
    assert np.array_equal(pixels(loaded.train[4].denoised), stack[1, 1] + 1)


def test_one_clean_image_serves_all_frames_of_a_stack(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).random((3, 24, 24)).astype(np.float32)
    save(tmp_path / "noisy" / "s.npy", stack)
    save(tmp_path / "clean" / "s.npy", stack.mean(0))
    loaded = load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean"))
    assert len(loaded.train) == 3
    assert all(np.array_equal(pixels(one.denoised), stack.mean(0)) for one in loaded.train)


def test_folders_called_after_levels_are_inputs_of_one_field(tmp_path: Path) -> None:
    images = pairs(tmp_path)
    for name, image in images.items():
        save(tmp_path / "avg1" / f"{name}.tif", image)
        save(tmp_path / "avg4" / f"{name}.tif", image // 2)
    both = [tmp_path / "avg1", tmp_path / "avg4"]
    loaded = load_fields(source_config("folders", noisy=both, denoised=tmp_path / "clean"))
    assert all(list(one.inputs) == ["avg1", "avg4"] for one in all_fields(loaded))


def test_names_without_a_partner_are_listed(tmp_path: Path) -> None:
    pairs(tmp_path, "abcdefghij")
    for name in "bcdefghi":
        (tmp_path / "clean" / f"{name}.npy").unlink()
    (tmp_path / "noisy" / "j.tif").unlink()
    with pytest.raises(
        InputError, match=r"b, c, d, e, f and 3 more \(noisy without clean\); j \(clean without noisy\)"
    ):
        load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean"))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    pairs(tmp_path, "ab")
    save(tmp_path / "day2" / "a.tif", textured(1, 24, np.uint8))
    with pytest.raises(InputError, match=r"noisy.a\.tif and .*day2.a\.tif have the same name"):
        load_fields(
            source_config("folders", noisy=[tmp_path / "noisy", tmp_path / "day2"], denoised=tmp_path / "clean")
        )


def test_an_image_that_is_its_own_target_is_refused(tmp_path: Path) -> None:
    pairs(tmp_path, "ab")
    with pytest.raises(InputError, match=r"a\.tif is named as the noisy and as the clean image"):
        load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "noisy"))


def test_different_sizes_are_refused_with_both(tmp_path: Path) -> None:
    pairs(tmp_path, "ab")
    save(tmp_path / "clean" / "b.npy", textured(1, 26))
    with pytest.raises(InputError, match="b: its clean image has 26 x 26 pixels, but 24 x 24"):
        load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean"))


def test_other_numbers_of_frames_are_refused_with_both(tmp_path: Path) -> None:
    save(tmp_path / "noisy" / "a.npy", np.zeros((4, 24, 24)))
    save(tmp_path / "clean" / "a.npy", np.zeros((3, 24, 24)))
    with pytest.raises(InputError, match=r"clean.a\.npy has 3 frames, but .*noisy.a\.npy has 4"):
        load_fields(source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean"))


def test_a_task_without_its_targets_is_refused(tmp_path: Path) -> None:
    pairs(tmp_path, "ab")
    with pytest.raises(InputError, match="No SIM images were named"):
        load_fields(source_config("folders", noisy=tmp_path / "noisy", task=Task.JDSR, losses={"sim": BOTH["sim"]}))
    with pytest.raises(InputError, match="No noisy images were named"):
        load_fields(source_config("folders", denoised=tmp_path / "clean"))


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.png", np.zeros((24, 24, 3), np.uint8), "in colour"),
        ("a.npy", np.zeros((24, 24, 3), np.uint8), "in colour"),
        ("a.npy", np.zeros(24), "needs at least 2"),
        ("a.npy", np.zeros((0, 24)), "is empty"),
        ("a.npy", np.zeros((24, 24), complex), "complex"),
        ("a.npy", np.array([["a", "b"]]), "not numbers"),
    ],
)
def test_what_is_no_grey_image_is_refused_by_name(tmp_path: Path, name: str, image: np.ndarray, message: str) -> None:
    path = save(tmp_path / name, image)
    with pytest.raises(InputError, match=rf"{path.name}.*{message}"):
        load_fields(source_config("images", noisy=path, self_supervised="noise2void"))


def test_a_tiff_in_colour_or_of_several_images_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((24, 24, 3), np.uint8), photometric="rgb")
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as writer:
        writer.write(np.zeros((24, 24), np.uint8), photometric="minisblack")
        writer.write(np.zeros((12, 12), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"rgb\.tif is in colour"):
        load_fields(source_config("images", noisy=tmp_path / "rgb.tif", self_supervised="noise2void"))
    with pytest.raises(InputError, match=r"two\.ome\.tif holds 2 images"):
        load_fields(source_config("images", noisy=tmp_path / "two.ome.tif", self_supervised="noise2void"))


def test_no_images_at_all_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match="empty holds no image"):
        load_fields(source_config("images", noisy=tmp_path / "empty", self_supervised="noise2void"))
    with pytest.raises(InputError, match=r"notes\.txt cannot be learned from"):
        load_fields(source_config("images", noisy=tmp_path / "notes.txt", self_supervised="noise2void"))
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_fields(source_config("images", noisy=tmp_path / "nowhere", self_supervised="noise2void"))


def test_a_damaged_file_is_named_at_once_or_when_it_is_met(tmp_path: Path) -> None:
    pairs(tmp_path)
    (tmp_path / "clean" / "c.npy").write_bytes(b"no array")
    source = source_config("folders", noisy=tmp_path / "noisy", denoised=tmp_path / "clean")
    with pytest.raises(UnreadableFileError, match=r"c\.npy"):
        load_fields(source)
    frames = np.random.default_rng(0).integers(0, 255, (24, 24)).astype(np.uint8)
    for name in "abcd":
        save(tmp_path / "png" / f"{name}.png", frames)
    whole = (tmp_path / "png" / "b.png").read_bytes()
    (tmp_path / "png" / "b.png").write_bytes(whole[: len(whole) // 2])
    source = source_config("images", noisy=tmp_path / "png", self_supervised="noise2void")
    maker = PatchMaker(source, all_fields(load_fields(source)))
    with pytest.raises(UnreadableFileError, match=r"b\.png"):
        [maker.draw(number) for number in range(40)]
