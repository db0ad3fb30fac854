"""What a worker of a cluster does for a row, and what it says if it lacks what all of them need.

Every task brings this along: so a worker that comes late is asked what the first ones are.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_w2s._types import InputError
from napari_w2s.benchmark.cases import Case, Picture
from napari_w2s.benchmark.config import BenchmarkConfig
from napari_w2s.benchmark.loading import WeightsFrom
from napari_w2s.benchmark.work import Job, Made, Scored, Settings, restore, score
from napari_w2s.training.files import expand

_SHARE = "The machines of a cluster need the same files under the same paths."


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker has to have, so that its numbers are those of any other.

    Attributes
    ----------
    version : str
        Of this package.
    device : str
        A name or a kind, such as ``"cuda"``.
    paths : tuple of str
        Folders of images, and weights.
    """

    version: str
    device: str
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: BenchmarkConfig, device: str) -> Needs:
        """Return what a benchmark needs, with `device` for ``"auto"``.

        Raises
        ------
        InputError
            If a folder or file is not here.
        """
        pairs = (folder for pair in config.pairs for folder in (pair.noisy, pair.clean, pair.fine) if folder)
        weights = WeightsFrom.of(config)
        paths = [os.path.abspath(expand(path)) for path in (*config.data, *pairs)]
        paths += [path for path in (weights.net_data, *(file for _name, file in weights.files)) if path]
        return cls(package_version(), device if config.device == "auto" else config.device, tuple(paths))


@dataclass(frozen=True, slots=True)
class Unfit:
    """A worker could not do what it was given.

    Attributes
    ----------
    worker : str
        Its address.
    reason : str
        What it lacks, on which machine, and what to do.
    """

    worker: str
    reason: str


@cache
def package_version() -> str:
    """Return the version of this package."""
    try:
        return version("napari-w2s")
    except PackageNotFoundError:
        return "0+unknown"


def lacks(needs: Needs) -> str:
    """Return what this process lacks of what a worker needs; empty if nothing."""
    own, host = package_version(), socket.gethostname()
    if own != needs.version:
        return f"{host} has napari-w2s {own}, not {needs.version}. Install the same version on all machines."
    try:
        _check_device(needs.device)
    except InputError as error:
        return f"{host}: {error}"
    return _absent(needs.paths)


def restore_there(case: Case, chain: Sequence[str], settings: Settings, needs: Needs) -> Made | Unfit:
    """Restore the image of a case with some models in this worker process."""
    if unfit := _unfit(needs):
        return unfit
    if absent := _absent_pictures(case.source, case.range_of):
        return Made(None, 0.0, absent)
    return restore(case, chain, settings)


def score_there(
    job: Job, settings: Settings, needs: Needs, made: Made | Unfit | None = None, done: int = 0
) -> Scored | Unfit:
    """Restore the image of a job in this worker process, or go on with what its first models made, and score it."""
    if isinstance(made, Unfit):
        return made
    if unfit := _unfit(needs):
        return unfit
    case = job.case
    reference, _name = case.reference(job.task)
    if absent := _absent_pictures(case.source, case.range_of, reference, case.half):
        return Scored(key=job.key, error=absent)
    return score(job, settings, made, done)


def _unfit(needs: Needs) -> Unfit | None:
    from distributed import get_worker

    reason = lacks(needs)
    return Unfit(get_worker().address, reason) if reason else None


def _check_device(name: str) -> None:
    if name == "cpu":
        return
    from napari_w2s.engine.device import choose_device

    choose_device(name)


def _absent_pictures(*pictures: Picture | None) -> str:
    return _absent(str(picture.path) for picture in pictures if picture is not None)


def _absent(paths: Iterable[str]) -> str:
    gone = next((path for path in paths if not Path(path).exists()), None)
    return "" if gone is None else f"{gone} is not there on {socket.gethostname()}. {_SHARE}"
