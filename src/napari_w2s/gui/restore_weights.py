"""The row of the Restore panel in which the user names weights for the chosen model."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QToolButton, QWidget

from napari_w2s.gui.training.parts import LineEdit

_TIP = (
    "A file of weights for the chosen model (.safetensors, .pth or .pt), trained anywhere, or a folder with the "
    "authors' checkpoints. Nothing in it is executed. Empty takes the model's own; another model takes no notice of it."
)
_FILES = "Weights (*.safetensors *.pth *.pt *.ckpt);;All files (*)"


class WeightsRow(QWidget):
    """A path, a button to choose one, and one to forget it. Emits the path, or None."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.path = LineEdit(_TIP)
        self.path.setAccessibleName("Weights")
        self.choose = QToolButton()
        self.choose.setText("…")
        self.choose.setToolTip("Choose a file or a folder.")
        self.choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.choose)
        self.file = menu.addAction("File …")
        self.folder = menu.addAction("Folder …")
        self.choose.setMenu(menu)
        # It would be drawn over the dots.
        self.choose.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.clear = QToolButton()
        self.clear.setText("×")
        self.clear.setAccessibleName("Forget the weights")
        self.clear.setToolTip("Take the model's own weights again.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.path, 1)
        layout.addWidget(self.choose)
        layout.addWidget(self.clear)
        self.show_path("", "", "")
        self.path.entered.connect(self._on_entered)
        self.file.triggered.connect(self._on_file)
        self.folder.triggered.connect(self._on_folder)
        self.clear.clicked.connect(self._on_clear)

    def show_path(self, path: str, default: str, refusal: str) -> None:
        """Show what is chosen, or what is taken otherwise, or why nothing can be chosen."""
        self.path.show_text(path)
        if not self.path.hasFocus():
            self.path.end(False)  # The name of the file is more telling than where it lies.
        self.path.setPlaceholderText(default)
        self.path.setToolTip(refusal or (f"{path}\n{_TIP}" if path else _TIP))
        self.path.setEnabled(not refusal)
        self.choose.setEnabled(not refusal)
        self.clear.setEnabled(bool(path) and not refusal)

    def _on_entered(self, path: str) -> None:
        self.chosen.emit(path or None)

    def _on_clear(self) -> None:
        self.chosen.emit(None)

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose weights", self.path.text(), _FILES)
        if path:
            self.chosen.emit(path)

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Choose a folder of weights", self.path.text())
        if path:
            self.chosen.emit(path)
