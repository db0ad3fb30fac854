"""A benchmark of the fields of view that are open, without a window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from w2s_benchmark import CountingRegistry, make_tree

from napari_w2s._types import Cancelled, InputError, Level
from napari_w2s.app.field_benchmark import (
    DEFAULTS,
    choices,
    config_of,
    lines,
    open_fields,
    remarks,
    results_folder,
    run,
)
from napari_w2s.benchmark import evaluate
from napari_w2s.data.catalog import scan
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.w2s import open_records
from napari_w2s.models.builtin import default_registry


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "w2s", fovs=(1, 2, 3), levels=("avg1", "avg4", "avg400", "sim"))


def psnr(cell: str) -> float:
    return float(cell.split("\n")[0])


def opened(*paths: Path) -> list[Image]:
    return open_records(scan(paths)).images


def test_single_files_tell_their_folder_field_and_level(root: Path) -> None:
    level = root / "data" / "train" / "avg4"
    fields = open_fields(opened(level / "002_0.png"))
    assert (fields.folder, fields.fovs, fields.shown) == (root / "data" / "train", (2,), 2)
    assert (fields.levels, fields.channels) == ((Level.AVG4,), (0,))
    assert fields.words(all_fields=False) == "Field of view 002, channel 0, avg4"


def test_names_decide_nothing(root: Path) -> None:
    (image,) = opened(root / "data" / "train" / "avg4" / "002_0.png")
    assert open_fields([image.replace(name="anything")]).fovs == (2,)
    with pytest.raises(InputError, match="known to be one of W2S"):
        open_fields([image.replace(metadata={}, name="002 ch0 avg4")])


def test_stacks_have_all_their_fields_and_show_one(root: Path) -> None:
    fields = open_fields(opened(root), (1.0,))
    assert (fields.folder, fields.fovs, fields.shown) == (root / "data" / "train", (1, 2, 3), 2)
    assert fields.levels == (Level.AVG1, Level.AVG4)
    assert fields.chosen(all_fields=True) == (1, 2, 3)
    assert fields.words(all_fields=True) == "Fields of view 001, 002 and 003, channel 0, avg1 and avg4"


def test_results_and_clean_images_are_nothing_to_measure(root: Path) -> None:
    (noisy,) = opened(root / "data" / "train" / "avg1" / "001_0.png")
    made = {**noisy.w2s, "restoration": {"model": "w2s-denoise"}}
    with pytest.raises(InputError, match="known to be one of W2S"):
        open_fields([noisy.replace(metadata={METADATA_KEY: made})])
    with pytest.raises(InputError, match="Open a noisy level too"):
        open_fields(opened(root / "data" / "train" / "avg400" / "001_0.png"))
    with pytest.raises(InputError):
        open_fields([])


def test_choices_have_what_can_run_here_and_levels_together() -> None:
    names = [one.name for one in choices(default_registry())]
    assert set(DEFAULTS) <= set(names)
    assert "dncnn-avg1" not in names
    assert "rcan" not in names
    assert len(names) == len(set(names))


def test_a_benchmark_of_what_is_open_becomes_a_table(root: Path, tmp_path: Path) -> None:
    fields = open_fields(opened(root / "data" / "train" / "avg4" / "001_0.png"))
    config = config_of(fields, ("noisy", "blur", "twice", "fails"), all_fields=False)
    told: list[tuple[int, int]] = []
    folder = results_folder(fields, tmp_path / "home")
    assert folder.parent == tmp_path / "home"
    result, page = run(config, folder, CountingRegistry(), lambda *done: told.append(done), lambda: False)
    assert told[-1] == (4, 4)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    table = {line.title: line.cells for line in lines(result)}
    assert list(table)[:2] == ["avg4: noisy", "avg4: blur"]
    assert psnr(table["avg4: blur"][0]) > psnr(table["avg4: noisy"][0])
    assert table["avg4: fails"] == ("–",) * 3
    said = " ".join(remarks(result))
    assert "Training fields" in said
    assert "001" in said
    assert "1 of 4 have an error, fails for one" in said
    assert evaluate(config, folder, registry=CountingRegistry()).measured == 1


def test_new_fields_are_no_training_fields(root: Path, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "new", fovs=(90,), levels=("avg1", "avg400"))
    config = config_of(open_fields(opened(root)), ("noisy",), all_fields=True)
    result, _page = run(config, tmp_path / "out", CountingRegistry(), lambda *_: None, lambda: False)
    assert not any("Training fields" in text for text in remarks(result))


def test_a_stop_keeps_what_is_done(root: Path, tmp_path: Path) -> None:
    config = config_of(open_fields(opened(root), (0.0,)), ("noisy", "blur"), all_fields=True)
    done = [0]
    with pytest.raises(Cancelled, match="Run it again to go on"):
        run(
            config,
            tmp_path / "out",
            CountingRegistry(),
            lambda count, _total: done.__setitem__(0, count),
            lambda: done[0] >= 3,
        )
    assert len((tmp_path / "out" / "journal.jsonl").read_text().splitlines()) == 3


def test_what_cannot_be_asked_is_said(root: Path) -> None:
    fields = open_fields(opened(root), (0.0,))
    with pytest.raises(InputError, match="Choose a pipeline"):
        config_of(fields, (), all_fields=False)
    with pytest.raises(InputError, match="twice"):
        config_of(fields, ("noisy", "noisy"), all_fields=False)
