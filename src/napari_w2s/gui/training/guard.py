"""What the Train panel asks in dialogs; above all, before it or its window closes on a training that goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QAbstractButton, QDockWidget, QFileDialog, QMainWindow, QMessageBox, QWidget

from napari_w2s.gui.parts import is_alive

AskFn = Callable[[QWidget], bool]
"""Returns True to stop and keep, False to go on."""

ChooseFn = Callable[[QWidget, str], str]
"""Takes a folder to begin with, and returns another; empty if none was chosen."""

_CLOSE_BUTTON = "QTitleBarCloseButton"
"""What napari calls the button that takes a panel away for good: no event could be refused any more after it."""

_KEYS = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Select)


def ask_to_stop(parent: QWidget) -> bool:
    """Ask whether to stop a training, in a dialog."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Training")
    box.setText("A training is going on.")
    box.setInformativeText("Stop it and keep the best model so far, or go on?")
    stop = box.addButton("Stop and keep", QMessageBox.ButtonRole.AcceptRole)
    go_on = box.addButton("Go on", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(go_on)
    box.setEscapeButton(go_on)
    box.exec()
    stopped = box.clickedButton() is stop
    box.deleteLater()
    return stopped


def ask_for_folder(parent: QWidget, before: str) -> str:
    """Ask for a folder, in a dialog."""
    return str(QFileDialog.getExistingDirectory(parent, "Choose a folder", before))


class CloseGuard(QObject):
    """Watches the dock and the window that a panel is in.

    Parameters
    ----------
    panel : QWidget
    is_busy : callable
        Tells whether a training goes on.
    ask : callable
        See `AskFn`.
    stop : callable
        Stops the training, and returns when it has ended.
    """

    def __init__(self, panel: QWidget, is_busy: Callable[[], bool], ask: AskFn, stop: Callable[[], None]) -> None:
        super().__init__(panel)
        self._panel = panel
        self._is_busy = is_busy
        self._ask = ask
        self._stop = stop
        self._asking = False

    def watch(self) -> None:
        """Watch what the panel is in now; call it when that may have changed."""
        if not is_alive(self._panel):
            return
        dock, window = _ancestor(self._panel, QDockWidget), _ancestor(self._panel, QMainWindow)
        buttons = [] if dock is None else dock.findChildren(QAbstractButton, _CLOSE_BUTTON)
        for one in (dock, window, *buttons):
            if one is not None:
                one.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Hold back what would close the panel, unless the user lets the training stop."""
        if not self._is_busy():
            return False
        if event.type() == QEvent.Type.ChildAdded and isinstance(watched, QDockWidget):
            # A panel that starts to float gets other buttons.
            QTimer.singleShot(0, self.watch)
        if not _closes(watched, event) or (isinstance(watched, QMainWindow) and _is_dismantled(watched)):
            return False  # What a program has begun to take apart cannot be asked about any more.
        if self._asking or not self.may_close():
            event.ignore()
            if isinstance(watched, QAbstractButton):
                watched.setDown(False)
            return True
        return False

    def may_close(self) -> bool:
        """Ask, and stop the training if that is what the user wants."""
        self._asking = True
        try:
            if not self._ask(self._panel):
                return False
            self._stop()
            return True
        finally:
            self._asking = False


def _closes(watched: QObject, event: Any) -> bool:
    if not isinstance(watched, QAbstractButton):
        return bool(event.type() == QEvent.Type.Close)
    if event.type() == QEvent.Type.MouseButtonRelease:
        return bool(event.button() == Qt.MouseButton.LeftButton and watched.rect().contains(event.position().toPoint()))
    return bool(event.type() == QEvent.Type.KeyRelease and event.key() in _KEYS)


def _is_dismantled(window: QMainWindow) -> bool:
    """Tell whether what the window shows was closed before it, as a call of ``viewer.close()`` does."""
    centre = window.centralWidget()
    shown = [] if centre is None else centre.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return window.isVisible() and bool(shown) and not any(widget.isVisible() for widget in shown)


def _ancestor(widget: QWidget, kind: type[Any]) -> Any:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, kind):
        parent = parent.parentWidget()
    return parent
