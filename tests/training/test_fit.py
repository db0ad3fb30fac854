"""A run from the first step to a model: reports, wishes, and every way in which it can end."""

from __future__ import annotations

import errno
import logging
import math
import os
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from w2s_training import DNCNN, TRAIN, VALIDATION, toy_config, toy_field

from napari_w2s._types import InputError, UnreadableFileError
from napari_w2s.models.builtin import default_registry
from napari_w2s.training import callbacks, checkpoints
from napari_w2s.training.fields import Field
from napari_w2s.training.fit import fit
from napari_w2s.training.module import TrainingModule
from napari_w2s.training.report import (
    FinishReason,
    NoteReport,
    PreviewReport,
    Report,
    StepReport,
    TrainingResult,
    ValidationReport,
    Wish,
)


@dataclass
class Watcher:
    """Keeps what is reported, and wishes what it is told to, poll by poll: before, after a step or validation."""

    wishes: dict[int, list[Wish]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    polled: int = 0

    def of(self, kind: type[Any]) -> list[Any]:
        return [report for report in self.reports if isinstance(report, kind)]

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def wish(self) -> Wish:
        """Say pause as often as it is told to, then the next wish."""
        waiting = self.wishes.get(self.polled, [])
        if waiting and waiting[0] is Wish.PAUSE:
            return waiting.pop(0)
        self.polled += 1
        return waiting.pop(0) if waiting else Wish.GO


@pytest.fixture(autouse=True)
def _reports_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "REPORT_EVERY", 0.0)


def run(folder: Path, watcher: Watcher | None = None, config: Any = None, **options: Any) -> TrainingResult:
    watcher = watcher or Watcher()
    given = {"train": TRAIN, "validation": VALIDATION, "preview_every": 0, "accelerator": "cpu", "devices": 1}
    return fit(config or toy_config(), folder, report=watcher.report, wish=watcher.wish, **{**given, **options})


def test_a_run_reports_its_steps_and_keeps_the_best_model(tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(tmp_path / "run", watcher)

    steps = watcher.of(StepReport)
    assert [report.step for report in steps] == [1, 2, 3, 4, 5, 6]
    assert {report.steps for report in steps} == {6}
    assert all(math.isfinite(report.loss) and report.learning_rate == 1e-2 for report in steps)
    assert [report.seconds_left is None for report in steps] == [True, True, True, False, False, False]
    assert steps[-1].seconds_left == 0
    assert all(a.seconds <= b.seconds for a, b in pairwise(steps))

    judged = watcher.of(ValidationReport)
    assert [report.step for report in judged] == [3, 6]
    assert all(set(report.metrics) == {"denoised_avg1"} for report in judged)
    best = max(judged, key=lambda report: report.score)
    assert [report.best for report in judged] == [True, judged[1].score > judged[0].score]
    assert (result.reason, result.step, result.steps) == (FinishReason.COMPLETED, 6, 6)
    assert result.metrics == best.metrics
    assert result.model == tmp_path / "run" / "best.safetensors"
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "recipe.yaml",
        "last.ckpt",
        "best.safetensors",
        "log",
        "tensorboard",
    }


def test_the_reported_loss_is_the_mean_since_the_last_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = Watcher()
    run(tmp_path / "a", every)
    monkeypatch.setattr(callbacks, "REPORT_EVERY", 1e9)
    few = Watcher()
    run(tmp_path / "b", few)
    assert [report.step for report in few.of(StepReport)] == [3, 6]
    losses = [report.loss for report in every.of(StepReport)]
    assert [report.loss for report in few.of(StepReport)] == pytest.approx([np.mean(losses[:3]), np.mean(losses[3:])])


def test_it_learns(tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(tmp_path, watcher, toy_config(steps=60, validate_every=30, average=None))
    first, last = watcher.of(StepReport)[0], watcher.of(StepReport)[-1]
    assert last.loss < 0.6 * first.loss
    noisy, clean = VALIDATION[0].inputs["avg1"] / 255.0, VALIDATION[0].denoised / 255.0
    assert result.metrics["denoised_avg1"] > -10 * math.log10(np.square(noisy - clean).mean()) + 1


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_gradients_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: float | None) -> None:
    norms = []

    def seen(self: TrainingModule, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if gradients:
            norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))

    monkeypatch.setattr(TrainingModule, "on_before_zero_grad", seen)
    run(tmp_path, config=toy_config(optimizer={"learning_rate": 1e-2, "gradient_clip": clip}))
    assert len(norms) == 4
    assert (max(norms) > 2e-3) == (clip is None)
    assert min(norms) > 0.9e-3


