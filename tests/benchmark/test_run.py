"""A benchmark in one process: rows, what is shared, and what survives."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from w2s_benchmark import CountingRegistry, benchmark, make_tree

from napari_w2s._types import Cancelled, InputError, OutputError
from napari_w2s.benchmark import evaluate, make_config, stages
from napari_w2s.benchmark.examples import read_crop
from napari_w2s.benchmark.pixels import Frame
from napari_w2s.benchmark.protocol import PROTOCOLS
from napari_w2s.benchmark.scores import measure
from napari_w2s.benchmark.stages import hand_over
from napari_w2s.data.png import read_png
from napari_w2s.engine.device import choose_device
from napari_w2s.engine.predict import predict


@pytest.fixture
def registry() -> CountingRegistry:
    return CountingRegistry()


def table(folder: Path, name: str = "rows.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_row_for_every_pipeline_level_field_and_channel(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", channels=(0, 1))
    config = benchmark(root, "twice", "noisy", "blur-{level}+twice", levels=["avg4", "avg1"])
    told: list[tuple[int, int]] = []
    result = evaluate(config, tmp_path / "out", registry=registry, progress=lambda *done: told.append(done))
    rows = table(tmp_path / "out")
    places = [(row["pipeline"], row["level"], row["fov"], row["channel"]) for row in rows]
    assert places == [
        (pipeline, level, fov, channel)
        for pipeline in config.pipelines
        for level in ("avg4", "avg1")
        for fov in ("001", "002")
        for channel in "01"
    ]
    assert told == [(done, 24) for done in range(25)]
    assert (result.measured, result.failed) == (24, ())
    last = rows[-1]
    assert (last["models"], last["task"], last["reference"]) == ("blur-avg1+twice", "sr", "sim")
    assert (last["protocol"], last["weights_sha256"], last["error"]) == ("w2s-8bit", "-+-", "")
    assert len({row["key"] for row in rows}) == 24
    assert {row["source_sha256"] for row in rows if row["level"] == "avg1"}.isdisjoint(
        row["source_sha256"] for row in rows if row["level"] == "avg4"
    )


def test_the_numbers_are_those_of_the_parts(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    names = ("blur", "blur+twice")
    for protocol in PROTOCOLS.values():
        config = benchmark(root, *names, levels=["avg1"], protocol=protocol.name, precision="float32")
        rows = evaluate(config, tmp_path / protocol.name, registry=registry).rows
        pixels = {level: read_png(root / f"data/train/{level}/001_0.png") for level in ("avg1", "avg400", "sim")}
        blur, twice = registry.load("blur"), registry.load("twice")
        denoised = Frame(predict(blur, pixels["avg1"]), 0, 255)
        fine = Frame(predict(twice, hand_over(denoised, blur, protocol).pixels), 0, 255)
        for row, made, level in zip(rows, (denoised, fine), ("avg400", "sim"), strict=True):
            scores = measure(pixels[level] / 255, made.unit, row.task, protocol, protocol.metrics)
            assert row.values == pytest.approx(scores, abs=1e-6)


def test_what_pipelines_share_is_computed_once(
    tmp_path: Path, registry: CountingRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []

    def counted(model: Any, *arguments: Any, **options: Any) -> Any:
        runs.append(model.name)
        return predict(model, *arguments, **options)

    monkeypatch.setattr(stages, "predict", counted)
    root = make_tree(tmp_path / "w2s")
    config = benchmark(root, "blur+twice", "blur", "twice", "blur+twice-again", levels=["avg1", "avg4"])
    result = evaluate(config, tmp_path / "shared", registry=registry)
    assert len(result.rows) == 16
    assert Counter(runs) == {"blur": 4, "twice": 8, "twice-again": 4}


def test_a_second_run_measures_nothing_and_a_larger_one_only_what_is_new(
    tmp_path: Path, registry: CountingRegistry
) -> None:
    root, out = make_tree(tmp_path / "w2s"), tmp_path / "out"
    small = benchmark(root, "blur", levels=["avg1"])
    assert evaluate(small, out, registry=registry).measured == 2
    first = (out / "rows.csv").read_bytes()
    assert evaluate(small, out, registry=registry).measured == 0
    assert (out / "rows.csv").read_bytes() == first
    larger = benchmark(root, "blur", "twice", levels=["avg1", "avg4"])
    assert evaluate(larger, out, registry=registry).measured == 6
    assert evaluate(small, out, registry=registry).measured == 0
    assert (out / "rows.csv").read_bytes() == first


@pytest.mark.parametrize("change", ["pixels", "protocol", "metrics"])
def test_a_row_is_measured_again_when_what_it_depends_on_changes(
    tmp_path: Path, registry: CountingRegistry, change: str
) -> None:
    root, out = make_tree(tmp_path / "w2s"), tmp_path / "out"
    entries: dict[str, Any] = {"levels": ["avg1"]}
    before = evaluate(benchmark(root, "blur", **entries), out, registry=registry)
    if change == "pixels":
        other = root / "data/train/avg1/002_0.png"
        other.write_bytes((root / "data/train/avg4/002_0.png").read_bytes())
    else:
        entries[change] = "float" if change == "protocol" else ["rmse"]
    after = evaluate(benchmark(root, "blur", **entries), out, registry=registry)
    assert after.measured == (1 if change == "pixels" else 2)
    assert before.rows[1].key != after.rows[1].key


def test_bad_files_and_models_become_rows_with_an_error(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1, 2, 3))
    damaged = root / "data/train/avg1/002_0.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    (root / "data/train/sim/003_0.png").unlink()
    config = benchmark(root, "blur", "blur+twice", "fails", "fails+twice", "blank", levels=["avg1"], fovs="1-4")
    result = evaluate(config, tmp_path / "out", registry=registry)
    errors = {(row["pipeline"], row["fov"]): row["error"] for row in table(tmp_path / "out")}
    assert len(errors) == 20
    assert {place for place, error in errors.items() if not error} == {
        *(("blur", "001"), ("blur+twice", "001"), ("blur", "003"))
    }
    assert errors["blur", "002"] == errors["blur+twice", "002"]
    assert "002_0.png cannot be read as a PNG image" in errors["blur", "002"]
    assert errors["blur+twice", "003"].startswith("There is no SIM image of 003, channel 0")
    assert "has no avg1 image of field of view 004" in errors["blur", "004"]
    assert errors["fails", "001"] == errors["fails+twice", "001"] == "RuntimeError: it never works"
    assert errors["blank", "001"] == "The result has NaN or infinite pixels, which cannot be scored."
    assert len(result.failed) == 17
    again = evaluate(config, tmp_path / "out", registry=registry)
    assert {(row.system, row.case.field): row.error for row in again.rows} == errors


def test_weights_that_are_not_there_cost_only_their_rows(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    config = benchmark(root, "ridnet-light", "noisy", levels=["avg1"])
    rows = evaluate(config, tmp_path / "out").rows
    assert "ridnet-light has no weights yet" in rows[0].error
    assert rows[1].values["psnr"] > 0


def test_what_cannot_run_at_all_is_refused_before_anything_is_written(
    tmp_path: Path, registry: CountingRegistry
) -> None:
    root = make_tree(tmp_path / "w2s")
    for entries, message in (
        ({"pipelines": ["blurr"]}, "Did you mean blur"),
        ({"weights": {"blurr": str(root)}}, "Did you mean blur"),
        ({"weights": {"blur": str(root / "none.pth")}}, "does not exist"),
        ({"net_data": str(root / "none")}, "does not exist"),
        ({"levels": ["avg2"]}, "no images of avg2"),
        ({"device": "tpu"}, "no device 'tpu'"),
    ):
        config = make_config({"data": str(root), "pipelines": ["blur"], **entries})
        with pytest.raises(InputError, match=message):
            evaluate(config, tmp_path / "out", registry=registry)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, registry: CountingRegistry) -> None:
    (tmp_path / "out").write_text("in the way")
    config = benchmark(make_tree(tmp_path / "w2s"), "blur", levels=["avg1"])
    with pytest.raises(OutputError, match="cannot be made"):
        evaluate(config, tmp_path / "out" / "here", registry=registry)


def test_a_stop_keeps_what_is_done(tmp_path: Path, registry: CountingRegistry) -> None:
    root, out = make_tree(tmp_path / "w2s"), tmp_path / "out"
    config = benchmark(root, "blur", "twice", levels=["avg1", "avg4"])
    done: list[int] = []
    with pytest.raises(Cancelled, match=r"Stopped: 3 of 8 rows are there\. Run it again to go on"):
        evaluate(
            config,
            out,
            registry=registry,
            progress=lambda now, _all: done.append(now),
            should_stop=lambda: len(done) > 3,
        )
    assert len(table(out)) == 3
    assert evaluate(config, out, registry=registry).measured == 5
    evaluate(config, tmp_path / "whole", registry=registry)
    for name in ("rows.csv", "summary.csv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from w2s_benchmark import CountingRegistry, benchmark
from napari_w2s.benchmark import evaluate
from napari_w2s.benchmark import journal

add, left = journal.Journal.add, [int(sys.argv[3])]
def dying(self, scored):
    left[0] -= 1
    if not left[0]:
        os.write(self._file._stream.fileno(), b'{"key": "half of a li')
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, scored)
journal.Journal.add = dying
config = benchmark(Path(sys.argv[1]), "blur", "blur+twice", "twice", levels=["avg1", "avg4"])
evaluate(config, sys.argv[2], registry=CountingRegistry())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_run_that_was_killed_goes_on_to_the_same_tables(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s")
    support = Path(__file__).parents[1] / "support"
    arguments = [sys.executable, "-c", KILLED, str(root), str(tmp_path / "killed"), "6"]
    ended = subprocess.run(arguments, cwd=support, capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    assert len(table(tmp_path / "killed")) == 5
    config = benchmark(root, "blur", "blur+twice", "twice", levels=["avg1", "avg4"])
    resumed = evaluate(config, tmp_path / "killed", registry=registry)
    assert resumed.measured == 12 - 5
    evaluate(config, tmp_path / "whole", registry=registry)
    for name in ("rows.csv", "summary.csv", "benchmark.yaml"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    examples = {path.name for path in (tmp_path / "whole" / "examples").iterdir()}
    assert examples <= {path.name for path in (tmp_path / "killed" / "examples").iterdir()}


def test_the_best_and_the_worst_result_can_be_looked_at(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", fovs=range(1, 6))
    result = evaluate(benchmark(root, "blur+twice", levels=["avg1"]), tmp_path / "out", registry=registry)
    ordered = sorted(result.rows, key=lambda row: row.values["psnr_matched"])
    folder = tmp_path / "out" / "examples"
    for row in (ordered[0], ordered[-1]):
        crop = read_crop(folder, row.key)
        assert crop is not None
        assert crop.shape == (8, 8)
        assert np.ptp(crop) > 0
    assert read_crop(folder, ordered[2].key) is None
    assert len(list(folder.iterdir())) == 2


def test_two_names_of_one_chain_are_measured_once(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    result = evaluate(
        benchmark(root, "blur-avg1", "blur-{level}", levels=["avg1"]), tmp_path / "out", registry=registry
    )
    first, second = result.rows
    assert (first.key, first.values) == (second.key, second.values)
    assert len((tmp_path / "out" / "journal.jsonl").read_text().splitlines()) == 1


def test_times_are_in_a_file_of_their_own(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    evaluate(benchmark(root, "blur", "fails", levels=["avg1"]), tmp_path / "out", registry=registry)
    (timed,) = table(tmp_path / "out", "timings.csv")
    assert timed["pipeline"] == "blur"
    assert float(timed["seconds"]) >= 0
    assert "seconds" not in table(tmp_path / "out")[0]


def test_other_processes_take_no_registry(tmp_path: Path, registry: CountingRegistry) -> None:
    config = benchmark(make_tree(tmp_path / "w2s"), "blur", levels=["avg1"])
    with pytest.raises(InputError, match="make their own registry"):
        evaluate(config, tmp_path / "out", workers=2, registry=registry)


def test_what_went_wrong_in_a_model_is_in_the_log(
    tmp_path: Path, registry: CountingRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    with caplog.at_level(logging.INFO, "napari_w2s"):
        evaluate(benchmark(root, "fails", levels=["avg1"]), tmp_path / "out", registry=registry)
    assert any(record.exc_info for record in caplog.records)


def test_the_device_that_is_taken_counts_and_not_its_name(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg400"))
    automatic, named = (
        evaluate(benchmark(root, "blur", device=device), tmp_path / device, registry=registry)
        for device in ("auto", choose_device().type)
    )
    assert [row.key for row in automatic.rows] == [row.key for row in named.rows]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_a_folder_takes_one_benchmark_at_a_time(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg400"))
    folder = tmp_path / "out"
    said: list[OutputError] = []

    def meddle(done: int, _total: int) -> None:
        if done == 1:
            with pytest.raises(OutputError, match="Another benchmark is running in") as caught:
                evaluate(benchmark(root, "noisy"), folder, registry=CountingRegistry())
            said.append(caught.value)

    result = evaluate(benchmark(root, "noisy", "blur"), folder, registry=registry, progress=meddle)
    assert (len(said), result.measured) == (1, 4)
    assert "blur" in (folder / "benchmark.yaml").read_text()
    assert evaluate(benchmark(root, "noisy", "blur"), folder, registry=registry).measured == 0
