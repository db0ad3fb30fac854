"""What a batch will do: sources, output names, and what cannot be restored."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_w2s._types import Level
from napari_w2s.app.plan import Plan, plan_batch, source_stem


def touch(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def outputs(plan: Plan, out: Path) -> list[str]:
    assert plan.problems == ()
    return [job.output.relative_to(out).as_posix() for job in plan.jobs]


def test_a_file_is_named_by_stem_and_model(tmp_path: Path) -> None:
    (source,) = touch(tmp_path, "cells.tif")
    plan = plan_batch([source], tmp_path / "out", model="vst-nlm+bicubic")
    assert [job.source for job in plan.jobs] == [source]
    assert outputs(plan, tmp_path / "out") == ["cells_vst-nlm+bicubic.ome.tif"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.tif", "a"), ("a.ome.tif", "a"), ("a.b.OME.TIFF", "a.b"), (".ome.tif", ".ome"), ("a.tar.npy", "a.tar")],
)
def test_stems(name: str, stem: str) -> None:
    assert source_stem(Path(name)) == stem


def test_a_folder_gives_its_images_and_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path, "b.tif", "a.PNG", "notes.txt", "inner/c.tif")
    assert outputs(plan_batch([tmp_path], tmp_path / "out", model="m"), tmp_path / "out") == [
        "a_m.ome.tif",
        "b_m.ome.tif",
    ]


def test_a_pattern_for_folders_keeps_their_structure(tmp_path: Path) -> None:
    touch(tmp_path, "in/b.tif", "in/one/c.tif", "in/one/two/c.tif", "in/one/d.png")
    plan = plan_batch([tmp_path / "in"], tmp_path / "out", model="m", pattern="**/*.tif")
    assert set(outputs(plan, tmp_path / "out")) == {"b_m.ome.tif", "one/c_m.ome.tif", "one/two/c_m.ome.tif"}


def test_a_glob_is_expanded_from_its_fixed_part(tmp_path: Path) -> None:
    touch(tmp_path, "in/x/a.tif", "in/y/a.tif", "in/y/b.png")
    plan = plan_batch([str(tmp_path / "in" / "*" / "*.tif")], tmp_path / "out", model="m")
    assert outputs(plan, tmp_path / "out") == ["x/a_m.ome.tif", "y/a_m.ome.tif"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (source,) = touch(tmp_path, "cells[1].tif")
    assert [job.source for job in plan_batch([source], tmp_path, model="m").jobs] == [source]


def test_earlier_results_are_not_restored_again(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_bicubic.ome.tif", "a_vst-nlm+bicubic.ome.tif", "b_other.ome.tif")
    names = ("vst-nlm", "bicubic")
    for where in (tmp_path, str(tmp_path / "*.tif")):
        plan = plan_batch([where], tmp_path, model="bicubic", model_names=names)
        assert [job.source.name for job in plan.jobs] == ["a.tif", "b_other.ome.tif"]


def test_a_result_can_be_named_to_be_restored_further(tmp_path: Path) -> None:
    (source,) = touch(tmp_path, "a_vst-nlm.ome.tif")
    plan = plan_batch([source], tmp_path, model="bicubic", model_names=("vst-nlm", "bicubic"))
    assert outputs(plan, tmp_path) == ["a_vst-nlm_bicubic.ome.tif"]


def test_a_source_in_the_place_of_a_result_is_refused(tmp_path: Path) -> None:
    sources = touch(tmp_path, "a.tif", "a_m.ome.tif")
    plan = plan_batch(sources, tmp_path, model="m")
    assert [job.source.name for job in plan.jobs] == ["a.tif"]
    assert "would be overwritten" in plan.problems[0].message


def test_a_file_given_twice_is_restored_once(tmp_path: Path) -> None:
    (source,) = touch(tmp_path, "a.tif")
    assert len(plan_batch([source, tmp_path, source], tmp_path / "out", model="m").jobs) == 1


def test_the_same_stem_in_one_folder_is_told_apart_by_its_kind(tmp_path: Path) -> None:
    sources = touch(tmp_path, "a.tif", "a.png")
    assert outputs(plan_batch(sources, tmp_path / "out", model="m"), tmp_path / "out") == [
        "a-tif_m.ome.tif",
        "a-png_m.ome.tif",
    ]


def test_the_same_name_in_two_folders_is_told_apart_by_the_folder(tmp_path: Path) -> None:
    sources = touch(tmp_path, "x/a.tif", "y/a.tif", "y/b.tif")
    assert outputs(plan_batch(sources, tmp_path / "out", model="m"), tmp_path / "out") == [
        "x/a-tif_m.ome.tif",
        "y/a-tif_m.ome.tif",
        "b_m.ome.tif",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "x", "x/y", "X", "z"]), st.sampled_from(["a", "A", "a-tif", "a-tif_m"])),
        unique=True,
        max_size=8,
    ),
    st.lists(st.sampled_from([".tif", ".TIF", ".png", ".ome.tif"]), min_size=1, unique=True),
)
def test_no_two_results_share_a_name(tmp_path: Path, places: list[tuple[str, str]], suffixes: list[str]) -> None:
    names = [f"{folder}/{stem}{suffix}".lstrip("/") for folder, stem in places for suffix in suffixes]
    sources = touch(tmp_path, *names)
    plan = plan_batch(sources, tmp_path / "out", model="m")
    assert {job.source for job in plan.jobs} == {path.resolve() for path in sources}
    assert len({str(job.output).casefold() for job in plan.jobs}) == len(plan.jobs)
    assert all(job.output.is_relative_to(tmp_path / "out") for job in plan.jobs)


def test_of_a_w2s_folder_the_noisy_images_are_taken(tmp_path: Path) -> None:
    touch(tmp_path, *(f"data/train/{level}/001_0.png" for level in ("avg1", "avg4", "avg400", "sim")))
    plan = plan_batch([tmp_path / "data"], tmp_path / "out", model="m")
    assert outputs(plan, tmp_path / "out") == ["train/avg1/001_0_m.ome.tif", "train/avg4/001_0_m.ome.tif"]


def test_relative_paths_give_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "W2S/avg1/001_0.png", "mine/a.tif", "mine/deep/b.tif")
    monkeypatch.chdir(tmp_path)
    given = ("W2S", "mine", "mine/../mine/d*/*.tif", "W2S/avg1/../avg1/001_0.png")
    for where in (given, [str(tmp_path / name) for name in given]):
        plan = plan_batch(where, "out", model="m")
        names = {job.output.as_posix() for job in plan.jobs}
        assert names == {"out/avg1/001_0_m.ome.tif", "out/a_m.ome.tif", "out/deep/b_m.ome.tif"}


def test_of_a_folder_of_references_the_references_are_taken(tmp_path: Path) -> None:
    touch(tmp_path, "avg400/001_0.png")
    assert outputs(plan_batch([tmp_path / "avg400"], tmp_path / "o", model="m"), tmp_path / "o") == ["001_0_m.ome.tif"]


def test_levels_choose_among_the_files_and_average_bursts(tmp_path: Path) -> None:
    touch(tmp_path, "avg1/001_0.png", "avg2/001_0.png", "Image002/wf_channel0.npy", "Image002/sim_channel0.npy")
    levels = (Level.AVG2, Level.AVG16)
    plan = plan_batch([tmp_path], tmp_path / "out", model="m", levels=levels)
    assert {(job.source.name, job.level) for job in plan.jobs} == {
        ("001_0.png", None),
        ("wf_channel0.npy", Level.AVG2),
        ("wf_channel0.npy", Level.AVG16),
    }
    assert set(outputs(plan, tmp_path / "out")) == {
        "avg2/001_0_m.ome.tif",
        "Image002/wf_channel0_avg2_m.ome.tif",
        "Image002/wf_channel0_avg16_m.ome.tif",
    }


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ("gone.tif", {}, "does not exist"),
        ("*.jpg", {}, "No file matches"),
        ("empty", {}, "no image that can be restored"),
        (".", {"pattern": "*.jpg"}, r"nothing that matches \*.jpg"),
        ("plain.tif", {"levels": (Level.AVG1,)}, "no W2S image of the level"),
        ("*.tif", {"levels": (Level.AVG1,)}, "no W2S image of the level"),
        ("W2S", {"levels": (Level.AVG8,)}, "at the level avg8"),
    ],
)
def test_what_leads_to_nothing_is_a_problem(tmp_path: Path, given: str, options: dict[str, Any], words: str) -> None:
    touch(tmp_path, "plain.tif", "empty/notes.txt", "W2S/avg1/001_0.png")
    plan = plan_batch([str(tmp_path / given)], tmp_path / "out", model="m", **options)
    assert plan.jobs == ()
    assert len(plan.problems) == 1
    assert plan.problems[0].source == str(tmp_path / given)
    assert re.search(words, plan.problems[0].message)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    for where in ("pipe.tif", "*.tif", "."):
        plan = plan_batch([str(tmp_path / where)], tmp_path / "out", model="m")
        assert plan.jobs == ()
        assert len(plan.problems) == 1


def test_images_beside_those_of_w2s_are_taken_too(tmp_path: Path) -> None:
    touch(tmp_path, "avg1_64_32.h5", "cells.tif", "cells_bicubic.ome.tif")
    plan = plan_batch([tmp_path], tmp_path / "out", model="bicubic", model_names=("bicubic",))
    assert [job.source.name for job in plan.jobs] == ["avg1_64_32.h5", "cells.tif"]
    plan = plan_batch([tmp_path], tmp_path / "out", model="bicubic", levels=(Level.AVG1,))
    assert [job.source.name for job in plan.jobs] == ["avg1_64_32.h5"]


def test_an_empty_path_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "cells.tif")
    monkeypatch.chdir(tmp_path)
    plan = plan_batch([""], tmp_path / "out", model="bicubic")
    assert plan.jobs == ()
    assert "empty" in plan.problems[0].message
