"""Which rows a benchmark has: all pipelines on all images, but for denoising what there is nothing cleaner than."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark.cases import Case, Cases
from napari_w2s.benchmark.systems import System


@dataclass(frozen=True, slots=True)
class Scope:
    """What is measured.

    Attributes
    ----------
    total : int
        Rows.
    levels : tuple of str
        Those that have rows.
    notes : tuple of str
        What was left out, and why.
    """

    total: int
    levels: tuple[str, ...]
    notes: tuple[str, ...]


def in_scope(system: System, case: Case) -> bool:
    """Tell whether a pipeline is measured on an image."""
    return not (case.cleanest and system.task is Task.DENOISE)


def find_scope(systems: Sequence[System], found: Cases) -> Scope:
    """Return what of the images is measured.

    Raises
    ------
    InputError
        If nothing is.
    """
    rows = dict.fromkeys(found.levels, 0)
    for case in found.cases:
        rows[case.level] += sum(in_scope(system, case) for system in systems)
    denoises = any(system.task is Task.DENOISE for system in systems)
    notes = tuple(note for level in found.levels if denoises and (note := _left_out(level, found.cases)))
    levels = tuple(level for level, count in rows.items() if count)
    if notes and not levels:
        raise InputError(
            f"{' '.join(notes)} Nothing is left to measure: choose noisier levels, such as avg1, or pipelines "
            "that are scored against SIM."
        )
    return Scope(sum(rows.values()), levels, notes)


def _left_out(level: str, cases: Sequence[Case]) -> str:
    fields = list(dict.fromkeys(case.field for case in cases if case.level == level))
    without = list(dict.fromkeys(case.field for case in cases if case.level == level and case.cleanest))
    if not without:
        return ""
    of = "" if len(without) == len(fields) else f" for {len(without)} of {len(fields)} fields, {without[0]} for one"
    return f"Denoising of {level} is left out{of}: there is no cleaner image to score it against."
