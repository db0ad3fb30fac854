"""The command line as a person and a script meet it: words, streams, exit codes, files."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from w2s_cli import Ended, Run

from napari_w2s._types import DownloadError, InputError, OutputError, Progress
from napari_w2s.app import demo as demo_app
from napari_w2s.cli import console
from napari_w2s.cli import demo as demo_command
from napari_w2s.cli import restore as restore_command
from napari_w2s.cli.download import parse_numbers
from napari_w2s.data import download as download_data
from napari_w2s.data.ometiff import read_ome_tiff

COMMANDS = ("restore", "compare", "models", "train", "info", "download", "demo")


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "cells.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.random.default_rng(0).integers(90, 600, (64, 48), np.uint16))
    return path


# The command itself


def test_the_version_is_that_of_the_package(run: Run) -> None:
    from importlib.metadata import version

    assert run("--version") == Ended(0, f"napari-w2s {version('napari-w2s')}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.code == 0
    assert f"Usage: napari-w2s {command}" in ended.out
    assert ended.err == ""


def test_without_arguments_it_says_what_there_is(run: Run) -> None:
    ended = run()
    assert all(command in ended.out + ended.err for command in COMMANDS)


@pytest.mark.parametrize("arguments", [("nonsense",), ("restore", "--nonsense"), ("restore", "a.tif")])
def test_wrong_usage_is_explained(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "Usage" in ended.err


def test_help_is_quick_for_it_imports_little() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; import napari_w2s.cli as c; c.main()"
    probe = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "napari_w2s.cli.root" in loaded
    assert loaded.isdisjoint(
        {"torch", "napari", "qtpy", "matplotlib", "scipy", "skimage", "tifffile", "dask", "lightning", "yaml"}
    )


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "napari_w2s", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("napari-w2s ")


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("x.tif is bad. Fix it."), 1), (OutputError("x.tif is bad. Fix it."), 1)],
)
def test_an_error_is_its_message_and_nothing_else(
    run: Run, cells: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(restore_command, "plan_batch", fail)
    assert run("restore", cells, "-o", cells.parent) == Ended(code, "", "Error: x.tif is bad. Fix it.\n")


# restore


def test_restore_writes_the_result_and_says_so(run: Run, cells: Path, tmp_path: Path) -> None:
    ended = run("restore", cells, "-m", "bicubic", "-o", tmp_path / "out")
    result = tmp_path / "out" / "cells_bicubic.ome.tif"
    assert ended.code == 0
    assert ended.out == ""
    assert str(result) in ended.err
    assert "1 restored." in ended.err
    assert read_ome_tiff(result)[0].data.shape == (128, 96)


def test_restore_takes_what_is_built_in_by_default(run: Run, cells: Path, tmp_path: Path) -> None:
    from napari_w2s.models.builtin import DEFAULT_MODELS

    assert run("restore", cells, "-o", tmp_path).code == 0
    assert (tmp_path / f"cells_{'+'.join(DEFAULT_MODELS)}.ome.tif").is_file()


def test_flips_are_asked_for_by_an_option(run: Run, cells: Path, tmp_path: Path) -> None:
    run("restore", cells, "-m", "bicubic", "-o", tmp_path)
    again = run("restore", cells, "-m", "bicubic", "-o", tmp_path, "--flips")
    assert "made with other settings (flips)" in again.err
    assert run("restore", cells, "-m", "bicubic", "-o", tmp_path, "--flips", "--overwrite").code == 0
    (image,) = read_ome_tiff(tmp_path / "cells_bicubic.ome.tif")
    assert image.w2s["restoration"]["settings"]["flips"] is True


def test_models_of_the_user_are_listed_and_run(run: Run, cells: Path, tmp_path: Path) -> None:
    from w2s_trained import save_pair

    from napari_w2s.models.trained import install

    install(save_pair(tmp_path / "made"))
    fine = next(m for m in json.loads(run("models", "--json").out) if m["name"] == "pair-jdsr")
    assert (fine["task"], fine["tasks"], fine["state"]) == ("jdsr", ["sr"], "here")
    assert "pair-jdsr" in run("models", "--task", "sr").out
    assert run("restore", cells, "-m", "pair-jdsr", "-o", tmp_path / "out").code == 0
    (image,) = read_ome_tiff(tmp_path / "out" / "cells_pair-jdsr.ome.tif")
    assert image.data.shape == (128, 96)
    assert len(image.w2s["restoration"]["models"][0]["weights_sha256"]) == 64
    assert "was trained here" in run("download", "pair-jdsr").err


def test_restore_skips_what_is_done_and_overwrites_on_demand(run: Run, cells: Path, tmp_path: Path) -> None:
    arguments = ("restore", cells, "-m", "bicubic", "-o", tmp_path)
    run(*arguments)
    again = run(*arguments)
    assert (again.code, "1 there already." in again.err) == (0, True)
    assert "1 restored." in run(*arguments, "--overwrite").err


def test_restore_goes_on_after_bad_files_and_exits_with_1(run: Run, cells: Path, tmp_path: Path) -> None:
    bad = cells.with_name("bad.tif")
    bad.write_bytes(b"no image")
    ended = run("restore", bad, tmp_path / "gone.tif", cells, "-m", "bicubic", "-o", tmp_path / "out")
    assert ended.code == 1
    assert "1 restored, 2 failed." in ended.err
    assert f"Error: {bad}" in ended.err
    assert f"Error: {tmp_path / 'gone.tif'} does not exist" in ended.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["cells_bicubic.ome.tif"]


@pytest.mark.usefixtures("cells")
def test_restore_expands_patterns_itself(run: Run, tmp_path: Path) -> None:
    ended = run("restore", str(tmp_path / "**" / "*.tif"), "-m", "bicubic", "-o", tmp_path / "out")
    assert ended.code == 0
    assert (tmp_path / "out" / "in" / "cells_bicubic.ome.tif").is_file()


def test_restore_passes_every_option_on(run: Run, cells: Path, tmp_path: Path) -> None:
    ended = run(
        *("restore", cells, "-m", "bicubic", "-o", tmp_path, "--device", "cpu", "--precision", "float32"),
        *("--tile", 32, "--flips", "--range", -10, 4000.5, "--non-finite", "fill", "--weights", tmp_path),
    )
    assert ended.code == 0
    (image,) = read_ome_tiff(tmp_path / "cells_bicubic.ome.tif")
    assert image.w2s["restoration"]["settings"] == {
        "models": ["bicubic"],
        "device": "cpu",
        "precision": "float32",
        "tile": 32,
        "flips": True,
        "intensity_range": [-10.0, 4000.5],
        "non_finite": "fill",
        "weights": str(tmp_path),
    }


def test_the_command_in_a_result_makes_it_again(run: Run, cells: Path, tmp_path: Path) -> None:
    import shlex

    run("restore", cells, "-m", "bicubic", "-o", tmp_path / "out", "--range", -0.125, 4000.5, "--tile", 32)
    (result,) = (tmp_path / "out").iterdir()
    (first,) = read_ome_tiff(result)
    pixels, command = np.array(first.data), first.w2s["restoration"]["command"]
    settings = first.w2s["restoration"]["settings"]
    assert run(*shlex.split(command)[1:], "--overwrite").code == 0
    (second,) = read_ome_tiff(result)
    np.testing.assert_array_equal(pixels, np.asarray(second.data))
    assert second.w2s["restoration"]["settings"] == settings


@pytest.mark.parametrize(
    ("model", "words"),
    [("dncnn-avg5", "dncnn-avg4"), ("bicubic+", "lacks the name"), ("xyz", "There is no model named 'xyz'")],
)
def test_an_unknown_model_is_wrong_usage_with_a_hint(
    run: Run, cells: Path, tmp_path: Path, model: str, words: str
) -> None:
    ended = run("restore", cells, "-m", model, "-o", tmp_path / "out")
    assert ended.code == 2
    assert words in ended.err
    assert not (tmp_path / "out").exists()


def test_an_unknown_device_is_reported_before_any_file(run: Run, cells: Path, tmp_path: Path) -> None:
    ended = run("restore", cells, "-m", "bicubic", "-o", tmp_path / "out", "--device", "abacus")
    assert ended.code == 1
    assert "no device 'abacus'" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_batch_ends_cleanly(
    run: Run, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    number = getattr(signal, name)
    monkeypatch.setattr(
        restore_command._BatchView, "progressed", lambda _view, _index, _progress: signal.raise_signal(number)
    )
    before = signal.getsignal(number)
    ended = run("restore", cells, "-m", "bicubic", "-o", tmp_path / "out", "--tile", 16)
    assert ended.code == 128 + number
    assert "Stopped: nothing restored." in ended.err
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != cells]
    assert signal.getsignal(number) is before


def test_a_second_interrupt_ends_at_once(
    run: Run, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*_arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(restore_command._BatchView, "progressed", twice)
    ended = run("restore", cells, "-m", "bicubic", "-o", tmp_path / "out", "--tile", 16)
    assert ended.code == 130
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != cells]


def test_details_are_for_who_asks(run: Run, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_w2s.app import batch_job

    cells.write_bytes(b"no image")
    asked: list[int] = []
    monkeypatch.setattr(batch_job.logger, "debug", lambda *_a, **options: asked.append(options.get("exc_info")))
    quiet = run("restore", cells, "-m", "bicubic", "-o", tmp_path)
    assert len(quiet.err.splitlines()) == 2
    assert asked == [True]


@pytest.mark.parametrize(("flags", "level"), [((), "WARNING"), (("-v",), "INFO"), (("-vv",), "DEBUG")])
def test_verbosity_sets_the_log_level(run: Run, flags: tuple[str, ...], level: str) -> None:
    run("models", *flags)
    assert logging.getLevelName(logging.getLogger("napari_w2s").level) == level


def test_restore_real_data(run: Run, w2s_root: Path, tmp_path: Path) -> None:
    ended = run(
        *("restore", w2s_root / "data" / "train" / "avg1" / "001_0.png", "-m", "dncnn-avg1"),
        *("-o", tmp_path, "--weights", w2s_root / "net_data"),
    )
    assert ended.code == 0
    (image,) = read_ome_tiff(tmp_path / "001_0_dncnn-avg1.ome.tif")
    assert image.data.shape == (512, 512)
    assert (image.w2s["fov"], image.w2s["channel"], image.w2s["level"]) == (1, 0, "avg1")


# models


def test_models_lists_every_model(run: Run) -> None:
    from napari_w2s.models.builtin import default_registry

    ended = run("models")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert [line.split()[0] for line in lines[1:]] == list(default_registry().names())
    assert "built in" in next(line for line in lines if line.startswith("bicubic"))


def test_models_without_weights_claim_no_level(run: Run) -> None:
    lines = {line.split()[0]: line for line in run("models").out.splitlines()[1:]}
    for name in ("rcan", "rdn-light", "ridnet-light"):
        assert "train your own" in lines[name]
        assert "as trained" in lines[name]
    assert "any level" in lines["bicubic"]
    by_name = {m["name"]: m for m in json.loads(run("models", "--json").out)}
    assert (by_name["rcan"]["state"], by_name["rcan"]["level"]) == ("train your own", None)


def test_models_as_json_is_json_and_nothing_else(run: Run) -> None:
    ended = run("models", "--json")
    by_name = {m["name"]: m for m in json.loads(ended.out)}
    assert ended.err == ""
    assert by_name["bicubic"] | {"weights": None, "scale": 2, "task": "sr", "level": None} == by_name["bicubic"]
    assert by_name["dncnn-avg4"]["level"] == "avg4"
    assert by_name["dncnn-avg4"]["weights"]["sha256"].startswith("84cf48b9")
    assert by_name["dncnn-avg4"]["state"] in ("here", "on demand")


def test_models_of_one_task(run: Run) -> None:
    names = [m["name"] for m in json.loads(run("models", "--task", "sr", "--json").out)]
    assert "bicubic" in names
    assert "vst-nlm" not in names


def test_models_in_detail_state_licence_and_paper(run: Run) -> None:
    out = run("models", "-v").out
    assert "Licence: BSD-3-Clause" in out
    assert "Zhang" in out


# info


def test_info_says_size_pixel_and_noise(run: Run, cells: Path) -> None:
    ended = run("info", cells)
    assert ended.code == 0
    assert "y 64, x 48; uint16" in ended.out
    assert "looks like avg" in ended.out


def test_info_as_json(run: Run, cells: Path) -> None:
    (image,) = json.loads(run("info", cells, "--json").out)
    assert image["shape"] == [64, 48]
    assert image["dtype"] == "uint16"
    assert image["axes"] == ["y", "x"]
    assert image["noise"]["looks_like"].startswith("avg")


def test_info_without_noise_reads_no_pixels(run: Run, cells: Path) -> None:
    (image,) = json.loads(run("info", cells, "--no-noise", "--json").out)
    assert image["noise"] is None


def test_info_of_a_result_says_how_it_was_made(run: Run, cells: Path, tmp_path: Path) -> None:
    run("restore", cells, "-m", "bicubic", "-o", tmp_path)
    ended = run("info", tmp_path / "cells_bicubic.ome.tif")
    assert f"napari-w2s restore {cells} -m bicubic" in ended.out
    assert "looks like" not in ended.out


def test_info_of_nothing_is_an_error(run: Run, tmp_path: Path) -> None:
    ended = run("info", tmp_path / "gone.tif")
    assert ended.code == 1
    assert ended.out == ""
    assert "does not exist" in ended.err


def test_info_of_real_data(run: Run, w2s_root: Path) -> None:
    (image,) = json.loads(run("info", w2s_root / "data" / "train" / "avg1" / "003_2.png", "--json").out)
    assert image["w2s"] | {"release": "8bit", "fov": 3, "channel": 2, "level": "avg1"} == image["w2s"]
    assert image["noise"]["looks_like"] == "avg1"


# download


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replace the download by a list of what it would fetch."""
    wanted: list[str] = []

    def fetch_many(paths: list[str], *, progress: Callable[[Progress], None], **_options: Any) -> list[Path]:
        wanted.extend(paths)
        progress(Progress(1, 2))
        return [tmp_path / path for path in paths]

    monkeypatch.setattr(download_data, "fetch_many", fetch_many)
    return wanted


