from __future__ import annotations

import dask.array as da
import numpy as np
import pint
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Points
from npe2 import DynamicPlugin
from w2s_tree import make_8bit, pixels

from napari_w2s._types import InputError, OutputError
from napari_w2s.data.image import METADATA_KEY
from napari_w2s.data.ometiff import read_ome_tiff
from napari_w2s.gui.layers import image_from_layer_data
from napari_w2s.gui.reader import get_reader
from napari_w2s.gui.writer import write_images, write_single_image


def reopened(path: object) -> ViewerModel:
    viewer = ViewerModel()
    reader = get_reader(path)
    assert reader is not None
    for layer in reader(path):
        viewer._add_layer_from_data(*layer)
    return viewer


def test_a_layer_opens_again_as_it_was(tmp_path):
    known = {"release": "8bit", "level": "avg1", "restoration": {"models": ["dncnn-avg1"]}}
    layer = ImageLayer(
        pixels(0, (5, 9, 7), np.uint16),
        name="cells | DnCNN",
        scale=(1, 0.032, 0.032),
        translate=(0, -0.016, -0.016),
        units=("pixel", "um", "um"),
        axis_labels=("t", "y", "x"),
        colormap="cyan",
        contrast_limits=(3, 200),
        metadata={METADATA_KEY: known, "other": object()},
    )
    data, attributes, _ = layer.as_layer_data_tuple()
    path = str(tmp_path / "a.ome.tif")
    assert write_single_image(path, data, attributes) == [path]
    (back,) = reopened(path).layers
    np.testing.assert_array_equal(back.data, layer.data)
    for what in ("name", "axis_labels", "units", "contrast_limits"):
        assert getattr(back, what) == getattr(layer, what), what
    np.testing.assert_allclose(back.scale, layer.scale)
    np.testing.assert_allclose(back.translate, layer.translate)
    assert back.colormap.name == "cyan"
    assert back.metadata[METADATA_KEY]["restoration"] == known["restoration"]


@pytest.mark.parametrize("unit", ["nm", "nanometer", pint.get_application_registry().nanometer])
def test_nanometres_are_written_as_micrometres(tmp_path, unit):
    layer = ImageLayer(pixels(0, (9, 7)), scale=(64, 32), translate=(16, 8), units=(unit, unit), name="a")
    path = tmp_path / "a.ome.tif"
    write_single_image(str(path), layer.data, layer.as_layer_data_tuple()[1])
    (back,) = read_ome_tiff(path)
    assert back.units == ("um", "um")
    np.testing.assert_allclose(back.scale, (0.064, 0.032))
    np.testing.assert_allclose(back.translate, (0.016, 0.008))


def test_a_plain_layer_claims_no_physical_size(tmp_path):
    layer = ImageLayer(pixels(0, (4, 9, 7)), name="plain")
    path = tmp_path / "a.ome.tif"
    write_single_image(str(path), *layer.as_layer_data_tuple()[:2])
    assert b"PhysicalSize" not in path.read_bytes()
    (back,) = reopened(path).layers
    assert back.name == "plain"
    assert [str(unit) for unit in back.units] == ["pixel"] * 3
    np.testing.assert_array_equal(back.data, layer.data)


def test_w2s_layers_of_two_resolutions_open_again_aligned(tmp_path):
    make_8bit(tmp_path / "train", [1, 2], levels=["avg1", "sim"])
    viewer = reopened(tmp_path)
    path = tmp_path / "all.ome.tif"
    write_images(str(path), [layer.as_layer_data_tuple() for layer in viewer.layers])
    again = reopened(path)
    assert [layer.name for layer in again.layers] == [layer.name for layer in viewer.layers]
    for back, layer in zip(again.layers, viewer.layers, strict=True):
        np.testing.assert_array_equal(np.asarray(back.data), np.asarray(layer.data))
        np.testing.assert_allclose(back.extent.world, layer.extent.world)
        assert back.units == layer.units
        assert back.colormap.name == layer.colormap.name
        assert back.metadata[METADATA_KEY]["fovs"] == [1, 2]


