"""The table of rows: one per pipeline, level, field and channel, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from napari_w2s._types import Task
from napari_w2s.benchmark.cases import Case
from napari_w2s.benchmark.work import Scored

DIGITS = 6
"""Of the scores, after the point: a millionth of a decibel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    system : str
        The pipeline as it was given.
    chain : tuple of str
        Names of the models.
    task : Task
    case : Case
    key : str
        Hash of all that the numbers depend on; empty if that could not be told.
    weights : str
        SHA-256 of the models' weights, joined by ``+``.
    source_sha256, reference_sha256 : str
        Of the files.
    values : dict of str to float
        By metric; empty if there was an error.
    noise_floor_db : float or None
    seconds : float
    error : str
    """

    system: str
    chain: tuple[str, ...]
    task: Task
    case: Case
    key: str = ""
    weights: str = ""
    source_sha256: str = ""
    reference_sha256: str = ""
    values: dict[str, float] = field(default_factory=dict)
    noise_floor_db: float | None = None
    seconds: float = 0.0
    error: str = ""


def columns(metrics: Sequence[str]) -> list[str]:
    """Return the heads of the columns."""
    return [
        *("pipeline", "models", "task", "level", "fov", "channel", "reference", "protocol"),
        *metrics,
        *("noise_floor_db", "weights_sha256", "source_sha256", "reference_sha256", "key", "error"),
    ]


def cells(row: Row, metrics: Sequence[str], protocol: str) -> list[str]:
    """Return the cells of a line, by column."""
    case = row.case
    return [
        row.system,
        "+".join(row.chain),
        row.task.value,
        case.level,
        case.field,
        "" if case.channel is None else str(case.channel),
        case.reference(row.task)[1],
        protocol,
        *(number(row.values.get(name)) for name in metrics),
        number(row.noise_floor_db),
        row.weights,
        row.source_sha256,
        row.reference_sha256,
        row.key,
        row.error,
    ]


def number(value: float | None, digits: int = DIGITS) -> str:
    """Return a number as it stands in a file, always the same way; empty for None."""
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.{digits}f}"


def line(values: Iterable[str]) -> str:
    """Return one line of CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(list(values))
    return text.getvalue()


def document(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a whole CSV file."""
    return "".join(f"{line(values)}\n" for values in (head, *lines))


def with_scores(row: Row, scored: Scored) -> Row:
    """Return a row with what was measured for it."""
    return replace(
        row,
        values={name: _rounded(value) for name, value in scored.values.items()},
        noise_floor_db=None if scored.noise_floor_db is None else _rounded(scored.noise_floor_db),
        seconds=scored.seconds,
        error=scored.error,
    )


def _rounded(value: float) -> float:
    """Return a score as the file has it, so that a summary of a file and of a run are the same."""
    return round(value, DIGITS)
