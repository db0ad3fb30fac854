"""Texts in the cells: Qt writes them at once, napari draws them when all is at rest."""

from __future__ import annotations

from collections.abc import Iterator

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QWidget
from w2s_compare import FakeMeasure, add_levels
from w2s_panel import MemoryStore
from w2s_window import NEEDS_OPENGL, MakeViewer, wait

from napari_w2s.gui.comparing.canvas import CONTRAST_TEXT, cell_of
from napari_w2s.gui.comparing.cell_labels import canvas_beside
from napari_w2s.gui.comparing.tile_texts import TileTexts
from napari_w2s.gui.comparing.tiles import TileGrid
from napari_w2s.gui.comparing.widget import CompareWidget

NOTE = "one contrast for all"


class Scene:
    """Three tiles in a viewer without a window, and a widget in the place of its canvas."""

    def __init__(self, viewer: ViewerModel, canvas: QWidget | None) -> None:
        self.viewer, self.canvas, self.busy = viewer, canvas, False
        self.sources = [viewer.add_image(np.eye(20), name=name) for name in "abc"]
        self.grid = TileGrid(viewer)
        self.texts = TileTexts(viewer, self.grid, lambda: self.canvas, lambda: self.busy)
        self.grid.show({str(layer.unique_id): f"tile {layer.name}" for layer in self.sources})
        self.texts.write(NOTE, 8)

    def close(self) -> None:
        self.texts.forget()
        self.grid.leave()

    @property
    def tiles(self) -> list[ImageLayer]:
        found = [self.grid.layer(key) for key in self.grid.keys]
        return [tile for tile in found if tile is not None]

    def labels(self) -> list[QLabel]:
        assert self.canvas is not None
        return [label for label in self.canvas.findChildren(QLabel) if label.isVisibleTo(self.canvas)]

    def written(self) -> list[str]:
        return [label.text() for label in self.labels()]

    def drawn(self) -> list[bool]:
        note = self.viewer.canvas.overlays[CONTRAST_TEXT]
        return [*(tile.name_overlay.visible for tile in self.tiles), note.visible]

    def is_written(self) -> bool:
        return sorted(self.written()) == [NOTE] * 3 + ["tile a", "tile b", "tile c"] and not any(self.drawn())

    def is_drawn(self) -> bool:
        return all(self.drawn()) and not self.written()


@pytest.fixture
def scene(qtbot: QtBot, viewer: ViewerModel) -> Iterator[Scene]:
    canvas = QWidget()
    qtbot.addWidget(canvas)
    made = Scene(viewer, canvas)
    yield made
    made.close()


def test_they_are_written_at_once_and_drawn_later(scene: Scene, qtbot: QtBot):
    assert scene.is_written()
    wait(qtbot, scene.is_drawn)


def test_nothing_is_drawn_while_numbers_are_worked_out(scene: Scene, qtbot: QtBot):
    scene.busy = True
    scene.texts._on_rest()
    assert scene.is_written()
    scene.busy = False
    wait(qtbot, scene.is_drawn)


def test_each_lies_in_its_cell_and_lets_the_mouse_through(scene: Scene):
    for tile in scene.tiles:
        cell = cell_of(scene.viewer, tile)
        assert cell is not None
        left, top, width, height = cell
        inside = [x for x in scene.labels() if left <= x.x() < left + width and top <= x.y() < top + height]
        title, note = sorted(inside, key=lambda label: label.y())
        assert (title.text(), note.text()) == (tile.name, NOTE)
        assert left < title.x() <= left + 10
        assert top < title.y() <= top + 10
        assert left < note.x() <= left + 10
        assert top + height - 10 <= note.geometry().bottom() < top + height
        assert title.testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


def test_cells_do_not_overlap_and_fill_the_canvas(scene: Scene):
    cells = [cell for cell in (cell_of(scene.viewer, tile) for tile in scene.tiles) if cell is not None]
    rows, columns = scene.viewer.canvas.grid.actual_shape(scene.viewer.layers)
    gap = scene.viewer.canvas.grid.spacing
    height, width = scene.viewer.canvas.size
    assert len(set(cells)) == 3
    assert cells[0][:2] == (0, 0)
    assert cells[0][2] * columns + gap * (columns - 1) == pytest.approx(width)
    assert cells[0][3] * rows + gap * (rows - 1) == pytest.approx(height)


def test_they_rest_while_the_camera_moves(scene: Scene, qtbot: QtBot):
    wait(qtbot, scene.is_drawn)
    scene.viewer.scene.camera.zoom *= 1.5
    assert not any(scene.drawn())
    assert scene.written() == []
    scene.texts.write(NOTE, 8)
    scene.viewer.scene.camera.center = (0, 3, 3)
    assert not any(scene.drawn())
    assert scene.written() == []
    wait(qtbot, scene.is_written)
    wait(qtbot, scene.is_drawn)


def test_another_title_is_written_at_once(scene: Scene, qtbot: QtBot):
    wait(qtbot, scene.is_drawn)
    scene.grid.title(scene.grid.keys[1], "another", 8)
    scene.texts.write("", 7)
    assert sorted(scene.written()) == ["another", "tile a", "tile c"]
    assert not any(scene.drawn())
    wait(qtbot, lambda: scene.drawn() == [True, True, True, False])