def test_download_models_by_name(run: Run, fetched: list[str], tmp_path: Path) -> None:
    ended = run("download", "dncnn-avg1", "memnet-avg16")
    assert ended.code == 0
    assert fetched == [f"net_data/trained_denoisers/{name}/epoch_49.pth" for name in ("D_1", "M_16")]
    assert ended.out.split() == [str(tmp_path / path) for path in fetched]


def test_download_all_models(run: Run, fetched: list[str]) -> None:
    assert run("download", "all", "--json").code == 0
    assert len(set(fetched)) == len(fetched) == 10


def test_download_images(run: Run, fetched: list[str]) -> None:
    ended = run("download", "--fov", "1-2", "--channel", 0, "--level", "avg1", "--level", "sim", "--json")
    assert len(json.loads(ended.out)) == 4
    assert fetched == [f"data/train/{level}/{fov}_0.png" for fov in ("001", "002") for level in ("avg1", "sim")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Usage"),
        (("--channel", 0), "give --fov too"),
        (("dncnn-avg3",), "Did you mean"),
        (("bicubic",), "comes with the package"),
        (("--fov", 121), "FOV 121"),
        (("--fov", "x"), "no number or range"),
        (("--fov", "81", "--level", "avg400"), "avg400"),
    ],
)
def test_what_cannot_be_downloaded_is_wrong_usage(
    run: Run, fetched: list[str], arguments: tuple[object, ...], words: str
) -> None:
    ended = run("download", *arguments)
    if arguments:  # without any, some versions of typer call its help a success
        assert ended.code == 2
        assert ended.out == ""
    assert words in ended.out + ended.err
    assert fetched == []


