"""``napari-w2s restore`` on several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from w2s_cli import Run
from w2s_workers import ON_WORKERS

from napari_w2s.data.ometiff import read_ome_tiff
from napari_w2s.engine import cluster as engine_cluster

pytestmark = ON_WORKERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    for number in range(6):
        size = (32, 24) if number < 2 else (700, 700)
        tifffile.imwrite(path / f"{number}.tif", np.random.default_rng(number).integers(90, 600, size, np.uint16))
    return path


def test_without_the_package_the_way_out_is_said(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    ended = run("restore", folder, "-m", "bicubic", "-o", tmp_path / "out", "--workers", 2)
    assert ended.code == 1
    assert "pip install 'napari-w2s[cluster]'" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_does_not_answer_is_said(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_cluster, "CONNECT_SECONDS", 0.2)
    ended = run("restore", folder, "-m", "bicubic", "-o", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert ended.code == 1
    assert "The scheduler tcp://127.0.0.1:9 does not answer" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to interrupt")
def test_ctrl_c_stops_all_processes_and_leaves_nothing_half(run: Run, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    out = tmp_path / "out"
    command = ("restore", folder, "-m", "bicubic", "-o", out, "--tile", 16, "--workers", 2)
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_w2s", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr as stream:
        first = stream.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all processes of the command
        rest = stream.read()
    assert process.wait() == 130, rest
    assert first.startswith("1/6  "), first
    assert "Stopping after the current tile" in rest
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].startswith("Stopped: ")
    done = sorted(path.name for path in out.iterdir())
    assert 1 <= len(done) < 6
    assert all(read_ome_tiff(out / name)[0].w2s["restoration"] for name in done)
    again = run(*command[:-2])
    assert again.code == 0
    assert f"{6 - len(done)} restored, {len(done)} there already." in again.err
