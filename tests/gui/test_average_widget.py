"""The Average panel makes one image of a burst's frames."""

from __future__ import annotations

from collections.abc import Iterator

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication

from napari_w2s.gui.average_widget import AverageWidget

BURST = np.random.default_rng(0).integers(90, 400, (20, 12, 14)).astype(np.uint16)


@pytest.fixture
def panel(qtbot: QtBot, viewer: ViewerModel) -> Iterator[AverageWidget]:
    made = AverageWidget(viewer)
    qtbot.addWidget(made.native)
    yield made
    made.close_down()


def finish(qtbot: QtBot, panel: AverageWidget) -> None:
    panel.average()
    qtbot.waitUntil(lambda: panel._job is None, timeout=10_000)


def test_without_a_burst_it_says_what_is_missing(panel: AverageWidget, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((5, 5)))
    viewer.add_labels(np.zeros((5, 5, 5), int))
    assert not panel.run.enabled
    assert "Open a burst" in panel.message.value
    viewer.add_image(BURST)
    assert panel.run.enabled
    assert panel.message.value == ""
    viewer.layers.clear()
    assert not panel.run.enabled


def test_fields_of_view_are_not_frames(panel: AverageWidget, viewer: ViewerModel) -> None:
    viewer.add_image(BURST, axis_labels=("fov", "y", "x"))
    assert not panel.run.enabled
    assert "Open a burst" in panel.message.value


@pytest.mark.parametrize("data", [BURST, da.from_array(BURST, chunks=(1, 12, 14))], ids=["numpy", "dask"])
def test_a_level_takes_the_frames_of_the_benchmark(
    qtbot: QtBot, panel: AverageWidget, viewer: ViewerModel, data: object
) -> None:
    source = viewer.add_image(data, name="cells", scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    panel.frames.value = "avg4"
    finish(qtbot, panel)
    result = viewer.layers[-1]
    np.testing.assert_allclose(result.data, BURST[:4].mean(0), rtol=1e-6)
    assert result.name == "cells avg4"
    assert tuple(result.scale) == (0.5, 0.5)
    assert result.blending == "translucent_no_depth"
    assert viewer.layers.selection == {source}
    assert panel.message.value == "Made cells avg4."


def test_any_number_of_frames(qtbot: QtBot, panel: AverageWidget, viewer: ViewerModel) -> None:
    viewer.add_image(BURST)
    assert not panel.number.enabled
    panel.frames.value = "first frames"
    assert panel.number.enabled
    assert panel.number.max == 20
    panel.number.value = 7
    finish(qtbot, panel)
    np.testing.assert_allclose(viewer.layers[-1].data, BURST[:7].mean(0), rtol=1e-6)


def test_too_few_frames_is_a_message(qtbot: QtBot, panel: AverageWidget, viewer: ViewerModel) -> None:
    viewer.add_image(BURST)
    panel.frames.value = "avg1"
    finish(qtbot, panel)
    assert len(viewer.layers) == 1
    assert "avg1 is frame 249" in panel.message.value
    assert panel.run.enabled


def test_the_burst_may_go_while_it_is_averaged(qtbot: QtBot, panel: AverageWidget, viewer: ViewerModel) -> None:
    viewer.add_image(BURST)
    panel.average()
    viewer.layers.clear()
    qtbot.waitUntil(lambda: panel._job is None, timeout=10_000)
    assert [layer.data.ndim for layer in viewer.layers] == [2]
    assert not panel.run.enabled


def test_closing_while_it_averages_adds_nothing(panel: AverageWidget, viewer: ViewerModel) -> None:
    viewer.add_image(BURST)
    panel.average()
    panel.close_down()
    QCoreApplication.processEvents()
    assert len(viewer.layers) == 1