def test_a_failed_download_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_many(*_arguments: object, **_options: object) -> None:
        raise DownloadError("There is no connection. Run it again to go on.")

    monkeypatch.setattr(download_data, "fetch_many", fetch_many)
    assert run("download", "dncnn-avg1") == Ended(1, "", "Error: There is no connection. Run it again to go on.\n")


def test_the_list_fetches_nothing(run: Run, fetched: list[str]) -> None:
    ended = run("download", "--list")
    assert ended.code == 0
    assert "dncnn-avg1" in ended.out
    assert set(json.loads(run("download", "--list", "--json").out)["models"]) >= {"dncnn-avg1", "memnet-avg16"}
    assert fetched == []


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [(["7"], (7,)), (["1-3"], (1, 2, 3)), (["5, 1-2", "2"], (5, 1, 2)), (["4-4"], (4,))],
)
def test_numbers_and_ranges(texts: list[str], numbers: tuple[int, ...]) -> None:
    assert parse_numbers(texts) == numbers


@pytest.mark.parametrize("text", ["", "a", "-1", "3-1", "1-", "1..2", "1,,2"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(InputError):
        parse_numbers([text])


# demo


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_app, "run_demo", partial(demo_app.run_demo, size=64))
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("small_demo")
def test_the_demo_without_a_window_draws_a_figure_and_says_where(run: Run, tmp_path: Path) -> None:
    ended = run("demo", "-o", tmp_path / "shown", "--no-window")
    assert ended.code == 0
    assert str(tmp_path / "shown" / "demo.png") in ended.err
    assert "simulated" in ended.err
    assert len(list((tmp_path / "shown").iterdir())) == 5


@pytest.mark.usefixtures("small_demo")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_the_demo_opens_a_window_only_where_there_is_a_display(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[Path]] = []
    monkeypatch.setattr(demo_command, "open_window", opened.append)
    run("demo", "-o", tmp_path)
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":77")
    run("demo", "-o", tmp_path)
    assert [file.name for file in opened[0]][-1] == "demo_restored.ome.tif"


