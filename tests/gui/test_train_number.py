"""A line for one number under Advanced, typed into as a user does."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QFocusEvent
from w2s_train import w2s_layers

from napari_w2s._types import Level
from napari_w2s.app.training.resolve import resolve_training
from napari_w2s.app.training.state import TrainState, parse_levels
from napari_w2s.gui.training.advanced import TrainAdvanced
from napari_w2s.gui.training.number import NumberEdit


@pytest.fixture
def state() -> TrainState:
    return TrainState(learning_rate=0.002)


@pytest.fixture
def advanced(state: TrainState, qtbot: QtBot) -> TrainAdvanced:
    """Return the settings of layers with several levels, which show what the state comes to."""
    section = TrainAdvanced()
    qtbot.addWidget(section)
    layers = w2s_layers(levels=("avg1", "avg4", "avg400", "sim"))

    def show() -> None:
        section.show_plan(resolve_training(state, layers, None, (), {}), state)

    def choose(name: str, value: Any) -> None:
        setattr(state, name, value)
        show()

    section.changed.connect(choose)
    show()
    return section


def type_in(edit: NumberEdit, text: str, qtbot: QtBot) -> None:
    edit.clear()
    qtbot.keyClicks(edit, text)


def leave(edit: NumberEdit, reason: Qt.FocusReason = Qt.FocusReason.TabFocusReason) -> None:
    QCoreApplication.sendEvent(edit, QFocusEvent(QEvent.Type.FocusOut, reason))


@pytest.mark.parametrize(
    ("text", "rate", "shown"),
    [
        ("0,001", 0.001, "0.001"),
        ("0.003", 0.003, "0.003"),
        (",5", 0.5, "0.5"),
        ("1e-4", 1e-4, "0.0001"),
        ("2,5E-4", 2.5e-4, "0.00025"),
        ("", 0.0, ""),
        ("0,0", 0.0, ""),
        ("0,0020", 0.002, "0.002"),
    ],
)
def test_a_rate_may_have_a_comma(
    advanced: TrainAdvanced, state: TrainState, qtbot: QtBot, text: str, rate: float, shown: str
):
    type_in(advanced.rate, text, qtbot)
    leave(advanced.rate)
    assert state.learning_rate == rate
    assert advanced.rate.text() == shown


@pytest.mark.parametrize("text", ["1e", "1e-", ",", "1,5", "1e999", "1.2.3"])
def test_what_is_no_rate_gives_way_to_what_is_in_force(
    advanced: TrainAdvanced, state: TrainState, qtbot: QtBot, text: str
):
    type_in(advanced.rate, text, qtbot)
    assert advanced.rate.text() != "0.002"
    leave(advanced.rate)
    assert (state.learning_rate, advanced.rate.text()) == (0.002, "0.002")


def test_half_a_number_stays_while_the_user_looks_elsewhere(advanced: TrainAdvanced, qtbot: QtBot):
    type_in(advanced.rate, "1e", qtbot)
    leave(advanced.rate, Qt.FocusReason.ActiveWindowFocusReason)
    assert advanced.rate.text() == "1e"


@pytest.mark.parametrize(("text", "weight"), [("0,5", 0.5), ("0.5", 0.5), ("2", 2.0), ("", 0.0)])
def test_weights_of_levels_may_have_a_comma(
    advanced: TrainAdvanced, state: TrainState, qtbot: QtBot, text: str, weight: float
):
    edit = advanced.levels[Level.AVG4]
    type_in(edit, text, qtbot)
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert parse_levels(state.levels)[Level.AVG4] == weight
    assert edit.text() == f"{weight:g}"


def test_half_a_weight_does_not_hinder_the_others(advanced: TrainAdvanced, state: TrainState, qtbot: QtBot):
    first, second = advanced.levels[Level.AVG1], advanced.levels[Level.AVG4]
    before = float(first.text())
    type_in(first, "1e", qtbot)
    type_in(second, "0,7", qtbot)
    qtbot.keyClick(second, Qt.Key.Key_Return)
    assert parse_levels(state.levels) == {Level.AVG1: before, Level.AVG4: 0.7}
    leave(first)
    assert float(first.text()) == before
