"""Files appear whole, or not at all."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from napari_w2s._files import discard, leftovers, replacing, write_at_once


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def there(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("before")
    return path


def full(*_args: object, **_kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("durable", [False, True])
def test_takes_the_place_of_what_was_there(there: Path, durable: bool) -> None:
    assert write_at_once(there, "é\r\n", durable=durable) == there
    assert there.read_bytes() == b"\xc3\xa9\r\n"
    write_at_once(there, memoryview(b"\x00\n"), durable=durable)
    assert there.read_bytes() == b"\x00\n"
    assert names(there.parent) == ["a.txt"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(there: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, name, full)
    with pytest.raises(OSError, match="No space"):
        write_at_once(there, "after", durable=True)
    assert there.read_text() == "before"
    assert names(there.parent) == ["a.txt"]


def test_only_what_is_durable_waits_for_the_disk(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    write_at_once(there, "after")
    assert there.read_text() == "after"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_block_that_raised(there: Path, error: type[BaseException]) -> None:
    def stop_half_way() -> None:
        with replacing(there) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        stop_half_way()
    assert there.read_text() == "before"
    assert names(there.parent) == ["a.txt"]


def test_nothing_appears_before_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with replacing(path, ".zip") as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".zip"
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["a.zip"]


def test_a_block_that_wrote_nothing_is_told(there: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(there):
        pass
    assert there.read_text() == "before"


def test_names_as_long_as_may_be(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 251}.txt"
    assert write_at_once(path, "whole").read_text() == "whole"


def test_leftovers_are_those_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a[1].txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        for other in ("b.txt", "a[1].txt.csv", "a1.txt"):
            (tmp_path / temporary.name.replace(path.name, other)).touch()
        assert leftovers(path) == [temporary]
    assert leftovers(path) == []
    assert leftovers(tmp_path / "nowhere" / "a.txt") == []


def test_what_cannot_be_removed_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    discard(tmp_path / "a.txt")
    assert not caplog.records
    (tmp_path / "folder").mkdir()
    with caplog.at_level(logging.WARNING):
        discard(tmp_path / "folder")
    assert "could not be removed" in caplog.text
