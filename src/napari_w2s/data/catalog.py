"""What W2S files are there: from paths to records, without reading a pixel.

Three releases of the benchmark and its training patches are recognised by the names of files and folders alone:

========== ============================================================================================
release    shape of the path
========== ============================================================================================
raw        ``ImageNNN/{wf,sim,sim_input}_channelC.npy`` (or ``.tif``)
normalized ``LEVEL/NNN_C.npy``, as a rule below ``data/normalized``
8bit       ``LEVEL/NNN_C.png``, as a rule below ``data/train`` or ``data/test``
patches    ``LEVEL_PATCH_STRIDE.h5``, e.g. ``avg1_64_32.h5``
========== ============================================================================================
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from napari_w2s._types import InputError, Level
from napari_w2s.data.protocol import TEST_FOVS, TRAIN_FOVS

log = logging.getLogger(__name__)

BURST = "burst"
"""Level of a record that holds the 400 single frames."""
SIM_INPUT = "sim_input"
"""Level of a record that holds the 15 captures that a SIM image is reconstructed from."""
PATCH_DATASET = "data"
"""Name of the dataset in the benchmark's HDF5 files."""

LEVEL_ORDER = (BURST, *(level.value for level in Level), SIM_INPUT)

_LEVELS = frozenset(level.value for level in Level)
_LEVEL_FILE = re.compile(r"(\d{3})_([0-2])\.(png|npy|tif|tiff)", re.IGNORECASE)
_RAW_FILE = re.compile(r"(wf|sim|sim_input)_channel([0-2])\.(?:npy|tif|tiff)", re.IGNORECASE)
_RAW_FOLDER = re.compile(r"image_?(\d{1,4})", re.IGNORECASE)
_PATCH_FILE = re.compile(r"(avg\d+|sim)_(\d+)_(\d+)\.(?:h5|hdf5)", re.IGNORECASE)
_CONTAINERS = re.compile(r"data|train|test|raw|normali[sz]ed|8bit|patches|w2s.*", re.IGNORECASE)
_MAX_DEPTH = 6
_LOOK_AT_MOST = 20_000


class Release(StrEnum):
    """The form in which an image was published."""

    RAW = "raw"
    NORMALIZED = "normalized"
    EIGHT_BIT = "8bit"
    PATCHES = "patches"
    IMAGE = "image"
    """Not one of the benchmark's releases: any other image."""


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One file of the benchmark, as its path describes it.

    Attributes
    ----------
    path : Path
    release : Release
    split : str or None
        ``"train"`` or ``"test"``: from the folder's name, else from the FOV's number.
    fov : int or None
        Number of the field of view, from 1. None where the path does not tell (patches, a file on its own).
    channel : int or None
        0, 1 or 2. None for patches.
    level : str or None
        ``"avg1"`` … ``"avg400"``, ``"sim"``, ``"burst"`` or ``"sim_input"``.
    key : str or None
        Name of the HDF5 dataset.
    """

    path: Path
    release: Release
    split: str | None = None
    fov: int | None = None
    channel: int | None = None
    level: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Catalog:
    """The files of the benchmark that were found.

    Attributes
    ----------
    records : tuple of StackRecord
        Sorted by release, level, channel and FOV.
    ignored : tuple of Path
        Files that are not recognised, or that repeat one that is.
    """

    records: tuple[StackRecord, ...]
    ignored: tuple[Path, ...] = ()

    def select(
        self,
        *,
        release: Release | None = None,
        split: str | None = None,
        fov: int | None = None,
        channel: int | None = None,
        level: str | None = None,
    ) -> tuple[StackRecord, ...]:
        """Return the records that have every given property."""
        wanted = {"release": release, "split": split, "fov": fov, "channel": channel, "level": level}
        given = {name: value for name, value in wanted.items() if value is not None}
        return tuple(r for r in self.records if all(getattr(r, name) == value for name, value in given.items()))

    @property
    def releases(self) -> tuple[Release, ...]:
        """Releases that were found."""
        return tuple(dict.fromkeys(record.release for record in self.records))

    @property
    def fovs(self) -> tuple[int, ...]:
        """Numbers of the fields of view, ascending."""
        return tuple(sorted({record.fov for record in self.records if record.fov is not None}))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channel numbers, ascending."""
        return tuple(sorted({record.channel for record in self.records if record.channel is not None}))

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels, noisiest first."""
        found = {record.level for record in self.records}
        return tuple(level for level in LEVEL_ORDER if level in found)

    def groups(self) -> tuple[tuple[StackRecord, ...], ...]:
        """Return what makes one stack each: records that differ in nothing but the FOV (and its split)."""
        groups: dict[object, list[StackRecord]] = {}
        for record in self.records:
            alone = record.path if record.fov is None else None
            groups.setdefault((record.release, record.level, record.channel, alone), []).append(record)
        return tuple(tuple(group) for group in groups.values())


def classify(path: Path) -> StackRecord | None:
    """Return what the name of one file says of it; None if it is not shaped like W2S.

    Parameters
    ----------
    path : Path
        A file; it need not exist.
    """
    path = Path(os.path.abspath(path))
    if match := _LEVEL_FILE.fullmatch(path.name):
        level = path.parent.name.lower()
        if level not in _LEVELS:
            return None
        fov = int(match[1])
        release = {"png": Release.EIGHT_BIT, "npy": Release.NORMALIZED}.get(match[3].lower(), Release.IMAGE)
        return StackRecord(path, release, _split(path, fov), fov, int(match[2]), level)
    if match := _RAW_FILE.fullmatch(path.name):
        folder = _RAW_FOLDER.fullmatch(path.parent.name)
        number = int(folder[1]) if folder else None
        level = {"wf": BURST}.get(match[1].lower(), match[1].lower())
        return StackRecord(path, Release.RAW, _split(path, number), number, int(match[2]), level)
    if (match := _PATCH_FILE.fullmatch(path.name)) and match[1].lower() in _LEVELS:
        return StackRecord(path, Release.PATCHES, "train", level=match[1].lower(), key=PATCH_DATASET)
    return None


def looks_like_w2s(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file or folder is shaped like the benchmark, by names only.

    It reads no file, lists few folders, and never raises: what cannot be looked at is not W2S.
    """
    try:
        candidate = Path(path)
        if candidate.is_dir():
            return any(isinstance(found, StackRecord) for found in _walk(candidate, limit=_LOOK_AT_MOST))
        return candidate.is_file() and classify(candidate) is not None
    except (OSError, TypeError, ValueError) as exc:
        log.debug("cannot look at %r: %s", path, exc)
        return False


