"""What tests of panels in napari's window share: menus, the mouse, themes, and that a closed panel is freed."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import napari
import pytest
from napari._app_model import get_app_model
from pytestqt.qtbot import QtBot
from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QWidget

MakeViewer = Callable[..., napari.Viewer]

NEEDS_OPENGL = pytest.mark.skipif(
    os.environ.get("QT_QPA_PLATFORM") == "offscreen", reason="napari's canvas needs OpenGL, which this platform lacks"
)


def wait(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Run the event loop until something is so."""
    qtbot.waitUntil(condition, timeout=30_000)


def opened_from(viewer: napari.Viewer, menu: str, command: str, dock: str) -> Any:
    """Run a command that stands in a menu, and return the panel that it opens."""
    app = get_app_model()
    assert command in [item.command.id for item in app.menus.get_menu(menu) if hasattr(item, "command")]
    app.commands.execute_command(command).result()
    return viewer.window.dock_widgets[dock]


def is_gone(alive: weakref.ref[Any]) -> Callable[[], bool]:
    """Return a function that tells whether nothing holds an object any more."""

    def look() -> bool:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        return alive() is None

    return look


def close_all(panels: Iterable[Any]) -> None:
    """Close panels down, and let Qt delete those that it has not deleted yet."""
    for panel in panels:
        panel.close_down()
        if isalive(panel):
            panel.deleteLater()


def sheets_of(widget: QWidget, viewer: napari.Viewer, qtbot: QtBot) -> set[str]:
    """Return the style sheets that a widget has in the dark and in the light theme."""
    sheets = set()
    for theme in ("dark", "light"):
        viewer.theme = theme
        qtbot.wait(50)
        sheets.add(widget.styleSheet())
    return sheets


def drag(qtbot: QtBot, canvas: QWidget, start: QPoint, stop: QPoint) -> None:
    """Drag with the left button, slowly: vispy ignores moves in quick succession."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    places = [start + (stop - start) * (step / 5) for step in range(6)]
    events = [
        (QEvent.Type.MouseMove, start, none, none),
        (QEvent.Type.MouseButtonPress, start, left, left),
        *((QEvent.Type.MouseMove, place, none, left) for place in places),
        (QEvent.Type.MouseButtonRelease, stop, left, none),
    ]
    for kind, place, button, buttons in events:
        where = QPointF(place)
        event = QMouseEvent(
            kind, where, QPointF(canvas.mapToGlobal(place)), button, buttons, Qt.KeyboardModifier.NoModifier
        )
        QCoreApplication.sendEvent(canvas, event)
        qtbot.wait(15)
