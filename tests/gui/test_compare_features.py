"""Box, line, curtain, blink, maps, curves, bursts and files of a comparison, over a viewer without a window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Shapes
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from w2s_compare import FakeMeasure, MakeCompare, add_levels, add_result, key, keys, scene
from w2s_panel import MemoryStore
from w2s_window import wait

from napari_w2s._types import Level, Progress
from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.curves import profiles
from napari_w2s.app.comparing.grid import Grid
from napari_w2s.app.comparing.numbers import measure
from napari_w2s.app.comparing.spread import Spread
from napari_w2s.app.comparing.state import Area, Line, Map, View
from napari_w2s.data.stacks import open_images
from napari_w2s.gui.comparing.canvas import CONTRAST_TEXT
from napari_w2s.gui.comparing.export import Exporter
from napari_w2s.gui.comparing.snapshot import ViewState
from napari_w2s.gui.comparing.widget import CompareWidget
from napari_w2s.gui.layers import image_to_layer_data


@pytest.fixture
def levels(viewer: ViewerModel) -> dict[Level, Any]:
    viewer.canvas.size = (600, 900)
    return add_levels(viewer)


def said(panel: CompareWidget) -> str:
    return panel.bar.message.text()


def is_idle(panel: CompareWidget) -> Callable[[], bool]:
    return lambda: not panel.busy


def marks(panel: CompareWidget) -> list[Any]:
    """Return the layer that is dragged, and those that follow."""
    return list(panel.session.grid.companions().values())


def corners(layer: Any, kind: str = "rectangle") -> list[list[float]]:
    """Return the corners of the box, or the ends of the line, that a layer shows."""
    if isinstance(layer, Shapes):
        (shape,) = [d for d, k in zip(layer.data, layer.shape_type, strict=True) if k == kind]
    else:
        sides = [(start, start + way) for start, way in layer.data]
        shape = [start for start, _ in sides[:4]] if kind == "rectangle" else sides[-1]
    return [[round(float(v), 5) for v in point] for point in shape]


class TestBox:
    def test_it_appears_in_every_tile_and_numbers_are_of_it(
        self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot
    ):
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.choose.levels.click()
        panel.numbers.area.setCurrentIndex(1)
        panel.numbers.area.activated.emit(1)
        assert panel.state.area is Area.BOX
        assert len(marks(panel)) == 7
        assert len({str(corners(layer)) for layer in marks(panel)}) == 1
        wait(qtbot, is_idle(panel))
        box = fake.asked[-1].box
        assert box == panel.state.box
        # The middle half of a scene of 32 pixels of 0.1 µm, whose first centre is at 0.
        assert (box.bottom - box.top) == pytest.approx(1.55, abs=0.1)
        assert (box.top + box.bottom) / 2 == pytest.approx(1.55, abs=0.05)
        assert panel.session.numbers.area == "box"

    def test_dragging_it_in_one_tile_moves_it_in_all(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.choose.levels.click()
        panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
        panel.state.area = Area.BOX
        wait(qtbot, is_idle(panel))
        assert viewer.layers.selection.active is marks(panel)[0]
        assert marks(panel)[0].mode == "select"
        marks(panel)[0].data = [np.array([[1.0, 1.0], [1.0, 3.0], [2.0, 3.0], [2.0, 1.0]])]
        assert panel.state.box == Box(1, 1, 2, 3)
        wait(qtbot, lambda: all(corners(layer)[0] == [1.0, 1.0] for layer in marks(panel)))
        wait(qtbot, is_idle(panel))
        assert fake.asked[-1].box == Box(1, 1, 2, 3)

    def test_while_it_is_dragged_numbers_come_in_passing(
        self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot
    ):
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.choose.levels.click()
        panel.state.box = Box(0, 0, 1, 1)
        panel.state.area = Area.BOX
        wait(qtbot, is_idle(panel))
        before, fake.gated = len(fake.asked), True
        fake.running.clear()
        for i in range(1, 6):
            panel.state.box = Box(0, 0, 1, 1 + i / 10)
            if i == 1:
                assert fake.running.wait(10)
        assert panel.session.numbers is not None
        assert panel.numbers.caption.text() != "Measuring …"
        shown: list[Any] = []
        panel.session.numbered.connect(lambda: shown.append(panel.session.numbers.area))
        fake.allow()
        fake.allow()
        wait(qtbot, is_idle(panel))
        asked = [round(c.box.right, 6) for c in fake.asked[before:]]
        assert asked == [1.1, 1.5]
        assert len(shown) == 2

    def test_a_box_that_was_turned_is_upright(self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot):
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
        panel.state.area = Area.BOX
        marks(panel)[0].data = [np.array([[1.0, 0.5], [1.5, 1.0], [1.0, 1.5], [0.5, 1.0]])]
        assert panel.state.box == Box(0.5, 0.5, 1.5, 1.5)
        wait(qtbot, is_idle(panel))

    @pytest.mark.parametrize("how", ["shape", "layer"])
    def test_deleting_it_measures_the_whole_image(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot, how: str
    ):
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.choose.levels.click()
        panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
        panel.state.area = Area.BOX
        if how == "shape":
            marks(panel)[0].selected_data = {0}
            marks(panel)[0].remove_selected()
        else:
            viewer.layers.remove(marks(panel)[3])
        wait(qtbot, lambda: panel.state.area is Area.WHOLE)
        wait(qtbot, is_idle(panel))
        assert fake.asked[-1].box is None
        assert marks(panel) == []
        assert len(panel.session.grid.keys) == 7

    def test_it_is_in_tiles_that_come_later(self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot):
        panel = make_compare()
        panel.choose.layers_chosen.emit(keys(levels[Level.AVG1], levels[Level.AVG2]))
        panel.compare()
        panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
        panel.state.area = Area.BOX
        panel.state.layers = (*panel.state.layers, key(levels[Level.SIM]))
        assert len(marks(panel)) == 3
        assert len({str(corners(layer)) for layer in marks(panel)}) == 1
        wait(qtbot, is_idle(panel))

    def test_of_stacks_in_other_units(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        for i in range(2):
            data = np.random.default_rng(i).random((3, 20, 20))
            viewer.add_image(data, scale=(1, 100, 100), units=("pixel", "nm", "nm"))
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.bar.action.click()
        panel.state.box = Box(0.5, 0.5, 1.0, 1.0)
        panel.state.area = Area.BOX
        assert corners(marks(panel)[0])[2] == [1000.0, 1000.0]
        viewer.dims.set_point(0, 2)
        wait(qtbot, is_idle(panel))
        assert fake.asked[-1].box == Box(0.5, 0.5, 1.0, 1.0)
        assert fake.asked[-1].position == (2.0,)

    def test_nothing_is_left_of_it(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        before, order = ViewState.take(viewer), list(viewer.layers)
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
        panel.state.area = Area.BOX
        panel.state.line = Line((1, 1), (2, 2))
        panel.leave()
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == order
        panel.choose.levels.click()
        assert panel.state.area is Area.WHOLE
        assert marks(panel) == []
        wait(qtbot, is_idle(panel))


class TestPairs:
    def test_a_curtain_cuts_the_left_one(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.pair = keys(levels[Level.AVG1], levels[Level.SIM])
        panel.state.view = View.CURTAIN
        assert not viewer.canvas.grid.enabled
        grid = panel.session.grid
        assert [k for k in grid.keys if grid.layer(k).visible] == list(keys(levels[Level.SIM]))
        top, line = viewer.layers[7], viewer.layers[8]
        assert top.data.shape == (32, 16)
        np.testing.assert_array_equal(top.data, levels[Level.AVG1].data[:, :16])
        assert np.shares_memory(top.data, levels[Level.AVG1].data)
        assert corners(line, "line")[0][1] == pytest.approx(1.55)
        panel.state.divider = 0.25
        assert top.data.shape == (32, 8)
        assert top.extent.world[1, 1] + 0.05 == pytest.approx(corners(line, "line")[0][1])
        panel.state.divider = 0.0
        assert not top.visible
        panel.state.divider = 1.0
        assert top.visible
        assert top.data.shape == (32, 32)
        panel.state.view = View.GRID
        assert viewer.canvas.grid.enabled
        assert top not in viewer.layers
        assert line not in viewer.layers
        wait(qtbot, is_idle(panel))

    def test_its_line_is_dragged(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        panel = make_compare()
        before = list(viewer.mouse_drag_callbacks)
        panel.choose.levels.click()
        panel.state.view = View.CURTAIN
        (callback,) = [one for one in viewer.mouse_drag_callbacks if one not in before]
        event = SimpleNamespace(position=(1.0, 3.0), type="mouse_press")
        assert list(callback(viewer, event)) == []
        event = SimpleNamespace(position=(1.0, 1.55), type="mouse_press")
        dragging = callback(viewer, event)
        next(dragging)
        assert not viewer.scene.camera.mouse_pan
        event.type, event.position = "mouse_move", (1.0, 2.35)
        next(dragging)
        assert panel.state.divider == pytest.approx(0.75)
        assert panel.look.divider.value() == 150
        event.type = "mouse_release"
        assert list(dragging) == []
        assert viewer.scene.camera.mouse_pan
        panel.leave()
        assert viewer.mouse_drag_callbacks == before

    def test_it_follows_contrast_pixels_and_the_slider(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        stacks = [viewer.add_image(np.random.default_rng(i).random((4, 12, 12)), name=f"stack {i}") for i in range(2)]
        panel = make_compare()
        panel.bar.action.click()
        panel.state.view = View.CURTAIN
        viewer.dims.set_point(0, 3)
        top = viewer.layers[2]
        np.testing.assert_array_equal(top.data, stacks[0].data[3, :, :6])
        panel.session.grid.limit(key(stacks[0]), (0.2, 0.4))
        assert tuple(top.contrast_limits) == (0.2, 0.4)
        stacks[0].data = np.ones((4, 12, 12))
        assert (top.data == 1).all()
        wait(qtbot, is_idle(panel))

    def test_the_same_part_of_the_world_is_seen(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        panel = make_compare()
        panel.choose.levels.click()
        zoom = viewer.scene.camera.zoom
        panel.state.view = View.CURTAIN
        assert said(panel) == ""
        assert viewer.scene.camera.zoom == pytest.approx(2 * zoom)
        panel.state.view = View.BLINK
        assert viewer.scene.camera.zoom == pytest.approx(2 * zoom)
        panel.state.view = View.GRID
        assert viewer.scene.camera.zoom == pytest.approx(zoom)
        wait(qtbot, is_idle(panel))

    def test_a_key_blinks(self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot):
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.pair = keys(levels[Level.AVG1], levels[Level.AVG400])

        def visible() -> list[str]:
            grid = panel.session.grid
            return [k for k in grid.keys if grid.layer(k).visible]

        (press,) = [f for k, f in viewer.keymap.items() if str(k) == "B"]
        press(viewer)
        assert panel.state.view is View.BLINK
        assert visible() == [key(levels[Level.AVG1])]
        press(viewer)
        assert visible() == [key(levels[Level.AVG400])]
        qtbot.keyClick(panel, Qt.Key.Key_B)
        assert visible() == [key(levels[Level.AVG1])]
        panel.state.view = View.GRID
        assert len(visible()) == 7
        panel.leave()
        assert "B" not in {str(k) for k in viewer.keymap}

    def test_one_of_the_pair_is_deleted(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        before = ViewState.take(viewer)
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.pair = keys(levels[Level.AVG1], levels[Level.AVG2])
        panel.state.view = View.CURTAIN
        viewer.layers.remove(levels[Level.AVG1])
        wait(qtbot, lambda: len(panel.session.grid.keys) == 6)
        panel.leave()
        wait(qtbot, is_idle(panel))
        after = ViewState.take(viewer)
        assert (after.grid, after.camera, after.selected) == (before.grid, before.camera, before.selected)
        assert list(viewer.layers) == [layer for level, layer in levels.items() if level is not Level.AVG1]


def fake_spread(comparison: Comparison, key: str, *, progress: Any, stop: Any) -> Spread:
    progress(Progress(4, 8))
    image = comparison.tile(key).image
    grid = Grid(image.data.shape, image.scale, image.translate, "um")
    return Spread(key, grid, np.full(image.data.shape, 2.0), "They differ by 2.")


class TestMaps:
    @pytest.mark.parametrize("kind", [Map.UNSUPPORTED, Map.ERROR, Map.SSIM, Map.SPREAD])
    def test_a_map_stands_in_the_place_of_the_result(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot, kind: Map
    ):
        result = add_result(viewer, levels[Level.AVG1])
        panel = make_compare(spread=fake_spread)
        viewer.canvas.size = (1200, 1600)
        panel.choose.levels.click()
        grid = panel.session.grid
        tile, place = grid.layer(key(result)), list(grid.keys).index(key(result))
        panel.trust.buttons[kind].click()
        assert panel.state.map is kind
        wait(qtbot, is_idle(panel))
        drawn = grid.layer(key(result))
        assert drawn is not tile
        assert viewer.layers[place] is drawn
        assert drawn.data.shape == (32, 32)
        np.testing.assert_allclose(drawn.extent.world, tile.extent.world, atol=1e-6)
        assert drawn.name.startswith({"unsupported": "not supported", "ssim": "ssim map"}.get(kind, str(kind)))
        assert "w2s-denoise of avg1" in drawn.name
        assert panel.trust.sentence.text()
        explained = viewer.canvas.overlays[CONTRAST_TEXT].text.splitlines()
        assert explained[0] == "images: one contrast for all"
        assert ("orange: erased, blue: invented" in explained) is (kind is Map.UNSUPPORTED)
        assert len(explained) == (3 if kind is Map.UNSUPPORTED else 2)
        panel.trust.buttons[kind].click()
        assert viewer.canvas.overlays[CONTRAST_TEXT].text == "one contrast for all"
        assert panel.state.map is Map.NONE
        assert grid.layer(key(result)) is tile
        assert tile.name.startswith("w2s-denoise of avg1")
        assert panel.trust.sentence.text() == ""

    def test_one_after_the_other(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        results = [add_result(viewer, levels[Level.AVG1], name=name) for name in ("one", "two")]
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.map = Map.ERROR
        wait(qtbot, is_idle(panel))
        assert panel.features.maps.shown == (key(results[1]), Map.ERROR)
        panel.state.subject = key(results[0])
        wait(qtbot, is_idle(panel))
        grid = panel.session.grid
        assert grid.layer(key(results[1])) is grid.tile(key(results[1]))
        assert panel.features.maps.shown == (key(results[0]), Map.ERROR)
        panel.state.map = Map.SSIM
        wait(qtbot, is_idle(panel))
        assert panel.features.maps.shown == (key(results[0]), Map.SSIM)
        assert len(viewer.layers) == len(panel.session.grid.keys) + 9
        panel.leave()
        assert len(viewer.layers) == 9

    def test_what_is_missing_is_said(self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
        for i in range(2):
            viewer.add_image(scene() + i)
        panel = make_compare()
        panel.bar.action.click()
        buttons = panel.trust.buttons
        assert not any(button.isEnabled() for button in buttons.values())
        assert "needs a restoration" in buttons[Map.UNSUPPORTED].toolTip()
        assert "needs a reference" in buttons[Map.ERROR].toolTip()
        panel.state.reference = panel.state.layers[0]
        assert buttons[Map.ERROR].isEnabled()
        wait(qtbot, is_idle(panel))

    def test_a_map_that_fails_says_why(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        result = add_result(viewer, levels[Level.AVG1])
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.map = Map.ERROR
        wait(qtbot, is_idle(panel))
        panel.state.reference = ""
        wait(qtbot, is_idle(panel))
        assert panel.trust.sentence.text() == "There is no reference to compare with. Choose one."
        assert panel.session.grid.layer(key(result)) is panel.session.grid.tile(key(result))

    def test_the_spread_can_be_stopped_and_shows_progress(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        add_result(viewer, levels[Level.AVG1])
        stopped = threading.Event()

        def slow(comparison: Comparison, key: str, *, progress: Any, stop: Callable[[], bool]) -> Any:
            progress(Progress(1, 4))
            while not stop():
                threading.Event().wait(0.005)
            stopped.set()
            return fake_spread(comparison, key, progress=progress, stop=stop)

        panel = make_compare(spread=slow)
        panel.choose.levels.click()
        panel.trust.buttons[Map.SPREAD].click()
        wait(qtbot, lambda: panel.trust.progress.value() == 250)
        panel.trust.buttons[Map.SPREAD].click()
        wait(qtbot, stopped.is_set)
        wait(qtbot, is_idle(panel))
        assert panel.features.maps.shown is None
        assert not panel.trust.progress.isVisibleTo(panel.trust)

    def test_a_stale_map_is_dropped(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        add_result(viewer, levels[Level.AVG1])
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.map = Map.UNSUPPORTED
        panel.leave()
        wait(qtbot, is_idle(panel))
        assert len(viewer.layers) == 8


class TestCurves:
    def test_a_line_is_profiled_in_all_tiles(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        panel = make_compare()
        panel.choose.levels.click()
        panel.curves.line.click()
        line = panel.state.line
        assert line.start[0] == line.end[0] == pytest.approx(1.55, abs=0.05)
        assert corners(marks(panel)[0], "line")[0] == pytest.approx(line.start, abs=1e-5)
        wait(qtbot, is_idle(panel))
        titles = [profile.title for profile in panel.features.curves.profiles]
        assert titles == ["avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "SIM"]
        assert "SIM" in panel.curves.profile.legend.text()
        panel.curves.normalised.click()
        wait(qtbot, is_idle(panel))
        assert all(np.nanmax(p.values) == pytest.approx(1) for p in panel.features.curves.profiles)
        panel.curves.line.click()
        assert panel.state.line is None
        assert marks(panel) == []
        wait(qtbot, is_idle(panel))

    def test_a_profile_is_the_mean_over_a_band_as_wide_in_every_tile(
        self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot
    ):
        store = MemoryStore()
        panel = make_compare(store=store)
        panel.choose.levels.click()
        panel.state.line = Line((0.5, 0.5), (2.0, 2.0))
        wait(qtbot, is_idle(panel))
        alone = panel.features.curves.profiles
        assert (panel.curves.band.value(), panel.curves.band.suffix()) == (0.0, " µm")
        panel.curves.band.setValue(0.4)
        wait(qtbot, is_idle(panel))
        assert panel.state.width_um == 0.4
        wide = panel.features.curves.profiles
        expected = profiles(panel.session.comparison, (0.5, 0.5), (2.0, 2.0), width=0.4)
        for one, other, narrow in zip(wide, expected, alone, strict=True):
            np.testing.assert_array_equal(one.values, other.values)
            assert not np.array_equal(one.values, narrow.values)
        assert store.values["width_um"] == 0.4
        assert store.values["width_px"] == 0.0
        panel.leave()
        again = make_compare(store=store)
        again.choose.levels.click()
        assert again.curves.band.value() == 0.4

    def test_a_band_of_images_without_a_pixel_size_has_its_own_width(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        for i in range(2):
            viewer.add_image(np.random.default_rng(i).random((20, 20)))
        panel = make_compare(store=MemoryStore(width_um=0.4, width_px=3.0))
        panel.compare()
        panel.state.line = Line((10, 2), (10, 17))
        wait(qtbot, is_idle(panel))
        assert (panel.curves.band.value(), panel.curves.band.suffix()) == (3.0, " px")
        (first, _) = panel.features.curves.profiles
        np.testing.assert_allclose(first.values, viewer.layers[-2].data[9:12, 2:18].mean(axis=0), rtol=1e-6)
        panel.curves.band.setValue(5)
        assert (panel.state.width_um, panel.state.width_px) == (0.4, 5.0)
        wait(qtbot, is_idle(panel))

    def test_box_and_line_together(self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot):
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.line = Line((0.5, 0.5), (2.0, 2.0))
        panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
        panel.state.area = Area.BOX
        assert sorted(marks(panel)[0].shape_type) == ["line", "rectangle"]
        panel.state.area = Area.WHOLE
        assert marks(panel)[0].shape_type == ["line"]
        wait(qtbot, is_idle(panel))
        assert panel.state.line == Line((0.5, 0.5), (2.0, 2.0))

    def test_a_line_outside_says_so(self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot):
        panel = make_compare()
        panel.choose.levels.click()
        panel.state.line = Line((100, 100), (101, 101))
        wait(qtbot, is_idle(panel))
        assert "outside of the images" in panel.curves.profile_note.text()

    def test_a_spectrum_is_measured_when_it_is_looked_at(
        self, make_compare: MakeCompare, levels: dict[Level, Any], qtbot: QtBot
    ):
        panel = make_compare()
        panel.choose.levels.click()
        wait(qtbot, is_idle(panel))
        assert panel.features.curves.spectra == ()
        panel.curves.setCurrentIndex(1)
        wait(qtbot, is_idle(panel))
        assert len(panel.features.curves.spectra) == 7
        assert "avg16" in panel.curves.spectrum.legend.text()

    def test_what_averaging_brings(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        add_result(viewer, levels[Level.AVG1])
        panel = make_compare(measure)
        panel.choose.levels.click()
        wait(qtbot, is_idle(panel))
        assert panel.session.numbers.curve is not None
        assert panel.numbers.worth.text().startswith("w2s-denoise of avg1 is worth ")
        assert "avg4: " in panel.curves.worth.legend.text()


class TestBursts:
    def test_the_tile_and_the_numbers_follow_the_slider(
        self, make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot
    ):
        frames = scene(16) + np.random.default_rng(0).normal(size=(12, 16, 16))
        burst = viewer.add_image(frames, name="burst", axis_labels=("t", "y", "x"))
        clean = viewer.add_image(scene(16), name="clean")
        fake = FakeMeasure()
        panel = make_compare(fake)
        panel.bar.action.click()
        panel.curves.setCurrentIndex(2)
        assert panel.curves.burst.isVisibleTo(panel)
        assert panel.curves.burst.number.maximum() == 12
        panel.curves.burst.slider.setValue(5)
        wait(qtbot, is_idle(panel))
        tile = panel.session.grid.layer(key(burst))
        np.testing.assert_allclose(tile.data, frames[:5].mean(axis=0), rtol=1e-5)
        assert tile.name.startswith("burst mean of 5 frames")
        measured = fake.asked[-1].tile(key(burst))
        assert measured.image.data is tile.data
        panel.curves.burst.number.setValue(12)
        wait(qtbot, is_idle(panel))
        np.testing.assert_allclose(tile.data, frames.mean(axis=0), rtol=1e-5)
        assert fake.asked[-1].tile(key(burst)).title == "burst mean of 12 frames"
        panel.leave()
        assert list(viewer.layers) == [burst, clean]
        assert burst.data is frames

    def test_a_burst_that_serves_the_curve_can_be_shown(
        self, make_compare: MakeCompare, levels: dict[Level, Any], viewer: ViewerModel, qtbot: QtBot
    ):
        frames = (scene() + 20 * np.random.default_rng(0).normal(size=(9, 32, 32))).astype(np.float32)
        known = {**levels[Level.AVG1].metadata["w2s"], "level": "burst"}
        burst = viewer.add_image(
            frames,
            name="050 ch0 burst",
            scale=(1, 0.1, 0.1),
            units=("pixel", "um", "um"),
            axis_labels=("t", "y", "x"),
            metadata={"w2s": known},
        )
        panel = make_compare()
        panel.choose.levels.click()
        assert key(burst) not in panel.state.layers
        panel.curves.burst.slider.setValue(4)
        wait(qtbot, is_idle(panel))
        assert said(panel) == ""
        assert panel.state.layers[-1] == key(burst)
        np.testing.assert_allclose(panel.session.grid.layer(key(burst)).data, frames[:4].mean(axis=0), rtol=1e-5)
        panel.choose.layers_chosen.emit(keys(burst, levels[Level.AVG1]))
        wait(qtbot, is_idle(panel))
        assert panel.session.grid.layer(key(burst)).data.shape == (32, 32)
        assert panel.session.comparison.tile(key(burst)).title == "avg4"


class TestFiles:
    @pytest.fixture
    def panel(
        self,
        make_compare: MakeCompare,
        levels: dict[Level, Any],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        qtbot: QtBot,
    ) -> CompareWidget:
        def ask(_parent: object, _title: str, name: str, kinds: str) -> tuple[str, str]:
            return str(tmp_path / Path(name).stem), kinds

        monkeypatch.setattr("napari_w2s.gui.comparing.export.QFileDialog.getSaveFileName", ask)
        made = make_compare()
        made.choose.levels.click()
        wait(qtbot, is_idle(made))
        return made

    def test_a_figure(self, panel: CompareWidget, tmp_path: Path, qtbot: QtBot):
        panel.bar.figure.click()
        wait(qtbot, is_idle(panel))
        assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
        assert panel.bar.message.text() == "Saved comparison.png."

    def test_a_table(self, panel: CompareWidget, tmp_path: Path, qtbot: QtBot):
        panel.bar.csv.click()
        wait(qtbot, is_idle(panel))
        assert len((tmp_path / "comparison.csv").read_text().splitlines()) == 8

    def test_a_folder_that_is_not_to_be_written(
        self, panel: CompareWidget, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
    ):
        monkeypatch.setattr(
            "napari_w2s.gui.comparing.export.QFileDialog.getSaveFileName", lambda *_: ("/proc/nothing/a.csv", "")
        )
        panel.bar.csv.click()
        wait(qtbot, is_idle(panel))
        assert "cannot be written" in panel.bar.message.text()

    def test_a_question_that_was_not_answered(self, panel: CompareWidget, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("napari_w2s.gui.comparing.export.QFileDialog.getSaveFileName", lambda *_: ("", ""))
        for button in (panel.bar.figure, panel.bar.csv, panel.bar.json):
            button.click()
        assert not panel.busy

    def test_images_that_are_in_no_file_are_named(self, panel: CompareWidget, tmp_path: Path, qtbot: QtBot):
        panel.bar.json.click()
        wait(qtbot, is_idle(panel))
        assert (tmp_path / "comparison.json").is_file()
        assert "avg1 is in no file" in panel.bar.message.text()

    def test_a_comparison_of_real_files_comes_back(
        self,
        make_compare: MakeCompare,
        viewer: ViewerModel,
        w2s_root: Path,
        tmp_path: Path,
        qtbot: QtBot,
    ):
        for level in ("avg1", "avg400"):
            (image,) = open_images(w2s_root / "data" / "train" / level / "050_0.png")
            data, look, _ = image_to_layer_data(image)
            viewer.add_image(data, **look)
        first = make_compare()
        first.choose.levels.click()
        first.state.box = Box(1, 2, 9, 8)
        first.state.area = Area.BOX
        path = tmp_path / "saved.json"
        first.exporter.json(first.session.comparison, str(path))
        wait(qtbot, is_idle(first))
        first.leave()
        count = len(viewer.layers)
        first.exporter.open(str(path))
        wait(qtbot, is_idle(first))
        assert [tile.title for tile in first.session.comparison.tiles] == ["avg1", "avg400"]
        assert first.session.comparison.box == Box(1, 2, 9, 8)
        assert first.session.comparison.reference == first.session.comparison.tiles[1].key
        first.leave()
        assert len(viewer.layers) == count
        viewer.layers.clear()
        wait(qtbot, lambda: not first.choice.images)
        first.exporter.open(str(path))
        wait(qtbot, is_idle(first))
        assert len(first.session.grid.keys) == 2
        first.leave()
        assert [layer.visible for layer in viewer.layers] == [False, False]

    def test_a_file_that_is_none(self, panel: CompareWidget, tmp_path: Path, qtbot: QtBot):
        path = tmp_path / "other.json"
        path.write_text("[]")
        panel.exporter.open(str(path))
        wait(qtbot, is_idle(panel))
        assert "no comparison" in panel.bar.message.text()
        assert isinstance(panel.exporter, Exporter)
        assert panel.session.comparison is not None
