"""One file over HTTP, resumable: a stopped transfer leaves a ``.part`` file that the next one goes on from."""

from __future__ import annotations

import errno
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from napari_w2s._types import Cancelled, DownloadError, Progress, ProgressFn, StopFn

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16
TIMEOUT_S = (10.0, 30.0)
"""Time allowed to connect, and between two pieces of an answer."""


def part_path(target: Path) -> Path:
    """Where the unfinished file of a download to `target` lies."""
    return target.with_name(target.name + ".part")


def transfer(
    url: str,
    part: Path,
    *,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> bool:
    """Append what is missing of a remote file to a local unfinished one.

    Parameters
    ----------
    url : str
        An http or https address.
    part : Path
        The unfinished file; made if absent. What it holds is kept if the server can go on from there, and written
        anew if it cannot.
    progress : callable, optional
        Called with bytes done and in total (0 if the server does not say) after every piece.
    should_stop : callable, optional
        Polled before every piece.

    Returns
    -------
    bool
        True if the transfer went on from what was there.

    Raises
    ------
    Cancelled
        If `should_stop` said so; the unfinished file stays.
    DownloadError
        If there is no connection, the server refuses, the connection breaks, or the file cannot be written.
    """
    import requests

    host = urlsplit(url).netloc
    try:
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
                return True
            _check_status(answer, url)
            resumed = bool(have) and answer.status_code == requests.codes.partial_content
            if resumed and not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
                raise DownloadError(
                    f"{host} sent another part of {url} than was asked for; remove {part} and run it again"
                )
            # A server that ignores the request for the rest sends the whole file.
            have = have if resumed else 0
            length = answer.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else 0
            _receive(answer, part, have, total, progress, should_stop)
            return resumed
    except (DownloadError, Cancelled):
        raise
    except requests.Timeout as error:
        raise DownloadError(f"{host} does not answer ({url}); check the network and run it again to go on") from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise DownloadError(f"the connection to {host} broke during {url}; run it again to go on from there") from error
    except requests.ConnectionError as error:
        if _size(part) > 0 and "Read timed out" in str(error):
            raise DownloadError(f"{host} stopped sending {url}; run it again to go on from there") from error
        # The whole address is longer than a panel is wide.
        file = "/".join(url.split("/")[-2:])
        raise DownloadError(
            f"There is no connection to {host} for {file}; check the network, or set W2S_ROOT to a local copy of the "
            "W2S files"
        ) from error
    except requests.RequestException as error:
        raise DownloadError(f"{url} could not be downloaded: {error}") from error
    except OSError as error:
        raise unwritable(part.parent, error) from error


def unwritable(folder: Path, error: OSError) -> DownloadError:
    """Describe a folder that downloads cannot be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = "the disk is full"
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        reason = "it is read-only"
    else:
        reason = error.strerror or str(error)
    return DownloadError(
        f"downloads cannot be written to {folder}: {reason}; free or unlock it, "
        "or name another folder in NAPARI_W2S_CACHE"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_status(answer: Any, url: str) -> None:
    if answer.status_code in (200, 206):
        return
    if answer.status_code == 404:
        raise DownloadError(f"{url} does not exist (404); check the base address")
    if answer.status_code == 429:
        raise DownloadError(
            f"{urlsplit(url).netloc} asks to wait before more downloads (429); run it again later to go on"
        )
    raise DownloadError(f"{url} was refused with status {answer.status_code} ({answer.reason}); run it again later")


def _receive(
    answer: Any, part: Path, have: int, total: int, progress: ProgressFn | None, should_stop: StopFn | None
) -> None:
    with part.open("ab" if have else "wb") as file:
        _report(progress, have, total)
        for piece in answer.iter_content(CHUNK_BYTES):
            if should_stop is not None and should_stop():
                raise Cancelled(f"the download of {part.name.removesuffix('.part')} was stopped; run it again to go on")
            file.write(piece)
            have += len(piece)
            _report(progress, have, total)
    if have < total:
        raise DownloadError(
            f"{part.name.removesuffix('.part')} broke off at {have} of {total} bytes; run it again to go on"
        )


def _report(progress: ProgressFn | None, done: int, total: int) -> None:
    if progress is not None:
        progress(Progress(done, total))
