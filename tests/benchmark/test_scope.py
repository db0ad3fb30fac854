"""Denoising of what there is nothing cleaner than is left out, and said; all else is measured."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from w2s_benchmark import CountingRegistry, benchmark, make_tree

from napari_w2s._types import InputError
from napari_w2s.benchmark import BenchmarkConfig, BenchmarkResult, evaluate
from napari_w2s.benchmark.report import write_report

LEFT_OUT = "Denoising of avg16 is left out: there is no cleaner image to score it against."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A test split: no avg400."""
    return make_tree(tmp_path / "w2s", levels=("avg1", "avg4", "avg8", "avg16", "sim"), split="test")


def run(config: BenchmarkConfig, folder: Path) -> tuple[BenchmarkResult, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    result = evaluate(config, folder, registry=CountingRegistry(), progress=lambda *done: told.append(done))
    return result, told


def test_all_levels_of_the_test_split_can_be_asked_for(tmp_path: Path, root: Path) -> None:
    result, told = run(benchmark(root, "noisy", "blur"), tmp_path / "out")
    assert result.failed == ()
    assert {row.case.level for row in result.rows} == {"avg1", "avg4", "avg8"}
    assert result.levels == ("avg1", "avg4", "avg8")
    assert LEFT_OUT in result.notes
    assert told == [(done, 12) for done in range(13)]
    assert all(row.noise_floor_db for row in result.rows)
    for path in write_report(result):
        assert LEFT_OUT in path.read_text(encoding="utf-8")


def test_super_resolution_of_the_same_level_is_measured(tmp_path: Path, root: Path) -> None:
    result, _told = run(benchmark(root, "blur", "blur+twice", levels=["avg1", "avg16"]), tmp_path / "out")
    with (tmp_path / "out" / "rows.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(row["pipeline"], row["level"], row["error"]) for row in csv.DictReader(stream)]
    assert rows == [("blur", "avg1", "")] * 2 + [("blur+twice", "avg1", "")] * 2 + [("blur+twice", "avg16", "")] * 2
    assert result.levels == ("avg1", "avg16")
    assert LEFT_OUT in result.notes
    alone, _told = run(benchmark(root, "twice", levels=["avg16"]), tmp_path / "alone")
    assert (alone.failed, LEFT_OUT in alone.notes) == ((), False)


@pytest.mark.parametrize("level", ["avg16", "avg400"])
def test_a_level_that_cannot_be_scored_is_refused_by_itself(tmp_path: Path, level: str) -> None:
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg16", level, "sim"))
    config = benchmark(root, "noisy", "blur", levels=[level])
    with pytest.raises(InputError, match=rf"Denoising of {level} is left out.*Nothing is left to measure: choose"):
        run(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_the_fields_without_a_cleaner_image_are_left_out(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1, 2, 3))
    (root / "data/train/avg400/002_0.png").unlink()
    result, _told = run(benchmark(root, "blur", levels=["avg1", "avg16"]), tmp_path / "out")
    assert [(row.case.level, row.case.field) for row in result.rows] == [
        *(("avg1", "001"), ("avg1", "002"), ("avg1", "003")),
        *(("avg16", "001"), ("avg16", "003")),
    ]
    assert result.failed == ()
    assert any("avg16 is left out for 1 of 3 fields, 002 for one: there" in note for note in result.notes)


def test_an_image_that_is_missing_is_still_an_error(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg16", "sim"), fovs=(1, 2), split="test")
    (root / "data/test/avg16/002_0.png").unlink()
    result, _told = run(benchmark(root, "blur", "twice", levels=["avg16"]), tmp_path / "out")
    assert {(row.system, row.case.field, row.error[:30]) for row in result.failed} == {
        ("blur", "002", f"{root} has no avg16"[:30]),
        ("twice", "002", f"{root} has no avg16"[:30]),
    }
