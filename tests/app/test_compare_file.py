"""Comparisons that are saved and reopened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from w2s_averages import compare, image_of, levels, restored
from w2s_tree import frame, make_8bit, make_raw

from napari_w2s._types import InputError, Level, OutputError
from napari_w2s.app.comparing.comparison import Box, Comparison, Contrast
from napari_w2s.app.comparing.file import is_comparison, reopen, save
from napari_w2s.app.comparing.grid import plane
from napari_w2s.app.comparing.select import gather, last_restoration, levels_of
from napari_w2s.app.restore import restore_image
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import Image
from napari_w2s.data.ometiff import write_ome_tiff
from napari_w2s.data.stacks import average_image, open_images


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_8bit(tmp_path / "train", (3,), channels=(0,))


def opened(tree: Path) -> dict[str, Image]:
    return {path.parent.name: open_images(path)[0] for path in sorted(tree.rglob("*.png"))}


def pixels(comparison: Comparison) -> list[np.ndarray]:
    return [plane(tile, comparison.position).pixels for tile in comparison.tiles]


def same(one: Comparison, other: Comparison) -> None:
    assert [tile.title for tile in one.tiles] == [tile.title for tile in other.tiles]
    for tile, again in zip(one.tiles, other.tiles, strict=True):
        assert (tile.image.scale, tile.image.translate) == (again.image.scale, again.image.translate)
        assert (tile.image.axes, tile.image.units) == (again.image.axes, again.image.units)
    for first, second in zip(pixels(one), pixels(other), strict=True):
        np.testing.assert_array_equal(first, second)
    for name in ("position", "box", "contrast", "data_range"):
        assert getattr(one, name) == getattr(other, name)
    assert (one.reference is None) == (other.reference is None)
    if one.reference is not None and other.reference is not None:
        assert one.tile(one.reference).title == other.tile(other.reference).title


class TestRoundTrip:
    def test_of_levels_keeps_images_and_settings(self, tree: Path, tmp_path: Path) -> None:
        before = levels_of(opened(tree)).replace(
            box=Box(0.1, 0.2, 0.5, 0.6), contrast=Contrast.MATCHED, data_range=200.0
        )
        saved = save(before, tmp_path / "c.json")
        after = reopen(saved.path)
        assert (saved.problems, after.problems) == ((), ())
        same(before, after.comparison)
        assert saved.path.stat().st_size < 8192
        assert [tile.level for tile in after.comparison.tiles] == [tile.level for tile in before.tiles]

    def test_keeps_where_the_user_put_a_layer(self, tree: Path, tmp_path: Path) -> None:
        images = opened(tree)
        images["avg1"] = images["avg1"].replace(scale=(0.1, 0.1), translate=(1.0, 2.0), name="mine")
        before = gather(images)
        same(before, reopen(save(before, tmp_path / "c.json").path).comparison)

    def test_of_stacks_keeps_the_frame(self, tmp_path: Path) -> None:
        make_8bit(tmp_path / "train", (3, 5), channels=(0, 1), levels=("avg1", "avg400", "sim"))
        images = {str(i): image for i, image in enumerate(open_images(tmp_path / "train"))}
        before = levels_of(images, position=(1.0,))
        after = reopen(save(before, tmp_path / "c.json").path).comparison
        same(before, after)
        np.testing.assert_array_equal(pixels(after)[0], frame(5, 0, "avg1"))

    def test_of_means_of_a_burst_averages_again(self, tmp_path: Path) -> None:
        make_raw(tmp_path, (7,), frames=20)
        images = {image.w2s["level"]: image for image in open_images(tmp_path)}
        images["avg4"] = average_image(images["burst"], Level.AVG4)
        images["mean"] = average_image(images["burst"], 7)
        before = levels_of(images)
        before = before.replace(tiles=(*before.tiles, *gather({"mean": images["mean"]}).tiles))
        after = reopen(save(before, tmp_path / "c.json").path)
        same(before, after.comparison)
        assert [tile.title for tile in after.comparison.averages] == ["burst"]

    def test_takes_the_right_image_of_a_file_of_several(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        iio.imwrite(tmp_path / "rgb.png", rng.integers(0, 255, (20, 30, 3)).astype(np.uint8))
        red, green, blue = open_images(tmp_path / "rgb.png")
        before = gather({"b": blue, "r": red, "g": green})
        same(before, reopen(save(before, tmp_path / "c.json").path).comparison)

    def test_survives_a_move_of_the_folder(self, tree: Path, tmp_path: Path) -> None:
        save(levels_of(opened(tree)), tmp_path / "c.json")
        there = tmp_path / "elsewhere"
        there.mkdir()
        for name in ("train", "c.json"):
            (tmp_path / name).rename(there / name)
        assert not reopen(there / "c.json").problems
        assert str(tmp_path) not in (there / "c.json").read_text()

    def test_of_results_in_files_opens_the_files(self, tree: Path, tmp_path: Path) -> None:
        images = opened(tree)
        result = restored(images["avg1"], np.full((16, 16), 7, np.float32))
        write_ome_tiff([result], tmp_path / "r.ome.tif")
        images["r"] = open_images(tmp_path / "r.ome.tif")[0]
        before = levels_of(images)
        after = reopen(save(before, tmp_path / "c.json").path)
        same(before, after.comparison)
        assert after.comparison.tiles[-1].restoration

    def test_of_results_in_no_file_makes_them_again_when_looked_at(self, tree: Path, tmp_path: Path) -> None:
        images = opened(tree)
        settings = RestoreSettings(("pure-let",), device="cpu", precision="float32")
        images["r"] = restore_image(images["avg1"], settings)
        before = levels_of(images)
        saved = save(before, tmp_path / "c.json")
        assert not saved.problems
        same(before, reopen(saved.path).comparison)

    def test_makes_results_again_where_their_input_is_not_compared(self, tree: Path, tmp_path: Path) -> None:
        images = opened(tree)
        result = restore_image(images["avg1"], RestoreSettings(("bicubic",), device="cpu", precision="float32"))
        before = gather({"r": result})
        after = reopen(save(before, tmp_path / "c.json").path)
        same(before, after.comparison)
        assert last_restoration({"a": images["avg1"], "r": after.comparison.tiles[0].image}).tiles[0].key == "a"


class TestWhatIsMissing:
    def test_image_is_named_and_the_others_are_opened(self, tree: Path, tmp_path: Path) -> None:
        path = save(levels_of(opened(tree)), tmp_path / "c.json").path
        (tree / "avg400" / "003_0.png").unlink()
        found = reopen(path)
        assert len(found.comparison.tiles) == 6
        assert found.comparison.reference is None
        assert len(found.problems) == 1
        assert found.problems[0].startswith("avg400: ")
        assert "not there any more" in found.problems[0]

    def test_images_all_of_them_is_an_error(self, tree: Path, tmp_path: Path) -> None:
        path = save(levels_of(opened(tree)), tmp_path / "c.json").path
        for file in tree.rglob("*.png"):
            file.unlink()
        with pytest.raises(InputError, match="not there any more"):
            reopen(path)

    def test_another_shape_is_noticed(self, tree: Path, tmp_path: Path) -> None:
        path = save(levels_of(opened(tree)), tmp_path / "c.json").path
        iio.imwrite(tree / "avg2" / "003_0.png", np.zeros((9, 9), np.uint8))
        assert "has the shape (9, 9) now" in reopen(path).problems[0]

    def test_images_in_no_file_are_told_of_when_saving(self, tmp_path: Path) -> None:
        images: dict[str, Image] = {**levels(), "mine": image_of(np.zeros((4, 4)), "mine")}
        saved = save(compare(images), tmp_path / "c.json")
        assert len(saved.problems) == len(images)
        assert "mine is in no file" in saved.problems[-1]
        with pytest.raises(InputError, match="in no file"):
            reopen(saved.path)

    def test_weights_are_told_of_when_looked_at(self, tree: Path, tmp_path: Path) -> None:
        images = opened(tree)
        images["r"] = restored(images["avg1"], model="pure-let", sha256="2" * 64)
        path = save(gather(images), tmp_path / "c.json").path
        again = reopen(path).comparison
        from napari_w2s.app.comparing.numbers import measure

        numbers = measure(again, only=["rmse"])
        assert "other weights" in numbers.tiles[-1].notes[0]
        images["r"] = restored(images["avg1"], model="never-heard-of")
        assert "never-heard-of" in reopen(save(gather(images), path).path).problems[0]


class TestBadFiles:
    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "null", '{"format": "x"}', "[" * 100_000, '{"a": ' * 50_000, "\x00\xff"]
    )
    def test_are_refused(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "c.json"
        path.write_text(text)
        assert not is_comparison(path)
        with pytest.raises(InputError, match="no comparison"):
            reopen(path)

    def test_that_are_not_there_are_named(self, tmp_path: Path) -> None:
        assert not is_comparison(tmp_path / "c.json")
        with pytest.raises(InputError, match="does not exist"):
            reopen(tmp_path / "c.json")
        with pytest.raises(InputError):
            reopen(tmp_path)

    def test_of_a_later_version_ask_for_an_update(self, tree: Path, tmp_path: Path) -> None:
        path = save(levels_of(opened(tree)), tmp_path / "c.json").path
        assert is_comparison(path)
        path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
        with pytest.raises(InputError, match="Update"):
            reopen(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"tiles": None},
            {"tiles": [{}]},
            {"box": {"top": 1}},
            {"box": {"top": 1, "left": 1, "bottom": "NaN", "right": 2}},
            {"contrast": "loud"},
            {"position": ["x"]},
            {"data_range": "wide"},
        ],
    )
    def test_that_are_damaged_are_refused(self, change: dict[str, Any], tree: Path, tmp_path: Path) -> None:
        path = save(levels_of(opened(tree)), tmp_path / "c.json").path
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(InputError):
            reopen(path)

    def test_cannot_be_written_where_there_is_no_folder(self, tree: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot be written"):
            save(levels_of(opened(tree)), tmp_path / "file" / "c.json")
