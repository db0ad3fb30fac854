from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.array as da
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import DynamicPlugin
from w2s_tree import SIZE, make_8bit, make_normalized, make_patches, make_raw, pixels

from napari_w2s._types import UnreadableFileError
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.ometiff import write_ome_tiff
from napari_w2s.gui.layers import image_from_layer_data, image_to_layer_data
from napari_w2s.gui.reader import get_reader


def open_in_viewer(path: object) -> ViewerModel:
    viewer = ViewerModel()
    reader = get_reader(path)
    assert reader is not None
    for data, attributes, kind in reader(path):
        viewer._add_layer_from_data(data, attributes, kind)
    return viewer


def displayed(viewer: ViewerModel, name: str) -> np.ndarray:
    return np.asarray(viewer.layers[name]._slice.image.raw)


# --- what is claimed ----------------------------------------------------------------------------------------------


def test_w2s_is_claimed_at_any_level(tmp_path):
    make_8bit(tmp_path / "w2s" / "data" / "train", [1], [0], ["avg1"])
    make_normalized(tmp_path / "w2s" / "data" / "normalized", [1], ["avg1"])
    make_raw(tmp_path / "w2s", [3])
    make_patches(tmp_path / "w2s" / "avg1_64_32.h5")
    claimed = [*(tmp_path / "w2s").rglob("*"), tmp_path / "w2s"]
    assert len(claimed) > 10
    for path in claimed:
        assert get_reader(path) is not None, path
        assert get_reader(str(path)) is not None, path
        assert get_reader([str(path)]) is not None, path
    assert get_reader([path for path in claimed if path.suffix == ".npy"]) is not None


def test_other_files_are_left_to_others(tmp_path):
    iio.imwrite(tmp_path / "holiday.png", pixels(0, (4, 4, 3)))
    np.save(tmp_path / "mine.npy", pixels(0, (4, 4)))
    tifffile.imwrite(tmp_path / "one.tif", pixels(0, (4, 4)))
    tifffile.imwrite(tmp_path / "rgb.tif", pixels(0, (4, 4, 3)), photometric="rgb")
    tifffile.imwrite(tmp_path / "z.ome.tif", pixels(0, (5, 4, 4)), photometric="minisblack", metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "c.tif", pixels(0, (5, 4, 4)), imagej=True, metadata={"axes": "CYX"})
    (tmp_path / "broken.tif").write_bytes(b"II*\0damaged")
    (tmp_path / "text.tif").write_text("hello")
    (tmp_path / "empty.tif").touch()
    (tmp_path / "data.h5").touch()
    (tmp_path / "avg1").mkdir()
    for path in (tmp_path, *tmp_path.iterdir()):
        assert get_reader(path) is None, path


@pytest.mark.parametrize(
    "path",
    ["", "missing.tif", "avg1/001_0.png", [], [""], ["missing.npy"], None, 3, [None], b"x", "\0", "http://x.org/a.tif"],
)
def test_nothing_that_is_asked_raises(path):
    assert get_reader(path) is None


def test_a_list_is_claimed_only_as_a_whole(tmp_path):
    make_8bit(tmp_path / "train", [1], [0, 1], ["avg1"])
    np.save(tmp_path / "mine.npy", pixels(0, (4, 4)))
    first, second = sorted((tmp_path / "train" / "avg1").iterdir())
    assert get_reader([str(first), second]) is not None
    assert get_reader([str(first), str(tmp_path / "mine.npy")]) is None


def test_stacks_of_frames_and_own_results_are_claimed(tmp_path):
    tifffile.imwrite(tmp_path / "burst.tif", pixels(0, (7, 4, 4)), photometric="minisblack")
    tifffile.imwrite(tmp_path / "few.tif", pixels(0, (3, 4, 4)), photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "t.ome.tif", pixels(0, (7, 4, 4)), photometric="minisblack", metadata={"axes": "TYX"})
    image = Image(data=pixels(0, (4, 4)), name="a", axes=("y", "x"), scale=(1.0, 1.0), units=("um", "um"))
    write_ome_tiff([image], tmp_path / "own.ome.tif")
    (tmp_path / "Image001").mkdir()
    tifffile.imwrite(tmp_path / "Image001" / "wf_channel0.tif", pixels(0, (7, 5, 5)))
    for name in ("burst.tif", "few.tif", "t.ome.tif", "own.ome.tif", "Image001/wf_channel0.tif"):
        path = tmp_path / name
        reader = get_reader(path)
        assert reader is not None, name
        ((_, attributes, kind),) = reader(path)
        assert kind == "image"
        assert attributes["axis_labels"] == (("y", "x") if name.startswith("own") else ("t", "y", "x"))