def test_the_window_is_napari_with_the_restore_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    from npe2 import PluginManifest

    commands: list[list[str]] = []

    def run_process(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run_process)
    demo_command.open_window([Path("a.ome.tif")])
    *start, plugin, widget = commands[0]
    assert start[:4] == [sys.executable, "-m", "napari", "a.ome.tif"]
    assert start[-1] == "--with"
    manifest = PluginManifest.from_distribution(plugin)
    assert widget in [w.display_name for w in manifest.contributions.widgets or ()]


def test_a_napari_that_fails_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo_app, "run_demo", partial(demo_app.run_demo, size=64))
    monkeypatch.setattr(subprocess, "run", lambda command, **_o: subprocess.CompletedProcess(command, 3))
    ended = run("demo", "-o", tmp_path, "--window")
    assert ended.code == 1
    assert "napari ended with an error" in ended.err


# console


def test_messages_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    message = "[bold]cells[1].tif[/bold]" + " long" * 100
    console.say(message)
    assert capsys.readouterr().err == message + "\n"


@pytest.mark.parametrize(("low", "high", "words"), [(9, 1, "lower end"), (5, 5, "lower end"), ("nan", 1, "finite")])
def test_a_range_that_makes_no_sense_is_wrong_usage(
    run: Run, cells: Path, tmp_path: Path, low: object, high: object, words: str
) -> None:
    ended = run("restore", cells, "-o", tmp_path / "out", "--range", low, high)
    assert ended.code == 2
    assert words in ended.err


def test_an_empty_model_is_not_the_default(run: Run, cells: Path, tmp_path: Path) -> None:
    ended = run("restore", cells, "-o", tmp_path / "out", "-m", "")
    assert ended.code == 2
    assert "lacks the name of a model" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_negative_range_is_no_option(run: Run, cells: Path, tmp_path: Path) -> None:
    assert run("restore", cells, "-o", tmp_path / "out", "-m", "bicubic", "--range", "-0.5", "100").code == 0


def test_info_goes_on_after_what_cannot_be_opened(run: Run, cells: Path, tmp_path: Path) -> None:
    broken, pipe = tmp_path / "broken.tif", tmp_path / "pipe.tif"
    broken.write_bytes(b"II*")
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
    ended = run("info", tmp_path / "gone.tif", broken, pipe, cells, "--json", "--no-noise")
    assert ended.code == 1
    assert len(json.loads(ended.out)) == 1
    assert all(name in ended.err for name in ("gone.tif", "broken.tif", "pipe.tif"))


def test_info_says_only_steps_that_have_a_unit(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", np.zeros((3, 8, 8), np.uint16))
    ended = run("info", tmp_path / "plain.npy", "--no-noise")
    assert "size unknown" in ended.out
    assert "1 pixel" not in ended.out
