"""What a user wants of a training, and what of it outlives a session."""

from __future__ import annotations

import pytest

from napari_w2s._types import Level
from napari_w2s.app.training.state import PERSISTENT, Learn, TrainState, format_levels, parse_levels


def test_what_outlives_a_session_is_plain_and_comes_back():
    state = TrainState()
    state.root, state.patch, state.learning_rate, state.levels = "/data/w2s", 48, 2.5e-4, "avg1 1, avg4 0.5"
    state.show_advanced, state.preset, state.size, state.loss = True, "long", "large", "mse"
    state.validation_percent, state.show_preview, state.device = 30, False, "cuda:1"
    state.learn, state.noisy, state.fovs = Learn.LAYERS, ("a",), "1-3"
    kept = state.persistent()
    assert {type(value) for value in kept.values()} <= {str, int, bool}
    assert set(kept) == set(PERSISTENT)
    again = TrainState()
    again.recall(kept)
    assert again.persistent() == kept
    assert (again.learn, again.noisy, again.fovs) == (None, None, "")


@pytest.mark.parametrize(
    "values",
    [
        {"preset": "forever"},
        {"size": 3},
        {"patch": -1},
        {"patch": True},
        {"validation_percent": 90},
        {"learning_rate": "fast"},
        {"learning_rate": "-1"},
        {"levels": "sim 1"},
        {"levels": "avg1 0"},
        {"loss": "gan"},
        {"show_preview": "yes"},
        {"device": ""},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_left_out(values: dict[str, object]):
    state = TrainState()
    state.recall(values)
    assert state == TrainState()


def test_every_change_is_told():
    state = TrainState()
    heard = []
    state.events.connect(lambda info: heard.append((info.signal.name, info.args[0])))
    state.preset = "long"
    state.noisy = ("a",)
    assert heard == [("preset", "long"), ("noisy", ("a",))]


def test_levels_are_written_as_they_are_read():
    weights = {Level.AVG1: 1.0, Level.AVG400: 0.25}
    assert format_levels(weights) == "avg1 1, avg400 0.25"
    assert parse_levels(format_levels(weights)) == weights
    assert parse_levels("") == parse_levels("avg3 1") == parse_levels("avg1") == {}


def test_every_source_has_words():
    assert len({learn.label for learn in Learn} | {learn.tip for learn in Learn}) == 2 * len(Learn)
    assert [learn.self_supervised for learn in Learn] == [None, None, "noise2noise", "noise2void"]
