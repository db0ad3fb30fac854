"""Fields from a user's own files: images of one name show one place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_w2s._types import NOISY_LEVELS, InputError
from napari_w2s.data.colours import stem_of
from napari_w2s.training.config import Source, TrainingConfig
from napari_w2s.training.fields import OWN_INPUT, Field, Gathered
from napari_w2s.training.files import list_files, open_stack
from napari_w2s.training.lazy_images import planes

_TARGETS = {"denoised": "clean", "sim": "SIM"}
_LEVELS = frozenset(level.value for level in NOISY_LEVELS)
_SHOWN = 5


def gather_folders(source: Source, config: TrainingConfig) -> Gathered:
    """Return the fields of files that pair by their names.

    Parameters
    ----------
    source : Source
        Its `paths` by role: ``noisy``, and ``denoised`` or ``sim`` or both, each a list of files and folders. Noisy
        images of one name may be in several folders if these are called after averaging levels (``avg1``, …).
    config : TrainingConfig
        Its outputs say which roles are needed.

    Returns
    -------
    Gathered
        One field per frame of a file, and one group per file. A clean image of one frame serves all frames of its noisy
        file.

    Raises
    ------
    InputError
        If a role is missing, names do not pair, or images do not fit.
    """
    noisy = _by_stem(source, "noisy")
    wanted = [role for role in _TARGETS if source.paths.get(role)]
    for output in config.outputs if config.self_supervised is None else ():
        if output not in wanted:
            raise InputError(
                f"No {_TARGETS[output]} images were named, which the task needs (paths: {output}). Name their folder."
            )
    targets = {role: {stem: files[OWN_INPUT] for stem, files in _by_stem(source, role).items()} for role in wanted}
    for role, files in targets.items():
        _check_pairs(noisy, files, role)
    found = Gathered()
    for stem, inputs in noisy.items():
        found.fields += _fields(stem, inputs, {role: files[stem] for role, files in targets.items()})
    return found


def gather_images(source: Source, config: TrainingConfig) -> Gathered:
    """Return one field per image, and one group per file, without targets."""
    del config
    found = Gathered()
    for path in list_files(source.paths.get("noisy", ()), "noisy"):
        found.fields += _fields(stem_of(path), {OWN_INPUT: path}, {})
    return found


def _by_stem(source: Source, role: str) -> dict[str, dict[str, Path]]:
    """Return the files of a role: by name, and of one name by averaging level."""
    files: dict[str, dict[str, Path]] = {}
    for path in list_files(source.paths.get(role, ()), _TARGETS.get(role, role)):
        level = path.parent.name.lower() if role == "noisy" and path.parent.name.lower() in _LEVELS else OWN_INPUT
        others = files.setdefault(stem_of(path), {})
        if others and (level in others or OWN_INPUT in (level, *others)):
            first = next(iter(others.values()))
            raise InputError(
                f"{first} and {path} have the same name: it cannot be told what belongs to which. Rename one, or name "
                "the folders as two sources."
            )
        others[level] = path
    return files


def _check_pairs(noisy: Mapping[str, Mapping[str, Path]], files: Mapping[str, Path], role: str) -> None:
    """Raise an InputError if images have no partner, or are their own."""
    what = _TARGETS[role]
    alone = [stem for stem in noisy if stem not in files]
    left = [stem for stem in files if stem not in noisy]
    parts = [
        f"{_listed(stems)} ({there} without {lacking})"
        for stems, there, lacking in ((alone, "noisy", what), (left, what, "noisy"))
        if stems
    ]
    if parts:
        raise InputError(
            f"Not all images pair by name: {'; '.join(parts)}. Give the images of one place the same name, or leave "
            "out those that have no partner."
        )
    for stem, inputs in noisy.items():
        if any(path.resolve() == files[stem].resolve() for path in inputs.values()):
            raise InputError(f"{files[stem]} is named as the noisy and as the {what} image. Name two folders.")


def _fields(stem: str, inputs: Mapping[str, Path], targets: Mapping[str, Path]) -> list[Field]:
    first = next(iter(inputs.values()))
    frames = {level: planes(open_stack(path)) for level, path in inputs.items()}
    count = len(next(iter(frames.values())))
    for level, path in inputs.items():
        _check_count(path, len(frames[level]), first, count)
    clean: dict[str, list[Any]] = {}
    for role, path in targets.items():
        images = planes(open_stack(path))
        clean[role] = images * count if len(images) == 1 else images
        _check_count(path, len(clean[role]), first, count)
    return [
        Field(
            name=stem if count == 1 else f"{stem} [{i}]",
            group=str(first.resolve()),
            inputs={level: images[i] for level, images in frames.items()},
            denoised=clean["denoised"][i] if "denoised" in clean else None,
            sim=clean["sim"][i] if "sim" in clean else None,
        )
        for i in range(count)
    ]


def _check_count(path: Path, count: int, first: Path, wanted: int) -> None:
    if count != wanted:
        raise InputError(
            f"{path} has {count} frames, but {first} has {wanted}. Give as many, or a single one as the target of all."
        )


def _listed(stems: list[str]) -> str:
    shown = ", ".join(stems[:_SHOWN])
    return shown if len(stems) <= _SHOWN else f"{shown} and {len(stems) - _SHOWN} more"
