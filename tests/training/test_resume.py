"""A run that was ended, or killed, goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from w2s_training import DNCNN, TRAIN, VALIDATION, stop_after, toy_config

from napari_w2s._types import InputError
from napari_w2s.training import checkpoints
from napari_w2s.training.config import TrainingConfig, read_recipe
from napari_w2s.training.fit import fit
from napari_w2s.training.logs import STEPS
from napari_w2s.training.logs import VALIDATION as JUDGED
from napari_w2s.training.report import FinishReason, TrainingResult

CONFIG = {
    "steps": 20,
    "validate_every": 5,
    "schedule": {"kind": "constant", "warmup": 3, "decay": 8},
    "average": 0.9,
}


def run(folder: Path, config: TrainingConfig | None = None, *, resume: bool = False, **options: Any) -> TrainingResult:
    return fit(
        config or toy_config(**CONFIG),
        folder,
        train=TRAIN,
        validation=VALIDATION,
        resume=resume,
        preview_every=0,
        accelerator="cpu",
        devices=1,
        **options,
    )


def state(folder: Path) -> dict[str, torch.Tensor]:
    loaded = checkpoints.load(folder / "last.ckpt")
    optimizer = loaded["optimizer_states"][0]["state"]
    moments = {f"moment {i} {key}": value for i, one in optimizer.items() for key, value in one.items()}
    return {**loaded["state_dict"], **moments}


def assert_same(a: Path, b: Path) -> None:
    first, second = state(a), state(b)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(folder).reason is FinishReason.COMPLETED
    return folder


@pytest.mark.parametrize("step", [3, 5, 17])
def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path: Path, whole: Path, step: int) -> None:
    stopped = run(tmp_path, wish=stop_after(step, 5))
    assert (stopped.reason, stopped.step) == (FinishReason.STOPPED, step)
    result = run(tmp_path, resume=True)
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 20)
    assert_same(tmp_path, whole)


SCRIPT = """
import sys
import torch
sys.path.insert(0, sys.argv[1])
torch.set_num_threads(1)
from pathlib import Path
from test_resume import run
run(Path(sys.argv[2]), save_every=0.0)
"""


def test_a_run_that_was_killed_ends_with_the_same_weights(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "run"
    here = Path(__file__)
    paths = [str(here.parent), str(here.parents[1] / "support")]
    code = f"import sys; sys.path[:0] = {paths!r}; {SCRIPT.strip().replace(chr(10), '; ')}"
    process = subprocess.Popen([sys.executable, "-c", code, paths[1], str(folder)], stderr=subprocess.PIPE)
    for _ in range(1000):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        if (folder / "last.ckpt").exists() or process.returncode is not None:
            break
    process.kill()
    _, said = process.communicate()
    assert (folder / "last.ckpt").exists(), said.decode()
    done = checkpoints.stored(folder / "last.ckpt").step
    assert 0 < done <= 20

    result = run(folder, resume=True)
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 20)
    assert not list(folder.glob(".*.tmp"))
    assert_same(folder, whole)
    assert result.metrics == run(whole, resume=True).metrics


def test_a_run_that_is_complete_stays_as_it_is(tmp_path: Path, whole: Path) -> None:
    before = (whole / "last.ckpt").read_bytes()
    result = run(whole, resume=True)
    assert (result.reason, result.step, result.model) == (FinishReason.COMPLETED, 20, whole / "best.safetensors")
    assert (whole / "last.ckpt").read_bytes() == before


def test_without_a_checkpoint_it_starts_anew(tmp_path: Path, whole: Path) -> None:
    run(tmp_path, resume=True)
    assert_same(tmp_path, whole)


def test_more_steps_continue_and_the_schedule_follows(tmp_path: Path) -> None:
    few = {**CONFIG, "schedule": {"kind": "one-cycle", "warmup": 0}}
    run(tmp_path, toy_config(**{**few, "steps": 10}))
    rates: list[tuple[int, float]] = []
    more = toy_config(**few)

    def watch(report: Any) -> None:
        if hasattr(report, "learning_rate"):
            rates.append((report.step, report.learning_rate))

    result = run(tmp_path, more, resume=True, report=watch)
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 20)
    assert min(step for step, _ in rates) > 10
    # Half-way down the cosine of 20 steps is where the 10 steps before had come to its end.
    assert dict(rates)[15] == pytest.approx(1e-2 * 0.5 * (1 - 2**-0.5))
    assert read_recipe(tmp_path / "recipe.yaml").steps == 20


def test_fewer_steps_than_done_are_enough(tmp_path: Path) -> None:
    run(tmp_path, wish=stop_after(7, 5))
    result = run(tmp_path, toy_config(**{**CONFIG, "steps": 6}), resume=True)
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 7)


def test_another_recipe_is_refused_by_the_names_of_what_differs(tmp_path: Path) -> None:
    run(tmp_path, wish=stop_after(1, 5))
    other = toy_config(**{**CONFIG, "batch": 3, "schedule": {"kind": "constant", "warmup": 4, "decay": 8}})
    with pytest.raises(InputError, match=r"another recipe: batch, schedule\.warmup differ"):
        run(tmp_path, other, resume=True)
    recipe = (tmp_path / "recipe.yaml").read_text()
    assert "batch: 2" in recipe
    harmless = toy_config(**{**CONFIG, "validation_images": 1, "summary": "x", "validate_every": 4})
    assert run(tmp_path, harmless, resume=True).reason is FinishReason.COMPLETED


def test_other_validation_images_make_no_old_score_the_best(tmp_path: Path) -> None:
    run(tmp_path, wish=stop_after(5, 5))
    stored = checkpoints.load(tmp_path / "last.ckpt")
    stored[checkpoints.KEY]["best"]["score"] = 1000.0
    torch.save(stored, tmp_path / "last.ckpt")
    praised = stored[checkpoints.KEY]["best"]["metrics"]
    assert run(tmp_path, resume=True, wish=stop_after(9, 5, first=5)).metrics == praised
    assert run(tmp_path, toy_config(**CONFIG, validation_crop=8), resume=True).metrics != praised


def test_logs_go_on_without_doing_a_step_twice(tmp_path: Path) -> None:
    run(tmp_path, wish=stop_after(7, 5))
    kept = checkpoints.load(tmp_path / "last.ckpt")
    run(tmp_path, resume=True)
    torch.save(kept, tmp_path / "last.ckpt")
    run(tmp_path, resume=True)
    for name, steps in ((STEPS, [5, 10, 15, 20]), (JUDGED, [5, 7, 10, 15, 20])):
        rows = (tmp_path / name).read_text().splitlines()
        assert rows[0].startswith("step,")
        assert [int(row.split(",")[0]) for row in rows[1:]] == steps


@pytest.mark.parametrize("spoil", [b"", b"PK\x03\x04 half a file", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_said(tmp_path: Path, spoil: bytes) -> None:
    (tmp_path / "last.ckpt").write_bytes(spoil)
    with pytest.raises(InputError, match=r"last\.ckpt is damaged"):
        run(tmp_path, resume=True)


def test_a_checkpoint_of_something_else_is_said(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(InputError, match="no checkpoint of a training run"):
        run(tmp_path, resume=True)


class Trap:
    """A pickle of this does something when it is read."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("sprung"),))


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({checkpoints.KEY: {"config": Trap()}}, tmp_path / "last.ckpt")
    with pytest.raises(InputError, match="damaged"):
        run(tmp_path, resume=True)
    assert not (tmp_path / "sprung").exists()


def test_batch_norms_are_averaged_with_the_weights_and_resumed(tmp_path: Path) -> None:
    config = toy_config(**{**CONFIG, "network": dict(DNCNN), "normalization": "unit"})
    run(tmp_path / "whole", config)
    run(tmp_path / "parts", config, wish=stop_after(8, 5))
    run(tmp_path / "parts", config, resume=True)
    assert_same(tmp_path / "parts", tmp_path / "whole")
    found = state(tmp_path / "whole")
    own, average = (found[f"{where}.dncnn.3.running_var"] for where in ("network", "average.network"))
    assert not torch.equal(own, average)
    assert torch.isfinite(average).all()
    assert found["average.network.dncnn.3.num_batches_tracked"] == 20
