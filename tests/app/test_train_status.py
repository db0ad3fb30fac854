"""How a training goes, as a record and as curves, and how wishes reach it."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from napari_w2s.app.state import BusyError
from napari_w2s.app.training.control import Control
from napari_w2s.app.training.status import MOST_POINTS, Curve, Curves, TrainPhase, TrainStatus, by_output
from napari_w2s.training.report import (
    FinishReason,
    NoteReport,
    StepReport,
    TrainingResult,
    ValidationReport,
    Wish,
)


def step(number: int = 4, left: float | None = 75.0) -> StepReport:
    return StepReport(number, 10, 0.5, 1e-3, 8.0, left)


def training() -> TrainStatus:
    return TrainStatus().begin("Looking …").see(step())


class TestStatus:
    def test_a_run_from_its_beginning_to_its_end(self):
        status = TrainStatus().begin("Looking …")
        assert (status.phase, status.busy, status.fraction, status.pace) == (TrainPhase.PREPARING, True, None, "")
        status = status.see(step())
        assert (status.phase, status.fraction) == (TrainPhase.TRAINING, 0.4)
        assert status.pace == "step 4 of 10, 1:15 left"
        assert status.best_text == ""
        status = status.see(ValidationReport(4, {"sim_avg1": 31.2}, 31.2, best=True))
        status = status.see(ValidationReport(8, {"sim_avg1": 30.0}, 30.0, best=False))
        assert status.best_text == "Best 31.2 dB at step 4"
        result = TrainingResult(FinishReason.COMPLETED, 10, 10, Path("best"), message="All steps were done.")
        status = status.end(result)
        assert (status.busy, status.message, status.result) == (False, "All steps were done.", result)
        assert status.best_text == "Best 31.2 dB at step 4"

    def test_a_second_run_is_refused_and_a_next_one_begins_anew(self):
        with pytest.raises(BusyError, match="going on"):
            training().begin("again")
        ended = training().end(TrainingResult(FinishReason.STOPPED, 4, 10, None, message="Stopped."))
        begun = ended.begin("again")
        assert (begun.step, begun.result, begun.notes) == (0, None, ())

    def test_pausing_and_going_on(self):
        paused = training().pause()
        assert paused.phase is TrainPhase.PAUSED
        assert paused.pace == "step 4 of 10"
        # The step that was being done when it was asked to rest is reported still.
        assert paused.see(step(5)).phase is TrainPhase.PAUSED
        assert paused.resume().phase is TrainPhase.TRAINING
        assert TrainStatus().begin("…").pause().phase is TrainPhase.PREPARING

    def test_asking_whether_to_go_on(self):
        asking = TrainStatus().begin("…").ask("Really?")
        assert (asking.phase, asking.message) == (TrainPhase.ASKING, "Really?")
        assert asking.resume().phase is TrainPhase.PREPARING
        assert training().ask("Really?").phase is TrainPhase.TRAINING

    def test_stopping_lasts_until_the_end(self):
        stopping = training().stop()
        assert stopping.see(step(5)).phase is TrainPhase.STOPPING
        assert stopping.resume() is stopping
        assert TrainStatus().stop().phase is TrainPhase.IDLE

    def test_notes_are_kept_once(self):
        status = training().see(NoteReport("Halved.")).see(NoteReport("Halved."))
        result = TrainingResult(FinishReason.COMPLETED, 10, 10, None, notes=("Halved.", "And more."))
        assert status.end(result).notes == ("Halved.", "And more.")

    def test_an_error_leaves_no_result(self):
        failed = training().fail("It broke.")
        assert (failed.busy, failed.failed, failed.result, failed.message) == (False, True, None, "It broke.")

    def test_an_idle_record_takes_no_notice(self):
        assert TrainStatus().see(step()) == TrainStatus()


class TestCurves:
    def test_each_output_has_a_curve_of_the_mean_over_its_levels(self):
        curves = Curves()
        assert curves.see(step(1))
        assert curves.see(
            ValidationReport(2, {"denoised_avg1": 30.0, "denoised_avg4": 34.0, "sim_avg1": 25.0}, 29.7, best=True)
        )
        assert not curves.see(NoteReport("…"))
        assert (curves.loss.steps, curves.loss.values) == ([1], [0.5])
        assert {name: (c.steps, c.values) for name, c in curves.scores.items()} == {
            "denoised": ([2], [32.0]),
            "sim": ([2], [25.0]),
        }
        assert curves.best == (29.7, 2)
        assert by_output({"denoised_noisy": 3.0}) == {"denoised": 3.0}

    def test_a_long_curve_is_thinned_evenly_and_keeps_its_end(self):
        curve = Curve()
        for i in range(5 * MOST_POINTS):
            curve.add(i, math.sin(i / 500))
        assert len(curve.steps) <= MOST_POINTS
        assert curve.steps == sorted(set(curve.steps))
        assert curve.steps[-1] > 5 * MOST_POINTS - 16
        distances = [b - a for a, b in pairwise(curve.steps)]
        assert max(distances) <= 2 * min(distances)
        assert all(abs(v - math.sin(s / 500)) < 0.05 for s, v in zip(curve.steps, curve.values, strict=True))


class TestControl:
    def test_a_stop_is_final(self):
        control = Control()
        assert control.wish() is Wish.GO
        control.pause()
        assert control.wish() is Wish.PAUSE
        control.stop()
        control.go()
        assert control.wish() is Wish.STOP

    def test_waiting_ends_with_the_pause(self):
        control = Control()
        control.pause()
        assert control.wait(0.001) is Wish.PAUSE
        found: list[Wish] = []
        thread = threading.Thread(target=lambda: found.append(control.wait(30)))
        thread.start()
        control.go()
        thread.join(10)
        assert found == [Wish.GO]
