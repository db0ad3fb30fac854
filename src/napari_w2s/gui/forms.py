"""Forms as all panels have them, and how boxes in them show a value without telling anyone."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QAbstractButton, QFormLayout, QSlider, QSpinBox, QWidget


def new_form(parent: QWidget | None = None) -> QFormLayout:
    """Return a lay-out of labels and fields that takes all of the width, in a parent of its own if there is one."""
    form = QFormLayout() if parent is None else QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return form


def show_value(box: QSpinBox | QSlider, value: int) -> None:
    """Show a number without telling anyone."""
    with QSignalBlocker(box):
        box.setValue(value)


def show_checked(box: QAbstractButton, on: bool) -> None:
    """Show whether something is on without telling anyone."""
    with QSignalBlocker(box):
        box.setChecked(on)