@pytest.mark.parametrize("normalization", ["standard", "unit"])
def test_noisy_images_alone_are_learned_from(tmp_path: Path, normalization: str) -> None:
    alone = [Field(one.name, one.group, {"noisy": one.inputs["avg1"]}) for one in (*TRAIN, *VALIDATION)]
    watcher = Watcher()
    config = toy_config(self_supervised="noise2void", normalization=normalization)
    result = run(tmp_path, watcher, config, train=alone[:3], validation=alone[3:], preview_every=1e-6)
    assert result.reason is FinishReason.COMPLETED
    assert set(result.metrics) == {"denoised_noisy"}
    assert watcher.of(PreviewReport)[0].name == "field 7 noisy"


def test_fields_to_judge_by_are_held_back(tmp_path: Path) -> None:
    watcher = Watcher()
    run(tmp_path, watcher, validation=None)
    assert len(watcher.of(ValidationReport)) == 2


def test_the_preview_is_in_the_patch_s_own_intensities(tmp_path: Path) -> None:
    watcher = Watcher()
    config = toy_config(
        task="jdsr", losses={"denoised": [{"name": "mse"}], "sim": [{"name": "mse"}]}, optimizer={"learning_rate": 1e-9}
    )
    run(tmp_path, watcher, config, preview_every=1e-6, validation=VALIDATION)
    shown = watcher.of(PreviewReport)
    assert shown[0].step == 0
    assert shown[-1].step == 6
    patch = VALIDATION[0]
    for report in shown:
        assert report.name == "field 7 avg1"
        np.testing.assert_array_equal(report.noisy, patch.inputs["avg1"])
        np.testing.assert_allclose(report.targets["denoised"], patch.denoised, atol=1e-3)
        np.testing.assert_allclose(report.targets["sim"], patch.sim, atol=1e-3)
        # A U-Net starts by passing its input through, and with nothing on the finer grid.
        np.testing.assert_allclose(report.answers["denoised"], report.noisy, atol=0.1)
        np.testing.assert_allclose(report.answers["sim"], np.zeros((64, 64)), atol=0.1)


def test_a_stop_ends_after_the_step_and_keeps_what_was_learned(tmp_path: Path) -> None:
    watcher = Watcher({2: [Wish.STOP]})
    result = run(tmp_path, watcher)
    assert (result.reason, result.step) == (FinishReason.STOPPED, 2)
    assert [report.step for report in watcher.of(ValidationReport)] == [2]
    assert result.model is not None
    assert result.model.is_file()
    assert "2 of 6" in result.message
    assert checkpoints.stored(tmp_path / "last.ckpt").step == 2


def test_a_stop_in_a_validation_ends_with_it(tmp_path: Path) -> None:
    watcher = Watcher({4: [Wish.STOP]})
    result = run(tmp_path, watcher)
    assert (result.reason, result.step) == (FinishReason.STOPPED, 3)
    assert [report.step for report in watcher.of(ValidationReport)] == [3]


def test_a_stop_before_the_first_step_leaves_no_model(tmp_path: Path) -> None:
    result = run(tmp_path, Watcher({0: [Wish.STOP]}))
    assert (result.reason, result.step, result.model) == (FinishReason.STOPPED, 0, None)
    assert not (tmp_path / "last.ckpt").exists()


def test_a_pause_waits_and_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def rest() -> None:
        now[0] += 1000

    monkeypatch.setattr("napari_w2s.training.run.monotonic", lambda: now[0])
    monkeypatch.setattr(callbacks, "rest", rest)
    watcher = Watcher({2: [Wish.PAUSE, Wish.PAUSE, Wish.PAUSE]})
    result = run(tmp_path, watcher)
    assert result.reason is FinishReason.COMPLETED
    assert now[0] == 2000
    assert watcher.of(StepReport)[-1].seconds == 0


def test_a_stop_ends_a_pause(tmp_path: Path) -> None:
    result = run(tmp_path, Watcher({2: [Wish.PAUSE, Wish.PAUSE, Wish.STOP]}))
    assert (result.reason, result.step) == (FinishReason.STOPPED, 2)