@pytest.mark.parametrize("rested", [False, True])
def test_a_tile_that_is_hidden_takes_its_texts_along(scene: Scene, qtbot: QtBot, rested: bool):
    if rested:
        wait(qtbot, scene.is_drawn)
    scene.tiles[0].visible = False
    wait(qtbot, lambda: sorted(scene.written()) == [NOTE, NOTE, "tile b", "tile c"])
    first = next(label for label in scene.labels() if label.text() == "tile b")
    assert first.x() < 20
    assert first.y() < 20


def test_a_deleted_tile_takes_its_texts_along(scene: Scene, qtbot: QtBot):
    scene.viewer.layers.remove(scene.tiles[0])
    wait(qtbot, lambda: sorted(scene.written()) == [NOTE, NOTE, "tile b", "tile c"])


def test_napari_draws_them_where_tiles_lie_on_one_another(scene: Scene, qtbot: QtBot):
    scene.grid.show_only(scene.grid.keys[:2])
    wait(qtbot, scene.is_drawn)
    scene.grid.show_grid()
    wait(qtbot, scene.is_written)
    wait(qtbot, scene.is_drawn)


def test_napari_draws_them_without_its_grid(scene: Scene, qtbot: QtBot):
    scene.viewer.canvas.grid.enabled = False
    wait(qtbot, scene.is_drawn)


def test_they_take_the_colours_of_the_theme(scene: Scene, qtbot: QtBot):
    dark = {label.styleSheet() for label in scene.labels()}
    scene.viewer.canvas.background_color_override = "white"
    wait(qtbot, lambda: {label.styleSheet() for label in scene.labels()}.isdisjoint(dark))
    assert all("color: rgb(0, 0, 0)" in label.styleSheet() for label in scene.labels())


def test_a_title_is_no_wider_than_its_cell(scene: Scene):
    scene.grid.title(scene.grid.keys[0], "long " * 200, 8)
    scene.texts.write(NOTE, 8)
    cell = cell_of(scene.viewer, scene.tiles[0])
    assert cell is not None
    assert all(label.width() < cell[2] for label in scene.labels())


def test_a_title_is_no_markup(scene: Scene):
    scene.grid.title(scene.grid.keys[0], "<b>bold</b>", 8)
    scene.texts.write(NOTE, 8)
    (label,) = (label for label in scene.labels() if label.text() == "<b>bold</b>")
    assert label.textFormat() is Qt.TextFormat.PlainText


def test_nothing_stays_behind(scene: Scene, qtbot: QtBot):
    scene.texts.forget()
    assert scene.labels() == []
    assert CONTRAST_TEXT not in scene.viewer.canvas.overlays
    scene.viewer.scene.camera.zoom *= 2
    scene.tiles[0].visible = False
    assert scene.labels() == []
    assert scene.canvas is not None
    canvas = scene.canvas
    wait(qtbot, lambda: canvas.findChildren(QLabel) == [])


def test_a_canvas_that_is_gone_does_no_harm(qtbot: QtBot, viewer: ViewerModel):
    canvas = QWidget()
    scene = Scene(viewer, canvas)
    assert scene.is_written()
    canvas.deleteLater()
    gone: list[bool] = []
    canvas.destroyed.connect(lambda: gone.append(True))
    scene.canvas = None
    wait(qtbot, lambda: bool(gone))
    viewer.scene.camera.zoom *= 2
    scene.tiles[0].visible = False
    scene.texts.write(NOTE, 9)
    wait(qtbot, lambda: all(scene.drawn()))
    scene.close()


def test_there_is_no_canvas_outside_of_a_window(qtbot: QtBot):
    window, dock, panel = QMainWindow(), QDockWidget(), QWidget()
    qtbot.addWidget(window)
    assert canvas_beside(panel) is None
    dock.setWidget(panel)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    assert canvas_beside(panel) is None
    window.setCentralWidget(QWidget())
    assert canvas_beside(panel) is None


@NEEDS_OPENGL
def test_in_a_window_they_end_in_screenshots_of_the_canvas(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer: napari.Viewer = make_napari_viewer(show=True)
    add_levels(viewer)
    panel = CompareWidget(viewer, measure=FakeMeasure(), store=MemoryStore())
    dock = viewer.window.add_dock_widget(panel, name="Compare (W2S)")
    canvas = canvas_beside(panel)
    assert canvas is viewer.window._qt_viewer.canvas.native
    dock.setFloating(True)
    assert canvas_beside(panel) is canvas
    panel.choose.levels.click()
    tiles = [panel.session.grid.layer(key) for key in panel.session.grid.keys]
    shown = [label.text() for label in canvas.findChildren(QLabel) if label.isVisible()]
    assert shown == [tile.name for tile in tiles if tile is not None]
    wait(qtbot, lambda: not panel.busy and viewer.canvas.overlays[CONTRAST_TEXT].visible)
    assert not any(label.isVisible() for label in canvas.findChildren(QLabel))
    titled = viewer.screenshot(canvas_only=True, flash=False)
    for tile in tiles:
        tile.name_overlay.visible = False
    assert (viewer.screenshot(canvas_only=True, flash=False) != titled).any()
    panel.leave()
    assert not any(label.isVisible() for label in canvas.findChildren(QLabel))
