from __future__ import annotations

import glob
import logging
import os
import zlib
from pathlib import Path

import dask.array as da
import h5py
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from w2s_tree import SIZE, frame, make_8bit, make_normalized, make_patches, make_raw, mosaic, pixels

from napari_w2s._types import InputError, Level, UnreadableFileError
from napari_w2s.data import frames as frames_module
from napari_w2s.data.image import Image
from napari_w2s.data.limits import display_limits
from napari_w2s.data.protocol import FRAME_INDICES
from napari_w2s.data.stacks import average, average_image, open_all, open_images


def by_name(images: list[Image]) -> dict[str, Image]:
    assert len({image.name for image in images}) == len(images)
    return {image.name: image for image in images}


def corner(image: Image, *, last: bool) -> np.ndarray:
    """Return the world coordinates of an image's outer corner: half a pixel outside the centre of its corner pixel."""
    index = np.asarray(image.data.shape[-2:]) - 0.5 if last else np.array([-0.5, -0.5])
    return np.asarray(image.translate[-2:]) + index * np.asarray(image.scale[-2:])


# --- the benchmark ------------------------------------------------------------------------------------------------


def test_a_root_is_one_stack_per_level_and_channel_with_a_slider_over_fovs(tmp_path):
    make_8bit(tmp_path / "data" / "train", [1, 2])
    make_8bit(tmp_path / "data" / "test", [81], levels=["avg1", "sim"])
    images = by_name(open_images(tmp_path))
    assert len(images) == 7 * 3
    avg1 = images["ch1 avg1"]
    assert avg1.axes == ("fov", "y", "x")
    assert avg1.units == ("pixel", "um", "um")
    assert avg1.scale == (1.0, 0.064, 0.064)
    assert avg1.colormap == "yellow"
    assert isinstance(avg1.data, da.Array)
    np.testing.assert_array_equal(avg1.data, [frame(fov, 1, "avg1") for fov in (1, 2, 81)])
    assert avg1.data.dtype == np.uint8
    known = avg1.w2s
    assert (known["release"], known["channel"], known["level"]) == ("8bit", 1, "avg1")
    assert (known["fov"], known["fovs"], known["split"]) == (None, [1, 2, 81], None)
    assert known["pixel_size_assumed"] is True
    assert known["excitation_nm"] == 561.0
    assert known["source"] == str(tmp_path / "data" / "*" / "avg1" / "*_1.png")
    assert len(glob.glob(known["source"])) == 3
    # test/ has no avg400: its stack ends earlier, on the same axis.
    assert images["ch0 avg400"].w2s["fovs"] == [1, 2]
    assert images["ch0 avg400"].translate[0] == 0
    assert images["ch0 avg400"].w2s["split"] == "train"


def test_widefield_and_sim_cover_the_same_square(tmp_path):
    make_8bit(tmp_path / "train", [1], [0])
    images = by_name(open_images(tmp_path))
    low, high = images["001 ch0 avg1"], images["001 ch0 sim"]
    assert high.scale == (0.032, 0.032)
    np.testing.assert_allclose(corner(low, last=False), corner(high, last=False), atol=1e-12)
    np.testing.assert_allclose(corner(low, last=True), corner(high, last=True), atol=1e-12)


def test_one_file_opens_without_slider(tmp_path):
    make_8bit(tmp_path / "train", [7], [2], ["avg4"])
    path = tmp_path / "train" / "avg4" / "007_2.png"
    (image,) = open_images(str(path))
    assert image.name == "007 ch2 avg4"
    assert image.axes == ("y", "x")
    np.testing.assert_array_equal(image.data, frame(7, 2, "avg4"))
    assert image.w2s["fov"] == 7
    assert image.w2s["source"] == str(path)


def test_several_files_of_one_level_are_a_stack(tmp_path):
    make_8bit(tmp_path / "train", [7, 9], [2], ["avg4"])
    (image,) = open_images(sorted((tmp_path / "train" / "avg4").iterdir()))
    assert image.data.shape == (2, SIZE, SIZE)
    assert image.w2s["fovs"] == [7, 9]


