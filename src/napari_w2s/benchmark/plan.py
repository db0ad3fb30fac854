"""From pipelines and images to rows, and from rows to work that shares what can be shared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from napari_w2s._types import StopFn, W2SError
from napari_w2s.benchmark.cases import Case, Picture
from napari_w2s.benchmark.loading import Identity, Models, identify
from napari_w2s.benchmark.pixels import Hashes
from napari_w2s.benchmark.protocol import find_protocol
from napari_w2s.benchmark.scope import in_scope
from napari_w2s.benchmark.systems import System
from napari_w2s.benchmark.table import Row
from napari_w2s.benchmark.work import Job, Settings, explain, no_reference


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs on one image that begin alike.

    Attributes
    ----------
    shared : tuple of str
        Models that are run once for all of the jobs; none if each stands alone.
    jobs : tuple of Job
    """

    shared: tuple[str, ...]
    jobs: tuple[Job, ...]


class Planner:
    """Rows, and what identifies them.

    Parameters
    ----------
    systems : sequence of System
    models : Models
        To learn the hashes of weights; every model is loaded once.
    settings : Settings
    device : str
        Kind of the device that is computed on, e.g. ``"cpu"``.
    version : str
        Of the package.
    stop : callable, optional
        Polled while weights are fetched.
    """

    def __init__(
        self,
        systems: Sequence[System],
        models: Models,
        settings: Settings,
        device: str,
        version: str,
        stop: StopFn | None = None,
    ) -> None:
        self._systems, self._models, self._settings, self._stop = systems, models, settings, stop
        self._hashes = Hashes()
        self._identities: dict[tuple[str, ...], Identity | str] = {}
        protocol = asdict(replace(find_protocol(settings.protocol), words="", ssim_range={}))
        protocol["ssim_range"] = dict(find_protocol(settings.protocol).ssim_range)
        self._common = {
            "version": version,
            "protocol": protocol,
            "metrics": settings.metrics,
            "device": device,
            "precision": settings.computing.precision,
        }

    def rows(self, case: Case) -> list[Row]:
        """Return a row for each pipeline that is measured on an image: with a key, or with an error."""
        return [self._row(system, case) for system in self._systems if in_scope(system, case)]

    def job(self, row: Row) -> Job:
        """Return the work of a row that has a key."""
        return Job(key=row.key, case=row.case, chain=row.chain, task=row.task)

    def _row(self, system: System, case: Case) -> Row:
        chain = system.chains[case.level]
        row = Row(system=system.name, chain=chain, task=system.task, case=case)
        identity = self._identity(chain)
        if isinstance(identity, str):
            return replace(row, error=identity)
        row = replace(row, weights=identity.weights)
        reference, _name = case.reference(system.task)
        if case.source is None or reference is None:
            return replace(row, error=no_reference(case, system.task) if case.source else case.missing)
        try:
            source, target = self._hashes.of(case.source.path), self._hashes.of(reference.path)
            others = [self._fact(picture) for picture in (case.range_of, case.half)]
        except W2SError as error:
            return replace(row, error=explain(error, case))
        facts = {
            **self._common,
            "task": system.task,
            "chain": identity.facts,
            "images": [self._fact(case.source), self._fact(reference), *others],
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()
        return replace(row, key=key, source_sha256=source, reference_sha256=target)

    def _fact(self, picture: Picture | None) -> tuple[str, str] | None:
        return None if picture is None else (self._hashes.of(picture.path), str(picture.average))

    def _identity(self, chain: tuple[str, ...]) -> Identity | str:
        """Return what identifies a chain, or why it cannot be loaded."""
        if chain not in self._identities:
            try:
                self._identities[chain] = identify(chain, self._models, should_stop=self._stop)
            except Exception as error:
                self._identities[chain] = explain(error, _NOWHERE)
        return self._identities[chain]


_NOWHERE = Case(field="", channel=None, level="", source=None)


def group(jobs: Iterable[Job]) -> list[Group]:
    """Put jobs of one image together that begin with the same models."""
    jobs = list(jobs)
    beginnings = {job.chain[:-1] for job in jobs if len(job.chain) > 1}
    together: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        together.setdefault(job.chain if job.chain in beginnings else job.chain[:-1], []).append(job)
    groups = []
    for shared, members in together.items():
        if shared and len(members) > 1:
            groups.append(Group(shared, tuple(members)))
        else:
            groups += [Group((), (job,)) for job in members]
    return groups
