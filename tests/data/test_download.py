"""Downloads against a local server: checked, resumable, stoppable, and clear about what went wrong."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from w2s_server import FileServer, serving

from napari_w2s._types import Cancelled, DownloadError, InputError, Level, Progress
from napari_w2s.data import transfer, upstream
from napari_w2s.data.download import (
    CACHE_VARIABLE,
    ROOT_VARIABLE,
    cache_dir,
    fetch,
    fetch_fov,
    fetch_many,
    find_local,
    fov_paths,
    registry,
)

NAME = "data/train/avg1/001_0.png"
CONTENT = np.random.default_rng(0).bytes(300_000)
FILES = {
    NAME: CONTENT,
    "data/train/sim/001_0.png": CONTENT[:250_000],
    "net_data/trained_denoisers/D_1/epoch_49.pth": CONTENT[:100_000],
}


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of this machine, no proxy, and a registry of three made-up files."""
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    hashes = MappingProxyType({name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()})
    monkeypatch.setattr(upstream, "registry", lambda: hashes)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        running.files = dict(FILES)
        yield running


def left_in(cache: Path) -> list[str]:
    return sorted(file.relative_to(cache).as_posix() for file in cache.rglob("*") if file.is_file())


def test_a_file_is_downloaded_once(server: FileServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    seen: list[Progress] = []
    file = fetch(NAME, base_url=server.url, cache=tmp_path, progress=seen.append)
    assert file == tmp_path / NAME
    assert file.read_bytes() == CONTENT
    assert (seen[0].done, seen[0].total) == (0, len(CONTENT))
    assert (seen[-1].done, seen[-1].total) == (len(CONTENT), len(CONTENT))
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert left_in(tmp_path) == [NAME]
    again: list[Progress] = []
    assert fetch(NAME, base_url=server.url, cache=tmp_path, progress=again.append) == file
    assert again == [Progress(len(CONTENT), len(CONTENT))]
    assert len(server.requests) == 1
    assert capfd.readouterr() == ("", "")


def test_base_url_with_or_without_a_slash(server: FileServer, tmp_path: Path):
    assert fetch(NAME, base_url=server.url.rstrip("/"), cache=tmp_path).read_bytes() == CONTENT


def test_a_broken_connection_is_gone_on_from(server: FileServer, tmp_path: Path):
    server.cut_at = 200_000
    with pytest.raises(DownloadError, match="run it again to go on"):
        fetch(NAME, base_url=server.url, cache=tmp_path)
    assert left_in(tmp_path) == [NAME + ".part"]
    have = (tmp_path / (NAME + ".part")).stat().st_size
    assert 0 < have <= 200_000
    seen: list[Progress] = []
    file = fetch(NAME, base_url=server.url, cache=tmp_path, progress=seen.append)
    assert file.read_bytes() == CONTENT
    assert server.requests[-1] == (NAME, f"bytes={have}-")
    assert (seen[0].done, seen[0].total) == (have, len(CONTENT))
    assert left_in(tmp_path) == [NAME]


def test_a_server_without_ranges_starts_over(server: FileServer, tmp_path: Path):
    part = tmp_path / (NAME + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:123])
    server.ranges = False
    assert fetch(NAME, base_url=server.url, cache=tmp_path).read_bytes() == CONTENT
    assert server.requests == [(NAME, "bytes=123-")]


