"""Fixtures for tests with Qt: no test may leak a window, nor see or change the settings of whoever runs it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

# Read when napari is first imported: an empty name means that nothing is read or written.
os.environ["NAPARI_CONFIG"] = ""

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication, QWidget
from w2s_compare import FakeMeasure, MakeCompare
from w2s_panel import FakeRegistry, FakeRestore, MakePanel, MemoryStore, fake_report, no_load
from w2s_window import close_all

from napari_w2s.gui.comparing.widget import CompareWidget
from napari_w2s.gui.restore_widget import RestoreWidget


def top_level_widgets() -> set[QWidget]:
    """Return the windows that are alive, after those that were to be deleted are."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        return set()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    # vispy keeps its canvas until the next one is made.
    return {w for w in app.topLevelWidgets() if type(w).__name__ != "CanvasBackendDesktop"}


@pytest.fixture(scope="session", autouse=True)
def _heavy_imports_are_not_collected() -> Iterator[None]:
    """Keep what large packages hold out of garbage collections, of which every test makes two."""
    import_module("torch")
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _no_leaked_windows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a top-level widget behind."""
    before = top_level_widgets()
    yield
    call = getattr(request.node, "rep_call", None)
    if call is not None and call.failed:
        return  # A failed test's traceback keeps everything alive.
    leaked = top_level_widgets() - before
    if leaked:
        pytest.fail(f"leaked windows: {', '.join(f'{type(w).__name__} {w.objectName()!r}' for w in leaked)}")


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window: layers, dims and camera, and no OpenGL."""
    return ViewerModel()


@pytest.fixture
def make_panel(qapp: QApplication, viewer: ViewerModel) -> Iterator[MakePanel]:
    """Make panels with fakes behind them, and close them down in the end."""
    assert qapp is not None
    panels: list[RestoreWidget] = []

    def make(restore: FakeRestore | None = None, **options: Any) -> RestoreWidget:
        given = {
            "load": no_load,
            "registry": FakeRegistry(),
            "describe": fake_report,
            "devices": lambda: ("cuda:0", "cpu"),
            "store": MemoryStore(),
            **options,
        }
        target = given.pop("viewer", viewer)
        panel = RestoreWidget(target, restore=restore or FakeRestore(), **given)
        panels.append(panel)
        return panel

    yield make
    close_all(panels)


@pytest.fixture
def make_compare(qapp: QApplication, viewer: ViewerModel) -> Iterator[MakeCompare]:
    """Make Compare panels, and close them down in the end."""
    assert qapp is not None
    panels: list[CompareWidget] = []

    def make(measure: Any = None, **options: Any) -> CompareWidget:
        given = {"store": MemoryStore(), **options}
        panel = CompareWidget(given.pop("viewer", viewer), measure=measure or FakeMeasure(), **given)
        panels.append(panel)
        return panel

    yield make
    close_all(panels)
