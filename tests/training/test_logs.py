"""The logs of a run: as CSV, for TensorBoard, and never a reason to end it."""

from __future__ import annotations

import csv
import errno
from pathlib import Path
from typing import Any

import pytest
from w2s_training import TRAIN, VALIDATION, toy_config

from napari_w2s.training import logs
from napari_w2s.training.fit import fit
from napari_w2s.training.report import FinishReason, StepReport, TrainingResult, ValidationReport


def run(folder: Path, **options: Any) -> TrainingResult:
    given = {"train": TRAIN, "validation": VALIDATION, "preview_every": 0, "accelerator": "cpu", "devices": 1}
    return fit(toy_config(), folder, **{**given, **options})


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def test_losses_and_metrics_are_written(tmp_path: Path) -> None:
    reports: list[Any] = []
    run(tmp_path, report=reports.append)
    steps = rows(tmp_path / logs.STEPS)
    assert [row["step"] for row in steps] == [3, 6]
    assert all(row["train/loss"] == row["train/denoised"] for row in steps)
    assert all(row["learning_rate"] == pytest.approx(1e-2) for row in steps)
    judged = [report for report in reports if isinstance(report, ValidationReport)]
    assert [(row["step"], row["val/denoised_avg1"], row["val/score"]) for row in rows(tmp_path / logs.VALIDATION)] == [
        (r.step, pytest.approx(r.metrics["denoised_avg1"]), pytest.approx(r.score)) for r in judged
    ]
    assert any(isinstance(report, StepReport) for report in reports)


def test_tensorboard_finds_the_same(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path)
    events = EventAccumulator(str(tmp_path / logs.EVENTS))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("val/denoised_avg1")]
    written = rows(tmp_path / logs.VALIDATION)
    assert found == [(row["step"], pytest.approx(row["val/denoised_avg1"])) for row in written]
    assert [event.step for event in events.Scalars("train/loss")] == [3, 6]


def test_a_log_that_cannot_be_written_is_said_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: logs.Table, row: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(logs.Table, "write", write)
    result = run(tmp_path)
    assert result.reason is FinishReason.COMPLETED
    assert result.notes == (f"The logs in {tmp_path} cannot be written: No space left on device.",)
    assert result.model is not None


def test_a_table_takes_new_columns(tmp_path: Path) -> None:
    table = logs.Table(tmp_path / "log" / "x.csv", 0)
    table.write({"step": 1, "a": 0.5})
    table.write({"step": 2, "a": 0.25, "b": 4})
    table.write({"step": 3, "b": 8})
    assert (tmp_path / "log" / "x.csv").read_text().splitlines() == ["step,a,b", "1,0.5,", "2,0.25,4", "3,,8"]
