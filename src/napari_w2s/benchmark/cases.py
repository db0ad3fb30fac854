"""What is restored, and what it is scored against: found by names of files, without reading a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_w2s._types import NOISY_LEVELS, InputError, Level, Task
from napari_w2s.benchmark.config import BenchmarkConfig, Pair
from napari_w2s.data.catalog import BURST, Catalog, Release, scan
from napari_w2s.training.config import parse_numbers
from napari_w2s.training.files import expand, list_files

_WIDEFIELD = (*NOISY_LEVELS, Level.AVG400)
_RELEASES = (Release.EIGHT_BIT, Release.NORMALIZED, Release.RAW, Release.IMAGE)


@dataclass(frozen=True, slots=True)
class Picture:
    """One image on disk.

    Attributes
    ----------
    path : Path
    average : Level or None
        Of a burst, the frames that are averaged.
    """

    path: Path
    average: Level | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image to restore, with its references.

    Attributes
    ----------
    field : str
        The unit of statistics: ``"047"`` for a field of view, the stem of the file for one of a pair of folders.
    channel : int or None
    level : str
        Averaging level, or the name of the pair.
    source : Picture or None
        None if there is no such image; then `missing` says so.
    clean : Picture or None
        The widefield reference.
    clean_name : str
        What that is: ``"avg400"``, ``"avg16"``, ``"clean"``.
    fine : Picture or None
        The reference of twice the size.
    fine_name : str
        What that is: ``"sim"``, ``"fine"``.
    range_of : Picture or None
        The widefield image whose least and greatest intensity count as 0 and 1. None for the 8-bit release.
    cleanest : bool
        There is no cleaner widefield image of the field, so that denoising cannot be scored.
    half : Picture or None
        Where the reference is avg16: avg8, made of half of its frames, from which its noise follows.
    missing : str
        What is not there.
    """

    field: str
    channel: int | None
    level: str
    source: Picture | None
    clean: Picture | None = None
    clean_name: str = "clean"
    fine: Picture | None = None
    fine_name: str = "sim"
    range_of: Picture | None = None
    cleanest: bool = False
    half: Picture | None = None
    missing: str = ""

    def reference(self, task: Task) -> tuple[Picture | None, str]:
        """Return the reference of a task and its name."""
        return (self.clean, self.clean_name) if task is Task.DENOISE else (self.fine, self.fine_name)


@dataclass
class Cases:
    """What was found.

    Attributes
    ----------
    cases : list of Case
        By level, field and channel.
    levels : tuple of str
    notes : list of str
        What a user should know.
    """

    cases: list[Case] = field(default_factory=list)
    levels: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def find_cases(config: BenchmarkConfig) -> Cases:
    """Find the images of a benchmark.

    Raises
    ------
    InputError
        If a folder is not there, or nothing of what was asked for is in it.
    """
    return _of_pairs(config.pairs) if config.pairs else _of_w2s(config)


def _of_w2s(config: BenchmarkConfig) -> Cases:
    roots = [expand(path) for path in config.data]
    catalog = scan(roots)
    release = _choose(catalog, config.release, roots[0])
    catalog = Catalog(catalog.select(release=release))
    fovs = catalog.fovs if config.fovs is None else parse_numbers(config.fovs)
    channels = catalog.channels if config.channels is None else config.channels
    if not set(fovs) & set(catalog.fovs):
        there = f"It has {catalog.fovs[0]:03d} to {catalog.fovs[-1]:03d}"
        raise InputError(f"{roots[0]} has none of the fields of view {config.fovs}. {there}: choose among these.")
    if not set(channels) & set(catalog.channels):
        raise InputError(f"{roots[0]} has the channels {_listed(catalog.channels)}. Choose among these.")
    bursts = BURST in catalog.levels
    known = tuple(level for level in _WIDEFIELD if bursts or level in catalog.levels)
    levels = tuple(level for level in NOISY_LEVELS if level in known) if config.levels is None else config.levels
    absent = [level for level in levels if level not in known]
    if absent or not levels:
        wanted = f"no images of {_listed(absent)}" if absent else "no noisy images"
        raise InputError(f"{roots[0]} has {wanted}, only of {_listed(known) or 'no level'}. Choose among these.")
    found = Cases(levels=tuple(level.value for level in levels))
    index = _Index(catalog, roots[0], ranged=release is not Release.EIGHT_BIT)
    for level in levels:
        found.cases += [index.case(fov, channel, level) for fov in fovs for channel in channels]
    if any(case.clean_name == Level.AVG16 and case.clean for case in found.cases):
        found.notes.append(
            "There is no avg400 of some fields: denoising is scored against avg16 there, which is noisy itself (see "
            "the noise floor), and shares frames with avg2 to avg8."
        )
    return found


