"""Images of the W2S benchmark: records of files become lazy stacks with their place in the world.

Fields of view are put on an axis of their own where there are several, and every stack of one opening shares that axis:
index i is the same field of view in all of them. What has no file is not made up. A stack that starts later or ends
earlier is shorter (its `translate` says where it starts); inside a stack a missing file is a frame of NaN, and
``metadata["w2s"]["missing_fovs"]`` lists them.

The first and the middle frame of each stack, which a viewer shows first, are looked at on opening; a file that proves
unreadable then counts as missing. Any other raises an error that names it once its frame is computed.

The centre of the first SIM pixel lies a quarter of a widefield pixel before that of the first widefield pixel, because
two SIM pixels cover one of those exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError, Level, W2SError
from napari_w2s.data.catalog import BURST, SIM_INPUT, Catalog, Release, StackRecord
from napari_w2s.data.frames import Header, one_file, read_header, read_like, stack_files
from napari_w2s.data.hdf5 import open_patches
from napari_w2s.data.image import METADATA_KEY, AnyArray, Image
from napari_w2s.data.limits import display_limits
from napari_w2s.data.protocol import (
    ASSUMED_PIXEL_SIZE_UM,
    BURST_FRAMES,
    CHANNELS,
    NORMALIZED_MEAN,
    NORMALIZED_STD,
    SIM_SCALE,
)


@dataclass
class Opened:
    """What could be opened, and what could not.

    Attributes
    ----------
    images : list of Image
    problems : list of W2SError
        One per file or part that could not be opened as it should.
    notes : list of str
        What a user should know of the images, e.g. missing fields of view.
    """

    images: list[Image] = field(default_factory=list)
    problems: list[W2SError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Axes:
    """The axes that all stacks of one opening share."""

    fovs: tuple[int, ...]
    frames: int | None
    """Frames of the bursts if there are any on the axes fov, t, y, x: then every stack needs a t axis."""


def open_records(catalog: Catalog) -> Opened:
    """Open the files of a catalogue lazily: one image per release, level and channel.

    Of each stack the header of the first file is read, and the first and the middle frame for the display range.
    """
    opened = Opened()
    headers: list[tuple[tuple[StackRecord, ...], Header]] = []
    for group in catalog.groups():
        if group[0].release is Release.PATCHES:
            _attempt(opened, group[0], _open_patches)
            continue
        header, readable = _first_header(group, opened)
        if header is not None:
            headers.append((readable, header))
    bursts = [header.shape[0] for group, header in headers if group[0].fov is not None and len(header.shape) == 3]
    several = len(catalog.fovs) > 1
    axes = _Axes(catalog.fovs, max(bursts) if bursts and several else None)
    releases = len(catalog.releases) > 1
    for group, header in headers:
        if group[0].fov is not None and several:
            opened.images += _stacked(group, header, axes, opened, prefix=releases)
        else:
            _attempt(opened, group[0], partial(_single, header=header, prefix=releases))
    return opened


def _attempt(opened: Opened, record: StackRecord, open_one: Callable[[StackRecord], Image]) -> None:
    try:
        opened.images.append(open_one(record))
    except InputError as exc:
        opened.problems.append(exc)


def _first_header(group: tuple[StackRecord, ...], opened: Opened) -> tuple[Header | None, tuple[StackRecord, ...]]:
    """Return the first header of a group that can be read, and the group from there on."""
    for place, record in enumerate(group):
        try:
            return read_header(record.path, mosaic=record.level == SIM_INPUT), group[place:]
        except InputError as exc:
            opened.problems.append(exc)
    return None, ()


def _single(record: StackRecord, header: Header, *, prefix: bool) -> Image:
    data = one_file(record.path, header, mosaic=record.level == SIM_INPUT)
    channel = f"ch{record.channel}"
    stem = f"{record.fov:03d} {channel}" if record.fov is not None else channel
    if prefix:
        stem = f"{record.release.value} {stem}"
    axes = ("t", "y", "x")[-data.ndim :]
    scale, translate = _lateral(record.level)
    return Image(
        data=data,
        name=f"{stem} {record.level}",
        axes=axes,
        scale=(1.0,) * (data.ndim - 2) + (scale,) * 2,
        units=("pixel",) * (data.ndim - 2) + ("um", "um"),
        translate=(0.0,) * (data.ndim - 2) + (translate,) * 2,
        colormap=_colormap(record),
        contrast_limits=display_limits(data),
        metadata={METADATA_KEY: {**_known(record, header), "fov": record.fov, "source": str(record.path)}},
    )


def _stacked(group: Sequence[StackRecord], header: Header, axes: _Axes, opened: Opened, *, prefix: bool) -> list[Image]:
    """Stack a group over the fields of view; nothing if none of its files can be read."""
    first = group[0]
    mosaic = first.level == SIM_INPUT
    by_fov = {record.fov: record.path for record in group if record.fov is not None}
    limits = _probe(by_fov, header, axes, opened, mosaic=mosaic)
    if not limits:
        return []
    places = [place for place, fov in enumerate(axes.fovs) if fov in by_fov]
    fovs = axes.fovs[places[0] : places[-1] + 1]
    missing = [fov for fov in fovs if fov not in by_fov]
    data: AnyArray = stack_files([by_fov.get(fov) for fov in fovs], header, mosaic=mosaic)
    scale, translate = _lateral(first.level)
    names, steps, starts = ["fov", *("t", "y", "x")[-len(header.shape) :]], [1.0], [float(places[0])]
    if axes.frames and data.ndim == 3:
        # One image taken over the whole burst: a single step as thick as the burst, so that it stays in view.
        data = data[:, None]
        names.insert(1, "t")
        steps.append(float(axes.frames))
        starts.append((axes.frames - 1) / 2)
    elif data.ndim == 4:
        steps.append(1.0)
        starts.append(0.0)
    name = f"ch{first.channel} {first.level}"
    if prefix:
        name = f"{first.release.value} {name}"
    if missing:
        opened.notes.append(f"{name}: no readable file for FOV {_listed(missing)}; shown blank (NaN).")
    known = {**_known(first, header), "fov": None, "fovs": list(fovs), "source": _pattern(list(by_fov.values()))}
    splits = {record.split for record in group}
    if len(splits) > 1:
        known["split"] = None
    if missing:
        known["missing_fovs"] = missing
    image = Image(
        data=data,
        name=name,
        axes=tuple(names),
        scale=(*steps, scale, scale),
        units=("pixel",) * len(steps) + ("um", "um"),
        translate=(*starts, translate, translate),
        colormap=_colormap(first),
        contrast_limits=(min(low for low, _ in limits), max(high for _, high in limits)),
        metadata={METADATA_KEY: known},
    )
    return [image]


def _probe(
    by_fov: dict[int, Path], header: Header, axes: _Axes, opened: Opened, *, mosaic: bool
) -> list[tuple[float, float]]:
    """Return the display ranges of the first and the middle frame, dropping files from `by_fov` that cannot be read.

    A viewer computes these frames while it adds the layers: the first of each, and that which is in the middle of the
    first layer. One that raised then would keep the rest from opening.
    """
    limits: dict[int, tuple[float, float]] = {}
    reference = by_fov[min(by_fov)]
    shown = next((image for image in opened.images if image.axes[0] == "fov"), None)
    while by_fov:
        start, end = axes.fovs.index(min(by_fov)), axes.fovs.index(max(by_fov)) + 1
        first = axes.fovs[start]
        if shown is not None:
            start, end = int(shown.translate[0]), int(shown.translate[0]) + shown.data.shape[0]
        middle = axes.fovs[start + (end - start - 1) // 2]
        unread = [fov for fov in (first, middle) if fov in by_fov and fov not in limits]
        if not unread:
            break
        fov = unread[0]
        try:
            limits[fov] = display_limits(read_like(by_fov[fov], header, reference, mosaic=mosaic))
        except InputError as exc:
            opened.problems.append(exc)
            del by_fov[fov]
    return list(limits.values())


def _open_patches(record: StackRecord) -> Image:
    data = open_patches(record.path, record.key or "data")
    scale, translate = _lateral(record.level)
    return Image(
        data=data,
        name=f"{record.path.stem} patches",
        axes=("patch", "y", "x"),
        scale=(1.0, scale, scale),
        units=("pixel", "um", "um"),
        translate=(0.0, translate, translate),
        contrast_limits=display_limits(data),
        metadata={
            METADATA_KEY: {
                **_known(record, Header(data.shape, data.dtype)),
                "fov": None,
                "source": str(record.path),
                "key": record.key,
            }
        },
    )


def _pattern(paths: Sequence[Path]) -> str:
    """Return a glob pattern that the command line can take for just these files, or their folder where there is none.

    Folders that differ become ``*``, and so does what differs at the start of the files' names.
    """
    levels = list(zip(*(path.parts for path in paths), strict=False))
    if len({len(path.parts) for path in paths}) > 1 or len(set(levels[0])) > 1:
        return str(paths[0].parent)
    folders = [escape(level[0]) if len(set(level)) == 1 else "*" for level in levels[:-1]]
    names = set(levels[-1])
    ending = min(names, key=len)
    while not all(name.endswith(ending) for name in names):
        ending = ending[1:]
    return str(Path(*folders, escape(ending) if len(names) == 1 else f"*{escape(ending)}"))


def _lateral(level: str | None) -> tuple[float, float]:
    """Return pixel size and centre of the first pixel along y and x, in µm."""
    if level != Level.SIM.value:
        return ASSUMED_PIXEL_SIZE_UM, 0.0
    size = ASSUMED_PIXEL_SIZE_UM / SIM_SCALE
    return size, (size - ASSUMED_PIXEL_SIZE_UM) / 2


def _colormap(record: StackRecord) -> str | None:
    return None if record.channel is None else CHANNELS[record.channel].colormap


def _known(record: StackRecord, header: Header) -> dict[str, Any]:
    known: dict[str, Any] = {
        "release": record.release.value,
        "split": record.split,
        "channel": record.channel,
        "level": record.level,
        "pixel_size_assumed": True,
    }
    if record.channel is not None:
        known["excitation_nm"] = CHANNELS[record.channel].excitation_nm
    if record.release is Release.EIGHT_BIT:
        known["intensity_range"] = [0.0, 255.0] if header.dtype.itemsize == 1 else [0.0, 65535.0]
    elif record.release is Release.PATCHES:
        known["intensity_range"] = [0.0, 1.0]
    elif record.release is Release.NORMALIZED and header.dtype.kind == "f":
        known["normalization"] = {"mean": NORMALIZED_MEAN, "std": NORMALIZED_STD, "intensity": "x * std + mean"}
    if record.level == BURST and len(header.shape) == 3 and header.shape[0] != BURST_FRAMES:
        known["frames"] = header.shape[0]
    return known


def _listed(fovs: Sequence[int]) -> str:
    shown = ", ".join(f"{fov:03d}" for fov in fovs[:8])
    return shown if len(fovs) <= 8 else f"{shown} and {len(fovs) - 8} more"
