"""The authors' files, one by one: the 8-bit release and the denoisers, pinned to a commit and checked by hash."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from napari_w2s._types import Cancelled, DownloadError, Level, Progress, ProgressFn, StopFn
from napari_w2s.data.protocol import CHANNELS
from napari_w2s.data.transfer import part_path, transfer, unwritable
from napari_w2s.data.upstream import BASE_URL, COMMIT, expected_hash, fov_paths, registry

__all__ = [
    "BASE_URL",
    "CACHE_VARIABLE",
    "COMMIT",
    "ROOT_VARIABLE",
    "cache_dir",
    "fetch",
    "fetch_fov",
    "fetch_many",
    "find_local",
    "fov_paths",
    "registry",
]

logger = logging.getLogger(__name__)

ROOT_VARIABLE = "W2S_ROOT"
"""Environment variable that names a copy of the authors' repository; files there are used if their hash is right."""
CACHE_VARIABLE = "NAPARI_W2S_CACHE"
"""Environment variable that names the folder for downloads."""

_LOCKS: dict[Path, Lock] = {}
_LOCKS_GUARD = Lock()


def cache_dir() -> Path:
    """Folder that downloads go to: NAPARI_W2S_CACHE, or the system's place for caches."""
    import pooch

    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("napari-w2s"))


def find_local(path: str, *, cache: str | os.PathLike[str] | None = None) -> Path | None:
    """Find a file that is here already and is what it should be, without any network.

    Parameters
    ----------
    path : str
        As for `fetch`.
    cache : path, optional
        Folder of downloads; `cache_dir` by default.

    Returns
    -------
    Path or None
        The file under W2S_ROOT, else in the cache, if its hash is right.

    Raises
    ------
    InputError
        If `path` is not in the registry.
    """
    expected = expected_hash(path)
    root = os.environ.get(ROOT_VARIABLE)
    for folder in ([Path(root).expanduser()] if root else []) + [_cache(cache)]:
        file = folder / path
        if not file.is_file():
            continue
        if _sha256(file) == expected:
            return file
        logger.warning("%s is not the file of the authors' commit %s and is not used", file, COMMIT[:7])
    return None


