"""``napari-w2s export``, and ``models --add`` of a package."""

from __future__ import annotations

from pathlib import Path

import pytest
from w2s_cli import Run
from w2s_package import frame, linear_graph, package
from w2s_trained import save_small

from napari_w2s.app.exchange.graph import run_onnx
from napari_w2s.models.trained import install


@pytest.fixture
def trained(tmp_path: Path) -> None:
    install(save_small(tmp_path / "runs"))


@pytest.mark.usefixtures("trained")
def test_a_trained_model_becomes_an_onnx_file_that_was_checked(run: Run, tmp_path: Path) -> None:
    done = run("export", "mine", "-o", tmp_path / "mine.onnx", "--range", "0", "255")
    assert done.code == 0
    assert done.out.strip() == str(tmp_path / "mine.onnx")
    assert "Writing the graph of Mine" in done.err
    assert "largest difference on 2 images" in done.err
    assert run_onnx((tmp_path / "mine.onnx").read_bytes(), frame()).shape == frame().shape
    again = run("export", "mine", "-o", tmp_path / "mine.onnx")
    assert (again.code, again.out) == (1, "")
    assert "--overwrite" in again.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["vst-nlm", "-o", "a.onnx"], "method without trained weights"),
        (["w2s-denoise+bicubic", "-o", "a.onnx"], "is a chain"),
        (["rcan-light", "-o", "a.onnx"], "has no weights yet"),
        (["w2s-denoise", "-o", "a.pt"], "must end in .zip or .onnx"),
        (["w2s-denoise", "-o", "a.pt", "--format", "onnx"], "must end in .onnx"),
        (["w2s-denoise", "-o", "a.onnx", "--author", "A"], "an ONNX file has no authors"),
        (["w2s-denoise", "-o", "a.onnx", "--range", "9", "1"], "The intensity range 9 to 1 is empty"),
        (["dncn-avg1", "-o", "a.onnx"], "Did you mean dncnn-avg1"),
    ],
)
def test_what_cannot_be_exported(
    arguments: list[str], reason: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("export", *arguments)
    assert done.code == 1
    assert reason in " ".join(done.err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_added_and_listed(run: Run, tmp_path: Path) -> None:
    path = package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1)
    done = run("models", "--add", path, "--name", "shark")
    assert done.code == 0
    assert "restore IMAGE --model shark" in done.err
    assert "Licence: MIT" in done.err
    assert "shark" in run("models").out
    assert run("models", "--add", tmp_path / "none.zip").code == 1


@pytest.mark.usefixtures("trained")
def test_a_name_is_for_packages(run: Run, tmp_path: Path) -> None:
    done = run("models", "--add", tmp_path / "runs" / "mine.safetensors", "--name", "other")
    assert done.code == 1
    assert "--name is for packages" in done.err


def test_what_came_in_a_package_is_passed_on_as_it_came(run: Run, tmp_path: Path) -> None:
    run("models", "--add", package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1))
    done = run("export", "affable-shark-test", "-o", tmp_path / "b.onnx")
    assert done.code == 1
    assert "pass that on" in " ".join(done.err.split())