def spoil(monkeypatch: pytest.MonkeyPatch, step: int, what: Any) -> None:
    """Let the training step with this number (from 0) do something else."""
    before = TrainingModule.training_step

    def training_step(self: TrainingModule, batch: Any, index: int) -> Any:
        if self.steps_done >= step:
            made = what(batch)
            if made is not None:
                return before(self, batch, index) * made
        return before(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", training_step)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    spoil(monkeypatch, 4, lambda _: value)
    result = run(tmp_path)
    assert (result.reason, result.step) == (FinishReason.DIVERGED, 5)
    assert "learning rate" in result.message
    assert result.model is not None
    assert default_registry().register_trained(result.model)
    assert checkpoints.stored(tmp_path / "last.ckpt").step == 3


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = TrainingModule.on_validation_epoch_start

    def spoilt(self: TrainingModule) -> None:
        before(self)
        if self.steps_done == 6:
            with torch.no_grad():
                next(self.judged.parameters()).fill_(math.nan)

    monkeypatch.setattr(TrainingModule, "on_validation_epoch_start", spoilt)
    result = run(tmp_path)
    assert result.reason is FinishReason.DIVERGED
    assert checkpoints.stored(tmp_path / "last.ckpt").step == 3
    assert result.model is not None


def test_the_batch_is_halved_when_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def crowd(batch: Any) -> None:
        sizes.append(len(batch["noisy"]))
        if len(batch["noisy"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    spoil(monkeypatch, 2, crowd)
    watcher = Watcher()
    result = run(tmp_path, watcher, toy_config(batch=4))
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 6)
    assert sizes == [4, 2, 1, 1, 1, 1]
    assert [report.step for report in watcher.of(StepReport)] == [1, 2, 3, 4, 5, 6]
    assert [note.text for note in watcher.of(NoteReport)] == list(result.notes)
    assert len(result.notes) == 2
    assert "2 patches" in result.notes[0]
    assert checkpoints.stored(tmp_path / "last.ckpt").batch == 1


def test_what_was_learned_survives_running_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy_config(batch=2, steps=4, validate_every=4)
    run(tmp_path / "whole", config=config)
    failed = []

    def fail_once(_batch: Any) -> None:
        if not failed:
            failed.append(True)
            raise torch.OutOfMemoryError("CUDA out of memory.")

    spoil(monkeypatch, 3, fail_once)
    monkeypatch.setattr("napari_w2s.training.fit._halve", lambda run: None)
    run(tmp_path / "broken", config=config)
    assert failed
    whole, broken = (checkpoints.load(tmp_path / name / "last.ckpt")["state_dict"] for name in ("whole", "broken"))
    assert all(torch.equal(value, broken[key]) for key, value in whole.items())


def test_too_little_memory_for_one_patch_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowd(_batch: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    spoil(monkeypatch, 0, crowd)
    with pytest.raises(InputError, match="single patch of 16 x 16"):
        run(tmp_path)


def test_an_error_of_the_code_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_batch: Any) -> None:
        raise RuntimeError("a mistake")

    spoil(monkeypatch, 1, fail)
    with pytest.raises(RuntimeError, match="a mistake"):
        run(tmp_path)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, name: str, after: int) -> None:
    """Let files of this name be written so many times, and then no more."""
    before, written = os.replace, []

    def replace(source: Any, target: Any) -> None:
        if Path(target).name == name:
            written.append(target)
            if len(written) > after:
                raise OSError(errno.ENOSPC, "No space left on device")
        before(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize(("name", "step"), [("last.ckpt", 3), ("best.safetensors", 3)])
def test_a_full_disk_ends_the_run_and_leaves_the_last_good_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: int
) -> None:
    fill_the_disk(monkeypatch, name, after=1)
    result = run(tmp_path, config=toy_config(steps=12, average=None))
    assert result.reason is FinishReason.DISK_FULL
    assert "No space left on device" in result.message
    assert result.step in (6, 9, 12)
    assert result.model is not None
    assert default_registry().register_trained(result.model)
    assert checkpoints.stored(tmp_path / "last.ckpt").step >= step
    assert not list(tmp_path.glob("*.tmp"))
    assert not list(tmp_path.glob(".*"))


class Torn:
    """An image that can be found, but not read."""

    shape, dtype, ndim, nbytes = (32, 32), np.dtype(np.uint8), 2, 1024

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UnreadableFileError("cells.tif is truncated. Copy it again.")


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    good = toy_field(3)
    torn = Field("cells", "cells", {"avg1": Torn()}, denoised=good.denoised)
    with pytest.raises(InputError, match=r"cells\.tif is truncated"):
        run(tmp_path, train=[*TRAIN, torn], config=toy_config(steps=60, validate_every=60))


def test_a_thread_can_train_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    results: list[TrainingResult] = []
    level = logging.getLogger("lightning.pytorch").level
    thread = threading.Thread(target=lambda: results.append(run(tmp_path, preview_every=1e-6, devices="auto")))
    thread.start()
    thread.join()
    assert results[0].reason is FinishReason.COMPLETED
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("lightning.pytorch").level == level


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run(tmp_path, Watcher({1: [Wish.STOP]}))
    with pytest.raises(InputError, match="holds a run already"):
        run(tmp_path)


def test_a_device_that_is_not_here_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no device 'tpu' here\. Choose one of: auto, .*cpu"):
        run(tmp_path, accelerator="tpu")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written to"):
        run(tmp_path / "file")


def test_the_random_weights_follow_from_the_seed_alone(tmp_path: Path) -> None:
    states = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(states))
        run(tmp_path / name, config=toy_config(steps=1, validate_every=1, seed=seed, network=dict(DNCNN)))
        states.append(checkpoints.load(tmp_path / name / "last.ckpt")["state_dict"]["network.dncnn.0.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