def test_opening_reads_the_first_and_the_middle_file_of_a_stack(tmp_path, monkeypatch):
    make_8bit(tmp_path / "train", range(1, 9), levels=["avg1", "avg400"])
    decoded: list[Path] = []
    read = frames_module.read_png
    monkeypatch.setattr(frames_module, "read_png", lambda path: (decoded.append(path), read(path))[1])
    images = open_images(tmp_path)
    expected = [f"{fov:03d}_{channel}.png" for fov in (1, 4) for channel in range(3)] * 2
    assert sorted(path.name for path in decoded) == sorted(expected)
    decoded.clear()
    np.asarray(images[0].data[5])
    assert [path.name for path in decoded] == ["006_0.png"]


def test_a_missing_file_is_nan_on_the_common_axis_and_reported(tmp_path, caplog):
    make_8bit(tmp_path / "train", [1, 2, 3, 4], [0], ["avg1", "avg4", "sim"])
    (tmp_path / "train" / "avg4" / "002_0.png").unlink()
    (tmp_path / "train" / "sim" / "001_0.png").unlink()
    with caplog.at_level(logging.WARNING):
        images = by_name(open_images(tmp_path))
    whole, holed, late = (images[f"ch0 {level}"] for level in ("avg1", "avg4", "sim"))
    assert whole.data.dtype == np.uint8
    assert holed.data.shape[0] == whole.data.shape[0] == 4
    assert holed.data.dtype == np.float32
    assert np.isnan(np.asarray(holed.data[1])).all()
    np.testing.assert_array_equal(holed.data[2], frame(3, 0, "avg4"))
    assert holed.w2s["missing_fovs"] == [2]
    assert "ch0 avg4: no readable file for FOV 002" in caplog.text
    # A stack that only starts later is shorter, and starts later in the world.
    assert late.data.shape[0] == 3
    assert late.translate[0] == 1
    assert late.data.dtype == np.uint8
    assert "missing_fovs" not in late.w2s


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_one_bad_file_breaks_its_own_frame_only(tmp_path):
    make_8bit(tmp_path / "train", [1, 2, 3, 4], [0], ["avg1"])
    folder = tmp_path / "train" / "avg1"
    cut_in_half(folder / "003_0.png")
    iio.imwrite(folder / "004_0.png", pixels(0, (SIZE, SIZE + 1)))
    opened = open_all(tmp_path)
    (image,) = opened.images
    assert opened.problems == []
    np.testing.assert_array_equal(image.data[0], frame(1, 0, "avg1"))
    with pytest.raises(UnreadableFileError, match=r"003_0\.png cannot be read as a PNG image"):
        np.asarray(image.data[2])
    with pytest.raises(UnreadableFileError, match=r"004_0\.png has shape \(16, 17\).*\(16, 16\) \(from 001_0\.png\)"):
        np.asarray(image.data[3])


@pytest.mark.parametrize("damage", [cut_in_half, lambda path: path.write_bytes(b"not a picture")])
def test_bad_files_among_those_shown_first_count_as_missing(tmp_path, damage):
    make_8bit(tmp_path / "train", range(1, 8), [0], ["avg1"])
    for fov in (1, 2, 5):
        damage(tmp_path / "train" / "avg1" / f"{fov:03d}_0.png")
    opened = open_all(tmp_path)
    (image,) = opened.images
    assert [type(problem) for problem in opened.problems] == [UnreadableFileError] * 3
    assert image.translate[0] == 2
    assert image.w2s["fovs"] == [3, 4, 5, 6, 7]
    assert image.w2s["missing_fovs"] == [5]
    np.testing.assert_array_equal(image.data[0], frame(3, 0, "avg1"))
    assert np.isnan(np.asarray(image.data[2])).all()


