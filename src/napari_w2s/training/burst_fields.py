"""Fields from bursts: frames of one place, to learn from without clean images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_w2s._types import InputError, Level
from napari_w2s.data.colours import stem_of
from napari_w2s.data.frames import Header, stack_files
from napari_w2s.training.config import Source, TrainingConfig
from napari_w2s.training.fields import OWN_INPUT, Field, Gathered
from napari_w2s.training.files import expand, list_files, open_stack
from napari_w2s.training.lazy_images import Mean, Stack


def gather_bursts(source: Source, config: TrainingConfig) -> Gathered:
    """Return the fields of bursts.

    Parameters
    ----------
    source : Source
        Its `paths["noisy"]` are files with frames along `axis`, folders of such, and folders of single frames, each of
        which is one burst.
    config : TrainingConfig
        With ``noise2noise``, each of its levels with frames to spare is an input; with ``noise2void``, every frame is a
        field.

    Returns
    -------
    Gathered
        One group per file or folder.

    Raises
    ------
    InputError
        If there is a single frame only, or a file cannot be used.
    """
    found = Gathered()
    for path, data in _opened(source):
        axis = source.axis + (data.ndim if source.axis < 0 else 0)
        if not 0 <= axis < data.ndim - 2:
            raise InputError(
                f"{path} has the shape {tuple(data.shape)}: axis {source.axis} is none of its axes before y and x, so "
                "there are no frames along it. Name the axis of the frames, or learn from single images (images)."
            )
        found += fields_of_burst(np.moveaxis(data, axis, -3), stem_of(path), str(path.resolve()), config)
    return found


def fields_of_burst(
    data: Any, name: str, group: str, config: TrainingConfig, known: Mapping[str, Any] | None = None
) -> Gathered:
    """Return the fields of a burst.

    Parameters
    ----------
    data : array
        ``(..., t, y, x)``; each index of the axes before the frames is a place.
    name, group : str
        Of the fields; the index is added if there are several places.
    config : TrainingConfig
        See `gather_bursts`.
    known : mapping, optional
        Further attributes of the fields: ``denoised``, ``fov``, ``split``.

    Raises
    ------
    InputError
        If there is one frame only.
    """
    if data.shape[-3] < 2:
        raise InputError(f"{name} has a single frame. Give a burst, or learn from images by themselves (images).")
    found = Gathered()
    known = known or {}
    for index in np.ndindex(*data.shape[:-3]):
        place = f"{name} {list(index)}" if index else name
        burst = Stack(data[index])
        if config.self_supervised == "noise2void":
            found.fields += [
                Field(f"{place} frame {i}", group, {OWN_INPUT: burst.frame(i)}, **known) for i in range(len(burst))
            ]
            continue
        inputs, warnings = averages(burst, place, config)
        found += Gathered([Field(place, group, inputs, burst=burst, **known)], warnings)
    return found


def averages(burst: Stack, name: str, config: TrainingConfig) -> tuple[dict[str, Mean], list[str]]:
    """Return an average of a burst for each level of a config, of frames that are spread evenly.

    Returns
    -------
    inputs : dict of str to Mean
        At least one frame is left over by each: a level of too many frames takes half of them.
    warnings : list of str
    """
    inputs, short = {}, []
    for level, weight in config.levels.items():
        if weight <= 0 or level is Level.SIM:
            continue
        count = level.frames or 1
        if count >= len(burst):
            short.append(level.value)
            count = len(burst) // 2
        inputs[level.value] = Mean(burst, [i * len(burst) // count for i in range(count)])
    if not short:
        return inputs, []
    warning = (
        f"{name} has {len(burst)} frames, too few for {', '.join(short)} and frames to compare with: averages of "
        f"{len(burst) // 2} are learned from instead."
    )
    return inputs, [warning]


def _opened(source: Source) -> list[tuple[Path, Any]]:
    """Return bursts by the file, or the folder of single frames, that they are from."""
    opened = []
    for named in source.paths.get("noisy", ()) or ("",):
        files = list_files([named] if named else [], "noisy")
        stacks = [open_stack(file) for file in files]
        folder = expand(named)
        if folder.is_dir() and len(files) > 1 and all(stack.ndim == 2 for stack in stacks):
            opened.append((folder, _frames_of(files, stacks)))
        else:
            opened += list(zip(files, stacks, strict=True))
    return opened


def _frames_of(files: list[Path], stacks: list[Any]) -> Any:
    """Stack single frames, which must be alike."""
    first = stacks[0]
    for file, stack in zip(files, stacks, strict=True):
        if stack.shape != first.shape or stack.dtype != first.dtype:
            raise InputError(
                f"{file} has the shape {stack.shape} and the type {stack.dtype}, but {files[0]} has {first.shape} and "
                f"{first.dtype}: frames of one burst are alike. Put the frames of each burst in a folder of its own."
            )
    return stack_files(files, Header(first.shape, first.dtype))
