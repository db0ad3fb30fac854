"""What a training came to: its name, the button that puts it to use, and its card."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QPushButton, QSizePolicy, QWidget

from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.forms import new_form
from napari_w2s.gui.parts import Note


class ResultView(QWidget):
    """Name and "Use it". Hidden until there is a model."""

    name_entered = Signal(str)
    use_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.name = QLineEdit()
        self.name.setToolTip("Name of the model, here and on the command line.")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.problem = Note()
        self.use = QPushButton("Use it")
        self.use.setToolTip(
            "Put the model among yours, and select it in the Restore panel. There, under Advanced, it can be exported "
            "for other programs."
        )
        self.card = Note()
        form = new_form()
        form.addRow("Name", self.name)
        self._form = form
        layout = new_column(self)
        layout.addLayout(form)
        layout.addWidget(self.problem)
        layout.addWidget(self.use)
        layout.addWidget(self.card)
        self.name.textEdited.connect(self.name_entered)
        self.name.returnPressed.connect(self._on_return)
        self.use.clicked.connect(self.use_asked)

    def show_result(self, *, there: bool, name: str, problem: str, error: str, busy: bool, card: str) -> None:
        """Show the model, if there is one; with a card, it is in use already."""
        self.setVisible(there)
        if name != self.name.text():
            self.name.setText(name)
        self._form.setRowVisible(self.name, not card)
        self.name.setEnabled(not busy)
        self.problem.setText(problem or error)
        self.problem.setVisible(bool(problem or error) and not card)
        self.use.setText("In use" if card else "Putting it to use …" if busy else "Use it")
        self.use.setEnabled(not problem and not busy and not card)
        self.card.setText(card)
        self.card.setVisible(bool(card))

    def _on_return(self) -> None:
        if self.use.isEnabled():
            self.use_asked.emit()
