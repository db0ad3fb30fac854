"""``napari-w2s evaluate``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from w2s_benchmark import burst, make_tree, scene
from w2s_cli import Run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "w2s", fovs=(1, 2, 3))


def test_a_grid_becomes_tables(run: Run, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ["--data", root, "--fovs", "1-2", "--levels", "avg1,avg16", "--workers", "1", "-o", folder]
    ended = run("evaluate", *options, "-m", "noisy", "-m", "pure-let", "-m", "pure-let+bicubic", "-m", "bicubic")
    assert ended.code == 0, ended.err
    assert "avg1 against avg400" in ended.out
    assert "avg16 against sim" in ended.out
    assert "Protocol w2s-8bit: as the W2S authors" in ended.out
    assert "16/16 rows" in ended.err
    assert str((folder / "rows.csv").resolve()) in ended.err
    for name in ("report.html", "report.md", "report.tex"):
        assert str((folder / name).resolve()) in ended.err
        assert "pure-let+bicubic" in (folder / name).read_text(encoding="utf-8")
    with (folder / "summary.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 4 * 2 * 4
    again = run("evaluate", folder / "benchmark.yaml", "--workers", "1", "--json", "-o", folder)
    assert again.code == 0
    assert "Infinity" not in again.out
    assert {one["system"] for one in json.loads(again.out)} == {"noisy", "pure-let", "pure-let+bicubic", "bicubic"}


def test_options_go_before_the_file(run: Run, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "benchmark.yaml"
    file.write_text(f"data: {root}\npipelines: [noisy]\nlevels: [avg1]\nprotocol: w2s-8bit\n")
    ended = run("evaluate", file, "--protocol", "float", "--fovs", "3", "--workers", "1", "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "Protocol float" in ended.out
    assert len((tmp_path / "out" / "rows.csv").read_text().splitlines()) == 2


def test_folders_of_ones_own(run: Run, tmp_path: Path) -> None:
    for name in "ab":
        for folder, pixels in (("noisy", burst(ord(name), 0)[0]), ("clean", scene(ord(name), 0))):
            (tmp_path / folder).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", np.clip(pixels, 0, 255).astype(np.uint8))
    folders = ["--noisy", tmp_path / "noisy", "--clean", tmp_path / "clean"]
    ended = run("evaluate", *folders, "-m", "noisy", "-m", "pure-let", "--workers", "1", "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "own against clean" in ended.out


def test_errors_are_counted_and_the_rest_is_there(run: Run, root: Path, tmp_path: Path) -> None:
    (root / "data/train/avg1/002_0.png").write_bytes(b"rubbish")
    ended = run("evaluate", "--data", root, "--levels", "avg1", "-m", "noisy", "--workers", "1", "-o", tmp_path / "out")
    assert ended.code == 1
    assert "1 of 3 rows have an error, noisy at avg1 of 002 for one" in ended.err
    assert "002_0.png is not a PNG image" in ended.err
    assert "avg1 against avg400" in ended.out


def test_the_test_split_is_measured_with_what_there_is(run: Run, tmp_path: Path) -> None:
    split = make_tree(tmp_path / "test", levels=("avg1", "avg8", "avg16", "sim"), split="test")
    options = ["--data", split, "-m", "noisy", "-m", "pure-let", "--workers", "1", "-o", tmp_path / "out"]
    ended = run("evaluate", *options)
    assert ended.code == 0, ended.err
    assert "Note: Denoising of avg16 is left out: there is no cleaner image to score it against." in ended.err
    assert "8/8 rows" in ended.err
    assert "avg1 against avg16" in ended.out
    assert "avg16 against" not in ended.out
    listed = run("evaluate", *options, "--levels", "avg1,avg16")
    assert (listed.code, "avg16 is left out" in listed.err, "4/4 rows" in listed.err) == (0, True, True)
    alone = run("evaluate", *options, "--levels", "avg16")
    assert alone.code == 1
    assert "Nothing is left to measure: choose noisier levels" in alone.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--data", "ROOT", "-m", "noisy"], 2, "--output DIR"),
        (["--data", "ROOT", "-o", "OUT"], 2, "-m MODEL"),
        (["--data", "ROOT", "-m", "noisy", "--weights", "rcan-light=", "-o", "OUT"], 2, "MODEL=FILE"),
        (["--data", "ROOT", "-m", "noisy+bicubic", "-o", "OUT"], 1, "Leave it out: bicubic"),
        (["-m", "noisy", "-o", "OUT"], 2, "name the images"),
        (["--data", "ROOT", "-m", "noisy", "--levels", "avg3", "-o", "OUT"], 2, "levels.0"),
        (["--data", "ROOT", "-m", "noisy", "--metrics", "vmaf", "-o", "OUT"], 2, "no metric 'vmaf'"),
        (["--data", "ROOT", "-m", "noisy", "--protocol", "mine", "-o", "OUT"], 2, "w2s-8bit"),
        (["OUT/none.yaml", "-o", "OUT"], 2, "cannot be read"),
        (["--data", "ROOT", "-m", "bicubik", "-o", "OUT", "--workers", "1"], 1, "Did you mean bicubic"),
        (["--data", "ROOT", "-m", "noisy", "--levels", "avg2", "-o", "OUT", "--workers", "1"], 1, "no images of avg2"),
        (["--data", "ROOT", "-m", "noisy", "--device", "tpu", "-o", "OUT"], 1, "no device 'tpu'"),
        (["--noisy", "ROOT", "-m", "noisy", "-o", "OUT"], 2, "needs references"),
        (["--data", "ROOT", "-m", "bicubic", "--weights", "OUT/no", "-o", "OUT", "--workers", "1"], 1, "not exist"),
    ],
)
def test_what_cannot_be_is_said(
    run: Run, root: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    places = {"ROOT": str(root), "OUT": str(tmp_path / "out")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    ended = run("evaluate", *arguments)
    assert (ended.code, message in ended.err) == (code, True), ended.err
