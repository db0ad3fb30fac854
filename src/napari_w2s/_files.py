"""Files that are written whole or not at all.

Like `_types`, this is a leaf of the import graph: it imports the standard library only.
"""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

logger = logging.getLogger(__name__)

_MARK = 8


@contextmanager
def replacing(path: Path, ending: str = ".tmp") -> Iterator[Path]:
    """Write a file under another name, and rename it in the end.

    Parameters
    ----------
    path : Path
        Its folder must exist. A file that is there is replaced.
    ending : str
        Of the other name, for a writer that goes by it.

    Yields
    ------
    Path
        In the same folder; nothing is there yet. It takes the place of `path` at the end of the block. If the block
        raises, it is removed, and `path` is as it was.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    temporary = path.with_name(f"{_beginning(path)}{uuid4().hex[:_MARK]}{ending}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        discard(temporary)
        raise


def write_at_once(path: Path, data: bytes | memoryview | str, *, durable: bool = False) -> Path:
    """Write a file, whole or not at all.

    Parameters
    ----------
    path : Path
        Its folder must exist. A file that is there is replaced.
    data : bytes-like or str
        Text is written as UTF-8, with the line ends that it has.
    durable : bool
        Have it on the disk before it takes its place, so that a power cut does not leave an empty file.

    Raises
    ------
    OSError
        If it cannot be written; a file that was there is as it was.
    """
    with replacing(path) as temporary, temporary.open("xb") as stream:
        stream.write(data.encode() if isinstance(data, str) else data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    return path


def leftovers(path: Path) -> list[Path]:
    """Return what processes that were killed within `replacing` have left beside a file."""
    return [*path.parent.glob(f"{glob.escape(_beginning(path))}{'?' * _MARK}.tmp")]


def discard(path: Path) -> None:
    """Remove a file that may be there; that it cannot be removed is only logged."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s could not be removed: %s", path, error.strerror)


def _beginning(path: Path) -> str:
    return f".{path.name[:80]}."
