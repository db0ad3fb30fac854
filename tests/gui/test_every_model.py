"""Every model there is, picked in one Restore panel and run on one small image."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QComboBox
from w2s_networks import tiny
from w2s_panel import MemoryStore
from w2s_trained import save_pair, save_small

from napari_w2s.app.state import FinishReason
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.gui import defaults
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.models.builtin import BUILTIN, default_registry
from napari_w2s.models.registry import Registry
from napari_w2s.models.trained import FOLDER_VARIABLE

OWN = ("mine", "pair-denoise", "pair-jdsr")
MODELS = (*(descriptor.name for descriptor in BUILTIN), *OWN)
EDGE = 48


def noisy() -> np.ndarray:
    """Return a piece of a real frame with a cell in it, or of a simulated one where there is none."""
    root = os.environ.get("W2S_ROOT")
    path = Path(root or "") / "data" / "train" / "avg1" / "001_0.png"
    if root and path.is_file():
        return iio.imread(path)[232 : 232 + EDGE, 232 : 232 + EDGE]
    return simulate_fov(5, 0, 64).frames([0])[0, :EDGE, :EDGE]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The package's models, and those of a user who trained three."""
    folder = tmp_path_factory.mktemp("models")
    save_small(folder)
    save_pair(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        return default_registry()


@pytest.fixture(scope="module")
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.add_image(noisy(), name="cells", scale=(0.08, 0.08))
    return made


@pytest.fixture(scope="module")
def shared_panel(qapp: QApplication, viewer: ViewerModel, registry: Registry) -> Iterator[RestoreWidget]:
    """One for all tests, since it takes longer to open than to run, with nothing faked."""
    made = RestoreWidget(
        viewer,
        load=partial(defaults.load, registry),
        registry=registry,
        devices=lambda: ("cpu",),
        store=MemoryStore(),
    )
    made.state.device = "cpu"
    yield made
    made.close_down()
    made.deleteLater()


@pytest.fixture
def panel(shared_panel: RestoreWidget, viewer: ViewerModel) -> Iterator[RestoreWidget]:
    yield shared_panel
    del viewer.layers[1:]


def pick(combo: QComboBox, value: str) -> None:
    """Choose an entry as a user does."""
    assert combo.findData(value) >= 0, f"{value} is not on offer"
    combo.setCurrentIndex(combo.findData(value))
    combo.activated.emit(combo.currentIndex())


def choose(panel: RestoreWidget, registry: Registry, name: str) -> None:
    pick(panel.card.task, str(registry.descriptor(name).task))
    pick(panel.card.model, name)
    assert panel.plan.model == name


def run(panel: RestoreWidget, qtbot: QtBot) -> None:
    panel.run()
    qtbot.waitUntil(lambda: not panel.runner.status.busy, timeout=60_000)


def test_no_model_is_left_out(registry: Registry) -> None:
    assert registry.names() == MODELS


@pytest.mark.parametrize("name", MODELS)
def test_a_real_image_is_restored(
    panel: RestoreWidget, viewer: ViewerModel, registry: Registry, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    """Where there are no weights, whatever the size that they are for, those of a small network are chosen."""
    model, place = registry.descriptor(name), registry.available(name)
    choose(panel, registry, name)
    if place in ("train your own", "on demand"):
        assert panel.bar.action.isEnabled() == (place == "on demand")
        file = tmp_path / f"{name}.pth"
        torch.save(tiny(model.architecture).state_dict(), file)
        panel.advanced.weights.path.setText(str(file))
        panel.advanced.weights.path.editingFinished.emit()
    assert panel.bar.action.isEnabled(), panel.bar.message.text()
    run(panel, qtbot)
    said = panel.bar.message.text()
    if place == "not installed":
        assert panel.runner.status.finish is FinishReason.FAILED
        assert all(f'pip install "napari-w2s[{package}]"' in said for package in model.requires)
        assert len(viewer.layers) == 1
        return
    assert panel.runner.status.finish is FinishReason.DONE, said
    source, result = viewer.layers
    assert model.title in result.name
    assert result.data.shape == (EDGE * model.scale, EDGE * model.scale)
    assert result.data.dtype == np.float32
    assert np.isfinite(result.data).all()
    assert np.ptp(result.data) > 0
    np.testing.assert_allclose(result.scale, source.scale / model.scale)
    # The corners of both cover the same place.
    np.testing.assert_allclose(result.translate, (result.scale - source.scale) / 2)
    assert [stage["name"] for stage in result.metadata["w2s"]["restoration"]["models"]] == [name]


def test_a_package_that_is_missing_is_named(
    panel: RestoreWidget,
    viewer: ViewerModel,
    registry: Registry,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    assert registry.available("vst-bm3d") == "not installed"
    choose(panel, registry, "vst-bm3d")
    run(panel, qtbot)
    assert panel.runner.status.finish is FinishReason.FAILED
    assert 'pip install "napari-w2s[bm3d]"' in panel.bar.message.text()
    assert len(viewer.layers) == 1
    assert panel.bar.action.isEnabled()
