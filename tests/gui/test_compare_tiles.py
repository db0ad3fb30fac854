"""Tiles in the viewer's grid: what is changed to show them, and that all of it comes back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from pytestqt.qtbot import QtBot

from napari_w2s._types import InputError
from napari_w2s.gui import bridge
from napari_w2s.gui.comparing import tiles as module
from napari_w2s.gui.comparing.layout import best_shape
from napari_w2s.gui.comparing.snapshot import ViewState
from napari_w2s.gui.comparing.tiles import TileGrid, make_tile
from napari_w2s.gui.watcher import LayerWatcher


def add(viewer: ViewerModel, name: str = "cells", shape: tuple[int, ...] = (16, 12), **options: Any) -> ImageLayer:
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return viewer.add_image(data, name=name, **options)


def key(layer: Layer) -> str:
    return str(layer.unique_id)


def keys(*layers: Layer) -> tuple[str, ...]:
    return tuple(key(layer) for layer in layers)


def titled(*layers: Layer) -> dict[str, str]:
    return {key(layer): layer.name for layer in layers}


def arrange_something_odd(viewer: ViewerModel) -> None:
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.stride = -2
    viewer.canvas.grid.shape = (2, -1)
    viewer.canvas.grid.spacing = 0.3
    viewer.scene.camera.center = (0, 3.5, 7.25)
    viewer.scene.camera.zoom = 4.5


def cells(viewer: ViewerModel) -> list[list[str]]:
    grid = viewer.canvas.grid
    found = [[viewer.layers[i].name for i in indices] for _, indices in grid.iter_viewboxes(viewer.layers)]
    return [names for names in found if names]


@pytest.fixture
def grid(qapp: object, viewer: ViewerModel) -> Iterator[TileGrid]:
    made = TileGrid(viewer)
    yield made
    made.leave()


class TestEnterAndLeave:
    def test_each_layer_is_shown_in_a_cell_of_its_own(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, name) for name in "abcde"]
        grid.show(titled(layers[3], layers[0], layers[4]))
        assert viewer.canvas.grid.enabled
        assert [len(cell) for cell in cells(viewer)] == [1, 1, 1]
        assert grid.keys == keys(layers[3], layers[0], layers[4])
        assert not any(layer.visible for layer in layers)
        assert [grid.layer(k) for k in grid.keys] == list(viewer.layers)[:3]
        assert not viewer.layers.selection

    def test_pixels_place_and_look_are_those_of_the_layer(self, viewer: ViewerModel, grid: TileGrid):
        source = add(
            viewer,
            scale=(0.5, 0.25),
            translate=(3, -1),
            rotate=20,
            units=("um", "um"),
            colormap="magenta",
            gamma=0.7,
            contrast_limits=(3, 40),
        )
        grid.show(titled(source))
        tile = grid.layer(key(source))
        assert tile is not None
        assert tile.data is source.data
        np.testing.assert_allclose(tile.data_to_world((2, 5)), source.data_to_world((2, 5)))
        assert (tile.colormap.name, tile.gamma, tuple(tile.contrast_limits)) == ("magenta", 0.7, (3, 40))
        assert tile.units == source.units
        assert not tile.name_overlay.visible
        grid.title(key(source), "Mine", 9)
        assert (tile.name, tile.name_overlay.font_size, tile.name_overlay.visible) == ("Mine", 9, False)

    def test_a_pyramid_stays_one(self, viewer: ViewerModel):
        levels = [np.zeros((64, 64)), np.zeros((32, 32))]
        tile = make_tile(viewer.add_image(levels, multiscale=True))
        assert tile.multiscale
        assert [a is b for a, b in zip(tile.data, levels, strict=True)] == [True, True]

    def test_leaving_gives_everything_back(self, viewer: ViewerModel, grid: TileGrid):
        layers = [
            add(viewer, "stack", (6, 16, 12)),
            add(viewer, "hidden", visible=False),
            add(viewer, "shown"),
            viewer.add_points(np.zeros((2, 3))),
        ]
        viewer.layers.selection = {layers[0], layers[2]}
        viewer.dims.ndisplay = 3
        viewer.dims.order = (1, 0, 2)
        viewer.dims.point = (4, 3, 2)
        arrange_something_odd(viewer)
        before, order = ViewState.take(viewer), list(viewer.layers)
        grid.show(titled(layers[2], layers[0]))
        assert ViewState.take(viewer) != before
        assert viewer.dims.ndisplay == 2
        viewer.scene.camera.zoom = 17
        viewer.dims.point = (1, 0, 0)
        viewer.layers.selection.active = viewer.layers[0]
        grid.leave()
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == order
        assert viewer.layers.selection == {layers[0], layers[2]}

    def test_the_active_layer_is_active_again(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer), add(viewer)]
        viewer.layers.selection.active = layers[0]
        grid.show(titled(*layers))
        assert viewer.layers.selection.active is None
        grid.leave()
        assert viewer.layers.selection.active is layers[0]

    def test_the_users_layers_are_changed_in_nothing_but_visibility(self, viewer: ViewerModel, grid: TileGrid):
        source = add(viewer, contrast_limits=(0, 10))
        before = source.as_layer_data_tuple()
        grid.show(titled(source))
        grid.title(key(source), "something else")
        grid.limit(key(source), (5, 6))
        grid.leave()
        after = source.as_layer_data_tuple()
        assert after[0] is before[0]
        assert repr(after[1]) == repr(before[1])

    def test_leaving_twice_or_without_having_entered_does_nothing(self, viewer: ViewerModel, grid: TileGrid):
        grid.leave()
        source = add(viewer)
        grid.show(titled(source))
        grid.leave()
        grid.leave()
        assert list(viewer.layers) == [source]

    def test_a_second_comparison_goes_back_to_what_was_before_the_first(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, name) for name in "abc"]
        before = ViewState.take(viewer)
        grid.show(titled(*layers[:2]))
        kept = grid.layer(key(layers[1]))
        viewer.scene.camera.zoom = 9
        grid.show(titled(layers[2], layers[1]))
        assert viewer.scene.camera.zoom == 9
        assert grid.layer(key(layers[1])) is kept
        assert grid.layer(key(layers[0])) is None
        assert [len(cell) for cell in cells(viewer)] == [1, 1]
        grid.leave()
        assert ViewState.take(viewer) == before

    def test_other_panels_do_not_take_tiles_for_images(self, viewer: ViewerModel, grid: TileGrid):
        source = add(viewer)
        watcher = LayerWatcher(viewer)
        grid.show(titled(source))
        assert [c.id for c in watcher.candidates()] == [key(source)]
        assert [m.id for m in bridge.materials(viewer.layers)] == [key(source)]
        watcher.close()


class TestWhenSomethingFails:
    def test_a_layer_that_is_not_there_leaves_the_viewer_as_it_was(self, viewer: ViewerModel, grid: TileGrid):
        source = add(viewer)
        arrange_something_odd(viewer)
        before = ViewState.take(viewer)
        with pytest.raises(InputError, match="not there any more"):
            grid.show({key(source): "here", "nobody": "nobody"})
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == [source]
        assert not grid.is_active

    @pytest.mark.parametrize("when", [0, 1, 2])
    def test_an_exception_on_the_way_in_is_undone(
        self, viewer: ViewerModel, grid: TileGrid, monkeypatch: pytest.MonkeyPatch, when: int
    ):
        layers = [add(viewer, name) for name in "abc"]
        before = ViewState.take(viewer)
        count = iter(range(10))

        def failing(source: ImageLayer) -> ImageLayer:
            if next(count) == when:
                raise MemoryError("no room")
            return make_tile(source)

        monkeypatch.setattr(module, "make_tile", failing)
        with pytest.raises(MemoryError):
            grid.show(titled(*layers))
        assert ViewState.take(viewer) == before
        assert list(viewer.layers) == layers

    def test_one_part_that_cannot_be_given_back_does_not_keep_the_others(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer), add(viewer)]
        viewer.scene.camera.zoom = 3
        grid.show(titled(*layers))

        def fail() -> None:
            raise RuntimeError("somebody else's callback")

        layers[0].events.visible.connect(fail)
        with pytest.raises(Exception, match="somebody else"):
            grid.leave()
        assert viewer.scene.camera.zoom == 3
        assert list(viewer.layers) == layers
        assert not viewer.canvas.grid.enabled
        assert not grid.is_active


class TestWhileItIsShown:
    def test_new_pixels_are_shown(self, viewer: ViewerModel, grid: TileGrid):
        source = add(viewer)
        changed: list[str] = []
        grid.source_changed.connect(changed.append)
        grid.show(titled(source))
        source.data = np.ones((16, 12))
        assert grid.layer(key(source)).data is source.data
        source.scale = (2, 2)
        assert tuple(grid.layer(key(source)).scale) == (2, 2)
        assert set(changed) == {key(source)}
        tile = grid.layer(key(source))
        grid.leave()
        source.data = np.zeros((3, 3))
        assert tile.data.shape == (16, 12)

    def test_without_its_layer_a_tile_goes(self, viewer: ViewerModel, grid: TileGrid, qtbot: QtBot):
        layers = [add(viewer, name) for name in "abc"]
        viewer.layers.selection.active = layers[2]
        grid.show(titled(*layers))
        with qtbot.waitSignal(as_qt(grid.gone)):
            viewer.layers.remove(layers[1])
        assert grid.keys == keys(layers[0], layers[2])
        assert [len(cell) for cell in cells(viewer)] == [1, 1]
        grid.leave()
        assert list(viewer.layers) == [layers[0], layers[2]]
        assert layers[0].visible
        assert viewer.layers.selection.active is layers[2]

    def test_a_tile_deleted_by_hand_leaves_the_others(self, viewer: ViewerModel, grid: TileGrid, qtbot: QtBot):
        layers = [add(viewer, name) for name in "ab"]
        grid.show(titled(*layers))
        tile = grid.layer(key(layers[0]))
        with qtbot.waitSignal(as_qt(grid.gone)):
            viewer.layers.remove(tile)
        assert grid.keys == keys(layers[1])
        grid.leave()
        assert list(viewer.layers) == layers

    def test_without_any_tile_it_is_left(self, viewer: ViewerModel, grid: TileGrid, qtbot: QtBot):
        layers = [add(viewer, name) for name in "ab"]
        viewer.canvas.grid.stride = 3
        grid.show(titled(*layers))
        with qtbot.waitSignal(as_qt(grid.left)):
            viewer.layers.clear()
        assert not grid.is_active
        assert viewer.canvas.grid.stride == 3

    def test_a_layer_that_the_user_adds_is_left_alone(self, viewer: ViewerModel, grid: TileGrid):
        source = add(viewer, "source")
        grid.show(titled(source))
        grid.title(key(source), "tile")
        new = add(viewer, "new")
        assert cells(viewer) == [["tile"], ["new"]]
        grid.leave()
        assert list(viewer.layers) == [source, new]
        assert new.visible
        assert viewer.layers.selection.active is not new

    def test_tiles_stay_in_their_cells_when_layers_are_reordered(
        self, viewer: ViewerModel, grid: TileGrid, qtbot: QtBot
    ):
        layers = [add(viewer, name) for name in "ab"]
        grid.show(titled(*layers))
        shown = list(viewer.layers)[:2]
        viewer.layers.move(0, 4)
        qtbot.waitUntil(lambda: list(viewer.layers)[:2] == shown)

    def test_the_same_name_twice(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, "avg1"), add(viewer, "other")]
        grid.show(titled(*layers))
        for layer in layers:
            grid.title(key(layer), "avg1")
        titles = [grid.layer(k).name for k in grid.keys]
        assert [title.rstrip() for title in titles] == ["avg1", "avg1"]
        assert layers[0].name == "avg1"

    def test_a_stack_among_flat_images(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, "flat"), add(viewer, "stack", (5, 16, 12))]
        viewer.dims.set_point(0, 3)
        before = ViewState.take(viewer)
        grid.show(titled(*layers))
        assert viewer.dims.point[0] == 3
        viewer.dims.set_point(0, 1)
        assert [grid.layer(k).ndim for k in grid.keys] == [2, 3]
        grid.leave()
        assert ViewState.take(viewer) == before

    def test_when_the_only_stack_goes_the_rest_comes_back(self, viewer: ViewerModel, grid: TileGrid, qtbot: QtBot):
        layers = [add(viewer, "flat"), add(viewer, "stack", (5, 16, 12))]
        viewer.dims.point = (3, 2, 1)
        grid.show(titled(*layers))
        with qtbot.waitSignal(as_qt(grid.gone)):
            viewer.layers.remove(layers[1])
        grid.leave()
        assert list(viewer.layers) == [layers[0]]
        assert tuple(viewer.dims.point) == (2, 1)

    def test_thirty_layers(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, f"layer {i}") for i in range(30)]
        grid.show(titled(*layers))
        assert [len(cell) for cell in cells(viewer)] == [1] * 30
        grid.leave()
        assert list(viewer.layers) == layers


class TestCells:
    def test_another_layer_can_stand_in_for_a_tile(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, name) for name in "ab"]
        grid.show(titled(*layers))
        grid.title(key(layers[0]), "title")
        tile = grid.layer(key(layers[0]))
        other = ImageLayer(np.zeros((4, 4)))
        grid.stand_in(key(layers[0]), other)
        assert grid.layer(key(layers[0])) is other
        assert other.name == "title"
        assert viewer.layers[0] is other
        assert tile not in viewer.layers
        grid.stand_in(key(layers[0]), None)
        assert viewer.layers[0] is tile
        assert other not in viewer.layers

    def test_what_lies_on_the_tiles_shares_their_cells(self, viewer: ViewerModel, grid: TileGrid):
        from napari.layers import Points

        layers = [add(viewer, name) for name in "abc"]
        grid.show(titled(*layers))
        for layer in layers:
            grid.title(key(layer), f"tile of {layer.name}")
        grid.accompany(lambda k: Points(np.zeros((1, 2)), name=f"on {k}"))
        assert cells(viewer) == [[f"tile of {layer.name}", f"on {key(layer)}"] for layer in layers]
        grid.accompany(None)
        assert cells(viewer) == [[f"tile of {layer.name}"] for layer in layers]
        grid.accompany(lambda k: Points(np.zeros((1, 2))))
        grid.leave()
        assert list(viewer.layers) == layers

    @pytest.mark.parametrize("frozen", [0, 7])
    def test_what_is_alive_is_not_collected_while_tiles_are_added(
        self, viewer: ViewerModel, grid: TileGrid, monkeypatch: pytest.MonkeyPatch, frozen: int
    ):
        counts = [frozen]
        monkeypatch.setattr(gc, "get_freeze_count", lambda: counts[-1])
        monkeypatch.setattr(gc, "freeze", lambda: counts.append(1000))
        monkeypatch.setattr(gc, "unfreeze", lambda: counts.append(0))
        at_the_end: list[int] = []
        viewer.layers.events.end_batch.connect(lambda: at_the_end.append(counts[-1]))
        grid.show(titled(*[add(viewer, name) for name in "ab"]))
        assert at_the_end == [frozen or 1000]
        assert counts[-1] == frozen
        grid.leave()
        assert at_the_end[-1] == frozen

    def test_two_on_top_of_one_another(self, viewer: ViewerModel, grid: TileGrid):
        layers = [add(viewer, name) for name in "abc"]
        grid.show(titled(*layers))
        top = ImageLayer(np.zeros((4, 4)))
        grid.show_only(keys(layers[0], layers[2]), [top])
        assert not viewer.canvas.grid.enabled
        assert [grid.layer(k).visible for k in grid.keys] == [True, False, True]
        assert viewer.layers.index(top) == 3
        grid.show_grid()
        assert viewer.canvas.grid.enabled
        assert top not in viewer.layers
        assert all(grid.layer(k).visible for k in grid.keys)


@pytest.mark.parametrize(
    ("count", "size", "aspect", "shape"),
    [
        (1, (600, 800), 1.0, (1, 1)),
        (2, (600, 800), 1.0, (1, 2)),
        (2, (800, 600), 1.0, (2, 1)),
        (7, (640, 900), 1.0, (2, 4)),
        (9, (600, 600), 1.0, (3, 3)),
        (4, (600, 600), 4.0, (4, 1)),
        (0, (0, 0), 1.0, (1, 1)),
    ],
)
def test_tiles_are_as_large_as_they_can_be(count: int, size: tuple[int, int], aspect: float, shape: tuple[int, int]):
    assert best_shape(count, size, aspect) == shape


def as_qt(signal: Any) -> Any:
    """Let a test wait for a signal of psygnal as it does for Qt's."""
    from qtpy.QtCore import QObject, Signal

    class Relay(QObject):
        relayed = Signal()

    relay = Relay()
    signal.connect(lambda *_: relay.relayed.emit())
    return relay.relayed