def fetch(
    path: str,
    *,
    base_url: str = BASE_URL,
    cache: str | os.PathLike[str] | None = None,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> Path:
    """Get one of the authors' files: a local copy if there is one, else downloaded and checked.

    Parameters
    ----------
    path : str
        Path inside the authors' repository, as in `registry`.
    base_url : str
        Address that `path` is appended to.
    cache : path, optional
        Folder to keep downloads in; `cache_dir` by default.
    progress : callable, optional
        Called with bytes done and bytes in total (0 if unknown), in the calling thread.
    should_stop : callable, optional
        Polled during the download.

    Returns
    -------
    Path
        A file whose SHA-256 is that of the registry.

    Raises
    ------
    InputError
        If `path` is not in the registry.
    DownloadError
        If there is no connection, the connection breaks, the content is not what it should be (it is removed), or the
        cache cannot be written to.
    Cancelled
        If `should_stop` said so.

    Notes
    -----
    A download that broke or was stopped leaves its beginning as ``NAME.part`` beside the file's place, and the next
    one goes on from there if the server can.
    """
    import pooch

    local = find_local(path, cache=cache)
    if local is not None:
        size = local.stat().st_size
        if progress is not None:
            progress(Progress(size, size))
        return local
    folder = _cache(cache)
    expected = expected_hash(path)
    target = folder / path

    def get(url: str, output: str | os.PathLike[str], _: object) -> None:
        _get_checked(url, target, expected, progress, should_stop)
        os.replace(part_path(target), output)

    keeper = pooch.create(
        path=folder, base_url=base_url.rstrip("/") + "/", registry={path: f"sha256:{expected}"}, retry_if_failed=0
    )
    # Two threads must not append to one unfinished file.
    with _lock(target), _quiet(pooch.get_logger()):
        try:
            return Path(keeper.fetch(path, downloader=get))
        except (DownloadError, Cancelled):
            raise
        except OSError as error:
            raise unwritable(folder, error) from error


def fetch_many(
    paths: Iterable[str],
    *,
    base_url: str = BASE_URL,
    cache: str | os.PathLike[str] | None = None,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> list[Path]:
    """Get several of the authors' files, one after the other.

    Parameters
    ----------
    paths : iterable of str
    base_url, cache, should_stop
        As for `fetch`.
    progress : callable, optional
        Called with bytes done and bytes in total of all files. Sizes are not known beforehand: a file that is still
        to come counts as the mean of those seen.

    Returns
    -------
    list of Path
        In the order of `paths`.

    Raises
    ------
    InputError, DownloadError, Cancelled
        As `fetch`; files that are complete stay.
    """
    wanted = list(paths)
    for path in wanted:
        expected_hash(path)
    files: list[Path] = []
    before = 0
    for path in wanted:
        if should_stop is not None and should_stop():
            raise Cancelled(f"stopped after {len(files)} of {len(wanted)} files; run it again to go on")
        part_of_all = _part_of_all(progress, before, len(files), len(wanted)) if progress is not None else None
        file = fetch(path, base_url=base_url, cache=cache, progress=part_of_all, should_stop=should_stop)
        files.append(file)
        before += file.stat().st_size
    return files


def fetch_fov(
    fov: int,
    channels: Sequence[int] = tuple(CHANNELS),
    levels: Sequence[Level] = tuple(Level),
    *,
    base_url: str = BASE_URL,
    cache: str | os.PathLike[str] | None = None,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> dict[tuple[int, Level], Path]:
    """Get a field of view of the 8-bit release.

    Parameters
    ----------
    fov, channels, levels
        As for `fov_paths`.
    base_url, cache, progress, should_stop
        As for `fetch_many`.

    Returns
    -------
    dict of (int, Level) to Path
        Files by channel and level.

    Raises
    ------
    InputError, DownloadError, Cancelled
        As `fov_paths` and `fetch_many`.
    """
    paths = fov_paths(fov, channels, levels)
    files = fetch_many(paths.values(), base_url=base_url, cache=cache, progress=progress, should_stop=should_stop)
    return dict(zip(paths, files, strict=True))


def _get_checked(
    url: str, target: Path, expected: str, progress: ProgressFn | None, should_stop: StopFn | None
) -> None:
    """Complete the unfinished file of `target` and check it; a wrong one is removed."""
    part = part_path(target)
    while True:
        resumed = transfer(url, part, progress=progress, should_stop=should_stop)
        got = _sha256(part)
        if got == expected:
            return
        part.unlink()
        if not resumed:
            raise DownloadError(
                f"{url} is not the expected file: its SHA-256 is {got} instead of {expected}. It was removed; "
                "run it again, and if this persists check for a proxy that alters downloads"
            )
        # What was there before was wrong: once more from the start.
        logger.info("the unfinished %s did not lead to the expected file; starting over", part)


def _part_of_all(progress: ProgressFn, before: int, finished: int, count: int) -> ProgressFn:
    def report(part: Progress) -> None:
        this = max(part.total, part.done)
        typical = (before + this) / (finished + 1)
        progress(Progress(before + part.done, before + this + round(typical * (count - finished - 1))))

    return report


@contextmanager
def _quiet(chatty: logging.Logger) -> Iterator[None]:
    """Hold back a logger's announcements, which pooch prints to the terminal on its own, across progress bars."""
    level = chatty.level
    chatty.setLevel(logging.WARNING)
    try:
        yield
    finally:
        chatty.setLevel(level)


def _cache(cache: str | os.PathLike[str] | None) -> Path:
    return cache_dir() if cache is None else Path(cache)


def _sha256(file: Path) -> str:
    import pooch

    return str(pooch.file_hash(str(file), alg="sha256"))


def _lock(target: Path) -> Lock:
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(target.absolute(), Lock())
