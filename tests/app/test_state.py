"""Intent and run status: what is remembered, which transitions there are, how long it will take."""

from __future__ import annotations

from typing import Any

import pytest

from napari_w2s._types import InputError, Task
from napari_w2s.app.state import (
    PERSISTENT,
    BusyError,
    FinishReason,
    RestoreState,
    RunState,
    RunStatus,
    format_seconds,
)


class TestRestoreState:
    def test_every_field_tells_of_its_change(self):
        state = RestoreState()
        heard: list[tuple[str, Any]] = []
        state.events.connect(lambda info: heard.append((info.signal.name, info.args[0])))
        state.layers = ("a",)
        state.model = "net"
        state.model = "net"
        assert heard == [("layers", ("a",)), ("model", "net")]

    def test_what_is_remembered_comes_back(self):
        state = RestoreState(
            layers=("a",),
            task=Task.SR,
            model="net",
            denoise_first=True,
            denoiser="n",
            device="cuda:1",
            precision="float16",
            tile=96,
            flips=True,
            intensity_range=(0.0, 1.0),
            non_finite="fill",
            show_advanced=True,
        )
        again = RestoreState()
        again.recall(state.persistent())
        assert {name: getattr(again, name) for name in PERSISTENT} == {
            name: getattr(state, name) for name in PERSISTENT
        }
        assert (again.layers, again.model, again.intensity_range) == ((), None, None)
        assert all(type(v) in (str, int, bool) for v in state.persistent().values())

    @pytest.mark.parametrize(
        "values",
        [
            {"task": "cook"},
            {"precision": "float8"},
            {"non_finite": 3},
            {"tile": -1},
            {"tile": True},
            {"tile": "big"},
            {"denoise_first": "yes"},
            {"flips": 1},
            {"device": ""},
            {"device": 3},
            {"denoiser": None},
            {"unknown": 1},
        ],
    )
    def test_what_makes_no_sense_is_left_out(self, values: dict[str, Any]):
        state = RestoreState()
        state.recall(values)
        assert state == RestoreState()


class TestRunStatus:
    def test_a_run_from_start_to_end(self):
        status = RunStatus().begin(RunState.RESTORING, "loading")
        assert status.busy
        assert status.fraction is None
        status = status.advance(5, 10, now=1.0).step("restoring", counts_anew=True)
        assert (status.message, status.fraction) == ("restoring", None)
        status = status.advance(1, 4, now=10.0)
        assert status.fraction == 0.25
        assert status.time_left(10.0) is None
        status = status.advance(2, 4, now=12.0).step("restoring b", counts_anew=False)
        assert status.fraction == 0.5
        # One unit in two seconds, and two to go.
        assert status.time_left(12.0) == 4.0
        status = status.end(FinishReason.DONE, "done")
        assert not status.busy
        assert (status.finish, status.message, status.fraction) == (FinishReason.DONE, "done", None)

    def test_a_second_run_is_refused(self):
        status = RunStatus().begin(RunState.PREVIEWING, "")
        for busy in (status, status.cancel()):
            with pytest.raises(BusyError, match="cancel it"):
                busy.begin(RunState.RESTORING, "")

    @pytest.mark.parametrize("state", [RunState.IDLE, RunState.CANCELLING])
    def test_only_work_can_begin(self, state: RunState):
        with pytest.raises(InputError):
            RunStatus().begin(state, "")

    def test_nothing_happens_when_nothing_runs(self):
        status = RunStatus().end(FinishReason.FAILED, "broken")
        assert status.advance(1, 2, now=0.0) is status
        assert status.cancel() is status
        assert status.step("x", counts_anew=True) is status

    def test_late_news_does_not_undo_a_cancel(self):
        status = RunStatus().begin(RunState.RESTORING, "").cancel()
        status = status.step("restoring", counts_anew=True).advance(1, 2, now=0.0)
        assert status.state is RunState.CANCELLING
        assert status.message == "Cancelling …"

    def test_more_than_all_is_all(self):
        assert RunStatus().begin(RunState.RESTORING, "").advance(5, 4, now=0.0).fraction == 1.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0:00"), (0.4, "0:00"), (4, "0:04"), (61.6, "1:02"), (3599.6, "1:00:00"), (7384, "2:03:04")],
)
def test_durations_are_readable(seconds: float, text: str):
    assert format_seconds(seconds) == text
