"""The section *Benchmark* of the Compare panel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from w2s_benchmark import CountingRegistry, make_tree
from w2s_compare import FakeMeasure
from w2s_panel import MemoryStore
from w2s_window import close_all, wait

from napari_w2s._types import Cancelled
from napari_w2s.gui.comparing import benchmark as section
from napari_w2s.gui.comparing.widget import CompareWidget
from napari_w2s.gui.reader import get_reader


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def panel(
    qapp: object, viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CompareWidget]:
    """A panel over one field of view, with models that need no weights."""
    monkeypatch.setattr(section, "default_registry", CountingRegistry)
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg400", "sim"))
    made = CompareWidget(viewer, measure=FakeMeasure(), store=MemoryStore())
    made.benchmark.home = tmp_path / "home"
    for level in ("avg400", "avg1"):
        path = str(root / "data" / "train" / level / "001_0.png")
        read = get_reader(path)
        assert read is not None
        for data, look, _kind in read(path):
            viewer.add_image(data, **look)
    made.choice.look()
    made.benchmark.refresh()
    yield made
    close_all([made])


def tick(panel: CompareWidget, *names: str) -> None:
    for name, box in panel.benchmark.pipelines.boxes().items():
        box.setChecked(name in names)


def test_without_images_it_says_what_to_open(qapp: object, viewer: ViewerModel) -> None:
    assert qapp is not None
    panel = CompareWidget(viewer, measure=FakeMeasure(), store=MemoryStore())
    try:
        assert not panel.benchmark.action.isEnabled()
        assert "known to be one of W2S" in panel.benchmark.fields.text()
    finally:
        panel.close_down()
        panel.deleteLater()


def test_what_is_open_is_measured(qtbot: QtBot, panel: CompareWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    part = panel.benchmark
    assert part.fields.text() == "Field of view 001, channel 0, avg1"
    tick(panel, "noisy", "blur")
    part.other.setText("blur+twice, blur+twice")
    part.action.click()
    assert part.busy
    assert part.action.text() == "Cancel"
    wait(qtbot, lambda: not part.busy)
    titles = [part.table.item(row, 0).toolTip() for row in range(part.table.rowCount())]
    assert titles == ["avg1: noisy", "avg1: blur", "avg1: blur+twice"]
    noisy, blurred = (float(part.table.item(row, 1).text().split("\n")[0]) for row in (0, 1))
    assert blurred > noisy
    assert "Training fields" in part.message.text()
    shown: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", shown.append)
    part.report.click()
    assert Path(shown[0].toLocalFile()).name == "report.html"
    assert part.action.text() == "Measure"


def test_cancel_stops_and_the_next_run_goes_on(qtbot: QtBot, panel: CompareWidget) -> None:
    part = panel.benchmark

    begun = threading.Event()

    def waits(*_: Any, should_stop: Callable[[], bool], **__: Any) -> Any:
        begun.set()
        while not should_stop():
            pass
        raise Cancelled("Stopped: 1 of 2 rows are there. Run it again to go on.")

    part.evaluate = waits
    tick(panel, "noisy")
    part.action.click()
    wait(qtbot, begun.is_set)
    part.action.click()
    wait(qtbot, lambda: not part.busy)
    assert part.message.text() == "Stopped: 1 of 2 rows are there. Run it again to go on."
    assert not part.report.isVisibleTo(part)
    part.evaluate = None
    part.action.click()
    wait(qtbot, lambda: not part.busy)
    assert part.table.rowCount() == 1


def test_mistakes_are_said_and_nothing_runs(panel: CompareWidget) -> None:
    part = panel.benchmark
    tick(panel)
    part.action.click()
    assert not part.busy
    assert part.message.text() == "Choose a pipeline to measure."


def test_what_fails_is_said(qtbot: QtBot, panel: CompareWidget) -> None:
    part = panel.benchmark
    tick(panel, "noisy")
    part.other.setText("nonsense")
    part.action.click()
    wait(qtbot, lambda: not part.busy)
    assert "There is no model named 'nonsense'" in part.message.text()

    def breaks(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("by zero")

    part.evaluate = breaks
    part.action.click()
    wait(qtbot, lambda: not part.busy)
    assert "It could not be measured: by zero" in part.message.text()


def test_closing_the_panel_stops_the_work(qtbot: QtBot, panel: CompareWidget) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def waits(*_: Any, should_stop: Callable[[], bool], **__: Any) -> Any:
        begun.set()
        while not should_stop():
            pass
        stopped.set()
        raise Cancelled("Stopped.")

    panel.benchmark.evaluate = waits
    tick(panel, "noisy")
    panel.benchmark.action.click()
    wait(qtbot, begun.is_set)
    panel.close_down()
    assert stopped.is_set()
    assert not panel.benchmark.busy
