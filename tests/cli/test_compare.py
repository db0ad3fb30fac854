"""``napari-w2s compare``: numbers, files, words, exit codes."""

from __future__ import annotations

import csv
import io
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from w2s_cli import Run

from napari_w2s.app.comparing import numbers as compare_numbers


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, Path]:
    """Write one scene clean, noisy and less noisy, and return the files."""
    y, x = np.mgrid[:40, :60]
    clean = 100 + 60 * np.sin(x / 5) * np.cos(y / 4)
    generator = np.random.default_rng(0)
    folder = tmp_path / "in"
    folder.mkdir()
    files = {}
    for name, noise in (("clean", 0), ("noisy", 20), ("better", 5)):
        files[name] = folder / f"{name}.ome.tif"
        pixels = (clean + generator.normal(0, noise, clean.shape)).astype(np.float32)
        size = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
        tifffile.imwrite(files[name], pixels, metadata={"axes": "YX", **size})
    return files


def rows(text: str) -> dict[str, dict[str, str]]:
    return {row["title"]: row for row in csv.DictReader(io.StringIO(text))}


def test_numbers_are_printed_and_nothing_is_written(run: Run, cells: dict[str, Path], tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    ended = run("compare", cells["noisy"], cells["better"], "--reference", cells["clean"])
    assert ended.code == 0
    assert ended.err == ""
    head, noisy, better, clean, caption = ended.out.splitlines()[:5]
    assert "PSNR (dB)" in head
    assert noisy.startswith("noisy")
    assert better.startswith("better")
    assert clean.startswith("clean (reference)")
    assert "whole image, 40 × 60 px" in caption
    assert set(tmp_path.rglob("*")) == before


def test_a_figure_and_the_numbers_are_saved(run: Run, cells: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "new"
    ended = run(
        *("compare", cells["noisy"], cells["better"], "-r", cells["clean"], "--box", "4,6,20,30"),
        *("--contrast", "matched", "-o", out / "figure.png", "--csv", out / "numbers.csv"),
    )
    assert ended.code == 0
    assert ended.err.splitlines() == [f"Saved {out / name}" for name in ("figure.png", "numbers.csv")]
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    found = rows((out / "numbers.csv").read_text(encoding="utf-8"))
    assert list(found) == ["noisy", "better", "clean"]
    assert float(found["better"]["PSNR (dB)"]) > float(found["noisy"]["PSNR (dB)"]) + 8
    assert found["noisy"]["area"] == "box, 20 × 30 px"


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".PNG"])
def test_a_figure_is_of_the_kind_that_its_name_says(
    run: Run, cells: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    ended = run("compare", cells["noisy"], "-o", tmp_path / f"f{suffix}", "--enlarge", "0,0,8,8", "--colours")
    assert ended.code == 0
    start = (tmp_path / f"f{suffix}").read_bytes()[:10]
    assert {".svg": b"<?xml", ".pdf": b"%PDF", ".PNG": b"\x89PNG"}[suffix] in start


def test_plots_are_saved(run: Run, cells: dict[str, Path], tmp_path: Path) -> None:
    ended = run(
        *("compare", cells["noisy"], cells["better"], "--line", "10,5,10,50"),
        *("--profile", tmp_path / "p.svg", "--spectrum", tmp_path / "s.png"),
    )
    assert ended.code == 0
    assert "FWHM" in (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert (tmp_path / "s.png").is_file()
    line = ("--line", "10,5,10,50", "--profile", tmp_path / "wide.svg")
    assert run("compare", cells["noisy"], *line, "--line-width", 9).code == 0
    assert (tmp_path / "wide.svg").read_bytes() != (tmp_path / "p.svg").read_bytes()
    assert run("compare", cells["noisy"], *line, "--line-width", "nan").code != 0


def test_a_comparison_is_saved_and_reopened(run: Run, cells: dict[str, Path], tmp_path: Path) -> None:
    saved = tmp_path / "c.json"
    first = run(
        *("compare", cells["noisy"], cells["better"], "-r", cells["clean"], "--json", saved, "--box", "0,0,16,16")
    )
    assert first.err == f"Saved {saved}\n"
    again = run("compare", saved)
    assert (again.code, again.out) == (0, first.out)
    cells["better"].unlink()
    lost = run("compare", saved, "-o", tmp_path / "f.png")
    assert lost.code == 1
    assert "better" in lost.err
    assert (tmp_path / "f.png").is_file()
    assert "noisy" in lost.out


def test_options_reach_the_numbers(run: Run, cells: dict[str, Path], tmp_path: Path) -> None:
    def psnr(*options: object) -> float:
        run("compare", cells["noisy"], "-r", cells["clean"], "--csv", tmp_path / "n.csv", *options)
        return float(rows((tmp_path / "n.csv").read_text(encoding="utf-8"))["noisy"]["PSNR (dB)"])

    assert psnr("--range", 1000) - psnr("--range", 100) == pytest.approx(20)
    assert "FRC at half-bit" in run("compare", cells["better"], "-r", cells["clean"], "--frc", "half-bit").out
    plain = run("compare", cells["better"], "-r", cells["clean"])
    assert "MicroSSIM" not in plain.out
    assert "MicroSSIM" in run("compare", cells["better"], "-r", cells["clean"], "--microssim").out


def test_frames_and_channels_are_chosen(run: Run, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    stack, colours = tmp_path / "stack.npy", tmp_path / "two.ome.tif"
    np.save(stack, np.stack([generator.normal(100, noise, (32, 32)) for noise in (1, 30)]))
    tifffile.imwrite(colours, generator.normal(9, 3, (2, 32, 32)).astype(np.float32), metadata={"axes": "CYX"})
    assert run("compare", stack, "--frame", 0).out != run("compare", stack, "--frame", 1).out
    assert "axes" in run("compare", stack, "--frame", "1,1").err
    several = run("compare", colours)
    assert (several.code, several.out) == (1, "")
    assert "holds 2 images" in several.err
    assert run("compare", colours, "--channel", 1).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("gone.tif",), 1, "does not exist"),
        (("in",), 1, "is a folder"),
        (("broken.tif",), 1, "broken.tif"),
        (("text.txt",), 1, "text.txt"),
        (("broken.json",), 1, "broken.json"),
        (("noisy", "noisy"), 1, "twice"),
        (("noisy", "--reference", "gone.tif"), 1, "does not exist"),
        (("noisy", "--reference", "in"), 1, "is a folder"),
        (("noisy", "odd.npy"), 1, "odd"),
        (("noisy", "--box", "1,2,3"), 2, "4 whole numbers"),
        (("noisy", "--box", "a,b,c,d"), 2, "4 whole numbers"),
        (("noisy", "--box=-1,0,5,5"), 2, "4 whole numbers"),
        (("noisy", "--box", "1,1,0,5"), 2, "no area"),
        (("noisy", "--box", "30,0,20,20"), 1, "does not lie within"),
        (("noisy", "-o", "f.png", "--enlarge", "30,0,20,20"), 1, "does not lie within"),
        (("noisy", "--contrast", "loud"), 2, "loud"),
        (("noisy", "--frc", "1/3"), 2, "1/3"),
        (("noisy", "--range", "0"), 2, "positive"),
        (("noisy", "--range", "nan"), 2, "positive"),
        (("noisy", "--frame", "x"), 2, "whole numbers"),
        (("noisy", "-o", "f.jpg"), 2, ".png, .svg, .pdf"),
        (("noisy", "--spectrum", "f"), 2, ".png, .svg, .pdf"),
        (("noisy", "--json", "c.txt"), 2, ".json"),
        (("noisy", "--profile", "p.png"), 2, "--line"),
        (("noisy", "--line", "0,0,1,1"), 2, "--profile"),
        (("noisy", "--line", "1,1,1,1", "--profile", "p.png"), 1, "no length"),
        (("noisy", "--worth", "w.png"), 1, "avg400"),
        (("noisy", "-o", "broken.tif/f.png"), 1, "cannot be written"),
        (("noisy", "--csv", "broken.tif/n.csv"), 1, "cannot be written"),
        (("noisy", "--json", "broken.tif/c.json"), 1, "cannot be written"),
        ((), 2, "Usage"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Run,
    cells: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("broken.tif", "text.txt", "broken.json"):
        (tmp_path / name).write_text("nothing of use")
    np.save(tmp_path / "odd.npy", np.zeros((17, 31)))
    before = set(tmp_path.rglob("*"))
    ended = run("compare", *(cells.get(argument, argument) for argument in arguments))
    if arguments:  # without any, some versions of typer call its help a success
        assert ended.code == code
        assert words in ended.err
    else:
        assert words in ended.out + ended.err
    if code == 1:
        assert len(ended.err.splitlines()) == 1
        assert ended.err.startswith("Error: ")
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_folder_that_must_not_be_written_is_named(run: Run, cells: dict[str, Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    ended = run("compare", cells["noisy"], "-o", locked / "f.png")
    assert ended.code == 1
    assert "f.png cannot be written: Permission denied" in ended.err


def test_an_interrupt_ends_it_between_numbers(
    run: Run, cells: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compare_numbers.measure

    def interrupted(*arguments: Any, **options: Any) -> object:
        signal.raise_signal(signal.SIGINT)
        return real(*arguments, **options)

    monkeypatch.setattr(compare_numbers, "measure", interrupted)
    ended = run("compare", cells["noisy"], "-o", tmp_path / "f.png")
    assert ended.code == 130
    assert ended.out == ""
    assert not (tmp_path / "f.png").exists()


def test_real_levels(run: Run, w2s_root: Path, tmp_path: Path) -> None:
    paths = sorted((w2s_root / "data" / "train").glob("*/050_0.png"))
    ended = run("compare", *paths, "--box", "200,150,64,64", "--worth", tmp_path / "w.pdf")
    assert ended.code == 0
    names = [line.split()[0] for line in ended.out.splitlines()[1:8]]
    assert names == ["avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "SIM"]
    assert (tmp_path / "w.pdf").is_file()
