"""Find the file of a model's weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath

from napari_w2s._types import ProgressFn, StopFn, WeightsError
from napari_w2s.models.descriptor import ModelDescriptor, WeightsPlace, WeightsSource

_SHOWN = 3

logger = logging.getLogger(__name__)


def find_in_folder(folder: Path, source: WeightsSource) -> Path | None:
    """Find a weights file in a folder that a user named: a root, its ``net_data``, or any folder below.

    Parameters
    ----------
    folder : Path
    source : WeightsSource

    Returns
    -------
    Path or None
        The longest part of the source's path that lies in `folder`; None if there is none.
    """
    return next((path for path in _candidates(folder, source) if path.is_file()), None)


def locate(
    descriptor: ModelDescriptor,
    source: WeightsSource,
    folder: Path | None = None,
    *,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> Path:
    """Return the file of a model's official weights; it may have to be downloaded.

    Parameters
    ----------
    descriptor : ModelDescriptor
    source : WeightsSource
        The descriptor's weights.
    folder : Path, optional
        Where to look instead of downloading.
    progress, should_stop : callable, optional
        Serve the download.

    Returns
    -------
    Path

    Raises
    ------
    WeightsError
        If the file is not in `folder`.
    DownloadError
        If it cannot be downloaded.
    Cancelled
        If `should_stop` said so.
    """
    if folder is not None:
        found = find_in_folder(folder, source)
        if found is not None:
            return found
        if source.place is WeightsPlace.UPSTREAM:
            raise WeightsError(
                f"{folder} holds no weights of {descriptor.name}: there is no {source.path} in it. "
                "Name another folder, or none, so that they are downloaded."
            )
        logger.info("%s holds no weights of %s; using its own", folder, descriptor.name)
    if source.place is WeightsPlace.UPSTREAM:
        from napari_w2s.data.download import fetch

        return fetch(source.path, progress=progress, should_stop=should_stop)
    return _own_file(source)


def find_own(descriptor: ModelDescriptor, source: WeightsSource, given: Path | None) -> Path:
    """Return the file of weights that the user brings for a model.

    Parameters
    ----------
    descriptor : ModelDescriptor
    source : WeightsSource
        The descriptor's weights.
    given : Path or None
        The file itself, or a folder that holds one checkpoint of this kind as the authors' repository does.

    Raises
    ------
    WeightsError
        If there is none, or more than one.
    """
    if given is not None and not given.is_dir():
        return given
    if given is None:
        raise WeightsError(
            f"{descriptor.name} has no weights yet. Train it (napari-w2s train {descriptor.name}, or Plugins > W2S > "
            "Train), or give a file of weights."
        )
    folders = [folder for folder in _candidates(given, source) if folder.is_dir()]
    found = sorted(path for folder in folders[:1] for path in folder.rglob("*.pth"))
    if len(found) != 1:
        names = ", ".join(path.relative_to(given).as_posix() for path in found[:_SHOWN])
        has = f"holds {len(found)} ({names}{', …' if len(found) > _SHOWN else ''})" if found else "holds none"
        raise WeightsError(
            f"{given} {has} of the checkpoints of {descriptor.name}, which lie in {source.path}. Name the file."
        )
    return found[0]


def is_here(source: WeightsSource) -> bool:
    """Tell whether weights can be loaded without a download."""
    if source.place is WeightsPlace.OWN:
        return False
    if source.place is WeightsPlace.UPSTREAM:
        from napari_w2s.data.download import find_local

        return find_local(source.path) is not None
    return _own_file(source).is_file()


def _own_file(source: WeightsSource) -> Path:
    if source.place is WeightsPlace.PACKAGED:
        return Path(str(files("napari_w2s"))) / source.path
    return Path(source.path)


def _candidates(folder: Path, source: WeightsSource) -> Iterator[Path]:
    parts = PurePosixPath(source.path).parts
    if source.place is WeightsPlace.LOCAL:
        parts = parts[-1:]
    for first in range(len(parts)):
        yield folder.joinpath(*parts[first:])