@pytest.mark.parametrize(
    ("options", "claimed"),
    [
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "um"}}, True),
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}}, True),
        ({"imagej": True}, False),
        ({}, False),
    ],
    ids=["ImageJ", "OME", "ImageJ without a size", "plain"],
)
def test_a_single_picture_is_claimed_where_it_has_a_pixel_size(tmp_path, options, claimed):
    path = tmp_path / ("a.ome.tif" if "ome" in options else "a.tif")
    tifffile.imwrite(path, pixels(0, (9, 7)), photometric="minisblack", **options)
    reader = get_reader(path)
    assert (reader is not None) is claimed
    if reader is not None:
        ((data, attributes, _),) = reader(path)
        assert data.shape == (9, 7)
        np.testing.assert_allclose(attributes["scale"], 0.1)
        assert [str(unit) for unit in attributes["units"]] == ["um", "um"]


def test_asking_reads_no_pixels_and_imports_no_torch_and_no_qt(tmp_path):
    folder = tmp_path / "train" / "avg1"
    folder.mkdir(parents=True)
    (folder / "001_0.png").touch()
    code = (
        "import sys\n"
        "from napari_w2s.gui.reader import get_reader\n"
        f"assert get_reader({str(folder)!r}) is not None\n"
        "heavy = {'torch', 'qtpy', 'PySide6', 'PyQt6', 'napari', 'dask', 'imageio', 'skimage'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_reading_imports_no_torch_and_no_qt(tmp_path):
    make_8bit(tmp_path / "train", [1, 2], [0], ["avg1"])
    code = (
        "import sys\n"
        "from napari_w2s.gui.reader import get_reader\n"
        f"assert get_reader({str(tmp_path)!r})({str(tmp_path)!r})\n"
        "heavy = {'torch', 'qtpy', 'PySide6', 'PyQt6'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


# --- what a viewer makes of it ------------------------------------------------------------------------------------


def test_a_root_in_a_viewer(tmp_path):
    make_8bit(tmp_path / "train", [1, 2, 3])
    viewer = open_in_viewer(tmp_path)
    assert len(viewer.layers) == 21
    assert [layer.name for layer in viewer.layers if layer.visible] == ["ch0 avg1", "ch1 avg1", "ch2 avg1"]
    assert viewer.dims.axis_labels == ("fov", "y", "x")
    assert viewer.dims.nsteps[0] == 3
    assert [str(unit) for unit in viewer.layers.extent.units] == ["pixel", "micrometer", "micrometer"]
    layer = viewer.layers["ch2 sim"]
    assert layer.blending == "additive"
    assert layer.colormap.name == "magenta"
    assert layer.metadata[METADATA_KEY]["level"] == "sim"
    # Outer edges of widefield and SIM coincide, as napari itself computes them.
    edges = {tuple(layer._extent_augmented.world[:, 1:].round(9).ravel()) for layer in viewer.layers}
    assert edges == {(-0.032, -0.032, SIZE * 0.064 - 0.032, SIZE * 0.064 - 0.032)}


def test_moving_the_slider_shows_that_fov(tmp_path):
    make_8bit(tmp_path / "train", [1, 2, 3], [0], ["avg1", "sim"])
    viewer = open_in_viewer(tmp_path)
    viewer.layers["ch0 sim"].visible = True
    for step, fov in enumerate((1, 2, 3)):
        viewer.dims.set_current_step(0, step)
        for level in ("avg1", "sim"):
            expected = iio.imread(tmp_path / "train" / level / f"{fov:03d}_0.png")
            np.testing.assert_array_equal(displayed(viewer, f"ch0 {level}"), expected)


def test_the_fov_of_a_shorter_stack_is_the_right_one(tmp_path):
    make_8bit(tmp_path / "train", [1, 2, 3], [0], ["avg1"])
    make_8bit(tmp_path / "train", [2, 3], [0], ["avg4"])
    viewer = open_in_viewer(tmp_path)
    viewer.layers["ch0 avg4"].visible = True
    viewer.dims.set_current_step(0, 2)
    expected = iio.imread(tmp_path / "train" / "avg4" / "003_0.png")
    np.testing.assert_array_equal(displayed(viewer, "ch0 avg4"), expected)
    viewer.dims.set_current_step(0, 0)
    assert viewer.layers["ch0 avg4"]._slice.empty


def test_a_raw_root_in_a_viewer_shows_sim_with_every_frame(tmp_path):
    make_raw(tmp_path, [1, 2], frames=20)
    viewer = open_in_viewer(tmp_path)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["ch0 burst"]
    assert viewer.dims.nsteps[:2] == (2, 20)
    viewer.layers["ch0 sim"].visible = True
    for t in (0, 1, 10, 19):
        viewer.dims.set_current_step(0, 1)
        viewer.dims.set_current_step(1, t)
        burst = np.load(tmp_path / "Image002" / "wf_channel0.npy")
        np.testing.assert_array_equal(displayed(viewer, "ch0 burst"), burst[t])
        sim = np.load(tmp_path / "Image002" / "sim_channel0.npy")
        np.testing.assert_array_equal(displayed(viewer, "ch0 sim"), sim)


@pytest.mark.parametrize(
    "data", [np.zeros((1, 1)), np.full((4, 3), np.nan), np.ones((3, 4), bool), np.zeros((5, 5), ">u2")]
)
def test_odd_images_make_layers(tmp_path, data):
    np.save(tmp_path / "wf_channel0.npy", data)
    viewer = open_in_viewer(tmp_path / "wf_channel0.npy")
    (layer,) = viewer.layers
    assert layer.data.shape == data.shape
    assert not layer.rgb


def test_opening_through_napari(tmp_path):
    make_8bit(tmp_path / "train", [1, 2], [0], ["avg1", "sim"])
    paths = sorted((tmp_path / "train" / "avg1").iterdir())
    with DynamicPlugin("w2s-under-test") as plugin:
        plugin.contribute.reader(get_reader, filename_patterns=["*.png"], accepts_directories=True)
        viewer = ViewerModel()
        viewer.open(tmp_path, plugin="w2s-under-test")
        viewer.open(paths, stack=True, plugin="w2s-under-test")
        viewer.open(paths, plugin="w2s-under-test")
    names = [layer.name for layer in viewer.layers]
    assert names == ["ch0 avg1", "ch0 sim", "ch0 avg1 [1]", "001 ch0 avg1", "002 ch0 avg1"]
    assert isinstance(viewer.layers[0].data, da.Array)


def test_a_part_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    make_8bit(tmp_path / "train", [1, 3], [0], ["avg1", "avg4"])
    make_8bit(tmp_path / "train", [2], [0], ["avg4"])
    (tmp_path / "train" / "avg4" / "001_0.png").write_bytes(b"damaged")
    told: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", told.append)
    reader = get_reader(tmp_path)
    assert reader is not None
    assert len(reader(tmp_path)) == 2
    assert len(told) == 2
    assert "001_0.png" in told[0]
    assert "ch0 avg1: no readable file for FOV 002" in told[1]


@pytest.mark.parametrize("bad", [[1], [2], [3], [4], [5], [1, 2, 3], [1, 4], [3, 4], [1, 2, 4, 5]])
def test_bad_files_do_not_keep_a_root_from_opening(tmp_path, bad, monkeypatch):
    monkeypatch.setattr("napari.utils.notifications.show_warning", lambda _: None)
    make_8bit(tmp_path / "train", range(1, 6), [0], ["avg1", "avg4"])
    for fov in bad:
        path = tmp_path / "train" / "avg1" / f"{fov:03d}_0.png"
        path.write_bytes(path.read_bytes()[:-60])
    viewer = open_in_viewer(tmp_path)
    assert [layer.name for layer in viewer.layers] == ["ch0 avg1", "ch0 avg4"]


def test_a_file_that_cannot_be_opened_raises_when_it_is_read(tmp_path):
    path = tmp_path / "Image001" / "wf_channel0.npy"
    path.parent.mkdir()
    path.write_bytes(b"\x93NUMPY")
    reader = get_reader(path)
    assert reader is not None
    with pytest.raises(UnreadableFileError, match=r"wf_channel0\.npy"):
        reader(path)


def test_the_real_root_in_a_viewer(w2s_root):
    viewer = open_in_viewer(w2s_root)
    assert len(viewer.layers) == 21
    assert sum(layer.visible for layer in viewer.layers) == 3
    viewer.dims.set_current_step(0, 9)
    expected = iio.imread(w2s_root / "data" / "train" / "avg1" / "010_1.png")
    np.testing.assert_array_equal(displayed(viewer, "ch1 avg1"), expected)


# --- layers and images --------------------------------------------------------------------------------------------


def test_an_image_survives_being_a_layer(tmp_path):
    make_8bit(tmp_path / "train", [1, 2], [1], ["sim"])
    viewer = open_in_viewer(tmp_path)
    image = image_from_layer_data(*viewer.layers[0].as_layer_data_tuple())
    assert image.name == "ch1 sim"
    assert image.axes == ("fov", "y", "x")
    np.testing.assert_allclose(image.scale, (1, 0.032, 0.032))
    np.testing.assert_allclose(image.translate, (0, -0.016, -0.016))
    assert image.units == ("pixel", "um", "um")
    assert image.colormap == "yellow"
    assert image.w2s["level"] == "sim"
    assert image.contrast_limits == tuple(viewer.layers[0].contrast_limits)


def test_a_colormap_of_another_session_falls_back_to_grey():
    image = Image(
        data=np.zeros((4, 4)), name="a", axes=("y", "x"), scale=(1.0, 1.0), units=("um", "um"), colormap="my own [7]"
    )
    _, attributes, _ = image_to_layer_data(image)
    assert "colormap" not in attributes


def test_a_narrow_image_is_not_taken_for_rgb():
    image = Image(data=pixels(0, (9, 8, 3)), name="a", axes=("t", "y", "x"), scale=(1.0,) * 3, units=("pixel",) * 3)
    viewer = ViewerModel()
    (layer,) = viewer._add_layer_from_data(*image_to_layer_data(image))
    assert not layer.rgb
    assert layer.ndim == 3
    assert Path(str(layer.name)).name == "a"
