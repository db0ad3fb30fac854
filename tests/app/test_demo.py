"""The demo: it restores, it compares, and it says that all is simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_w2s._types import Cancelled, OutputError
from napari_w2s.app.demo import Demo, run_demo, save_figure, save_images
from napari_w2s.data.ometiff import read_ome_tiff
from napari_w2s.models.builtin import DEFAULT_MODELS


@pytest.fixture(scope="module")
def demo() -> Demo:
    return run_demo(size=128)


def test_the_restored_image_is_closer_to_the_truth(demo: Demo) -> None:
    assert demo.models == "+".join(DEFAULT_MODELS)
    assert demo.psnr_result > demo.psnr_noisy + 3
    assert demo.result.data.shape == demo.sim.data.shape == (256, 256)
    assert demo.reference.data.shape == demo.noisy.data.shape == (128, 128)


def test_all_images_lie_on_one_place(demo: Demo) -> None:
    for image in (demo.result, demo.reference, demo.sim):
        for shape, scale, first, shape_0, scale_0, first_0 in zip(
            image.data.shape,
            image.scale,
            image.translate,
            demo.noisy.data.shape,
            demo.noisy.scale,
            demo.noisy.translate,
            strict=True,
        ):
            assert first - scale / 2 == pytest.approx(first_0 - scale_0 / 2)
            assert shape * scale == pytest.approx(shape_0 * scale_0)


def test_the_figure_is_a_picture(demo: Demo, tmp_path: Path) -> None:
    from skimage.io import imread

    path = save_figure(demo, tmp_path / "new")
    assert path == tmp_path / "new" / "demo.png"
    picture = imread(path)
    assert picture.shape[1] > 1000
    assert np.ptp(picture) == 255
    assert [p.name for p in path.parent.iterdir()] == ["demo.png"]


def test_the_images_open_again(demo: Demo, tmp_path: Path) -> None:
    files = save_images(demo, tmp_path / "new")
    assert [f.name for f in files] == [f"demo_{n}.ome.tif" for n in ("sim", "reference", "input", "restored")]
    (restored,) = read_ome_tiff(files[-1])
    np.testing.assert_array_equal(np.asarray(restored.data), demo.result.data)
    assert restored.w2s["restoration"]["settings"]["models"] == list(DEFAULT_MODELS)
    assert save_images(demo, tmp_path / "new") == files


def test_it_can_be_stopped() -> None:
    with pytest.raises(Cancelled):
        run_demo(size=64, should_stop=lambda: True)


def test_a_figure_that_cannot_be_written_is_reported(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save_figure(demo, tmp_path / "file")
