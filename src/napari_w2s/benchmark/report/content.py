"""The tables of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from platform import machine, python_version, system

from napari_w2s._types import Task
from napari_w2s.benchmark.protocol import HIGHER_IS_BETTER, find_protocol
from napari_w2s.benchmark.published import PROTOCOL
from napari_w2s.benchmark.report.published import published_tables
from napari_w2s.benchmark.report.tables import Block, Cell, Line, Table
from napari_w2s.benchmark.report.words import LABELS, NOTHING, TASKS, interval, together, units, value
from napari_w2s.benchmark.run import BenchmarkResult
from napari_w2s.benchmark.summary import Summary
from napari_w2s.data.protocol import TRAIN_FOVS

ALONE = "none"
"""Head of the line of what needs no denoiser before it."""

_ERRORS_SHOWN = 20
_ENOUGH = 8


def facts(result: BenchmarkResult, version: str) -> tuple[tuple[str, str], ...]:
    """Return what was measured, and how."""
    config, protocol = result.config, find_protocol(result.config.protocol)
    cases = {(row.case.level, row.case.field, row.case.channel) for row in result.rows}
    fields = sorted({field for _level, field, _channel in cases})
    channels = sorted({channel for _level, _field, channel in cases if channel is not None})
    images = ", ".join(config.data) or ", ".join(pair.noisy for pair in config.pairs)
    listed = [
        ("Protocol", f"{protocol.name}: {protocol.words}"),
        ("Images", f"{images}: {len(cases)} noisy images"),
        ("Fields", _shortened(fields)),
    ]
    if channels:
        listed.append(("Channels", ", ".join(map(str, channels))))
    listed += [
        ("Levels", ", ".join(result.levels)),
        ("Statistics", "means over fields; 95 % intervals by 10,000 bootstrap resamples of the fields"),
        (
            "Computed",
            f"{config.precision}, device {config.device}; napari-w2s {version}, Python {python_version()}, "
            f"{system()} {machine()}",
        ),
    ]
    return tuple(listed)


def notes(result: BenchmarkResult) -> tuple[str, ...]:
    """Return what has to be known to read the tables right."""
    said = list(result.notes)
    learned = {f"{fov:03d}" for fov in TRAIN_FOVS}
    if result.config.data and any(row.case.field in learned for row in result.rows):
        said.append(
            "Fields 001-080 are the benchmark's training set: networks that learned from them, the authors' own among "
            "them, score better there than on new fields."
        )
    if any(one.task is Task.SR and one.level.startswith("avg") for one in result.summaries):
        said.append(
            "SIM images have a brightness of their own, which no widefield image tells. Plain scores against them "
            "mostly measure how well it was guessed; matched ones compare what can be seen."
        )
    if 1 < max((one.fovs for one in result.summaries), default=0) < _ENOUGH:
        said.append(f"Intervals from fewer than {_ENOUGH} fields are too narrow.")
    if result.failed:
        said.append(f"{len(result.failed)} of {len(result.rows)} rows have an error and no scores; see the last table.")
    return tuple(said)


def tables(result: BenchmarkResult) -> tuple[Table, ...]:
    """Return the tables, in the order of the report."""
    made: list[Table] = []
    of_task = {task: [one for one in result.summaries if one.task is task] for task in Task}
    for metrics in together(result.config.measured):
        if of_task[Task.SR]:
            made.append(_grid(of_task[Task.SR], metrics, result))
        if of_task[Task.DENOISE]:
            made.append(_by_level(of_task[Task.DENOISE], metrics, result))
    if of_task[Task.SR] and result.config.protocol == PROTOCOL and result.config.data:
        made += published_tables(of_task[Task.SR], result.levels)
    for task in Task:
        if of_task[task]:
            made.append(_compared(of_task[task], result))
    if result.failed:
        made.append(_failures(result))
    return tuple(made)


def _grid(summaries: Sequence[Summary], metrics: tuple[str, ...], result: BenchmarkResult) -> Table:
    """Return denoisers down and super-resolution across, a block per level, as in the paper."""
    networks = _in_order(_split(one.system)[1] for one in summaries)
    blocks = []
    for level in _in_order(one.level for one in summaries):
        cells: dict[tuple[str, str], list[Summary]] = {}
        for one in summaries:
            if one.level == level:
                cells.setdefault(_split(one.system), []).append(one)
        best = _best(one for found in cells.values() for one in found if one.metric == metrics[0])
        lines = [
            Line(denoiser, tuple(_cell(cells.get((denoiser, network)), metrics, best) for network in networks))
            for denoiser in _in_order(denoiser for denoiser, _network in cells)
        ]
        shown = [one for found in cells.values() for one in found]
        blocks.append(Block(f"{level} ({units(shown)})", tuple(lines)))
    return Table(
        title=f"Against SIM: {_labels(metrics)}",
        caption=_caption(metrics, result),
        corner="denoiser",
        heads=tuple(networks),
        blocks=tuple(blocks),
    )


def _by_level(summaries: Sequence[Summary], metrics: tuple[str, ...], result: BenchmarkResult) -> Table:
    levels = _in_order(one.level for one in summaries)
    lines = []
    best = {
        level: _best(one for one in summaries if one.level == level and one.metric == metrics[0]) for level in levels
    }
    for name in _in_order(one.system for one in summaries):
        own = {level: [one for one in summaries if one.system == name and one.level == level] for level in levels}
        lines.append(Line(name, tuple(_cell(own[level], metrics, best[level]) for level in levels)))
    floors = [
        next((one.noise_floor_db for one in summaries if one.level == level and one.noise_floor_db is not None), None)
        for level in levels
    ]
    caption = _caption(metrics, result)
    if metrics[0].startswith("psnr") and any(floor is not None for floor in floors):
        lines.append(Line("noise-free image", tuple(Cell(value(floor, "psnr")) for floor in floors)))
        caption += (
            " The reference is noisy where there is no avg400: the last line is what the noise-free image would have "
            "against it."
        )
    references = _in_order(reference for one in summaries for reference in one.references)
    return Table(
        title=f"Denoising, against {' or '.join(references) or 'nothing'}: {_labels(metrics)}",
        caption=caption,
        corner="pipeline",
        heads=tuple(levels),
        blocks=(Block("", tuple(lines)),),
    )


def _compared(summaries: Sequence[Summary], result: BenchmarkResult) -> Table:
    """Return means with intervals, differences and ranks, by the metric that compares restorations best."""
    measured = result.config.measured
    metric = next((name for name in measured if name.endswith("_matched")), measured[0])
    chosen = [one for one in summaries if one.metric == metric]
    baseline = next((one.baseline for one in chosen if one.baseline), chosen[0].system)
    blocks = []
    for level in _in_order(one.level for one in chosen):
        own = [one for one in chosen if one.level == level]
        lines = [
            Line(
                one.system,
                (
                    Cell(value(one.mean, metric), best=_is(one.mean, _best(own))),
                    Cell(value(one.std, metric)),
                    Cell(interval(one.interval, metric)),
                    Cell(value(one.difference, metric, sign=True) if one.baseline else "baseline"),
                    Cell(interval(one.difference_interval, metric, sign=True)),
                    Cell(NOTHING if one.rank is None else f"{one.rank:.2f}"),
                    Cell(str(one.failed)),
                ),
            )
            for one in own
        ]
        blocks.append(Block(f"{level} ({units(own)})", tuple(lines)))
    return Table(
        title=f"{TASKS[summaries[0].task]}: {LABELS[metric]}, differences to {baseline}",
        caption="Mean over fields, standard deviation over fields, 95 % interval of the mean; difference to "
        f"{baseline} on the same images, and its 95 % interval; mean rank; rows with an error. {_protocol(result)}",
        corner="pipeline",
        heads=("mean", "std", "interval", "difference", "interval", "rank", "errors"),
        blocks=tuple(blocks),
    )


def _failures(result: BenchmarkResult) -> Table:
    lines = [
        Line(row.system, (Cell(row.case.level), Cell(_place(row.case.field, row.case.channel)), Cell(row.error)))
        for row in result.failed[:_ERRORS_SHOWN]
    ]
    more = len(result.failed) - len(lines)
    return Table(
        title="Errors",
        caption=f"{len(result.failed)} rows have no scores{f'; {more} more are in rows.csv' if more else ''}. "
        f"{_protocol(result)}",
        corner="pipeline",
        heads=("level", "field", "error"),
        blocks=(Block("", tuple(lines)),),
    )


def _cell(found: Sequence[Summary] | None, metrics: tuple[str, ...], best: float | None) -> Cell:
    by_metric = {one.metric: one for one in found or ()}
    means = [by_metric[metric].mean if metric in by_metric else None for metric in metrics]
    if all(mean is None for mean in means):
        return Cell(NOTHING)
    text = " / ".join(value(mean, metric) for mean, metric in zip(means, metrics, strict=True))
    return Cell(text, best=_is(means[0], best))


def _best(summaries: Iterable[Summary]) -> float | None:
    """Return the best mean; None if there are not two to choose from."""
    found = [(one.mean, HIGHER_IS_BETTER[one.metric]) for one in summaries if one.mean is not None]
    if len(found) < 2:
        return None
    means = [mean for mean, _higher in found]
    return max(means) if found[0][1] else min(means)


def _is(mean: float | None, best: float | None) -> bool:
    return mean is not None and mean == best


def _split(name: str) -> tuple[str, str]:
    denoiser, _plus, network = name.rpartition("+")
    return denoiser or ALONE, network


def _labels(metrics: Sequence[str]) -> str:
    return " / ".join(LABELS[metric] for metric in metrics)


def _caption(metrics: Sequence[str], result: BenchmarkResult) -> str:
    matched = any(metric.endswith("_matched") for metric in metrics)
    fit = " Matched: after the affine least-squares fit of each result to its reference." if matched else ""
    return f"Means over fields.{fit} {_protocol(result)}"


def _protocol(result: BenchmarkResult) -> str:
    protocol = find_protocol(result.config.protocol)
    return f"Protocol {protocol.name}: {protocol.words}."


def _place(field: str, channel: int | None) -> str:
    return field if channel is None else f"{field}, channel {channel}"


def _shortened(fields: Sequence[str]) -> str:
    shown = ", ".join(fields[:30])
    return f"{len(fields)}: {shown}{', …' if len(fields) > 30 else ''}"


def _in_order(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