def test_a_stack_of_nothing_but_bad_files_says_so(tmp_path):
    folder = tmp_path / "train" / "avg1"
    folder.mkdir(parents=True)
    (folder / "001_0.png").write_bytes(b"")
    (folder / "002_0.png").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match=r"001_0\.png"):
        open_images(tmp_path)


def test_a_colour_picture_among_w2s_is_refused_by_name(tmp_path):
    (tmp_path / "avg1").mkdir()
    iio.imwrite(tmp_path / "avg1" / "001_0.png", pixels(0, (SIZE, SIZE, 3)))
    with pytest.raises(InputError, match=r"001_0\.png is in colour"):
        open_images(tmp_path)


def test_normalised_values_are_kept_and_explained(tmp_path):
    make_normalized(tmp_path / "normalized", [1, 2])
    image = by_name(open_images(tmp_path))["ch0 avg1"]
    assert image.data.dtype == np.float64
    norm = image.w2s["normalization"]
    assert (norm["mean"], norm["std"]) == (154.535390853, 66.02846351802853)
    z = np.asarray(image.data[1])
    np.testing.assert_allclose(z * 66.0 + 154.5, frame(2, 0, "avg1"))


def test_releases_in_one_root_keep_their_names_apart(tmp_path):
    make_8bit(tmp_path / "train", [1, 2], [0], ["avg1"])
    make_normalized(tmp_path / "normalized", [1, 2], ["avg1"])
    assert [image.name for image in open_images(tmp_path)] == ["normalized ch0 avg1", "8bit ch0 avg1"]


def test_one_raw_folder(tmp_path):
    make_raw(tmp_path, [5])
    images = by_name(open_images(tmp_path / "Image005"))
    burst = images["005 ch0 burst"]
    assert isinstance(burst.data, np.memmap)
    assert burst.axes == ("t", "y", "x")
    assert burst.units == ("pixel", "um", "um")
    np.testing.assert_array_equal(burst.data, pixels(5, (4, SIZE, SIZE), np.uint16))
    assert images["005 ch0 sim"].axes == ("y", "x")
    tiles = images["005 ch0 sim_input"]
    assert tiles.data.shape == (15, SIZE, SIZE)
    assert tiles.scale[-1] == 0.064
    assert [int(np.asarray(tile).min()) for tile in tiles.data] == list(range(500, 515))
    assert [int(np.asarray(tile).max()) for tile in tiles.data] == list(range(500, 515))


def test_a_raw_root_maps_every_file_and_sim_lasts_for_the_whole_burst(tmp_path):
    make_raw(tmp_path, [1, 2, 3], [0, 1], frames=20)
    images = by_name(open_images(tmp_path))
    assert len(images) == 6
    burst, sim = images["ch1 burst"], images["ch1 sim"]
    assert burst.axes == sim.axes == ("fov", "t", "y", "x")
    assert burst.data.shape == (3, 20, SIZE, SIZE)
    np.testing.assert_array_equal(burst.data[2, 3], pixels(3, (20, SIZE, SIZE), np.uint16)[3])
    block = burst.data.blocks[1].compute()
    assert isinstance(block, np.memmap)
    assert sim.data.shape == (3, 1, 2 * SIZE, 2 * SIZE)
    assert sim.scale[1] == 20
    # From half a step before the first frame to half a step behind the last one.
    assert sim.translate[1] - sim.scale[1] / 2 == -0.5
    assert sim.translate[1] + sim.scale[1] / 2 == 19.5


def test_a_mosaic_that_is_none_stays_as_it_is(tmp_path):
    np.save(tmp_path / "sim_input_channel0.npy", mosaic(1)[:-1])
    (image,) = open_images(tmp_path)
    assert image.axes == ("y", "x")
    assert image.data.shape == (3 * SIZE - 1, 5 * SIZE)


