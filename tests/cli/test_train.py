"""``napari-w2s train``: recipes by name, what it says, exit codes, signals, several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from w2s_cli import Run
from w2s_tree import make_8bit

from napari_w2s.engine.cluster import default_workers
from napari_w2s.models.builtin import default_registry
from napari_w2s.training.checkpoints import load, stored
from napari_w2s.training.config import read_recipe
from napari_w2s.training.fit import fit
from napari_w2s.training.report import FinishReason, NoteReport, StepReport, TrainingResult
from napari_w2s.training.shipped import recipe_names

TINY: dict[str, Any] = {
    "name": "tiny",
    "task": "denoise",
    "network": {"architecture": "unet", "options": {"widths": [4], "blocks": [1]}},
    "train": [{"kind": "w2s", "paths": {"root": ["$TINY_ROOT"]}, "fovs": "1-3"}],
    "losses": {"denoised": [{"name": "mse"}]},
    "patch": 16,
    "batch": 2,
    "steps": 4,
    "validate_every": 2,
    "validation_crop": 16,
    "average": 0.9,
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_8bit(tmp_path / "tree" / "train", range(1, 4), [0], ["avg1", "avg400"])
    monkeypatch.setenv("TINY_ROOT", str(tmp_path / "tree"))
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.mark.usefixtures("one_thread")
def test_a_recipe_becomes_a_model_to_restore_with(run: Run, recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ended = run("train", recipe, "-o", folder, "--accelerator", "cpu", "--install")
    assert ended.code == 0
    assert ended.out.strip() == str((folder / "best.safetensors").resolve())
    lines = ended.err.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("step")] == [["step", "2/4"], ["step", "4/4"]]
    assert "All 4 steps are done." in ended.err
    assert lines[-1] == "Use it: napari-w2s restore IMAGE --model tiny --output DIR"
    assert default_registry().load("tiny").scale == 1


@pytest.mark.usefixtures("one_thread")
def test_a_run_can_be_resumed_and_its_model_added_later(run: Run, recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run("train", recipe, "-o", folder, "--accelerator", "cpu", "--steps", 2).code == 0
    again = run("train", recipe, "-o", folder, "--accelerator", "cpu")
    assert (again.code, again.out) == (1, "")
    assert "holds a run already" in again.err
    more = run("train", recipe, "-o", folder, "--accelerator", "cpu", "--resume")
    assert more.code == 0
    assert stored(folder / "last.ckpt").step == 4
    command = next(line for line in more.err.splitlines() if "models --add" in line).partition("napari-w2s ")[2]
    assert run(*command.split()).code == 0
    assert "tiny" in default_registry()


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(run: Run, recipe: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    ended = run("train", recipe, "--dry-run")
    assert ended.code == 0
    assert "learns from 2 fields of 2 places" in ended.out
    assert "4, each of 2 patches of 16 x 16 pixels a device" in ended.out
    assert set(tmp_path.iterdir()) == before


def test_the_recipes_that_come_along_are_listed(run: Run) -> None:
    ended = run("train", "--list")
    assert ended.code == 0
    assert all(name in ended.out for name in recipe_names())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "x"), "train --list"),
        (("no-such-recipe",), "no recipe 'no-such-recipe'"),
        (("dncn",), "Did you mean dncnn"),
        (("dncnn",), "--output"),
        (("dncnn", "-o", "x", "--devices", "two"), "no number of devices"),
    ],
)
def test_wrong_usage_is_explained(run: Run, arguments: tuple[str, ...], words: str) -> None:
    ended = run("train", *arguments)
    assert ended.code == 2
    assert words in ended.err


def test_a_name_that_is_taken_is_said_before_anything_is_trained(run: Run, recipe: Path, tmp_path: Path) -> None:
    arguments = ("train", recipe, "-o", tmp_path / "run", "--install")
    taken = run(*arguments, "--name", "dncnn-avg1")
    assert taken.code == 2
    assert "a model named 'dncnn-avg1' already" in taken.err
    wrong = run(*arguments, "--name", "My Model")
    assert wrong.code == 2
    assert "name" in wrong.err
    assert not (tmp_path / "run").exists()


def test_a_fault_in_a_recipe_is_named(run: Run, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(yaml.safe_dump({**TINY, "batch": 0}))
    ended = run("train", recipe, "-o", tmp_path / "run")
    assert ended.code == 2
    assert "batch" in ended.err
    assert not (tmp_path / "run").exists()


def test_test_images_need_leave(run: Run, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(yaml.safe_dump({**TINY, "train": [{**TINY["train"][0], "fovs": "81"}]}))
    refused = run("train", recipe, "--dry-run")
    assert refused.code == 1
    assert "test images" in refused.err
    make_8bit(tmp_path / "tree" / "train", [81], [0], ["avg1", "avg400"])
    allowed = run("train", recipe, "--dry-run", "--allow-test-fovs")
    assert allowed.code == 0
    assert "Warning" in allowed.err


@pytest.mark.parametrize(
    ("reason", "code", "stream"),
    [
        (FinishReason.COMPLETED, 0, "It ended."),
        (FinishReason.DIVERGED, 1, "Error: It ended."),
        (FinishReason.DISK_FULL, 1, "Error: It ended."),
    ],
)
def test_every_end_has_its_exit_code(
    run: Run,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: FinishReason,
    code: int,
    stream: str,
) -> None:
    def pretend(config: Any, folder: Path, *, report: Any, **_: Any) -> TrainingResult:
        report(StepReport(1, 4, 0.5, 1e-3, 1.0, None))
        report(NoteReport("By the way."))
        return TrainingResult(reason, 1, 4, None, message="It ended.")

    monkeypatch.setattr("napari_w2s.training.fit.fit", pretend)
    ended = run("train", recipe, "-o", tmp_path / "run")
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.splitlines() == ["By the way.", stream]


@pytest.mark.usefixtures("one_thread")
def test_the_first_signal_stops_and_keeps(
    run: Run, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, report: Any, **options: Any) -> TrainingResult:
        def watch(said: Any) -> None:
            if isinstance(said, StepReport) and said.step == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            report(said)

        return fit(*arguments, report=watch, **options)

    monkeypatch.setattr("napari_w2s.training.callbacks.REPORT_EVERY", 0.0)
    monkeypatch.setattr("napari_w2s.training.fit.fit", interrupted)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    ended = run("train", recipe, "-o", tmp_path / "run", "--accelerator", "cpu")
    assert ended.code == 128 + signal.SIGTERM
    assert "once more to stop at once" in ended.err
    assert "Stopped after" in ended.err
    assert (tmp_path / "run" / "best.safetensors").is_file()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.usefixtures("one_thread")
def test_the_second_signal_ends_at_once(
    run: Run, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, report: Any, **options: Any) -> TrainingResult:
        def watch(said: Any) -> None:
            if isinstance(said, StepReport):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
            report(said)

        return fit(*arguments, report=watch, **options)

    monkeypatch.setattr("napari_w2s.training.fit.fit", interrupted)
    before = signal.getsignal(signal.SIGINT)
    ended = run("train", recipe, "-o", tmp_path / "run", "--accelerator", "cpu")
    assert (ended.code, ended.out) == (130, "")
    assert signal.getsignal(signal.SIGINT) is before


def test_more_processes_than_cores_are_refused_before_anything_is_made(
    run: Run, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_w2s.training.processes.default_workers", lambda: 2)
    ended = run("train", recipe, "-o", tmp_path / "run", "--devices", "99", "--accelerator", "cpu")
    assert (ended.code, ended.out) == (1, "")
    assert "99 processes are too many for this machine, whose processor has 2 cores" in ended.err
    assert "--devices 2" in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.timeout(300)
@pytest.mark.skipif(default_workers() < 2, reason="one core trains in one process")
def test_two_processes_make_what_one_makes_with_twice_the_batch(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    arguments = ["train", recipe, "-o", folder, "--devices", "2", "--accelerator", "cpu"]
    command = [sys.executable, "-m", "napari_w2s", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(folder / "best.safetensors")]
    assert sum(line.startswith("step ") for line in done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr

    config = read_recipe(recipe)
    fit(config.model_copy(update={"batch": 4}), tmp_path / "one", accelerator="cpu", devices=1, preview_every=0)
    two, one = (load(tmp_path / name / "last.ckpt")["state_dict"] for name in ("two", "one"))
    start = tmp_path / "half"
    fit(config, start, accelerator="cpu", devices=1, preview_every=0)
    half = load(start / "last.ckpt")["state_dict"]
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(half[key], value, rtol=1e-3, atol=1e-5) for key, value in one.items())
    rows = (folder / "log" / "validation.csv").read_text().splitlines()
    assert len(rows) == 3
