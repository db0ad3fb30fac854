"""Run a benchmark into a folder: rows as they are done, and a summary at the end.

The folder holds

================== =====================================================================================
``journal.jsonl``  every result ever measured there, one line each, by the hash of all it depends on
``rows.csv``       the table of this benchmark; it grows by lines, and is sorted at the end
``summary.csv``    means, deviations, differences and ranks
``timings.csv``    how long each row took, which no two runs agree on
``benchmark.yaml`` what was asked for
``examples/``      small parts of the best and the worst results
================== =====================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from napari_w2s._types import Cancelled, InputError, OutputError, StopFn
from napari_w2s.benchmark.cases import Case, Cases, find_cases
from napari_w2s.benchmark.config import BenchmarkConfig
from napari_w2s.benchmark.examples import Extremes
from napari_w2s.benchmark.fitness import Needs, package_version
from napari_w2s.benchmark.here import run_here
from napari_w2s.benchmark.journal import Appender, Journal, write_whole
from napari_w2s.benchmark.loading import Models, WeightsFrom
from napari_w2s.benchmark.plan import Group, Planner, group
from napari_w2s.benchmark.scope import Scope, find_scope
from napari_w2s.benchmark.stages import Computing
from napari_w2s.benchmark.summary import Summary, summarise, write_summary
from napari_w2s.benchmark.systems import find_systems
from napari_w2s.benchmark.table import Row, cells, columns, document, line, number, with_scores
from napari_w2s.benchmark.work import Scored, Settings
from napari_w2s.models.registry import Registry

logger = logging.getLogger(__name__)

CountFn = Callable[[int, int], object]
"""Called with the number of rows that are done, and of all."""

Executor = Callable[[Iterable[Group], Settings, Models, StopFn], Iterator[Scored]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """What a benchmark found.

    Attributes
    ----------
    folder : Path
    rows : tuple of Row
        Sorted by pipeline, level, field and channel.
    summaries : tuple of Summary
    measured : int
        Rows that were measured now; the others were known.
    notes : tuple of str
        What a user should know.
    config : BenchmarkConfig
    levels : tuple of str
    """

    folder: Path
    rows: tuple[Row, ...]
    summaries: tuple[Summary, ...]
    measured: int
    notes: tuple[str, ...]
    config: BenchmarkConfig
    levels: tuple[str, ...]

    @property
    def failed(self) -> tuple[Row, ...]:
        """Rows that have an error instead of numbers."""
        return tuple(row for row in self.rows if row.error)


def evaluate(
    config: BenchmarkConfig,
    folder: Path | str,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    registry: Registry | None = None,
    progress: CountFn | None = None,
    should_stop: StopFn | None = None,
) -> BenchmarkResult:
    """Measure all pipelines on all images, and write the tables.

    What the folder has from an earlier run, of this or another benchmark, is not measured again.

    Parameters
    ----------
    config : BenchmarkConfig
    folder : Path or str
        Made if it is not there.
    workers : int
        Processes on this machine. 1 works in this one, without Dask.
    scheduler : str, optional
        Address of a Dask scheduler to work on instead, e.g. ``"tcp://node:8786"``. Its workers need this package, and
        the files under the same paths.
    registry : Registry, optional
        Where the models come from; only for work in this process.
    progress : callable, optional
        Gets the number of rows that are done, and of all.
    should_stop : callable, optional
        Polled often.

    Returns
    -------
    BenchmarkResult

    Raises
    ------
    InputError
        If a pipeline, level, field, folder or device is not there, or the scheduler does not answer. Nothing has run
        then.
    OutputError
        If the folder cannot be written, or another benchmark runs in it. What was measured before is kept.
    Cancelled
        If `should_stop` said so. The tables hold what is done, and the next run goes on from there.
    """
    from napari_w2s.engine.device import choose_device
    from napari_w2s.models.builtin import default_registry

    elsewhere = scheduler is not None or workers > 1
    if elsewhere and registry is not None:
        raise InputError("Other processes make their own registry of models: leave it out, or take one worker.")
    found = find_cases(config)
    models = Models(registry or default_registry(), WeightsFrom.of(config))
    for name in config.weights:
        models.registry.descriptor(name)
    systems = find_systems(config.pipelines, found.levels, models.registry)
    scope = find_scope(systems, found)
    # What another machine has is not known here.
    device = None if scheduler is not None else choose_device(config.device).type
    stop = should_stop or (lambda: False)
    count = progress or (lambda _done, _all: None)
    count(0, scope.total)
    with _executor(config, workers, scheduler, device, stop) as (execute, device):
        # All workers compute on what the first ones do, those that come later too.
        computing = Computing(
            device if config.device == "auto" else config.device, config.precision, threads=1 if elsewhere else None
        )
        settings = Settings(
            protocol=config.protocol, metrics=config.measured, computing=computing, weights=WeightsFrom.of(config)
        )
        planner = Planner(systems, models, settings, device, package_version(), stop)
        run = _Run(config, found, scope, planner, _prepare(Path(folder)), count)
        return run.go(lambda groups: execute(groups, settings, models, stop))


@contextmanager
def _executor(
    config: BenchmarkConfig, workers: int, scheduler: str | None, device: str | None, stop: StopFn
) -> Iterator[tuple[Executor, str]]:
    """Yield what does the work, and the kind of device that it is done on: `device`, if that is known."""
    if scheduler is None and workers == 1:
        yield run_here, device or config.device
        return
    from napari_w2s.benchmark.cluster import device_of, run_on
    from napari_w2s.engine.cluster import connect

    with connect(workers, scheduler) as client:
        device = device or device_of(client, config.device, stop)
        needs = Needs.of(config, device)

        def execute(groups: Iterable[Group], settings: Settings, _models: Models, stop: StopFn) -> Iterator[Scored]:
            return run_on(client, groups, settings, needs, stop)

        yield execute, device


class _Run:
    """One benchmark under way."""

    def __init__(
        self, config: BenchmarkConfig, found: Cases, scope: Scope, planner: Planner, folder: Path, progress: CountFn
    ) -> None:
        self._config, self._found, self._planner, self._folder = config, found, planner, folder
        self._scope, self._total = scope, scope.total
        self._progress = progress
        self._rows: list[Row] = []
        self._waiting: dict[str, list[Row]] = {}
        self._measured = 0
        self._extremes = Extremes(folder / "examples")

    def go(self, execute: Callable[[Iterable[Group]], Iterator[Scored]]) -> BenchmarkResult:
        """Do what is not done, and write the tables."""
        metrics = self._config.measured
        rows = self._folder / "rows.csv"
        with Journal(self._folder / "journal.jsonl") as journal:
            write_whole(self._folder / "benchmark.yaml", _entries(self._config))
            write_whole(rows, document(columns(metrics), ()))
            with Appender(rows) as table:
                try:
                    for scored in execute(self._groups(journal, table)):
                        self._keep(scored, journal, table)
                except Cancelled as error:
                    self._finish()
                    raise Cancelled(
                        f"Stopped: {len(self._rows)} of {self._total} rows are there. Run it again to go on."
                    ) from error
            return self._finish()

    def _groups(self, journal: Journal, table: Appender) -> Iterator[Group]:
        """Yield what has to be done, one image at a time; what is known or cannot be done becomes a row at once."""
        for case in self._found.cases:
            jobs = []
            for row in self._planner.rows(case):
                known = journal.get(row.key) if row.key else None
                if row.error:
                    self._add(row, table)
                elif known is not None:
                    self._extremes.know(row, known)
                    self._add(with_scores(row, known), table)
                elif row.key in self._waiting:
                    self._waiting[row.key].append(row)
                else:
                    self._waiting[row.key] = [row]
                    jobs.append(self._planner.job(row))
            yield from group(jobs)

    def _keep(self, scored: Scored, journal: Journal, table: Appender) -> None:
        rows = self._waiting.pop(scored.key)
        for row in rows:
            self._extremes.add(row, scored)
        journal.add(scored)
        self._measured += len(rows)
        for row in rows:
            self._add(with_scores(row, scored), table)

    def _add(self, row: Row, table: Appender) -> None:
        self._rows.append(row)
        table.add(line(cells(row, self._config.measured, self._config.protocol)))
        self._progress(len(self._rows), self._total)

    def _finish(self) -> BenchmarkResult:
        """Write the sorted table."""
        config, metrics = self._config, self._config.measured
        systems = {name: place for place, name in enumerate(config.pipelines)}
        levels = {name: place for place, name in enumerate(self._found.levels)}

        def order(row: Row) -> tuple[int, int, str, int]:
            case = row.case
            return systems[row.system], levels[case.level], case.field, -1 if case.channel is None else case.channel

        rows = sorted(self._rows, key=order)
        lines = (cells(row, metrics, config.protocol) for row in rows)
        write_whole(self._folder / "rows.csv", document(columns(metrics), lines))
        timed = (
            [row.system, row.case.level, row.case.field, _channel(row.case), number(row.seconds, 4), row.key]
            for row in rows
            if not row.error
        )
        head = ["pipeline", "level", "fov", "channel", "seconds", "key"]
        write_whole(self._folder / "timings.csv", document(head, timed))
        summaries = summarise(rows, metrics, protocol=config.protocol, baseline=config.baseline)
        write_whole(self._folder / "summary.csv", write_summary(summaries, config.protocol))
        return BenchmarkResult(
            folder=self._folder,
            rows=tuple(rows),
            summaries=tuple(summaries),
            measured=self._measured,
            notes=(*self._found.notes, *self._scope.notes),
            config=config,
            levels=self._scope.levels,
        )


def _channel(case: Case) -> str:
    return "" if case.channel is None else str(case.channel)


def _prepare(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror or error}. Choose another.") from error
    return folder


def _entries(config: BenchmarkConfig) -> str:
    entries = config.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