def test_patches_open_lazily_and_leave_the_file_free(tmp_path):
    low = make_patches(tmp_path / "avg1_64_32.h5", 5, 8)
    make_patches(tmp_path / "sim_128_64.h5", 5, 16)
    images = by_name(open_images(tmp_path))
    image, sim = images["avg1_64_32 patches"], images["sim_128_64 patches"]
    assert image.axes == ("patch", "y", "x")
    np.testing.assert_array_equal(image.data, low[:, 0])
    assert sim.scale == (1.0, 0.032, 0.032)
    np.testing.assert_allclose(corner(image, last=True), corner(sim, last=True), atol=1e-12)
    # Nothing holds the file open: it can be opened for writing.
    with h5py.File(tmp_path / "avg1_64_32.h5", "a") as file:
        file["more"] = 1


@pytest.mark.parametrize("shape", [(5, 2, 8, 8), (8, 8), (5, 1, 8, 0)])
def test_patches_of_another_shape_are_refused(tmp_path, shape):
    with h5py.File(tmp_path / "avg1_64_32.h5", "w") as file:
        file["data"] = np.zeros(shape, np.float32)
    with pytest.raises(InputError, match=r"avg1_64_32\.h5"):
        open_images(tmp_path)


def test_hdf5_without_the_dataset_says_what_is_there(tmp_path):
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["volume"] = np.zeros((3, 3))
    with pytest.raises(InputError, match=r"mine\.h5 has no dataset 'data' \(it has volume\)"):
        open_images(tmp_path / "mine.h5")


def test_the_real_release_opens_as_21_stacks(w2s_root):
    images = by_name(open_images(w2s_root))
    assert len(images) == 21
    avg1, sim = images["ch2 avg1"], images["ch2 sim"]
    assert avg1.data.shape == (56, 512, 512)
    assert sim.data.shape == (56, 1024, 1024)
    path = w2s_root / "data" / "train" / "avg1" / "050_2.png"
    np.testing.assert_array_equal(avg1.data[49], iio.imread(path))
    np.testing.assert_allclose(corner(avg1, last=True), corner(sim, last=True), atol=1e-12)


# --- averages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(FRAME_INDICES))
def test_a_level_averages_the_benchmarks_own_frames(level):
    burst = np.random.default_rng(0).integers(0, 65536, (400, 3, 5)).astype(np.uint16)
    indices = list(FRAME_INDICES[level])
    expected = burst[indices].astype(np.float64).mean(axis=0)
    result = average(burst, level)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_a_number_averages_the_first_frames_along_the_third_axis_from_the_end():
    burst = np.arange(2 * 6 * 3 * 4, dtype=np.uint8).reshape(2, 6, 3, 4)
    np.testing.assert_allclose(average(burst, 5), burst[:, :5].mean(axis=1), rtol=1e-6)


def test_averages_of_lazy_bursts_are_lazy(tmp_path):
    make_raw(tmp_path, [1, 2])
    stack = by_name(open_images(tmp_path))["ch0 burst"]
    single = by_name(open_images(tmp_path / "Image001"))["001 ch0 burst"]
    for image in (stack, single):
        result = average(image.data, 2)
        assert isinstance(result, da.Array)
        np.testing.assert_allclose(result, np.asarray(image.data)[..., :2, :, :].mean(axis=-3), rtol=1e-6)


def test_a_large_sum_is_exact():
    burst = np.full((400, 1, 1), 65535, np.uint16)
    assert average(burst, Level.AVG400).item() == 65535


@pytest.mark.parametrize(
    ("frames", "shape", "message"),
    [
        (Level.AVG1, (100, 4, 4), "100 frames; avg1 is frame 249"),
        (Level.AVG16, (8, 4, 4), "8 frames; 16 frames are wanted"),
        (9, (8, 4, 4), "at most 8 frames"),
        (0, (8, 4, 4), "at least 1"),
        (-3, (8, 4, 4), "at least 1"),
        (Level.SIM, (400, 4, 4), "sim is no average"),
        (2, (4, 4), "single frame"),
    ],
)
def test_impossible_averages_say_why(frames, shape, message):
    with pytest.raises(InputError, match=message):
        average(np.zeros(shape, np.uint8), frames)


