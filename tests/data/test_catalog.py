from __future__ import annotations

import logging
from pathlib import Path

import pytest
from w2s_tree import LEVELS, make_8bit, make_normalized, make_patches, make_raw

from napari_w2s._types import InputError
from napari_w2s.data.catalog import Release, classify, looks_like_w2s, scan


@pytest.mark.parametrize(
    ("path", "release", "split", "fov", "channel", "level"),
    [
        ("data/train/avg1/001_2.png", Release.EIGHT_BIT, "train", 1, 2, "avg1"),
        ("data/test/sim/120_0.PNG", Release.EIGHT_BIT, "test", 120, 0, "sim"),
        ("anywhere/avg400/081_1.png", Release.EIGHT_BIT, "test", 81, 1, "avg400"),
        ("data/normalized/avg16/080_0.npy", Release.NORMALIZED, "train", 80, 0, "avg16"),
        ("W2S_raw/Image007/wf_channel2.npy", Release.RAW, "train", 7, 2, "burst"),
        ("Image119/sim_channel0.npy", Release.RAW, "test", 119, 0, "sim"),
        ("Image119/sim_input_channel1.npy", Release.RAW, "test", 119, 1, "sim_input"),
        ("Image007/wf_channel0.tif", Release.RAW, "train", 7, 0, "burst"),
        ("somewhere/wf_channel0.npy", Release.RAW, None, None, 0, "burst"),
        ("avg1_64_32.h5", Release.PATCHES, "train", None, None, "avg1"),
        ("sim_128_64.h5", Release.PATCHES, "train", None, None, "sim"),
    ],
)
def test_classify_reads_names(path, release, split, fov, channel, level):
    record = classify(Path("/nowhere") / path)
    assert record is not None
    assert (record.release, record.split, record.fov, record.channel, record.level) == (
        release,
        split,
        fov,
        channel,
        level,
    )
    assert record.key == ("data" if release is Release.PATCHES else None)


@pytest.mark.parametrize(
    "path",
    [
        "001_0.png",
        "holiday/001_0.png",
        "avg3/001_0.png",
        "avg1/001_3.png",
        "avg1/1_0.png",
        "avg1/001_0.jpg",
        "avg1/001_0_restored.png",
        "Image001/wf_channel3.npy",
        "Image001/notes.npy",
        "avg3_64_32.h5",
        "data.h5",
    ],
)
def test_classify_leaves_other_names_alone(path):
    assert classify(Path("/nowhere") / path) is None


def test_a_root_of_every_release_is_found_at_any_level(tmp_path):
    make_8bit(tmp_path / "data" / "train", [1, 2])
    make_8bit(tmp_path / "data" / "test", [81], levels=["avg1", "sim"])
    make_normalized(tmp_path / "data" / "normalized", [1])
    make_raw(tmp_path / "W2S_raw", [3])
    make_patches(tmp_path / "avg1_64_32.h5")
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "net_data" / "avg1").mkdir(parents=True)
    (tmp_path / "net_data" / "avg1" / "009_0.png").touch()

    catalog = scan(tmp_path)
    assert set(catalog.releases) == {Release.RAW, Release.NORMALIZED, Release.EIGHT_BIT, Release.PATCHES}
    assert catalog.fovs == (1, 2, 3, 81)
    assert catalog.channels == (0, 1, 2)
    assert catalog.levels == ("burst", *LEVELS, "sim_input")
    assert len(catalog.select(release=Release.EIGHT_BIT)) == 2 * 3 * 7 + 3 * 2
    assert len(catalog.select(release=Release.EIGHT_BIT, split="test", level="sim")) == 3
    assert [path.name for path in catalog.ignored] == ["README.md"]
    assert {record.split for record in catalog.select(fov=81)} == {"test"}

    for below in ("data", "data/train", "data/train/avg1", "data/normalized", "W2S_raw", "W2S_raw/Image003", "."):
        assert looks_like_w2s(tmp_path / below), below
        assert scan(tmp_path / below).records
    assert scan([tmp_path / "data/train/avg1/001_0.png", tmp_path / "data/test/avg1/081_0.png"]).fovs == (1, 81)


def test_groups_are_stacks_over_the_fovs_of_both_splits(tmp_path):
    make_8bit(tmp_path / "train", [2, 1], levels=["avg1"])
    make_8bit(tmp_path / "test", [81], levels=["avg1"])
    groups = scan(tmp_path).groups()
    assert [[record.fov for record in group] for group in groups] == [[1, 2, 81]] * 3
    assert [group[0].channel for group in groups] == [0, 1, 2]


def test_a_repeated_image_is_taken_once(tmp_path, caplog):
    make_8bit(tmp_path / "train", [1], [0], ["avg1"])
    make_8bit(tmp_path / "w2s_copy", [1], [0], ["avg1"])
    with caplog.at_level(logging.WARNING):
        catalog = scan(tmp_path)
    assert len(catalog.records) == 1
    assert len(catalog.ignored) == 1
    assert "repeats" in caplog.text


def test_what_is_not_w2s(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "avg1").mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (tmp_path, empty, tmp_path / "a.png", tmp_path / "missing", tmp_path / "avg1", "", "\0", None, 3):
        assert looks_like_w2s(path) is False
    assert scan(empty).records == ()
    with pytest.raises(InputError, match="missing does not exist"):
        scan(tmp_path / "missing")


def test_a_circle_of_links_ends(tmp_path):
    make_8bit(tmp_path / "train", [1], [0], ["avg1"])
    (tmp_path / "train" / "data").symlink_to(tmp_path, target_is_directory=True)
    assert scan(tmp_path).fovs == (1,)


def test_the_real_release(w2s_root):
    catalog = scan(w2s_root)
    assert catalog.releases == (Release.EIGHT_BIT,)
    assert catalog.fovs == tuple(range(1, 57))
    assert catalog.levels == LEVELS
    assert len(catalog.records) == 56 * 3 * 7