def scan(paths: Path | str | Sequence[Path | str]) -> Catalog:
    """Find the benchmark's files at and below some paths, reading no pixel.

    Parameters
    ----------
    paths : path or sequence of path
        Files, or folders at any level of the tree: a dataset root, a split, a level, one ``ImageNNN``.

    Raises
    ------
    InputError
        If a path does not exist.
    """
    found: dict[Path, StackRecord | None] = {}
    for path in as_paths(paths):
        if path.is_dir():
            items: Iterable[StackRecord | Path] = _walk(path)
        elif path.exists():
            items = [classify(path) or path]
        else:
            raise InputError(f"{path} does not exist. Check the path.")
        for item in items:
            if isinstance(item, StackRecord):
                found.setdefault(item.path, item)
            else:
                found.setdefault(item, None)
    kept: dict[object, StackRecord] = {}
    ignored = [path for path, record in found.items() if record is None]
    for record in found.values():
        if record is None:
            continue
        alone = record.path if record.fov is None else None
        first = kept.setdefault((record.release, record.fov, record.channel, record.level, alone), record)
        if first is not record:
            log.warning("%s is ignored: it repeats %s.", record.path, first.path)
            ignored.append(record.path)
    return Catalog(tuple(sorted(kept.values(), key=_order)), tuple(ignored))


def as_paths(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """Return one path or several as a tuple of Path."""
    if isinstance(paths, str | os.PathLike):
        return (Path(paths),)
    return tuple(Path(path) for path in paths)


def _order(record: StackRecord) -> tuple[int, int, int, int, str]:
    level = LEVEL_ORDER.index(record.level) if record.level in LEVEL_ORDER else len(LEVEL_ORDER)
    return (list(Release).index(record.release), level, record.channel or 0, record.fov or 0, str(record.path))


def _split(path: Path, fov: int | None) -> str | None:
    for folder in path.parts[-4:-1]:
        if folder.lower() in {"train", "test"}:
            return folder.lower()
    if fov in TRAIN_FOVS:
        return "train"
    return "test" if fov in TEST_FOVS else None


def _walk(folder: Path, depth: int = 0, limit: int | None = None) -> Iterator[StackRecord | Path]:
    """Yield a record, or a path that is none, for each file of a folder and of its folders that are shaped like W2S."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(islice(entries, limit), key=lambda entry: entry.name)
    except OSError as exc:
        log.warning("%s could not be listed: %s", folder, exc)
        return
    folders = []
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            folders.append(entry)
        else:
            yield classify(Path(entry.path)) or Path(entry.path)
    if depth >= _MAX_DEPTH:
        return
    for entry in folders:
        name = entry.name.lower()
        if name in _LEVELS or _RAW_FOLDER.fullmatch(name) or _CONTAINERS.fullmatch(name):
            yield from _walk(Path(entry.path), depth + 1, limit)