def test_a_complete_part_file_is_used_as_it_is(server: FileServer, tmp_path: Path):
    part = tmp_path / (NAME + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert fetch(NAME, base_url=server.url, cache=tmp_path).read_bytes() == CONTENT
    assert left_in(tmp_path) == [NAME]


@pytest.mark.parametrize("size", [1000, 400_000])
def test_a_wrong_part_file_is_thrown_away(server: FileServer, tmp_path: Path, size: int):
    part = tmp_path / (NAME + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(size))
    assert fetch(NAME, base_url=server.url, cache=tmp_path).read_bytes() == CONTENT
    assert server.requests == [(NAME, f"bytes={size}-"), (NAME, None)]


def test_another_part_than_asked_for_is_not_taken(server: FileServer, tmp_path: Path):
    part = tmp_path / (NAME + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    server.shift = 7
    with pytest.raises(DownloadError, match="another part"):
        fetch(NAME, base_url=server.url, cache=tmp_path)
    assert part.read_bytes() == CONTENT[:1000]


def test_a_server_that_does_not_say_the_length(server: FileServer, tmp_path: Path):
    server.say_length = False
    seen: list[Progress] = []
    assert fetch(NAME, base_url=server.url, cache=tmp_path, progress=seen.append).read_bytes() == CONTENT
    assert {p.total for p in seen} == {0}


def test_wrong_content_is_removed_and_both_hashes_named(server: FileServer, tmp_path: Path):
    server.files[NAME] = b"<html>please log in</html>"
    with pytest.raises(DownloadError) as caught:
        fetch(NAME, base_url=server.url, cache=tmp_path)
    message = str(caught.value)
    assert NAME in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert hashlib.sha256(server.files[NAME]).hexdigest() in message
    assert left_in(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_replaced(server: FileServer, tmp_path: Path):
    file = tmp_path / NAME
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT[:-1])
    assert find_local(NAME, cache=tmp_path) is None
    assert fetch(NAME, base_url=server.url, cache=tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "message"), [(200, "does not exist"), (429, "wait"), (503, "status 503")])
def test_refusals_name_the_address(server: FileServer, tmp_path: Path, status: int, message: str):
    server.files.clear()
    server.status = status
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(NAME, base_url=server.url, cache=tmp_path)
    assert "127.0.0.1" in str(caught.value)
    assert left_in(tmp_path) == []


def test_no_network(tmp_path: Path):
    with serving() as gone:
        address = gone.url
    with pytest.raises(DownloadError, match=r"^There is no connection to 127\.0\.0\.1.*W2S_ROOT") as caught:
        fetch(NAME, base_url=address, cache=tmp_path)
    assert NAME.split("/")[-1] in str(caught.value)
    assert address not in str(caught.value)
    assert left_in(tmp_path) == []


def test_a_silent_server_is_given_up(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transfer, "TIMEOUT_S", (5.0, 0.2))
    server.hold = threading.Event()
    with pytest.raises(DownloadError, match="go on"):
        fetch(NAME, base_url=server.url, cache=tmp_path)
    assert left_in(tmp_path) == [NAME + ".part"]


def test_stopping_keeps_the_beginning_only(server: FileServer, tmp_path: Path):
    seen: list[Progress] = []
    with pytest.raises(Cancelled, match="go on"):
        fetch(
            NAME,
            base_url=server.url,
            cache=tmp_path,
            progress=seen.append,
            should_stop=lambda: seen[-1].done > 0,
        )
    assert left_in(tmp_path) == [NAME + ".part"]
    assert fetch(NAME, base_url=server.url, cache=tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] is not None


def test_two_threads_share_one_download(server: FileServer, tmp_path: Path):
    server.hold = threading.Event()
    files: list[Path] = []
    threads = [
        threading.Thread(target=lambda: files.append(fetch(NAME, base_url=server.url, cache=tmp_path)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    server.hold.set()
    for thread in threads:
        thread.join()
    assert [file.read_bytes() for file in files] == [CONTENT, CONTENT]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "data/train/avg1/../avg1/001_0.png", "nothing", ""]
)
def test_only_files_of_the_registry_are_fetched(server: FileServer, tmp_path: Path, name: str):
    with pytest.raises(InputError, match="not one of the authors' files"):
        fetch(name, base_url=server.url, cache=tmp_path)
    assert server.requests == []
    assert left_in(tmp_path) == []


def test_a_full_disk_is_named(server: FileServer, tmp_path: Path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full to stand in for a full disk")
    part = tmp_path / (NAME + ".part")
    part.parent.mkdir(parents=True)
    part.symlink_to(full)
    with pytest.raises(DownloadError, match=r"the disk is full.*NAPARI_W2S_CACHE") as caught:
        fetch(NAME, base_url=server.url, cache=tmp_path)
    assert str(part.parent) in str(caught.value)
    assert not (tmp_path / NAME).exists()


def test_a_cache_that_cannot_be_written(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot be written to .*a file"):
        fetch(NAME, base_url=server.url, cache=blocked)
    cache = tmp_path / "locked"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may write to read-only folders, so that the refusal is made up here.
    monkeypatch.setattr("os.makedirs", refuse)
    with pytest.raises(DownloadError, match="it is read-only"):
        fetch(NAME, base_url=server.url, cache=cache)


def test_a_local_copy_is_used_if_it_is_right(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root, cache = tmp_path / "root", tmp_path / "cache"
    (root / NAME).parent.mkdir(parents=True)
    (root / NAME).write_bytes(CONTENT)
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    assert fetch(NAME, base_url=server.url, cache=cache) == root / NAME
    assert server.requests == []
    (root / NAME).write_bytes(b"another release")
    assert fetch(NAME, base_url=server.url, cache=cache) == cache / NAME
    assert (root / NAME).read_bytes() == b"another release"


def test_the_cache_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert cache_dir().name.startswith("napari-w2s")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    assert find_local(NAME) is None


def test_several_files_report_one_progress(server: FileServer, tmp_path: Path):
    seen: list[Progress] = []
    files = fetch_many(FILES, base_url=server.url, cache=tmp_path, progress=seen.append)
    assert [file.read_bytes() for file in files] == list(FILES.values())
    total = sum(map(len, FILES.values()))
    assert (seen[-1].done, seen[-1].total) == (total, total)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert all(p.done <= p.total for p in seen)


def test_an_unknown_file_among_several_stops_before_any_download(server: FileServer, tmp_path: Path):
    with pytest.raises(InputError, match="nothing"):
        fetch_many([NAME, "nothing"], base_url=server.url, cache=tmp_path)
    assert server.requests == []


def test_stopping_between_files(server: FileServer, tmp_path: Path):
    with pytest.raises(Cancelled, match="after 1 of 3 files"):
        fetch_many(FILES, base_url=server.url, cache=tmp_path, should_stop=lambda: (tmp_path / NAME).exists())
    assert left_in(tmp_path) == [NAME]


def test_a_field_of_view_is_named_by_channel_and_level(server: FileServer, tmp_path: Path):
    files = fetch_fov(1, [0], [Level.AVG1, Level.SIM], base_url=server.url, cache=tmp_path)
    assert list(files) == [(0, Level.AVG1), (0, Level.SIM)]
    assert files[0, Level.SIM].read_bytes() == FILES["data/train/sim/001_0.png"]


def test_paths_of_fields_of_view():
    assert len(fov_paths(80)) == 21
    test = fov_paths(81)
    assert len(test) == 18
    assert test[2, Level.SIM] == "data/test/sim/081_2.png"
    known = registry()
    assert all(path in known for fov in (1, 80, 81, 120) for path in fov_paths(fov).values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "no FOV 0"), ((121,), "no FOV 121"), ((1, [3]), "no channel 3"), ((81, [0], [Level.AVG400]), "test FOV")],
)
def test_fields_of_view_that_do_not_exist(arguments: tuple, message: str):
    with pytest.raises(InputError, match=message):
        fov_paths(*arguments)


def test_the_packaged_registry():
    known = registry()
    assert len(known) == 2410
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in known.values())
    assert all(not Path(path).is_absolute() and ".." not in Path(path).parts for path in known)


def test_real_files_match_the_registry(w2s_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(upstream, "registry", registry)
    monkeypatch.setenv(ROOT_VARIABLE, str(w2s_root))
    files = fetch_fov(1, [0], base_url="http://127.0.0.1:9/", cache=tmp_path)
    assert all(w2s_root in file.parents for file in files.values())