def _choose(catalog: Catalog, wanted: Release | None, root: Path) -> Release:
    there = [release for release in _RELEASES if catalog.select(release=release)]
    if not there:
        raise InputError(f"{root} has no images of W2S. Name its folder, or give pairs of folders of your own.")
    if wanted is None:
        return there[0]
    if wanted not in there:
        raise InputError(f"{root} has the release {_listed(there)}, not {wanted}. Choose that, or another folder.")
    return wanted


class _Index:
    """Pictures by field of view, channel and level."""

    def __init__(self, catalog: Catalog, root: Path, *, ranged: bool) -> None:
        self._root, self._ranged = root, ranged
        self._paths = {(r.fov, r.channel, r.level): r.path for r in catalog.records}

    def picture(self, fov: int, channel: int, level: Level) -> Picture | None:
        """Return an image, or the frames of a burst that make it."""
        own = self._paths.get((fov, channel, level.value))
        if own is not None:
            return Picture(own)
        burst = self._paths.get((fov, channel, BURST)) if level is not Level.SIM else None
        return None if burst is None else Picture(burst, level)

    def case(self, fov: int, channel: int, level: Level) -> Case:
        """Return one image with its references."""
        pictures = {one: self.picture(fov, channel, one) for one in Level}
        source, clean, half = pictures[level], pictures[Level.AVG400], None
        name = Level.AVG400
        noisiest = next((pictures[one] for one in _WIDEFIELD if pictures[one] is not None), None)
        if clean is None:
            clean, name, half = pictures[Level.AVG16], Level.AVG16, pictures[Level.AVG8]
        if name is level:
            clean = None
        what = f"field of view {fov:03d}, channel {channel}"
        return Case(
            field=f"{fov:03d}",
            channel=channel,
            level=level.value,
            source=source,
            clean=clean,
            clean_name=name.value,
            fine=pictures[Level.SIM],
            range_of=noisiest if self._ranged else None,
            cleanest=source is not None and name is level,
            half=half,
            missing="" if source else f"{self._root} has no {level.value} image of {what}.",
        )


def _of_pairs(pairs: Iterable[Pair]) -> Cases:
    found = Cases()
    for pair in pairs:
        sources = _by_stem(pair.noisy, "noisy")
        clean = {} if pair.clean is None else _by_stem(pair.clean, "clean")
        fine = {} if pair.fine is None else _by_stem(pair.fine, "super-resolved")
        paired = [stem for stem in sources if stem in clean or stem in fine]
        if not paired:
            raise InputError(f"No file in {pair.noisy} has the name of a reference. Name files of one field alike.")
        if alone := [stem for stem in sources if stem not in paired]:
            found.notes.append(f"{len(alone)} of the images in {pair.noisy} have no reference, {alone[0]} for one.")
        found.levels += (pair.name,)
        found.cases += [
            Case(
                field=stem,
                channel=None,
                level=pair.name,
                source=Picture(sources[stem]),
                clean=Picture(clean[stem]) if stem in clean else None,
                fine=Picture(fine[stem]) if stem in fine else None,
                fine_name="fine",
                range_of=Picture(sources[stem]),
            )
            for stem in paired
        ]
    return found


def _by_stem(folder: str, what: str) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in list_files([folder], what):
        if path.stem in files:
            raise InputError(f"{path} and {files[path.stem].name} have the same name. Keep one of them in the folder.")
        files[path.stem] = path.absolute()
    return files


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)
