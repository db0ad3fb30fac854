"""What was measured survives what can happen to a process and a disk."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from napari_w2s._types import OutputError
from napari_w2s.benchmark.journal import Appender, Journal, write_whole
from napari_w2s.benchmark.work import Scored

ONE = Scored(key="one", values={"psnr": 30.123456789, "ssim": float("inf")}, noise_floor_db=41.5, seconds=2.5)


def test_results_come_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        assert journal.get("one") is None
        journal.add(ONE)
        assert journal.get("one") == ONE
    with Journal(path) as journal:
        assert journal.get("one") == ONE


def test_errors_are_kept_on_disk_but_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(Scored(key="bad", error="a line\x85that is\u2028odd"))
    assert "bad" in path.read_text()
    with Journal(path) as journal:
        assert journal.get("bad") is None
        journal.add(ONE)
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("lost", range(1, 40, 7))
def test_a_torn_last_line_is_cut_off(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(ONE)
        journal.add(Scored(key="two", values={"psnr": 1.0}))
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    with Journal(path) as journal:
        assert journal.get("one") == ONE
        assert journal.get("two") is None
        journal.add(Scored(key="two", values={"psnr": 1.0}))
    assert path.read_bytes() == whole


def test_a_damaged_line_does_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(ONE)
    path.write_bytes(b"\x00\xff rubbish\n{}\n[1]\n" + path.read_bytes())
    with caplog.at_level(logging.WARNING), Journal(path) as journal:
        assert journal.get("one") == ONE
    assert [record.args[0] for record in caplog.records if record.args] == [1, 2, 3]  # type: ignore[index]


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    with Appender(path) as table:
        table.add("first")

        def full(_file: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"No space left on device\. What was measured before is kept"):
            table.add("second")
        monkeypatch.undo()
        table.add("third")
    assert path.read_text() == "first\nthird\n"


def test_a_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Appender(tmp_path / "none" / "rows.csv")
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(tmp_path / "none" / "rows.csv", "a")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_whole(tmp_path / "rows.csv", "old\n")

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space"):
        write_whole(path, "new\n")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
