"""The Compare panel in napari's window: menus, docks, the mouse, and a window that closes too early."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QWidget
from w2s_compare import FakeMeasure, add_levels, add_result, key, keys
from w2s_panel import MemoryStore
from w2s_window import NEEDS_OPENGL, MakeViewer, drag, is_gone, opened_from, sheets_of, wait

from napari_w2s._types import Level
from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.comparing.state import Area, Line, Map, View
from napari_w2s.gui.comparing.snapshot import ViewState
from napari_w2s.gui.comparing.widget import CompareWidget

pytestmark = NEEDS_OPENGL

DOCK = "Compare (W2S)"


def docked(viewer: napari.Viewer, **options: Any) -> CompareWidget:
    panel = CompareWidget(viewer, **{"measure": FakeMeasure(), "store": MemoryStore(), **options})
    viewer.window.add_dock_widget(panel, name=DOCK)
    return panel


def is_idle(panel: CompareWidget) -> Callable[[], bool]:
    return lambda: not panel.busy


def canvas_of(viewer: napari.Viewer) -> QWidget:
    widget: QWidget = viewer.window._qt_viewer.canvas.native
    return widget


def in_cell(viewer: napari.Viewer, index: int, share: tuple[float, float]) -> QPoint:
    """Return a place in a cell of the grid."""
    rows, columns = viewer.canvas.grid.actual_shape(viewer.layers)
    row, column = divmod(index, columns)
    height, width = viewer.canvas.size
    return QPoint(round((column + share[1]) * width / columns), round((row + share[0]) * height / rows))


@pytest.mark.parametrize("menu", ["napari/layers/visualize", "napari/plugins/napari-w2s"])
def test_the_menus_open_the_same_dock(make_napari_viewer: MakeViewer, menu: str):
    viewer = make_napari_viewer()
    panel = opened_from(viewer, menu, "napari-w2s.compare", DOCK)
    assert isinstance(panel, CompareWidget)
    layers = add_levels(viewer)
    before = ViewState.take(viewer)
    # What napari hands to a plugin is a proxy of its viewer.
    panel.compare_levels()
    assert panel.bar.message.text() == ""
    assert panel.session.grid.keys == keys(*layers.values())
    panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
    panel.state.area = Area.BOX
    panel.state.view = View.CURTAIN
    panel.leave()
    assert ViewState.take(viewer) == before
    panel.close_down()


def test_leaving_gives_the_window_back(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    layers = list(add_levels(viewer).values())
    layers[2].visible = False
    viewer.layers.selection = {layers[1], layers[3]}
    viewer.scene.camera.zoom = 33
    panel = docked(viewer)
    qtbot.wait(50)
    before = ViewState.take(viewer)
    panel.choose.levels.click()
    panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
    panel.state.area = Area.BOX
    panel.state.line = Line((1, 1), (2, 2))
    wait(qtbot, is_idle(panel))
    panel.state.view = View.CURTAIN
    qtbot.wait(50)
    panel.state.view = View.BLINK
    qtbot.wait(50)
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_Escape)
    assert panel.session.comparison is None
    qtbot.wait(50)
    assert ViewState.take(viewer) == before
    assert list(viewer.layers) == layers


def test_the_mouse_drags_the_box_in_any_tile(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    layers = add_levels(viewer)
    fake = FakeMeasure()
    panel = docked(viewer, measure=fake)
    panel.choose.layers_chosen.emit(keys(layers[Level.AVG400], layers[Level.AVG1]))
    panel.compare()
    qtbot.wait(200)
    panel.state.box = Box(0.5, 0.5, 2.5, 2.5)
    panel.state.area = Area.BOX
    qtbot.wait(200)
    canvas = canvas_of(viewer)
    center = viewer.scene.camera.center
    start, stop = in_cell(viewer, 1, (0.5, 0.5)), in_cell(viewer, 1, (0.5, 0.6))
    drag(qtbot, canvas, start, stop)
    wait(qtbot, is_idle(panel))
    box, moved = panel.state.box, (stop - start).x() / viewer.scene.camera.zoom
    assert box.left == pytest.approx(0.5 + moved, rel=0.1)
    assert (box.top, box.bottom) == pytest.approx((0.5, 2.5), abs=0.05)
    assert fake.asked[-1].box == box
    assert viewer.scene.camera.center == center


def test_the_mouse_drags_the_curtain(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    add_levels(viewer)
    panel = docked(viewer)
    panel.choose.levels.click()
    panel.state.view = View.CURTAIN
    qtbot.wait(200)
    canvas, camera = canvas_of(viewer), viewer.scene.camera
    center = camera.center
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    stop = middle + QPoint(round(0.8 * camera.zoom), 0)
    drag(qtbot, canvas, middle, stop)
    assert panel.state.divider == pytest.approx(0.75, abs=0.02)
    assert camera.center == center
    assert camera.mouse_pan
    wait(qtbot, is_idle(panel))


def test_the_key_blinks_in_the_canvas(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    layers = add_levels(viewer)
    panel = docked(viewer)
    panel.choose.levels.click()
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_B)
    assert panel.state.view is View.BLINK
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_B)
    grid = panel.session.grid
    assert [k for k in grid.keys if grid.layer(k).visible] == [key(layers[Level.SIM])]
    wait(qtbot, is_idle(panel))


def test_a_flat_image_among_stacks_in_a_window(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.random.default_rng(0).random((4, 20, 20)), name="stack")
    viewer.add_image(np.random.default_rng(1).random((20, 20)), name="flat")
    viewer.add_labels(np.ones((20, 20), int))
    viewer.dims.ndisplay = 3
    before = ViewState.take(viewer)
    panel = docked(viewer)
    panel.bar.action.click()
    assert panel.bar.message.text() == ""
    qtbot.wait(50)
    viewer.dims.set_point(0, 2)
    wait(qtbot, is_idle(panel))
    panel.leave()
    qtbot.wait(50)
    assert ViewState.take(viewer) == before


def test_closing_the_dock_frees_the_panel(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer()
    layers = list(add_levels(viewer).values())
    panel = docked(viewer)
    panel.choose.levels.click()
    wait(qtbot, is_idle(panel))
    alive = weakref.ref(panel)
    dock = panel.parent()
    del panel
    viewer.window.remove_dock_widget(dock)
    del dock
    wait(qtbot, is_gone(alive))
    assert list(viewer.layers) == layers
    assert not viewer.canvas.grid.enabled


@pytest.mark.parametrize("view", list(View))
def test_closing_the_window_while_comparing(make_napari_viewer: MakeViewer, qtbot: QtBot, view: View):
    viewer = make_napari_viewer(show=True)
    layers = add_levels(viewer)
    add_result(viewer, layers[Level.AVG1])
    fake = FakeMeasure(gated=True)
    panel = docked(viewer, measure=fake)
    panel.choose.levels.click()
    panel.state.box = Box(0.5, 0.5, 1.5, 1.5)
    panel.state.area = Area.BOX
    panel.state.map = Map.ERROR
    panel.state.view = view
    assert fake.running.wait(10)
    viewer.close()
    wait(qtbot, is_idle(panel))


def test_the_panel_is_narrow_and_takes_the_theme(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    layers = add_levels(viewer)
    add_result(viewer, layers[Level.AVG1], 2, "a-model-with-a-long-name")
    panel = docked(viewer)
    panel.choose.levels.click()
    wait(qtbot, is_idle(panel))
    for view in View:
        panel.state.view = view
        wait(qtbot, lambda: 280 <= panel.width() <= 360)
        inside = panel.area.widget()
        assert inside.minimumSizeHint().width() <= panel.area.viewport().width()
    assert panel.numbers.table.horizontalScrollBar().maximum() == 0
    assert len(sheets_of(panel.bar.action, viewer, qtbot)) == 2


def test_everything_is_reached_by_tab(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    layers = add_levels(viewer)
    add_result(viewer, layers[Level.AVG1])
    panel = docked(viewer)
    panel.choose.levels.click()
    panel.state.view = View.CURTAIN
    wait(qtbot, is_idle(panel))
    wanted = {
        panel.look.contrast,
        panel.look.view,
        panel.look.left,
        panel.look.right,
        panel.look.divider,
        panel.numbers.area,
        panel.numbers.columns,
        panel.numbers.table,
        panel.numbers.csv,
        panel.numbers.markdown,
        *panel.trust.buttons.values(),
        panel.curves.line,
        panel.curves.band,
        panel.curves.normalised,
        panel.bar.figure,
        panel.bar.csv,
        panel.bar.json,
        panel.bar.action,
    }
    seen: set[QWidget] = set()
    widget: QWidget | None = panel.look.contrast
    while widget is not None and panel.isAncestorOf(widget) and widget not in seen:
        seen.add(widget)
        widget = widget.nextInFocusChain()
    assert wanted <= seen
    assert all(w.focusPolicy() & Qt.FocusPolicy.TabFocus for w in wanted)
    unnamed = [w for w in wanted if not (w.accessibleName() or getattr(w, "text", str)())]
    assert unnamed == []
