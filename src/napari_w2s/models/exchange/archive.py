"""The files of a package, read from the zip into memory: names, sizes and hashes are checked, nothing is unpacked."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from napari_w2s._types import InputError, WeightsError

MIB = 2**20
MAX_FILE = 1024 * MIB
"""Bytes that a file of a package may have once unpacked."""
MAX_TENSOR = 64 * MIB
MAX_TEXT = MIB
MAX_ENTRIES = 1000

_DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
_ENCRYPTED = 0x1


class Package:
    """A zip file of a model, opened for reading.

    Parameters
    ----------
    path : Path or str

    Raises
    ------
    WeightsError
        If it is no zip file, or holds entries that a package does not have: paths out of it, links, passwords, too many
        files or too large ones.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            data = self.path.read_bytes() if self.path.stat().st_size <= 2 * MAX_FILE else None
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}. Check its name.") from error
        if data is None:
            raise self.refuse(f"it is larger than {2 * MAX_FILE // MIB} MiB")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise self.refuse("it is no zip file, or damaged") from error
        entries = self._archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise self.refuse(f"it has {len(entries)} entries; {MAX_ENTRIES} is the most")
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            self._check(entry)
            self._entries[entry.filename] = entry

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(self._entries)

    def refuse(self, why: str) -> WeightsError:
        """Return the error that says why this package is not taken."""
        return WeightsError(f"{self.path} was refused: {why}. Get it anew from a source you trust.")

    def read(self, name: str, limit: int = MAX_FILE, sha256: object = None) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        WeightsError
            If it is missing, too large, damaged, or has another hash.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise self.refuse(f"it has no file {name!r}, which its description names")
        if entry.file_size > limit:
            raise self.refuse(f"{name} would take {entry.file_size / MIB:.0f} MiB; {limit / MIB:.0f} MiB is the most")
        try:
            with self._archive.open(entry) as stream:
                data = stream.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise self.refuse(f"{name} is damaged") from error
        if len(data) > limit:
            raise self.refuse(f"{name} is larger than it says")
        if sha256 is not None and hashlib.sha256(data).hexdigest() != str(sha256).lower():
            raise self.refuse(f"{name} has another SHA-256 than the description says: it is damaged or was changed")
        return data

    def description(self) -> Mapping[str, Any]:
        """Return the model's description.

        Raises
        ------
        WeightsError
            If there is none, or it is no mapping in YAML.
        """
        name = next((name for name in _DESCRIPTIONS if name in self._entries), None)
        if name is None:
            raise self.refuse(f"it has no {_DESCRIPTIONS[0]}, so it is no package of the BioImage Model Zoo")
        try:
            content = yaml.safe_load(self.read(name, MAX_TEXT))
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise self.refuse(f"its {name} is not YAML") from error
        if not isinstance(content, Mapping):
            raise self.refuse(f"its {name} describes nothing")
        return content

    def tensor(self, name: str, sha256: object = None) -> npt.NDArray[Any]:
        """Return an array of a ``.npy`` file of numbers.

        Raises
        ------
        WeightsError
            If it is missing, or is something else.
        """
        data = self.read(name, MAX_TENSOR, sha256)
        try:
            array = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError, MemoryError) as error:
            raise self.refuse(f"{name} is no array of numbers") from error
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif" or not array.size:
            raise self.refuse(f"{name} is no array of numbers")
        return array

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in entry.orig_filename or ":" in parts[0]:
            raise self.refuse(f"the entry {name!r} points out of the package")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise self.refuse(f"the entry {name!r} is a link")
        if entry.flag_bits & _ENCRYPTED:
            raise self.refuse("it is locked with a password")
        if name in self._entries:
            raise self.refuse(f"it has two entries {name!r}")
        if entry.file_size > MAX_FILE:
            raise self.refuse(f"{name} would take {entry.file_size / MIB:.0f} MiB; {MAX_FILE // MIB} MiB is the most")


def is_package(path: Path | str) -> bool:
    """Tell whether a file looks like a package rather than like weights: a zip file by name."""
    path = Path(path)
    if path.suffix.lower() != ".zip":
        return False
    if not path.is_file():
        raise InputError(f"{path} does not exist. Check the name.")
    return True
