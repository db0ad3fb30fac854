"""The Restore panel in napari's window: menus, docks, what is on screen, and a window that closes too early."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari._app_model import get_app_model
from npe2 import PluginManager
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QScrollArea
from w2s_panel import FakeRegistry, FakeRestore, MakePanel
from w2s_window import NEEDS_OPENGL, MakeViewer, is_gone, opened_from, sheets_of, wait

from napari_w2s.app.state import FinishReason
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.metrics.reference import psnr

pytestmark = NEEDS_OPENGL

DOCK = "Restore (W2S)"


def is_idle(panel: RestoreWidget) -> Callable[[], bool]:
    return lambda: not panel.runner.status.busy


def is_measured(panel: RestoreWidget) -> Callable[[], bool]:
    return lambda: all(c.report is not None for c in panel.candidates if c.id in panel.plan.chosen)


def docked(panel: RestoreWidget, viewer: napari.Viewer) -> Any:
    return viewer.window.add_dock_widget(panel, name=DOCK)


def add(viewer: napari.Viewer, shape: tuple[int, ...] = (64, 64), **options: Any) -> Any:
    return viewer.add_image(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), name="cells", **options)


@pytest.mark.parametrize("menu", ["napari/layers/filter", "napari/plugins/napari-w2s"])
def test_the_menus_open_the_same_dock(make_napari_viewer: MakeViewer, menu: str):
    viewer = make_napari_viewer()
    panel = opened_from(viewer, menu, "napari-w2s.restore", DOCK)
    assert isinstance(panel, RestoreWidget)
    assert panel.plan.model is not None


def test_every_panel_opens_from_its_menu(make_napari_viewer: MakeViewer):
    viewer = make_napari_viewer()
    (manifest,) = [m for m in PluginManager.instance().iter_manifests() if m.name == "napari-w2s"]
    widgets = manifest.contributions.widgets or []
    for widget in widgets:
        get_app_model().commands.execute_command(widget.command).result()
    assert set(viewer.window.dock_widgets) >= {f"{widget.display_name} (W2S)" for widget in widgets}


def test_closing_the_dock_frees_the_panel(make_napari_viewer: MakeViewer, make_panel: MakePanel, qtbot: QtBot):
    viewer = make_napari_viewer()
    add(viewer)
    panel = RestoreWidget(viewer, restore=FakeRestore(), registry=FakeRegistry(), devices=lambda: ("cpu",))
    dock = docked(panel, viewer)
    qtbot.waitUntil(is_measured(panel))
    alive = weakref.ref(panel)
    del panel
    viewer.window.remove_dock_widget(dock)
    del dock
    wait(qtbot, is_gone(alive))


@pytest.mark.parametrize("shown", [False, True])
def test_closing_the_window_while_it_runs(
    make_napari_viewer: MakeViewer, make_panel: MakePanel, qtbot: QtBot, shown: bool
):
    viewer = make_napari_viewer(show=shown)
    add(viewer)
    fake = FakeRestore(gated=True)
    panel = make_panel(fake, viewer=viewer)
    docked(panel, viewer)
    qtbot.waitUntil(is_measured(panel))
    panel.run()
    assert fake.running.wait(10)
    viewer.close()
    qtbot.waitUntil(fake.left.is_set)


def test_only_what_is_on_screen_is_previewed(make_napari_viewer: MakeViewer, make_panel: MakePanel, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    layer = add(viewer, (400, 400), scale=(0.5, 0.5))
    viewer.scene.camera.center = (50.0, 100.0)
    viewer.scene.camera.zoom = 20.0
    fake = FakeRestore()
    panel = make_panel(fake, viewer=viewer)
    docked(panel, viewer)
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 1] < 399)
    before = (viewer.scene.camera.center, viewer.scene.camera.zoom)
    panel.preview()
    qtbot.waitUntil(is_idle(panel))
    preview = viewer.layers[-1]
    assert preview.name == "cells | preview"
    corners = layer.corner_pixels
    np.testing.assert_allclose(preview.data_to_world((0, 0)), layer.data_to_world(corners[0]))
    assert preview.data.size < layer.data.size / 2
    middle = np.array(preview.data.shape) / 2
    np.testing.assert_allclose(preview.data_to_world(middle), (50.0, 100.0), atol=2.0)
    assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == before


def test_the_panel_is_narrow_and_takes_the_theme(make_napari_viewer: MakeViewer, make_panel: MakePanel, qtbot: QtBot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    add(viewer)
    panel = make_panel(viewer=viewer)
    panel.state.show_advanced = True
    docked(panel, viewer)
    qtbot.waitUntil(lambda: 280 <= panel.width() <= 360)
    scroll = panel.findChild(QScrollArea)
    assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()
    assert len(sheets_of(panel.bar.action, viewer, qtbot)) == 2


def test_a_real_image_is_restored_with_the_authors_network(
    make_napari_viewer: MakeViewer, make_panel: MakePanel, qtbot: QtBot, w2s_root: Path
):
    viewer = make_napari_viewer()
    viewer.open(w2s_root / "data" / "train" / "avg1" / "001_0.png", plugin="napari-w2s")
    reference = viewer.open(w2s_root / "data" / "train" / "avg400" / "001_0.png", plugin="napari-w2s")[0]
    viewer.layers.selection = {viewer.layers[0]}
    panel = RestoreWidget(viewer)
    docked(panel, viewer)
    qtbot.waitUntil(is_measured(panel), timeout=30_000)
    panel.state.model = "dncnn-avg1"
    assert panel.plan.model == "dncnn-avg1"
    panel.run()
    qtbot.waitUntil(is_idle(panel), timeout=90_000)
    assert panel.runner.status.finish is FinishReason.DONE, panel.runner.status.message
    result = viewer.layers[-1]
    assert psnr(np.asarray(reference.data), np.clip(result.data, 0, 255), data_range=255) > 37
    made = result.metadata["w2s"]["restoration"]
    assert [m["name"] for m in made["models"]] == ["dncnn-avg1"]
    assert len(made["models"][0]["weights_sha256"]) == 64
    assert made["command"] == panel.command()
    np.testing.assert_array_equal(result.scale, viewer.layers[0].scale)
    panel.close_down()
