"""What a folder of the benchmark has to learn from. It lists files and reads none; for a thread all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_w2s._types import NOISY_LEVELS, Level, W2SError
from napari_w2s.data.catalog import BURST, Catalog, scan
from napari_w2s.data.protocol import TEST_FOVS
from napari_w2s.training.config import parse_numbers

_WIDEFIELD = tuple(str(level) for level in (*NOISY_LEVELS, Level.AVG400))


@dataclass(frozen=True)
class FolderReport:
    """What is in a folder.

    Attributes
    ----------
    root : str
        As it was asked for.
    levels : mapping
        The levels that there are of each (field of view, channel).
    problem : str
        Why it is of no use; empty if it is.
    """

    root: str
    levels: Mapping[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    problem: str = ""

    @property
    def fovs(self) -> tuple[int, ...]:
        """Fields of view, ascending."""
        return tuple(sorted({fov for fov, _ in self.levels}))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels, ascending."""
        return tuple(sorted({channel for _, channel in self.levels}))

    @property
    def training_fovs(self) -> str:
        """All that are no test fields, e.g. ``"1-56"``."""
        return format_numbers([fov for fov in self.fovs if fov not in TEST_FOVS])


@dataclass(frozen=True)
class Selection:
    """What some fields of view and channels of a folder come to.

    Attributes
    ----------
    fovs : tuple of int
        Those that are there.
    channels : tuple of int
    levels : frozenset of str
        Those that every field has.
    problem : str
        Why nothing can be learned from it; empty if it can.
    test_fovs : tuple of int
        Test fields of the benchmark among them.
    """

    fovs: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    levels: frozenset[str] = frozenset()
    problem: str = ""
    test_fovs: tuple[int, ...] = ()


def look_at_folder(root: str) -> FolderReport:
    """List what a folder has, at any level of its tree."""
    import os

    try:
        catalog = scan(os.path.expandvars(os.path.expanduser(root)))
    except W2SError as error:
        return FolderReport(root, problem=str(error))
    levels = _levels(catalog)
    if not levels:
        return FolderReport(root, problem=f"{root} has no images of the W2S benchmark. Choose its folder 'data'.")
    return FolderReport(root, levels)


def select(report: FolderReport, fovs: str, channels: tuple[int, ...], *, allow_test_fovs: bool) -> Selection:
    """Choose fields of view and channels.

    Parameters
    ----------
    report : FolderReport
    fovs : str
        Such as ``"1-40, 57"``; empty takes `FolderReport.training_fovs`.
    channels : tuple of int
    allow_test_fovs : bool
    """
    if report.problem:
        return Selection(problem=report.problem)
    try:
        wanted = parse_numbers(fovs or report.training_fovs)
    except W2SError as error:
        return Selection(problem=str(error))
    there = {key: levels for key, levels in report.levels.items() if key[0] in wanted and key[1] in channels}
    chosen = tuple(sorted({fov for fov, _ in there}))
    test = tuple(fov for fov in chosen if fov in TEST_FOVS)
    if not channels:
        return Selection(problem="Tick a channel to learn from.")
    if not chosen:
        return Selection(problem=f"The folder has none of these fields of view: it has {format_numbers(report.fovs)}.")
    if test and not allow_test_fovs:
        return Selection(
            problem=f"Fields of view {format_numbers(test)} are test images of the benchmark: a model that learned "
            "from them cannot be compared with others. Leave them out, or allow them under Advanced."
        )
    return Selection(
        chosen,
        tuple(sorted({channel for _, channel in there})),
        frozenset.intersection(*there.values()),
        test_fovs=test,
    )


def format_numbers(numbers: list[int] | tuple[int, ...]) -> str:
    """Write ascending numbers briefly, e.g. ``"1-46, 50"``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def _levels(catalog: Catalog) -> dict[tuple[int, int], frozenset[str]]:
    """Return the levels of the first release that there is, which is the one that training takes."""
    found: dict[tuple[int, int], set[str]] = {}
    for record in catalog.select(release=catalog.releases[0]) if catalog.releases else ():
        if record.fov is not None and record.channel is not None and record.level is not None:
            own = found.setdefault((record.fov, record.channel), set())
            own.update(_WIDEFIELD if record.level == BURST else (str(record.level),))
    return {key: frozenset(levels) for key, levels in found.items()}