def test_an_averaged_image_says_what_it_is(tmp_path):
    make_raw(tmp_path, [1, 2], frames=8)
    burst = by_name(open_images(tmp_path))["ch0 burst"]
    four = average_image(burst, Level.AVG4)
    assert (four.name, four.axes, four.scale) == ("ch0 avg4", ("fov", "y", "x"), (1.0, 0.064, 0.064))
    assert (four.w2s["level"], four.w2s["frames"]) == ("avg4", [0, 3])
    # Frame 0 is not the benchmark's avg1, and a mean of 5 frames is none of its levels.
    assert average_image(burst, 1).w2s["level"] is None
    assert average_image(burst, 5).name == "ch0 mean of 5 frames"
    assert average_image(burst, 4).w2s["level"] == "avg4"


# --- a user's own files -------------------------------------------------------------------------------------------


def test_a_plain_stack_is_a_burst_without_a_pixel_size(tmp_path):
    data = pixels(0, (5, 9, 7), np.uint16)
    tifffile.imwrite(tmp_path / "cells.tif", data)
    (image,) = open_images(tmp_path / "cells.tif")
    assert isinstance(image.data, np.memmap)
    assert (image.name, image.axes) == ("cells", ("t", "y", "x"))
    assert image.scale == (1.0, 1.0, 1.0)
    assert set(image.units) == {"pixel"}
    assert image.w2s["pixel_size_assumed"] is False
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize("count", [3, 4])
def test_few_frames_that_tifffile_took_for_colours_are_frames(tmp_path, count):
    data = pixels(0, (count, 9, 7), np.uint16)
    tifffile.imwrite(tmp_path / "cells.tif", data, photometric="rgb", planarconfig="separate")
    (image,) = open_images(tmp_path / "cells.tif")
    assert image.axes == ("t", "y", "x")
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize(("unit", "factor"), [("um", 1.0), ("micron", 1.0), ("\\u00B5m", 1.0), ("nm", 1e-3)])
def test_imagej_states_pixel_size_spacing_and_interval(tmp_path, unit, factor):
    data = pixels(0, (3, 4, 9, 7), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(1 / 0.1, 1 / 0.2),
        metadata={"axes": "TZYX", "unit": unit, "spacing": 0.5, "finterval": 2.5},
    )
    (image,) = open_images(tmp_path / "a.tif")
    assert image.axes == ("t", "z", "y", "x")
    np.testing.assert_allclose(image.scale, (2.5, 0.5 * factor, 0.2 * factor, 0.1 * factor), rtol=1e-6)
    assert image.units == ("s", "um", "um", "um")
    np.testing.assert_array_equal(image.data, data)


def test_channels_become_images(tmp_path):
    data = pixels(0, (2, 3, 9, 7), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        data,
        metadata={
            "axes": "TCYX",
            "PhysicalSizeX": 65,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.065,
            "Channel": {"Name": ["actin", "tubulin", "dna"]},
        },
    )
    images = open_images(tmp_path / "a.ome.tif")
    assert [image.name for image in images] == ["a actin", "a tubulin", "a dna"]
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image.data, data[:, i])
        np.testing.assert_allclose(image.scale, (1, 0.065, 0.065))
        assert image.units == ("pixel", "um", "um")
    assert len({image.colormap for image in images}) == 3


def test_a_colour_tiff_and_png_become_red_green_and_blue(tmp_path):
    data = pixels(0, (9, 7, 3))
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb")
    iio.imwrite(tmp_path / "b.png", data)
    iio.imwrite(tmp_path / "c.png", np.dstack([data, np.full((9, 7), 9, np.uint8)]))
    np.save(tmp_path / "d.npy", data)
    for name in ("a.tif", "b.png", "c.png", "d.npy"):
        images = open_images(tmp_path / name)
        assert [image.colormap for image in images] == ["red", "green", "blue"], name
        np.testing.assert_array_equal(np.stack([image.data for image in images], -1), data)


