"""Layers that get pixels with more or fewer axes while they are compared."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from pytestqt.qtbot import QtBot
from w2s_compare import FakeMeasure, MakeCompare, key, keys
from w2s_panel import MemoryStore
from w2s_window import NEEDS_OPENGL, MakeViewer, wait

from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.comparing.state import Area, Line, Map, View
from napari_w2s.gui.comparing.snapshot import ViewState
from napari_w2s.gui.comparing.widget import CompareWidget

FLAT, STACK = (20, 20), (4, 20, 20)
WAYS = [pytest.param(FLAT, STACK, id="more"), pytest.param(STACK, FLAT, id="fewer")]


def pixels(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(shape)


def add(viewer: ViewerModel | napari.Viewer, shape: tuple[int, ...], name: str, **options: Any) -> ImageLayer:
    return viewer.add_image(pixels(shape), name=name, **options)


def looks(state: ViewState) -> tuple[object, ...]:
    """Return what a viewer looks like, whatever axes it has besides y and x."""
    return state.visible, state.selected, state.grid, state.camera, state.ndisplay, state.point[-2:]


@pytest.mark.parametrize("other", [FLAT, STACK], ids=["flat", "stack"])
@pytest.mark.parametrize(("before", "after"), WAYS)
def test_the_tile_follows_and_the_viewer_comes_back(
    make_compare: MakeCompare,
    viewer: ViewerModel,
    qtbot: QtBot,
    before: tuple[int, ...],
    after: tuple[int, ...],
    other: tuple[int, ...],
):
    layers = [add(viewer, before, "changing", colormap="magenta"), add(viewer, other, "other")]
    looked = looks(ViewState.take(viewer))
    fake = FakeMeasure()
    panel = make_compare(fake)
    panel.compare()
    wait(qtbot, lambda: not panel.busy)
    layers[0].data = pixels(after, 1)
    tile = panel.session.grid.layer(key(layers[0]))
    assert tile is not None
    assert tile.data is layers[0].data
    assert tile.ndim == len(after)
    assert tile.colormap.name == "magenta"
    assert tile.name.startswith("changing")
    wait(qtbot, lambda: tile.name_overlay.visible)  # It rests while the camera moves.
    assert viewer.dims.ndim == max(len(after), len(other))
    assert panel.session.grid.keys == keys(*layers)
    wait(qtbot, lambda: not panel.busy)
    assert fake.asked[-1].tiles[0].image.data is layers[0].data
    assert panel.bar.message.text() == ""
    panel.leave()
    assert list(viewer.layers) == layers
    assert looks(ViewState.take(viewer)) == looked


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize(("before", "after"), WAYS)
def test_with_all_there_is_around_it(
    make_compare: MakeCompare,
    viewer: ViewerModel,
    qtbot: QtBot,
    before: tuple[int, ...],
    after: tuple[int, ...],
    view: View,
):
    layers = [add(viewer, before, "changing"), add(viewer, FLAT, "other")]
    looked = looks(ViewState.take(viewer))
    panel = make_compare()
    panel.compare()
    panel.state.box, panel.state.line = Box(2.5, 2.5, 12.5, 12.5), Line((4, 4), (10, 10))
    panel.state.area, panel.state.view = Area.BOX, view
    panel.state.reference = key(layers[1])
    panel.state.map = Map.ERROR
    wait(qtbot, lambda: not panel.busy)
    layers[0].data = pixels(after, 1)
    wait(qtbot, lambda: not panel.busy)
    assert panel.bar.message.text() == ""
    assert panel.session.comparison is not None
    assert panel.session.comparison.tile(key(layers[0])).image.data is layers[0].data
    assert panel.state.view is view
    assert panel.session.comparison.box == panel.state.box
    panel.state.view = View.GRID
    assert panel.session.grid.keys == keys(*layers)
    panel.leave()
    assert list(viewer.layers) == layers
    assert looks(ViewState.take(viewer)) == looked


@pytest.mark.parametrize(("before", "after"), WAYS)
def test_a_hidden_layer_that_is_not_compared(
    make_compare: MakeCompare, viewer: ViewerModel, before: tuple[int, ...], after: tuple[int, ...]
):
    layers = [add(viewer, FLAT, "a"), add(viewer, FLAT, "b"), add(viewer, before, "hidden", visible=False)]
    callbacks = [layer.events.data.callbacks for layer in layers]
    panel = make_compare()
    panel.compare()
    layers[2].data = pixels(after)
    assert viewer.dims.ndim == len(after)
    panel.leave()
    assert list(viewer.layers) == layers
    assert [layer.visible for layer in layers] == [True, True, False]
    assert [layer.events.data.callbacks for layer in layers] == callbacks


def test_a_burst_that_is_one_no_more(make_compare: MakeCompare, viewer: ViewerModel, qtbot: QtBot):
    burst = add(viewer, (6, 20, 20), "burst", axis_labels=("t", "y", "x"))
    other = add(viewer, FLAT, "other")
    fake = FakeMeasure()
    panel = make_compare(fake)
    panel.compare()
    panel.state.frames = {key(burst): 3}
    wait(qtbot, lambda: key(burst) in panel.session.grid.repainted and not panel.busy)
    burst.data = pixels(FLAT, 5)
    wait(qtbot, lambda: not panel.busy)
    assert panel.session.grid.layer(key(burst)).data is burst.data
    assert fake.asked[-1].tile(key(burst)).image.data is burst.data
    assert fake.asked[-1].tile(key(burst)).title == "burst"
    assert not panel.curves.burst.isVisibleTo(panel)
    panel.leave()
    assert list(viewer.layers) == [burst, other]


@NEEDS_OPENGL
@pytest.mark.parametrize(("before", "after"), WAYS)
def test_in_a_window(make_napari_viewer: MakeViewer, qtbot: QtBot, before: tuple[int, ...], after: tuple[int, ...]):
    viewer = make_napari_viewer(show=True)
    layers = [add(viewer, before, "changing"), add(viewer, FLAT, "other")]
    viewer.dims.ndisplay = 3
    qtbot.wait(50)
    looked = looks(ViewState.take(viewer))
    panel = CompareWidget(viewer, measure=FakeMeasure(), store=MemoryStore())
    viewer.window.add_dock_widget(panel, name="Compare (W2S)")
    panel.compare()
    wait(qtbot, lambda: not panel.busy)
    layers[0].data = pixels(after, 1)
    qtbot.wait(100)
    if len(after) > 2:
        viewer.dims.set_point(0, 2)
    wait(qtbot, lambda: not panel.busy)
    assert panel.session.grid.keys == keys(*layers)
    panel.leave()
    qtbot.wait(50)
    assert list(viewer.layers) == layers
    assert looks(ViewState.take(viewer)) == looked
    panel.close_down()
