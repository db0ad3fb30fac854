"""From rows to means, deviations, differences and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from napari_w2s._types import Task
from napari_w2s.benchmark.protocol import HIGHER_IS_BETTER
from napari_w2s.benchmark.published import PROTOCOL, find_published
from napari_w2s.benchmark.statistics import bootstrap_interval, ranks, spread
from napari_w2s.benchmark.table import Row, document, number

Interval = tuple[float, float]

COLUMNS = (
    *("pipeline", "models", "task", "level", "reference", "protocol", "metric", "fovs", "images", "failed"),
    *("mean", "std", "low", "high", "baseline", "difference", "difference_low", "difference_high", "rank"),
    *("noise_floor_db", "published", "published_difference"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One metric of one pipeline at one level.

    Attributes
    ----------
    system : str
    chain : tuple of str
    task : Task
    level : str
    references : tuple of str
        What it was scored against.
    metric : str
    fovs, images, failed : int
        Fields and images with a score, and images with an error.
    mean : float or None
        Over fields, each the mean of its channels. None if nothing was scored.
    std : float or None
        Over fields.
    interval : (float, float) or None
        95 % bootstrap interval of the mean.
    baseline : str
        Empty for the baseline itself.
    difference : float or None
        Mean over fields of this less the baseline, on the images that both have.
    difference_interval : (float, float) or None
    rank : float or None
        Mean place among the pipelines of the task, over the fields that all have; 1 is the best.
    noise_floor_db : float or None
        Mean PSNR that a noise-free image would have against a noisy reference.
    published : float or None
        The authors' figure, on other images.
    """

    system: str
    chain: tuple[str, ...]
    task: Task
    level: str
    references: tuple[str, ...]
    metric: str
    fovs: int
    images: int
    failed: int
    mean: float | None
    std: float | None = None
    interval: Interval | None = None
    baseline: str = ""
    difference: float | None = None
    difference_interval: Interval | None = None
    rank: float | None = None
    noise_floor_db: float | None = None
    published: float | None = None


def summarise(
    rows: Sequence[Row], metrics: Sequence[str], *, protocol: str, baseline: str | None = None
) -> list[Summary]:
    """Summarise rows.

    Parameters
    ----------
    rows : sequence of Row
    metrics : sequence of str
    protocol : str
    baseline : str, optional
        Pipeline that those of its task are compared with; of the other task, and if None, it is the first.

    Returns
    -------
    list of Summary
        By task, level, pipeline and metric, in the order in which these come in `rows`.
    """
    made: list[Summary] = []
    for task in Task:
        of_task = [row for row in rows if row.task is task]
        systems = _in_order(row.system for row in of_task)
        against = baseline if baseline in systems else next(iter(systems), "")
        for level in _in_order(row.case.level for row in of_task):
            block: dict[str, list[Row]] = {system: [] for system in systems}
            for row in of_task:
                if row.case.level == level:
                    block[row.system].append(row)
            there = {system: own for system, own in block.items() if own}
            places = {metric: _mean_ranks(there, metric) for metric in metrics}
            made += [
                _summary(own, block[against], metric, places[metric].get(system), protocol)
                for system, own in block.items()
                for metric in metrics
                if own
            ]
    return made


def write_summary(summaries: Iterable[Summary], protocol: str) -> str:
    """Return summaries as CSV."""
    return document(COLUMNS, (_cells(one, protocol) for one in summaries))


def of_field(rows: Iterable[Row], metric: str) -> dict[str, float]:
    """Return the mean over the channels of each field that has a score."""
    by_field: dict[str, list[float]] = {}
    for row in rows:
        if metric in row.values:
            by_field.setdefault(row.case.field, []).append(row.values[metric])
    return {name: fmean(values) for name, values in by_field.items()}


def _in_order(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _summary(own: Sequence[Row], against: Sequence[Row], metric: str, rank: float | None, protocol: str) -> Summary:
    first = own[0]
    scored = [row for row in own if metric in row.values]
    values = list(of_field(scored, metric).values())
    floors = [row.noise_floor_db for row in scored if row.noise_floor_db is not None]
    published = find_published(first.chain, first.case.level) if protocol == PROTOCOL else None
    plain = Summary(
        system=first.system,
        chain=first.chain,
        task=first.task,
        level=first.case.level,
        references=tuple(_in_order(row.case.reference(row.task)[1] for row in scored)),
        metric=metric,
        fovs=len(values),
        images=len(scored),
        failed=len(own) - len(scored),
        mean=fmean(values) if values else None,
        std=spread(values),
        interval=bootstrap_interval(values),
        rank=rank,
        noise_floor_db=fmean(floors) if floors and metric.startswith("psnr") else None,
        published=published.value(metric) if published else None,
    )
    if not against or against[0].system == first.system:
        return plain
    differences = _differences(own, against, metric)
    return replace(
        plain,
        baseline=against[0].system,
        difference=fmean(differences) if differences else None,
        difference_interval=bootstrap_interval(differences),
    )


def _differences(own: Iterable[Row], against: Iterable[Row], metric: str) -> list[float]:
    """Return the mean difference of each field, over the channels that both have."""
    other = {(row.case.field, row.case.channel): row.values[metric] for row in against if metric in row.values}
    by_field: dict[str, list[float]] = {}
    for row in own:
        value, beside = row.values.get(metric), other.get((row.case.field, row.case.channel))
        if value is None or beside is None:
            continue
        # Two images that equal the reference both have an infinite PSNR.
        by_field.setdefault(row.case.field, []).append(0.0 if value == beside else value - beside)
    return [fmean(values) for values in by_field.values()]


def _mean_ranks(block: Mapping[str, Sequence[Row]], metric: str) -> dict[str, float]:
    """Return the mean place of each pipeline over the fields that all of them have; nothing if there is none."""
    by_system = {system: of_field(rows, metric) for system, rows in block.items()}
    shared = set.intersection(*(set(values) for values in by_system.values())) if by_system else set()
    if not shared or len(by_system) < 2:
        return {}
    places = [
        ranks([values[name] for values in by_system.values()], higher_is_better=HIGHER_IS_BETTER[metric])
        for name in sorted(shared)
    ]
    return {system: fmean(column) for system, column in zip(by_system, zip(*places, strict=True), strict=True)}


def _cells(one: Summary, protocol: str) -> list[str]:
    low, high = one.interval or (None, None)
    difference_low, difference_high = one.difference_interval or (None, None)
    beyond = None if one.mean is None or one.published is None else one.mean - one.published
    return [
        one.system,
        "+".join(one.chain),
        one.task.value,
        one.level,
        " ".join(one.references),
        protocol,
        one.metric,
        *(str(count) for count in (one.fovs, one.images, one.failed)),
        *(number(value) for value in (one.mean, one.std, low, high)),
        one.baseline,
        *(number(value) for value in (one.difference, difference_low, difference_high)),
        number(one.rank, 3),
        *(number(value) for value in (one.noise_floor_db, one.published, beyond)),
    ]
