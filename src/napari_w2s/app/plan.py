"""What a batch will do: which files are restored, and where each result goes.

Planning looks at paths only. It gives every input an output name of its own, so that no result can overwrite another.
"""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_w2s._types import Level
from napari_w2s.data import catalog
from napari_w2s.data.stacks import SUFFIXES

RESULT_SUFFIX = ".ome.tif"

_REFERENCES = frozenset({Level.AVG400.value, Level.SIM.value, catalog.SIM_INPUT})
_NOT_AT_LEVEL = "is no W2S image of the level asked for. Leave out --level, or name another."


@dataclass(frozen=True, slots=True)
class Job:
    """One file to restore.

    Attributes
    ----------
    source : Path
        The file to open.
    output : Path
        The OME-TIFF to write.
    level : Level or None
        Average a burst of frames to this level first.
    """

    source: Path
    output: Path
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something asked for that cannot be restored, and why.

    Attributes
    ----------
    source : str
        The path or pattern, as it was given.
    message : str
        What is wrong with it and what to do.
    """

    source: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of one batch, in the order in which it is done.

    Attributes
    ----------
    jobs : tuple of Job
        No two have the same output, and no output is a source.
    problems : tuple of Problem
        Inputs that led to no job.
    """

    jobs: tuple[Job, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    source: Path
    folder: Path
    level: Level | None = None


def plan_batch(
    inputs: Iterable[str | Path],
    output_dir: str | Path,
    *,
    model: str,
    pattern: str | None = None,
    levels: Collection[Level] = (),
    model_names: Collection[str] = (),
) -> Plan:
    """List the files that are to be restored and where their results go.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files, folders and patterns such as ``data/*.tif`` (``**`` crosses folders). Of a W2S folder, the noisy images
        are taken; its references (avg400, SIM) only where it holds nothing else or `levels` names them. Of any other
        folder, the images in it. Images beside those of W2S are taken as well, unless `levels` are given.
    output_dir : str or Path
        Folder of the results. Those of a folder keep its inner structure.
    model : str
        Name of the model or chain; it becomes part of the file names.
    pattern : str or None
        Take the files below each folder of `inputs` that match this, e.g. ``"**/*.tif"``.
    levels : collection of Level
        Take only W2S images of these averaging levels. A raw burst is averaged to each of them.
    model_names : collection of str
        All models there are; earlier results found in a folder (``STEM_MODEL.ome.tif``) are left out by these.

    Returns
    -------
    Plan
    """
    out = Path(output_dir)
    candidates: list[_Candidate] = []
    problems: list[Problem] = []
    for given in inputs:
        found = _expand(given, pattern, levels, frozenset(model_names))
        if isinstance(found, Problem):
            problems.append(found)
        else:
            candidates += found
    unique = list({(c.source.resolve(), c.level): c for c in reversed(candidates)}.values())[::-1]
    jobs = _name_outputs(unique, out, model)
    outputs = {job.output.resolve() for job in jobs}
    safe = tuple(job for job in jobs if job.source.resolve() not in outputs)
    problems += [
        Problem(str(job.source), f"{job.source} would be overwritten by a result of this run. Choose another folder.")
        for job in jobs
        if job not in safe
    ]
    return Plan(safe, tuple(problems))


def source_stem(path: Path) -> str:
    """Return the file's name without its suffix; ``.ome.tif`` counts as one suffix."""
    name = path.name
    for suffix in (".ome.tif", ".ome.tiff"):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return path.stem


def _expand(
    given: str | Path, pattern: str | None, levels: Collection[Level], model_names: frozenset[str]
) -> list[_Candidate] | Problem:
    if not str(given):
        return Problem("", "A path is empty. Give an image or a folder; a dot is this folder.")
    path = Path(given).expanduser()
    if path.is_dir():
        found = _in_folder(path, pattern, levels, model_names)
        if not found:
            what = f"nothing that matches {pattern}" if pattern else "no image that can be restored"
            which = f" at the level {', '.join(levels)}" if levels else ""
            return Problem(str(given), f"{given} holds {what}{which}.")
        return found
    if path.exists() and not path.is_file():
        return Problem(str(given), f"{given} is neither a file nor a folder. Give an image or a folder.")
    if path.exists():
        return _of_file(path, path.parent, levels) or Problem(str(given), f"{given} {_NOT_AT_LEVEL}")
    if glob.has_magic(str(path)):
        matches = [Path(m) for m in sorted(glob.glob(str(path), recursive=True))]
        base = _fixed_part(path)
        files = [m for m in matches if m.is_file() and not _is_result(m, model_names)]
        if not files:
            return Problem(str(given), f"No file matches {given}.")
        found = [candidate for file in files for candidate in _of_file(file, base, levels)]
        return found or Problem(str(given), f"{given} {_NOT_AT_LEVEL}")
    return Problem(str(given), f"{given} does not exist. Check the path.")


def _in_folder(
    folder: Path, pattern: str | None, levels: Collection[Level], model_names: frozenset[str]
) -> list[_Candidate]:
    if pattern is None and catalog.looks_like_w2s(folder):
        records = catalog.scan(folder).records
        others = [] if levels else [p for p in _images(folder, "*", model_names) if catalog.classify(p) is None]
        return _of_records(records, folder, levels) + [_Candidate(p, folder) for p in others]
    return [c for p in _images(folder, pattern or "*", model_names) for c in _of_file(p, folder, levels)]


def _images(folder: Path, pattern: str, model_names: frozenset[str]) -> list[Path]:
    files = sorted(p for p in folder.glob(pattern) if p.is_file() and p.suffix.lower() in SUFFIXES)
    return [p for p in files if not _is_result(p, model_names)]


def _of_file(path: Path, folder: Path, levels: Collection[Level]) -> list[_Candidate]:
    return _of_records(catalog.scan(path).records, folder, levels) if levels else [_Candidate(path, folder)]


def _of_records(records: Sequence[catalog.StackRecord], folder: Path, levels: Collection[Level]) -> list[_Candidate]:
    if not levels:
        noisy = [r for r in records if r.level not in _REFERENCES]
        return [_Candidate(r.path, folder) for r in noisy or records]
    taken = []
    for record in records:
        if record.level == catalog.BURST:
            taken += [_Candidate(record.path, folder, level) for level in levels if level is not Level.SIM]
        elif record.level in levels:
            taken.append(_Candidate(record.path, folder))
    return taken


def _fixed_part(pattern: Path) -> Path:
    """Return the leading folders of a pattern that hold no wildcard."""
    for parent in pattern.parents:
        if not glob.has_magic(str(parent)):
            return parent
    return Path()


def _is_result(path: Path, model_names: frozenset[str]) -> bool:
    if not path.name.endswith(RESULT_SUFFIX):
        return False
    stem = source_stem(path)
    tails = (stem[i + 1 :] for i, letter in enumerate(stem) if letter == "_")
    return any(all(name in model_names for name in tail.split("+")) for tail in tails)


def _name_outputs(candidates: Sequence[_Candidate], out: Path, model: str) -> list[Job]:
    """Name each result by its source's stem; say more of the source where that is not enough to tell them apart."""
    jobs = [_job(c, out, model, source_stem(c.source), c.folder) for c in candidates]
    for clashing in _clashes(jobs):
        for i in clashing:  # the same stem in one folder: the kind of file tells
            c = candidates[i]
            stem = f"{source_stem(c.source)}-{c.source.suffix.lstrip('.').lower()}"
            jobs[i] = _job(c, out, model, stem, c.folder)
    for clashing in _clashes(jobs):
        parents = [candidates[i].source.resolve().parent for i in clashing]
        base = _common_parent(parents)
        for i, parent in zip(clashing, parents, strict=True):  # the same name in several folders: the folder tells
            jobs[i] = replace(jobs[i], output=out / _inside(parent, base) / jobs[i].output.name)
    taken: set[str] = set()
    for i, job in enumerate(jobs):  # whatever is left: names that differ in case only, or crossing renames
        output, n = job.output, 2
        while str(output).casefold() in taken:
            stem = job.output.name.removesuffix(RESULT_SUFFIX)
            output, n = job.output.with_name(f"{stem}-{n}{RESULT_SUFFIX}"), n + 1
        taken.add(str(output).casefold())
        jobs[i] = replace(job, output=output)
    return jobs


def _job(candidate: _Candidate, out: Path, model: str, stem: str, folder: Path) -> Job:
    level = f"_{candidate.level}" if candidate.level else ""
    inner = _inside(candidate.source.parent, folder)
    return Job(candidate.source, out / inner / f"{stem}{level}_{model}{RESULT_SUFFIX}", candidate.level)


def _clashes(jobs: Sequence[Job]) -> list[list[int]]:
    by_output: dict[str, list[int]] = defaultdict(list)
    for i, job in enumerate(jobs):
        by_output[str(job.output).casefold()].append(i)
    return [group for group in by_output.values() if len(group) > 1]


def _common_parent(folders: Sequence[Path]) -> Path:
    first = folders[0]
    for parent in (first, *first.parents):
        if all(f.is_relative_to(parent) for f in folders):
            return parent
    return Path(first.anchor)  # different drives


def _inside(folder: Path, base: Path) -> Path:
    """Return where `folder` lies below `base`, or its parts without the drive where it does not."""
    folder, base = Path(os.path.abspath(folder)), Path(os.path.abspath(base))
    return folder.relative_to(base) if folder.is_relative_to(base) else Path(*folder.parts[1:])
