"""What has been measured, on disk: one line a result, added when it is there and never changed.

A process that is killed leaves a part of a line at worst, which the next run cuts off.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from napari_w2s._files import write_at_once
from napari_w2s._types import OutputError
from napari_w2s.benchmark.work import Scored

logger = logging.getLogger(__name__)


class Appender:
    """A text file that grows by whole lines.

    Parameters
    ----------
    path : Path
        Made if it is not there. A line without an end, which a killed process left, is cut off.
    alone : bool
        Let no other process have the file in this way at the same time.

    Raises
    ------
    OutputError
        If it cannot be written, or another process has it.
    """

    def __init__(self, path: Path, *, alone: bool = False) -> None:
        self.path = path
        try:
            self._stream = path.open("ab", buffering=0)
            if alone:
                self._lock()
            self._cut()
        except OSError as error:
            raise _cannot(path, error) from error

    def add(self, line: str) -> None:
        """Append a line; it is on the disk when this returns.

        Raises
        ------
        OutputError
            If the disk is full, for one; the file is then as it was.
        """
        data = memoryview(f"{line}\n".encode())
        size = os.fstat(self._stream.fileno()).st_size
        try:
            while data:
                data = data[self._stream.write(data) or 0 :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._stream.fileno(), size)
            raise _cannot(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _lock(self) -> None:
        """Keep others out until the file is closed, or this process ends, however it does."""
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise OutputError(
                f"Another benchmark is running in {self.path.parent}. Wait for it, or choose another folder."
            ) from error
        except OSError:
            logger.info("%s is on a file system without locks", self.path)

    def _cut(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            logger.info("%s ends in the middle of a line, which is cut off", self.path)
            os.ftruncate(self._stream.fileno(), whole)


class Journal:
    """Results by key.

    Parameters
    ----------
    path : Path
        A file of JSON lines.

    Raises
    ------
    OutputError
        If it cannot be read or written, or another benchmark is adding to it.
    """

    def __init__(self, path: Path) -> None:
        self._file = Appender(path, alone=True)
        self._known: dict[str, Scored] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            scored = _parse(line)
            if scored is None:
                logger.warning("Line %d of %s is damaged and does not count.", number, path)
            elif not scored.error:
                self._known[scored.key] = scored

    def get(self, key: str) -> Scored | None:
        """Return what was measured; None if nothing was, or only an error: that may have been mended."""
        return self._known.get(key)

    def add(self, scored: Scored) -> None:
        """Keep a result.

        Raises
        ------
        OutputError
            If it cannot be written; what was kept before stays.
        """
        entry = {
            "key": scored.key,
            "values": scored.values,
            "noise_floor_db": scored.noise_floor_db,
            "seconds": round(scored.seconds, 4),
            "error": scored.error,
        }
        self._file.add(json.dumps(entry))
        if not scored.error:
            self._known[scored.key] = scored

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def write_whole(path: Path, text: str) -> Path:
    """Write a text file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written; an existing file is as it was.
    """
    try:
        return write_at_once(path, text, durable=True)
    except OSError as error:
        raise _cannot(path, error) from error


def _parse(line: str) -> Scored | None:
    try:
        entry = json.loads(line)
        values = {str(name): float(value) for name, value in entry["values"].items()}
        floor = entry["noise_floor_db"]
        return Scored(
            key=str(entry["key"]),
            values=values,
            noise_floor_db=None if floor is None else float(floor),
            seconds=float(entry["seconds"]),
            error=str(entry["error"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _cannot(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}. What was measured before is kept: free space or choose "
        "another folder, and run it again."
    )
