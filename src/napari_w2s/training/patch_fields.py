"""Fields from HDF5 files of patches, as the benchmark's authors train with: row by row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_w2s._types import InputError
from napari_w2s.data.catalog import PATCH_DATASET, classify
from napari_w2s.data.hdf5 import open_patches
from napari_w2s.training.config import Source, TrainingConfig
from napari_w2s.training.fields import OWN_INPUT, Field, Gathered
from napari_w2s.training.files import PATCH_SUFFIXES, list_files
from napari_w2s.training.lazy_images import Row

_BLOCKS = 40
_RANGE = (0.0, 1.0)
"""Of the intensities in the benchmark's files of patches."""


class _Rows:
    """The rows of one file."""

    def __init__(self, path: Path) -> None:
        opened = open_patches(path)
        self.path, self.count = path, int(opened.shape[0])
        self.shape: tuple[int, ...] = tuple(opened.shape[1:])
        self.dtype: np.dtype[Any] = opened.dtype

    def row(self, index: int) -> Row:
        return Row(self.path, PATCH_DATASET, index, self.shape, self.dtype)


def gather_patches(source: Source, config: TrainingConfig) -> Gathered:
    """Return one field per row of files whose rows pair.

    Parameters
    ----------
    source : Source
        Its `paths` by role: ``noisy``, one file per averaging level (``avg1_64_32.h5``); ``denoised`` and ``sim``, one
        file each.
    config : TrainingConfig
        Its outputs say which roles are needed.

    Returns
    -------
    Gathered
        Rows do not tell which field of view they are from. Neighbouring ones, which overlap, are put in groups.

    Raises
    ------
    InputError
        If a file is missing or unreadable, or the files do not have as many rows.
    """
    noisy = _noisy(source)
    targets = {role: _only(source, role) for role in ("denoised", "sim") if source.paths.get(role)}
    for output in config.outputs if config.self_supervised is None else ():
        if output not in targets:
            raise InputError(f"No file of {output} patches was named, which the task needs (paths: {output}).")
    files = [*noisy.values(), *targets.values()]
    count = files[0].count
    for each in files[1:]:
        if each.count != count:
            raise InputError(
                f"{each.path} has {each.count} rows, but {files[0].path} has {count}: row i of one must pair with row "
                "i of the other. Make both from the same images."
            )
    first = files[0].path
    blocks = min(_BLOCKS, count)
    floats = all(each.dtype.kind == "f" for each in files)
    make = partial(_field, noisy=noisy, targets=targets, intensity_range=_RANGE if floats else None)
    fields = [make(i, f"{first.resolve()} block {i * blocks // count}") for i in range(count)]
    warning = (
        f"{first.name} does not tell which field of view a patch is from: training and validation are split by blocks "
        f"of about {count // blocks} neighbouring patches, and patches where two blocks meet may be of one field."
    )
    return Gathered(fields, [warning])


def _field(
    index: int,
    group: str,
    *,
    noisy: Mapping[str, _Rows],
    targets: Mapping[str, _Rows],
    intensity_range: tuple[float, float] | None,
) -> Field:
    return Field(
        name=f"patch {index}",
        group=group,
        inputs={level: rows.row(index) for level, rows in noisy.items()},
        denoised=targets["denoised"].row(index) if "denoised" in targets else None,
        sim=targets["sim"].row(index) if "sim" in targets else None,
        intensity_range=intensity_range,
    )


def _noisy(source: Source) -> dict[str, _Rows]:
    """Return the noisy files by averaging level."""
    found: dict[str, _Rows] = {}
    for path in list_files(source.paths.get("noisy", ()), "noisy", PATCH_SUFFIXES):
        record = classify(path)
        level = OWN_INPUT if record is None or record.level is None else record.level
        if level in found:
            raise InputError(f"{found[level].path} and {path} are both patches of {level}. Name them as two sources.")
        found[level] = _Rows(path)
    return found


def _only(source: Source, role: str) -> _Rows:
    paths = list_files(source.paths[role], role, PATCH_SUFFIXES)
    if len(paths) > 1:
        raise InputError(f"{paths[0]} and {paths[1]} are both named as {role}. Name one file.")
    return _Rows(paths[0])
