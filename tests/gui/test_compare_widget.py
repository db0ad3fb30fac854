"""The Compare panel over a viewer without a window."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from w2s_compare import FakeMeasure, MakeCompare, add_level, add_levels, add_result, key, keys
from w2s_panel import MemoryStore
from w2s_window import wait

import napari_w2s
from napari_w2s._types import InputError, Level
from napari_w2s.app.comparing.comparison import Contrast
from napari_w2s.app.comparing.numbers import measure
from napari_w2s.app.comparing.state import PERSISTENT, THRESHOLDS, Columns, CompareState
from napari_w2s.gui.comparing import tiles as compare_tiles
from napari_w2s.gui.comparing.canvas import CONTRAST_TEXT
from napari_w2s.gui.comparing.snapshot import ViewState
from napari_w2s.gui.comparing.widget import CompareWidget


def titles(panel: CompareWidget) -> list[str]:
    grid = panel.session.grid
    return [grid.layer(k).name.rstrip() for k in grid.keys]


def is_idle(panel: CompareWidget) -> Callable[[], bool]:
    return lambda: not panel.session.busy


def is_measured(panel: CompareWidget) -> Callable[[], bool]:
    return lambda: panel.session.numbers is not None and not panel.session.busy


def said(panel: CompareWidget) -> str:
    return panel.bar.message.text()


class TestChoice:
    def test_an_empty_viewer_is_told_what_to_do(self, make_compare: MakeCompare):
        panel = make_compare()
        assert not panel.bar.action.isEnabled()
        assert "There is no image layer" in said(panel)
        assert not panel.choose.levels.isEnabled()
        assert "one of W2S" in panel.choose.levels.toolTip()
        assert "no restoration yet" in panel.choose.last.toolTip()
        assert not panel.compared.isVisibleTo(panel)
        assert not panel.bar.exports.isVisibleTo(panel)

    def test_what_is_shown_is_ticked(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        panel = make_compare()
        first = viewer.add_image(np.zeros((8, 8)))
        viewer.add_image(np.zeros((8, 8)), visible=False)
        third = viewer.add_image(np.ones((8, 8)))
        wait(qtbot, lambda: panel.state.layers == keys(first, third))
        assert panel.bar.action.full_text() == "Compare 2 images"
        assert panel.bar.action.isEnabled()

    def test_all_levels_at_a_click(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = add_levels(viewer)
        other = add_level(viewer, Level.AVG1, known={"channel": 2})
        viewer.layers.selection.active = layers[Level.AVG4]
        panel = make_compare()
        panel.choose.levels.click()
        assert panel.session.grid.keys == keys(*layers.values())
        assert panel.state.reference == key(layers[Level.AVG400])
        assert [title.split(" · ")[0] for title in titles(panel)] == [
            "avg1",
            "avg2",
            "avg4",
            "avg8",
            "avg16",
            "avg400",
            "SIM",
        ]
        assert not other.visible
        assert panel.compared.isVisibleTo(panel)
        wait(qtbot, is_measured(panel))

    def test_the_last_result_at_a_click(self, make_compare: MakeCompare, viewer: ViewerModel):
        layers = add_levels(viewer)
        result = add_result(viewer, layers[Level.AVG1], 2, "w2s-jdsr")
        panel = make_compare()
        panel.choose.last.click()
        assert panel.session.grid.keys == keys(layers[Level.AVG1], result, layers[Level.SIM])
        assert "w2s-jdsr of avg1 (estimate)" in titles(panel)[1]

    def test_images_of_ones_own(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = [viewer.add_image(np.random.default_rng(i).random((20, 20)), name=f"mine {i}") for i in range(3)]
        panel = make_compare()
        boxes = panel.choose.layers.boxes()
        boxes[key(layers[1])].setChecked(False)
        panel.bar.action.click()
        assert panel.session.grid.keys == keys(layers[0], layers[2])
        assert panel.session.comparison.reference is None
        panel.choose.layers.boxes()[key(layers[1])].setChecked(True)
        assert panel.session.grid.keys == keys(layers[0], layers[2], layers[1])
        panel.choose.reference_chosen.emit(key(layers[2]))
        assert panel.session.comparison.reference == key(layers[2])
        wait(qtbot, is_measured(panel))

    def test_what_cannot_be_compared_says_why(self, make_compare: MakeCompare, viewer: ViewerModel):
        photo = viewer.add_image(np.zeros((8, 8, 3)), rgb=True, name="photo")
        panel = make_compare()
        box = panel.choose.layers.boxes()[key(photo)]
        assert not box.isEnabled()
        assert "RGB" in box.toolTip()
        assert said(panel) == box.toolTip()

    def test_more_than_can_be_seen(self, make_compare: MakeCompare, viewer: ViewerModel):
        layers = [viewer.add_image(np.zeros((4, 4))) for _ in range(31)]
        panel = make_compare()
        panel.choose.layers_chosen.emit(keys(*layers))
        assert not panel.bar.action.isEnabled()
        assert "at most 30" in said(panel)


class TestTheWayBack:
    def test_leaving_gives_everything_back(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        add_levels(viewer)
        before, order = ViewState.take(viewer), list(viewer.layers)
        panel = make_compare()
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        assert panel.bar.action.full_text() == "Leave the comparison"
        panel.bar.action.click()
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == order
        assert CONTRAST_TEXT not in viewer.canvas.overlays
        assert not panel.compared.isVisibleTo(panel)
        assert panel.bar.action.full_text() == "Compare 7 images"

    def test_escape_leaves(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        add_levels(viewer)
        panel = make_compare()
        before = dict(viewer.keymap)
        panel.choose.levels.click()
        qtbot.keyClick(panel, Qt.Key.Key_Escape)
        assert panel.session.comparison is None
        panel.choose.levels.click()
        assert viewer.keymap != before
        (action,) = [f for k, f in viewer.keymap.items() if str(k) == "Escape"]
        action(viewer)
        assert panel.session.comparison is None
        assert viewer.keymap == before

    def test_a_key_that_was_bound_is_bound_again(self, make_compare: MakeCompare, viewer: ViewerModel):
        add_levels(viewer)
        viewer.bind_key("Escape", lambda _: None)
        before = dict(viewer.keymap)
        panel = make_compare()
        panel.choose.levels.click()
        assert viewer.keymap != before
        panel.leave()
        assert viewer.keymap == before

    def test_closing_the_panel_leaves(self, make_compare: MakeCompare, viewer: ViewerModel):
        add_levels(viewer)
        before, order = ViewState.take(viewer), list(viewer.layers)
        panel = make_compare(FakeMeasure(gated=True))
        panel.choose.levels.click()
        panel.close_down()
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == order

    def test_an_exception_on_the_way_in_is_told_and_undone(
        self,
        make_compare: MakeCompare,
        viewer: ViewerModel,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        add_levels(viewer)
        before, order = ViewState.take(viewer), list(viewer.layers)

        def fail(_source: Any) -> Any:
            raise RuntimeError("out of textures")

        monkeypatch.setattr(compare_tiles, "make_tile", fail)
        panel = make_compare()
        panel.choose.levels.click()
        assert "out of textures" in said(panel)
        assert "out of textures" in caplog.text
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == order
        assert panel.session.comparison is None
        assert panel.bar.action.full_text() == "Compare 7 images"

    def test_all_layers_go(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        add_levels(viewer)
        panel = make_compare(FakeMeasure(gated=True))
        panel.choose.levels.click()
        viewer.layers.clear()
        wait(qtbot, lambda: panel.session.comparison is None)
        wait(qtbot, lambda: "There is no image layer" in said(panel))
        wait(qtbot, is_idle(panel))


class TestNumbers:
    def test_they_are_measured_in_a_thread_and_stand_in_the_titles(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        add_levels(viewer)
        fake = FakeMeasure()
        panel = make_compare(fake)
        viewer.canvas.size = (1200, 1600)
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        assert threading.get_ident() not in fake.threads
        assert titles(panel)[0] == "avg1 · 31.0 dB · SSIM 0.50"
        assert titles(panel)[5] == "avg400 · reference"
        table = panel.numbers.table
        assert table.rowCount() == 7
        assert [table.item(0, i).text() for i in range(3)] == ["avg1", "31.00", "0.5000"]
        assert panel.numbers.caption.text().startswith("whole image; against avg400; range 255 (8-bit images)")

    def test_a_narrow_cell_has_fewer_numbers(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = add_levels(viewer)
        add_result(viewer, layers[Level.AVG1], 2, "w2s-jdsr")
        panel = make_compare()
        viewer.canvas.size = (600, 700)
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        assert titles(panel)[-1] == "w2s-jdsr of avg1 (estimate)"
        viewer.canvas.size = (1200, 3000)
        assert titles(panel)[-1] == "w2s-jdsr of avg1 (estimate) · 38.0 dB · SSIM 0.57"

    def test_only_the_newest_are_shown(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = add_levels(viewer)
        fake = FakeMeasure(gated=True)
        panel = make_compare(fake)
        panel.choose.levels.click()
        assert fake.running.wait(10)
        assert panel.numbers.caption.text() == "Measuring …"
        panel.state.reference = key(layers[Level.SIM])
        panel.state.reference = key(layers[Level.AVG16])
        fake.gated = False
        fake.allow()
        wait(qtbot, is_measured(panel))
        assert panel.session.numbers.reference == key(layers[Level.AVG16])
        assert [c.reference for c in fake.asked] == [key(layers[Level.AVG400]), key(layers[Level.AVG16])]

    def test_nothing_is_shown_after_leaving(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        add_levels(viewer)
        fake = FakeMeasure(gated=True)
        panel = make_compare(fake)
        panel.choose.levels.click()
        assert fake.running.wait(10)
        panel.leave()
        fake.allow()
        wait(qtbot, is_idle(panel))
        assert panel.session.numbers is None

    @pytest.mark.parametrize(
        ("error", "words"),
        [(InputError("It is all NaN."), "It is all NaN."), (KeyError("oops"), "could not be compared")],
    )
    def test_what_cannot_be_measured_says_why(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot, error: Exception, words: str
    ):
        add_levels(viewer)
        panel = make_compare(FakeMeasure(fail=error))
        panel.choose.levels.click()
        wait(qtbot, is_idle(panel))
        assert words in said(panel)
        assert panel.session.comparison is not None
        assert not panel.bar.csv.isEnabled()

    def test_they_sort_and_are_copied(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        add_levels(viewer)
        panel = make_compare()
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        table = panel.numbers.table
        table.horizontalHeader().sectionClicked.emit(1)
        first = [table.item(row, 0).text() for row in range(7)]
        table.horizontalHeader().sectionClicked.emit(1)
        second = [table.item(row, 0).text() for row in range(7)]
        assert first[:6] == second[5::-1]
        assert first[6] == second[6] == "avg400 (reference)"
        panel.numbers.markdown.click()
        text = QGuiApplication.clipboard().text()
        assert text.splitlines()[2].startswith(f"| {second[0]} | ")
        panel.numbers.csv.click()
        assert QGuiApplication.clipboard().text().startswith("title,key,reference,PSNR (dB)")
        assert "clipboard" in said(panel)
        table.horizontalHeader().sectionClicked.emit(1)
        assert table.item(0, 0).text() == "avg1"
        table.setCurrentCell(0, 1)
        qtbot.keyClick(table, Qt.Key.Key_S)
        assert [table.item(row, 0).text() for row in range(7)] == first

    def test_other_columns(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        add_levels(viewer)
        store = MemoryStore()
        panel = make_compare(store=store)
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        panel.state.columns = Columns.ALONE
        assert panel.numbers.table.horizontalHeaderItem(1).text() == "FRC\nnm"
        assert panel.numbers.threshold.isVisibleTo(panel.numbers)
        panel.state.threshold = "half-bit"
        assert panel.session.threshold == "half-bit"
        assert store.values["columns"] == "alone"
        assert make_compare(store=store).state.columns is Columns.ALONE
        wait(qtbot, is_idle(panel))

    def test_the_slider_is_followed(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        for i in range(2):
            viewer.add_image(np.random.default_rng(i).random((5, 16, 16)), scale=(2, 1, 1))
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.bar.action.click()
        viewer.dims.set_point(0, 6)
        wait(qtbot, is_measured(panel))
        assert fake.asked[-1].position == (6.0,)

    def test_new_pixels_are_measured(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = add_levels(viewer)
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        layers[Level.AVG1].data = np.zeros((32, 32), np.uint8)
        wait(qtbot, is_measured(panel))
        assert fake.asked[-1].tiles[0].image.data is layers[Level.AVG1].data

    def test_microssim_is_measured_only_while_it_is_shown(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        add_levels(viewer)
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        assert "microssim" not in fake.only
        panel.state.columns = Columns.MICRO
        wait(qtbot, lambda: len(fake.asked) == 2 and not panel.session.busy)
        assert "microssim" in fake.only
        panel.state.columns = Columns.PLAIN
        assert not panel.session.busy
        panel.state.reference = panel.state.layers[0]
        wait(qtbot, is_measured(panel))
        assert "microssim" not in fake.only

    def test_no_choice_makes_the_panel_wider_than_its_column(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        add_levels(viewer)
        panel = make_compare()
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        room = panel.minimumWidth() - 20 - panel.area.verticalScrollBar().sizeHint().width()
        for columns in Columns:
            panel.state.columns = columns
            assert panel.area.widget().minimumSizeHint().width() <= room


class TestContrast:
    def test_tiles_share_or_have_their_own(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        dark = viewer.add_image(np.linspace(0, 10, 400).reshape(20, 20), name="dark")
        bright = viewer.add_image(np.linspace(0, 100, 400).reshape(20, 20), name="bright")
        before = [tuple(layer.contrast_limits) for layer in (dark, bright)]
        panel = make_compare()
        panel.bar.action.click()
        wait(qtbot, is_measured(panel))

        def limits() -> list[tuple[float, ...]]:
            return [tuple(panel.session.grid.layer(k).contrast_limits) for k in keys(dark, bright)]

        assert limits()[0] == limits()[1]
        assert viewer.canvas.overlays[CONTRAST_TEXT].text == "one contrast for all"
        panel.state.contrast = Contrast.PER_TILE
        wait(qtbot, is_idle(panel))
        assert limits()[0][1] == pytest.approx(10, rel=0.01)
        assert limits()[1][1] == pytest.approx(100, rel=0.01)
        assert viewer.canvas.overlays[CONTRAST_TEXT].text == "own contrast"
        wait(qtbot, lambda: viewer.canvas.overlays[CONTRAST_TEXT].visible)
        panel.state.reference = key(bright)
        panel.state.contrast = Contrast.MATCHED
        wait(qtbot, is_idle(panel))
        assert limits()[0] == pytest.approx([v / 10 for v in limits()[1]], abs=1e-6)
        assert viewer.canvas.overlays[CONTRAST_TEXT].text == "contrast matched to bright"
        assert [tuple(layer.contrast_limits) for layer in (dark, bright)] == before

    def test_the_texts_in_the_tiles_rest_while_the_camera_moves(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        layers = [viewer.add_image(np.eye(20) * n, name=f"{n}") for n in (1, 2)]
        panel = make_compare()
        panel.bar.action.click()
        wait(qtbot, is_measured(panel))
        wait(qtbot, is_idle(panel))

        def visible() -> set[bool]:
            titles = [panel.session.grid.layer(k).name_overlay for k in keys(*layers)]
            return {one.visible for one in (viewer.canvas.overlays[CONTRAST_TEXT], *titles)}

        wait(qtbot, lambda: visible() == {True})
        viewer.scene.camera.zoom *= 1.5
        assert visible() == {False}
        wait(qtbot, lambda: visible() == {True})
        viewer.scene.camera.center = (0, 3, 3)
        assert visible() == {False}
        panel.session.grid.title(keys(*layers)[0], "another", 8)
        viewer.scene.camera.center = (0, 4, 4)
        assert visible() == {False}
        wait(qtbot, lambda: visible() == {True})
        viewer.scene.camera.zoom *= 1.5
        panel.leave()
        assert CONTRAST_TEXT not in viewer.canvas.overlays

    def test_images_of_unknown_pixel_size_are_laid_on_one_another(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        coarse = viewer.add_image(np.random.default_rng(0).random((16, 16)))
        fine = viewer.add_image(np.random.default_rng(0).random((32, 32)))
        panel = make_compare()
        panel.bar.action.click()
        wait(qtbot, is_measured(panel))
        grid = panel.session.grid
        extents = [grid.layer(k).extent.world for k in keys(coarse, fine)]
        np.testing.assert_allclose(extents[0] + [[-0.5], [0.5]], extents[1] + [[-0.25], [0.25]])
        assert tuple(fine.scale) == (1, 1)


class TestBadInput:
    @pytest.mark.parametrize("odd", ["constant", "nan", "infinite", "one pixel", "stack"])
    def test_an_odd_image_among_others(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot, odd: str):
        good = np.random.default_rng(0).random((24, 24))
        data = {
            "constant": np.full((24, 24), 3.0),
            "nan": np.full((24, 24), np.nan),
            "infinite": np.where(good > 0.5, np.inf, good),
            "one pixel": np.ones((1, 1)),
            "stack": np.random.default_rng(1).random((3, 24, 24)),
        }[odd]
        viewer.add_image(good, name="good")
        viewer.add_image(good + 0.1, name="also good")
        layer = viewer.add_image(data, name="odd", contrast_limits=(0, 1))
        before = ViewState.take(viewer)
        panel = make_compare(measure)
        panel.bar.action.click()
        assert len(panel.session.grid.keys) == 3
        panel.state.reference = key(viewer.layers["good"])
        wait(qtbot, is_measured(panel))
        also = panel.session.numbers.of(panel.session.grid.keys[1])
        assert also.psnr == pytest.approx(20.0, abs=0.2)
        panel.state.reference = key(layer)
        panel.state.contrast = Contrast.MATCHED
        wait(qtbot, is_idle(panel))
        panel.leave()
        assert ViewState.take(viewer) == before

    def test_without_a_reference(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        for i in range(2):
            viewer.add_image(np.random.default_rng(i).random((64, 64)), name=f"image {i}")
        panel = make_compare(measure)
        panel.bar.action.click()
        wait(qtbot, is_measured(panel))
        assert panel.session.numbers.data_range is None
        assert [title.partition(" · ")[0] for title in titles(panel)] == ["image 0", "image 1"]
        assert all("Noise" in title for title in titles(panel))
        assert panel.numbers.table.columnCount() > 1
        assert [panel.numbers.columns.itemData(i) for i in range(panel.numbers.columns.count())] == ["alone"]
        panel.state.reference = panel.state.layers[0]
        wait(qtbot, is_measured(panel))
        assert panel.numbers.columns.currentData() == "plain"

    @pytest.mark.parametrize("turn", [{"rotate": 30}, {"shear": (0.2,)}, {"affine": np.diag([2.0, 1.0, 1.0])}])
    def test_a_turned_layer_is_told(self, make_compare: MakeCompare, viewer: ViewerModel, turn: dict[str, Any]):
        viewer.add_image(np.zeros((64, 64)), name="upright")
        viewer.add_image(np.zeros((64, 64)), name="askew", **turn)
        panel = make_compare()
        askew, upright = panel.choice.plan.layers
        assert "askew is turned or sheared" in str(askew.problem)
        assert upright.problem is None

    def test_a_layer_is_turned_while_it_is_shown(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = add_levels(viewer)
        panel = make_compare()
        panel.choose.levels.click()
        wait(qtbot, is_measured(panel))
        layers[Level.AVG2].rotate = 20
        assert "is turned or sheared" in panel.bar.message.text()

    def test_the_reference_is_deleted(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = add_levels(viewer)
        panel = make_compare()
        panel.choose.levels.click()
        viewer.layers.remove(layers[Level.AVG400])
        wait(qtbot, lambda: len(panel.state.layers) == 6)
        assert panel.state.reference == ""
        wait(qtbot, is_measured(panel))
        assert panel.session.numbers.reference is None

    def test_thirty_layers(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        layers = [viewer.add_image(np.full((8, 8), float(i)), contrast_limits=(0, 30)) for i in range(30)]
        panel = make_compare()
        panel.choose.layers_chosen.emit(keys(*reversed(layers)))
        panel.bar.action.click()
        wait(qtbot, is_measured(panel))
        assert len(panel.session.grid.keys) == 30
        panel.leave()
        assert list(viewer.layers) == layers


class TestManifest:
    def test_configured_defaults_are_those_of_the_code(self):
        manifest = PluginManifest.from_file(Path(napari_w2s.__file__).with_name("napari.yaml"))
        properties = manifest.contributions.configurations["compare"].properties
        assert {name: p.default for name, p in properties.items()} == CompareState().persistent()
        assert set(properties) == set(PERSISTENT)
        assert properties["contrast"].enum == [str(one) for one in Contrast]
        assert properties["columns"].enum == [str(one) for one in Columns]
        assert tuple(properties["threshold"].enum) == THRESHOLDS

    def test_it_is_in_the_visualize_menu(self):
        manifest = PluginManifest.from_file(Path(napari_w2s.__file__).with_name("napari.yaml"))
        items = [item.command for item in manifest.contributions.menus["napari/layers/visualize"]]
        assert items == ["napari-w2s.compare"]

    def test_opening_the_panel_costs_no_torch(self):
        code = "import sys, napari_w2s.gui.comparing.widget; print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"