def test_several_series_are_several_images(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels(0, (9, 7)), photometric="minisblack")
        writer.write(pixels(1, (4, 5, 6)), photometric="minisblack")
    first, second = open_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(first.data, pixels(0, (9, 7)))
    np.testing.assert_array_equal(second.data, pixels(1, (4, 5, 6)))


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"tile": (16, 16)}, {"byteorder": ">"}])
def test_compressed_tiled_and_big_endian_tiffs_open_page_by_page(tmp_path, options):
    data = pixels(0, (3, 33, 20), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", **options)
    (image,) = open_images(tmp_path / "a.tif")
    assert isinstance(image.data, da.Array)
    assert image.data.dtype.isnative
    assert image.data.chunks[0] == (1, 1, 1)
    np.testing.assert_array_equal(image.data, data)


def test_images_beside_those_of_the_benchmark_are_named(tmp_path):
    make_8bit(tmp_path / "train", [1], [0], ["avg1"])
    assert not open_all(tmp_path).notes
    np.save(tmp_path / "cells.npy", pixels(0, (4, 4)))
    (tmp_path / "README.md").write_text("no image")
    opened = open_all(tmp_path)
    assert len(opened.images) == 1
    (note,) = opened.notes
    assert note.startswith("1 image is not named like W2S and not shown with it, cells.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        open_images(tmp_path / "pipe.tif")


def test_compressed_tiff_opens(tmp_path):
    from PIL import Image as Picture

    Picture.fromarray(pixels(0, (9, 7))).save(tmp_path / "a.tif", compression="tiff_lzw")
    (image,) = open_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, pixels(0, (9, 7)))


def test_a_compression_that_nothing_here_decodes_says_what_to_install(tmp_path, monkeypatch):
    from PIL import Image as Picture

    Picture.fromarray(pixels(0, (9, 7))).save(tmp_path / "a.tif", compression="tiff_lzw")

    def missing(*_args, **_options):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", missing)
    with pytest.raises(InputError, match=r"a\.tif cannot be decoded: .*pip install imagecodecs"):
        np.asarray(open_images(tmp_path / "a.tif")[0].data)


def test_a_folder_of_own_files_opens_each(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(0, (4, 4)))
    np.save(tmp_path / "b.npy", pixels(0, (4, 4)))
    (tmp_path / "c.txt").write_text("no image")
    (tmp_path / "d.png").write_bytes(b"damaged")
    opened = open_all(tmp_path)
    assert [image.name for image in opened.images] == ["a", "b"]
    assert ["d.png" in str(problem) for problem in opened.problems] == [True]


@pytest.mark.parametrize("dtype", [">u2", ">f4", "?", "<f2", "i8", "f8"])
def test_npy_of_any_real_type(tmp_path, dtype):
    data = pixels(0, (3, 6, 5)).astype(dtype)
    np.save(tmp_path / "a.npy", data)
    np.save(tmp_path / "f.npy", np.asfortranarray(data))
    for name in ("a", "f"):
        (image,) = open_images(tmp_path / f"{name}.npy")
        assert image.data.dtype == data.dtype.newbyteorder("=")
        np.testing.assert_array_equal(image.data, data)
        low, high = image.contrast_limits
        assert low < high


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.array([{"a": 1}], object), "never unpickled"),
        (np.zeros((4, 4), complex), "complex"),
        (np.zeros((4, 4), "U3"), "not numbers"),
        (np.zeros(4), "1 axes"),
        (np.zeros((0, 4, 4)), "empty"),
    ],
)
def test_npy_of_no_image_says_what_to_do(tmp_path, data, message):
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(InputError, match=rf"a\.npy.*{message}"):
        open_images(tmp_path / "a.npy")


def test_one_pixel_opens(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((1, 1), np.uint8))
    iio.imwrite(tmp_path / "b.png", np.ones((1, 1), np.uint8))
    tifffile.imwrite(tmp_path / "c.tif", np.ones((1, 1), np.uint8))
    for image in open_images(tmp_path):
        assert image.data.shape == (1, 1)
        assert np.asarray(image.data).item() == 1