def test_saving_and_opening_through_napari(tmp_path):
    with DynamicPlugin("w2s-under-test") as plugin:
        plugin.contribute.reader(get_reader, filename_patterns=["*.tif"])
        plugin.contribute.writer(write_single_image, filename_extensions=[".ome.tif"], layer_types=["image"])
        plugin.contribute.writer(write_images, filename_extensions=[".ome.tif"], layer_types=["image{2,9}"])
        viewer = ViewerModel()
        viewer.add_image(pixels(0, (9, 7)), name="a", scale=(0.1, 0.1), units="um")
        viewer.add_image(pixels(1, (9, 7)), name="b", scale=(0.1, 0.1), units="um")
        one, two = str(tmp_path / "one.ome.tif"), str(tmp_path / "two.ome.tif")
        assert viewer.layers[0].save(one, plugin="w2s-under-test") == [one]
        assert viewer.layers.save(two, plugin="w2s-under-test") == [two]
        again = ViewerModel()
        again.open(two, plugin="w2s-under-test")
    assert [layer.name for layer in again.layers] == ["a", "b"]
    np.testing.assert_allclose(again.layers[1].scale, (0.1, 0.1))


def test_saving_again_replaces_the_file(tmp_path):
    path = tmp_path / "a.ome.tif"
    for seed in (1, 2):
        write_single_image(str(path), pixels(seed, (4, 4)), {"name": "a"})
    np.testing.assert_array_equal(read_ome_tiff(path)[0].data, pixels(2, (4, 4)))


def test_a_multiscale_layer_is_saved_at_full_resolution(tmp_path):
    levels = [pixels(0, (16, 16)), pixels(0, (16, 16))[::2, ::2]]
    layer = ImageLayer(levels, multiscale=True, scale=(0.1, 0.1), units="um")
    path = tmp_path / "a.ome.tif"
    write_single_image(str(path), *layer.as_layer_data_tuple()[:2])
    (back,) = read_ome_tiff(path)
    np.testing.assert_array_equal(back.data, levels[0])
    assert back.scale == (0.1, 0.1)


def test_labels_open_again_as_labels(tmp_path):
    data = np.arange(12).reshape(3, 4)
    layer = Labels(data, name="cells", scale=(0.1, 0.1), units="um")
    path = tmp_path / "a.ome.tif"
    write_images(str(path), [layer.as_layer_data_tuple()])
    (back,) = reopened(path).layers
    assert isinstance(back, Labels)
    np.testing.assert_array_equal(back.data, data)


def test_a_lazy_layer_is_computed_frame_by_frame(tmp_path):
    data = pixels(0, (6, 9, 7), np.uint16)
    layer = ImageLayer(da.from_array(data, chunks=(1, 9, 7)), contrast_limits=(0, 255))
    path = tmp_path / "a.ome.tif"
    write_single_image(str(path), *layer.as_layer_data_tuple()[:2])
    np.testing.assert_array_equal(read_ome_tiff(path)[0].data, data)


def test_layers_that_are_no_images_are_refused_by_name(tmp_path):
    path = str(tmp_path / "a.ome.tif")
    rgb = ImageLayer(pixels(0, (9, 7, 3)), rgb=True, name="photo")
    with pytest.raises(InputError, match=r"'photo' is RGB.*Split"):
        write_single_image(path, *rgb.as_layer_data_tuple()[:2])
    with pytest.raises(InputError, match="'spots' is a points layer"):
        write_images(path, [Points(np.zeros((1, 2)), name="spots").as_layer_data_tuple()])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(OutputError, match="nowhere does not exist"):
        write_single_image(str(tmp_path / "nowhere" / "a.ome.tif"), pixels(0, (4, 4)), {"name": "a"})


def test_a_turned_layer_is_saved_with_a_warning(caplog):
    layer = ImageLayer(pixels(0, (9, 7)), rotate=30, name="turned")
    with caplog.at_level("WARNING"):
        image_from_layer_data(*layer.as_layer_data_tuple())
    assert "'turned' is rotated" in caplog.text
    caplog.clear()
    image_from_layer_data(*ImageLayer(pixels(0, (9, 7)), name="straight").as_layer_data_tuple())
    assert caplog.text == ""
