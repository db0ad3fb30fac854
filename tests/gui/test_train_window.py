"""The Train panel in napari's window, and a real training from open layers to a restored image."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QScrollArea, QWidget
from w2s_panel import FakeRegistry, MemoryStore
from w2s_train import FakeFit, w2s_known
from w2s_window import NEEDS_OPENGL, MakeViewer, is_gone, wait

from napari_w2s._types import Task
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.app.state import FinishReason
from napari_w2s.app.training.folder import FolderReport
from napari_w2s.app.training.status import TrainPhase
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.gui.training.widget import TrainWidget
from napari_w2s.models.builtin import default_registry

pytestmark = NEEDS_OPENGL

MakeTrain = Callable[..., TrainWidget]
EDGE = 32


@pytest.fixture
def make_train(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeTrain]:
    """Dock panels with fakes behind them, and close them down in the end."""
    assert qtbot is not None
    monkeypatch.delenv("W2S_ROOT", raising=False)
    panels: list[TrainWidget] = []

    def make(viewer: napari.Viewer, **options: Any) -> TrainWidget:
        store = MemoryStore(folder=str(tmp_path / "runs"))
        given = {"models": SharedModels(FakeRegistry()), "devices": lambda: ("cpu",), "store": store, **options}
        panel = TrainWidget(viewer, **given)
        panels.append(panel)
        viewer.window.add_dock_widget(panel, name="Train")
        return panel

    yield make
    for panel in panels:
        if isalive(panel):
            panel.close_down()
            panel.deleteLater()


def add(viewer: napari.Viewer, fovs: int = 3) -> None:
    """Add one channel of the benchmark: noisy, clean and SIM images of blobs that lie on each other."""
    rng = np.random.default_rng(0)
    blobs = rng.random((fovs, 12, 2)) * EDGE

    def clean(zoom: int) -> np.ndarray:
        y, x = (np.mgrid[: EDGE * zoom, : EDGE * zoom] + 0.5) / zoom
        one = [sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 6) for a, b in places) for places in blobs]
        return (120 * np.array(one) / np.max(one)).astype(np.uint8)

    noisy = np.clip(clean(1) + rng.normal(0, 20, (fovs, EDGE, EDGE)) + 40, 0, 255).astype(np.uint8)
    for level, data in (("avg1", noisy), ("avg400", clean(1)), ("sim", clean(2))):
        zoom = data.shape[-1] // EDGE
        viewer.add_image(
            data,
            name=f"ch0 {level}",
            scale=(1, 0.064 / zoom, 0.064 / zoom),
            units=("pixel", "um", "um"),
            axis_labels=("fov", "y", "x"),
            metadata={"w2s": w2s_known(0, level, tuple(range(1, fovs + 1)), intensity_range=[0.0, 255.0])},
        )


def running(panel: TrainWidget, fit: FakeFit, qtbot: QtBot) -> None:
    panel.train()
    assert fit.running.wait(30)
    fit.allow(2)
    qtbot.waitUntil(lambda: panel.runner.status.step == 2, timeout=20_000)


def never(_: QWidget) -> bool:
    raise AssertionError("nobody should be asked")


def test_naparis_own_button_asks_before_the_panel_goes(
    make_napari_viewer: MakeViewer, make_train: MakeTrain, qtbot: QtBot
):
    viewer = make_napari_viewer(show=True)
    add(viewer)
    answers = [False, True]
    fit = FakeFit(steps=1000, gated=True)
    panel = make_train(viewer, fit=fit, ask=lambda _: answers.pop(0))
    running(panel, fit, qtbot)
    (button,) = viewer.window.dock_widgets["Train"].parent().findChildren(QPushButton, "QTitleBarCloseButton")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "Train" in viewer.window.dock_widgets
    assert panel.runner.status.busy
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "Train" not in viewer.window.dock_widgets
    assert fit.left.is_set()
    assert not panel.runner.status.busy


def test_a_program_that_closes_the_viewer_is_not_asked(
    make_napari_viewer: MakeViewer, make_train: MakeTrain, qtbot: QtBot
):
    viewer = make_napari_viewer(show=True)
    add(viewer)
    fit = FakeFit(steps=1000, gated=True)
    panel = make_train(viewer, fit=fit, ask=never)
    running(panel, fit, qtbot)
    viewer.close()
    qtbot.waitUntil(fit.left.is_set)


def test_closing_the_dock_frees_the_panel(make_napari_viewer: MakeViewer, qtbot: QtBot):
    viewer = make_napari_viewer()
    add(viewer)
    panel = TrainWidget(
        viewer, fit=FakeFit(), models=SharedModels(FakeRegistry()), devices=lambda: ("cpu",), store=MemoryStore()
    )
    dock = viewer.window.add_dock_widget(panel, name="Train")
    alive = weakref.ref(panel)
    del panel
    viewer.window.remove_dock_widget(dock)
    del dock
    wait(qtbot, is_gone(alive))


def test_the_panel_stays_narrow_and_the_window_its_size(
    make_napari_viewer: MakeViewer, make_train: MakeTrain, qtbot: QtBot
):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    add(viewer)
    fit = FakeFit(gated=True, notes=("What is learned from them will be blurred: leave them out. " * 8,))
    levels = frozenset({"avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "sim"})
    panel = make_train(viewer, fit=fit, look=lambda root: FolderReport(root, {(1, 0): levels, (2, 0): levels}))
    panel.state.root = "/data/w2s"
    window = panel.window()
    qtbot.waitUntil(lambda: 280 <= panel.width() <= 360)
    height = window.height()

    def fits() -> bool:
        areas = [area for area in panel.findChildren(QScrollArea) if area.isVisible()]
        return all(area.widget().minimumSizeHint().width() <= area.viewport().width() for area in areas)

    panel.state.show_advanced = True
    for learn in panel.source.kinds:
        panel.state.learn = learn
        qtbot.waitUntil(fits)
    panel.state.learn = None
    running(panel, fit, qtbot)
    qtbot.waitUntil(fits)
    fit.allow()
    qtbot.waitUntil(lambda: not panel.runner.status.busy)
    qtbot.waitUntil(fits)
    assert 280 <= panel.width() <= 360
    assert window.height() == height


def test_from_open_layers_to_an_image_restored_with_a_model_of_ones_own(
    make_napari_viewer: MakeViewer,
    make_train: MakeTrain,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("NAPARI_W2S_MODELS", str(tmp_path / "models"))
    viewer = make_napari_viewer()
    add(viewer)
    models = SharedModels(default_registry())
    restore = RestoreWidget(viewer, models=models, devices=lambda: ("cpu",), store=MemoryStore())
    viewer.window.add_dock_widget(restore, name="Restore")
    panel = make_train(viewer, models=models, ask=never)
    panel.state.patch, panel.state.batch, panel.state.device = 16, 1, "cpu"
    panel.train()
    qtbot.waitUntil(lambda: panel.runner.status.step >= 2 or not panel.runner.status.busy, timeout=60_000)
    assert panel.runner.status.phase is TrainPhase.TRAINING, panel.runner.status.message
    panel.runner.stop()
    qtbot.waitUntil(lambda: not panel.runner.status.busy, timeout=60_000)
    assert panel.runner.status.result is not None, panel.runner.status.message
    assert [layer.name for layer in viewer.layers[3:]] == ["training input", "training prediction", "training target"]
    assert panel.runner.curves.best is not None
    assert (panel.runner.folder or tmp_path).parent == tmp_path / "runs"

    panel.use()
    qtbot.waitUntil(lambda: bool(panel.result.card.text() or panel.result.problem.text()), timeout=30_000)
    assert panel.result.problem.text() == "There is a model named my-model-1 already. Choose another name."
    for words in ("Learned from 2 images (W2S", "dB", "torch", "Licence: BSD-3-Clause"):
        assert words in panel.result.card.text()
    assert (restore.plan.task, restore.plan.model) == (Task.JDSR, "my-model-1")
    assert "Learned from 2 images" in restore.card.text.text()
    assert "my-model-1" in default_registry()

    restore.state.layers = (str(viewer.layers[0].unique_id),)
    restore.run()
    qtbot.waitUntil(lambda: not restore.runner.status.busy, timeout=60_000)
    assert restore.runner.status.finish is FinishReason.DONE, restore.runner.status.message
    assert viewer.layers[-1].data.shape == (3, 2 * EDGE, 2 * EDGE)
    assert np.isfinite(viewer.layers[-1].data).all()
    restore.close_down()