def _write(path: Path) -> None:
    noise = pixels(0, (3, 64, 64), np.uint16)
    if path.suffix == ".npy":
        np.save(path, noise)
    elif path.suffix == ".png":
        iio.imwrite(path, noise[0])
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["data"] = noise
    else:
        compression = "zlib" if "zlib" in path.name else None
        tifffile.imwrite(path, noise, photometric="minisblack", compression=compression)


@pytest.mark.parametrize("name", ["a.npy", "a.png", "a.tif", "zlib.tif", "a.h5"])
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.97])
def test_truncated_files_are_named(tmp_path, name, keep):
    path = tmp_path / name
    _write(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])

    def use() -> None:
        for image in open_images(path):
            np.asarray(image.data)

    with pytest.raises(UnreadableFileError, match=name.replace(".", r"\.")):
        use()


@pytest.mark.parametrize("name", ["a.npy", "a.png", "a.tif", "a.h5"])
def test_files_that_are_something_else_are_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"<html>404: not found</html>" * 50)
    with pytest.raises(UnreadableFileError, match=name.replace(".", r"\.")):
        open_images(path)


def test_a_damaged_png_body_is_named(tmp_path):
    path = tmp_path / "a.png"
    iio.imwrite(path, pixels(0, (64, 64)))
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableFileError, match=r"a\.png"):
        open_images(path)


def test_16_bit_grey_png_keeps_its_values_and_16_bit_colour_is_refused(tmp_path):
    data = pixels(0, (8, 8), np.uint16) * 257
    iio.imwrite(tmp_path / "grey.png", data)
    (image,) = open_images(tmp_path / "grey.png")
    assert image.data.dtype == np.uint16
    np.testing.assert_array_equal(image.data, data)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    rgb16 = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")
    )
    (tmp_path / "colour.png").write_bytes(rgb16)
    with pytest.raises(InputError, match=r"colour\.png is a PNG with 16 bits per colour"):
        open_images(tmp_path / "colour.png")


@pytest.mark.parametrize("mode", ["1", "P", "LA"])
def test_unusual_pngs_open(tmp_path, mode):
    from PIL import Image as Picture

    data = (pixels(0, (8, 8)) > 127).astype(np.uint8) * 255
    Picture.fromarray(data).convert(mode).save(tmp_path / "a.png")
    images = open_images(tmp_path / "a.png")
    assert len(images) == (3 if mode == "P" else 1)
    for image in images:
        assert image.data.shape == (8, 8)
        np.testing.assert_array_equal(np.asarray(image.data) > 0, data > 0)


def test_complex_and_unknown_kinds_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(InputError, match=r"a\.tif holds complex numbers"):
        open_images(tmp_path / "a.tif")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match=r"a\.jpg cannot be opened"):
        open_images(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="does not exist"):
        open_images(tmp_path / "missing.tif")
    with pytest.raises(InputError, match="no path"):
        open_images([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no image"):
        open_images(tmp_path / "empty")


def test_a_replaced_file_is_read_anew(tmp_path):
    make_8bit(tmp_path / "train", [1, 2], [0], ["avg1"])
    (before,) = open_images(tmp_path)
    (after,) = open_images(tmp_path)
    assert before.data.name != after.data.name


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((8, 8)),
        np.full((8, 8), 1e30),
        np.full((8, 8), -65535, np.int32),
        np.full((8, 8), np.nan),
        np.array([[np.inf, -np.inf], [np.nan, 5.0]]),
        np.zeros((8, 8), bool),
        np.zeros((0, 8, 8)),
        np.full((8, 8), 65504, np.float16),
        pixels(0, (600, 600))[::-1, ::-1],
    ],
)
def test_display_limits_are_finite_and_in_order(data):
    low, high = display_limits(data)
    assert np.isfinite([low, high]).all()
    assert np.float32(low) < np.float32(high)
