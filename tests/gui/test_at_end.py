"""Panels that are still there when Python ends."""

from __future__ import annotations

import os
import subprocess
import sys

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_w2s.gui import at_end
from napari_w2s.gui.at_end import AtEnd

HELD = """
import threading
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from w2s_compare import add_levels
from w2s_panel import MemoryStore
from napari_w2s.gui.average_widget import AverageWidget
from napari_w2s.gui.comparing.widget import CompareWidget
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.gui.training.widget import TrainWidget

def measure(comparison, *, stop, **options):
    began.set()
    while not stop():
        never.wait(0.01)
    raise RuntimeError("stopped")

began, never = threading.Event(), threading.Event()
app = QApplication([])
viewer = ViewerModel()
add_levels(viewer)
panels = [made(viewer, store=MemoryStore()) for made in (RestoreWidget, TrainWidget)]
panels += [AverageWidget(viewer), CompareWidget(viewer, measure=measure, store=MemoryStore())]
panels[-1].compare_levels()
print(began.wait(60))
"""


def test_panels_that_are_held_and_at_work_end_quietly() -> None:
    support = os.pathsep.join(path for path in sys.path if path)
    env = os.environ | {"PYTHONPATH": support, "QT_QPA_PLATFORM": "offscreen", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, env=env, timeout=110)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True", "")


def test_what_is_done_at_the_end_is_done_once(qtbot: QtBot) -> None:
    calls: list[str] = []
    owner = QObject()
    end = AtEnd(owner, lambda: calls.append("end"))
    end()
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    at_end._end_all()
    assert calls == ["end"]


def test_it_is_done_when_the_owner_goes(qtbot: QtBot) -> None:
    calls: list[str] = []
    owner = QObject()
    AtEnd(owner, lambda: calls.append("end"))
    assert not calls
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    assert calls == ["end"]


def test_one_that_fails_does_not_keep_others(qtbot: QtBot, caplog) -> None:
    calls: list[str] = []
    owner = QObject()

    def fail() -> None:
        raise ValueError("no")

    AtEnd(owner, fail)
    AtEnd(owner, lambda: calls.append("end"))
    at_end._end_all()
    assert calls == ["end"]
    assert "did not end in order" in caplog.text
