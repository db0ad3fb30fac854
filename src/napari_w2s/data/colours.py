"""One image per channel: how arrays with channels or colours become single-channel images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.limits import display_limits
from napari_w2s.data.omexml import OmeImage

if TYPE_CHECKING:
    from napari_w2s.data.image import AnyArray
    from napari_w2s.data.tiff import TiffSeries

CHANNEL_COLORMAPS = ("cyan", "magenta", "yellow", "green", "red", "blue")
_COLOURS = ("red", "green", "blue")
_MOST_CHANNELS = 24
_AXIS_NAMES = {"T": "t", "Z": "z", "C": "c", "I": "t", "Q": "t"}


def from_axes(series: TiffSeries, ome: OmeImage, path: Path, number: int | None = None) -> list[Image]:
    """Make single-channel images of an array with named axes.

    Parameters
    ----------
    series : TiffSeries
    ome : OmeImage
        What its OME metadata say.
    path : Path
        Where it comes from.
    number : int, optional
        Its place in a file of several images.

    Returns
    -------
    list of Image
        One per channel; red, green and blue for an image in colour, without transparency.
    """
    data, axes = series.data, series.axes
    if "Y" not in axes or "X" not in axes:
        raise InputError(f"{path} has axes {axes}: an image needs y and x.")
    data, axes = _move_last(data, axes, "Y")
    data, axes = _move_last(data, axes, "X")
    stem = stem_of(path)
    if number is not None:
        stem = f"{stem} {ome.name or series.name or number}"
    steps = {axis: (frame.scale, frame.unit) for axis, frame in series.frames.items()} | dict(ome.steps)
    images: list[Image] = []
    for label, colormap, part, rest in _channels(data, axes, ome):
        letters = [_axis_name(letter, rest) for letter in rest]
        stated = [steps.get(letter, (1.0, "pixel")) for letter in rest]
        channel = len(images)
        known: dict[str, Any] = {"channel_name": label} if label else {}
        if channel < len(ome.excitation_nm) and ome.excitation_nm[channel] is not None:
            known["excitation_nm"] = ome.excitation_nm[channel]
        images.append(
            plain_image(
                part,
                path,
                axes=tuple(letters),
                name=f"{stem} {label}".strip(),
                scale=tuple(size for size, _ in stated),
                units=tuple(unit for _, unit in stated),
                colormap=colormap,
                known=known,
            )
        )
    return images


def plain_image(
    data: AnyArray,
    path: Path,
    *,
    axes: tuple[str, ...] | None = None,
    name: str | None = None,
    scale: tuple[float, ...] | None = None,
    units: tuple[str, ...] | None = None,
    colormap: str | None = None,
    known: Mapping[str, Any] | None = None,
) -> Image:
    """Make an image of a user's own array; by default its axes are ``(…, t, y, x)`` and its unit is the pixel."""
    ndim = data.ndim
    if axes is None:
        axes = (*(f"axis{i}" for i in range(ndim - 3)), "t", "y", "x")[-ndim:]
    w2s = {"release": "image", "source": str(path), "pixel_size_assumed": False, **(known or {})}
    return Image(
        data=data,
        name=name or stem_of(path),
        axes=axes,
        scale=scale or (1.0,) * ndim,
        units=units or ("pixel",) * ndim,
        colormap=colormap,
        contrast_limits=display_limits(data),
        metadata={METADATA_KEY: w2s},
    )


def colour_images(data: AnyArray, path: Path) -> list[Image]:
    """Make a red, a green and a blue image of a ``(…, y, x, 3 or 4)`` array; transparency is dropped."""
    stem = stem_of(path)
    return [
        plain_image(data[..., i], path, name=f"{stem} {colour}", colormap=colour, known={"channel_name": colour})
        for i, colour in enumerate(_COLOURS)
    ]


def stem_of(path: Path) -> str:
    """Return a file's name without ``.ome.tif`` or whatever its ending is."""
    return path.stem.removesuffix(".ome").removesuffix(".OME")


def _channels(data: AnyArray, axes: str, ome: OmeImage) -> list[tuple[str, str | None, AnyArray, str]]:
    """Split an array along its channels and colours: label, colormap, part, remaining axes."""
    if "S" in axes:
        samples = data.shape[axes.index("S")]
        rest = axes.replace("S", "")
        if samples < 3:
            return [("", None, _take(data, axes, "S", 0), rest)]
        return [
            part
            for i, colour in enumerate(_COLOURS)
            for part in _rename(_channels(_take(data, axes, "S", i), rest, OmeImage()), colour)
        ]
    count = data.shape[axes.index("C")] if "C" in axes else 1
    if "C" not in axes or count > _MOST_CHANNELS:
        return [("", None, data, axes)]
    rest = axes.replace("C", "")
    if count == 1:
        return [("", None, _take(data, axes, "C", 0), rest)]
    names = ome.channels if len(ome.channels) == count else ("",) * count
    return [
        (names[i] or f"ch{i}", CHANNEL_COLORMAPS[i % len(CHANNEL_COLORMAPS)], _take(data, axes, "C", i), rest)
        for i in range(count)
    ]


def _rename(
    parts: list[tuple[str, str | None, AnyArray, str]], colour: str
) -> list[tuple[str, str | None, AnyArray, str]]:
    return [(f"{label} {colour}".strip(), colour, part, rest) for label, _, part, rest in parts]


def _take(data: AnyArray, axes: str, axis: str, index: int) -> AnyArray:
    return data[(slice(None),) * axes.index(axis) + (index,)]


def _move_last(data: AnyArray, axes: str, axis: str) -> tuple[AnyArray, str]:
    """Move an axis to the end, or before the colours if they are last."""
    place = axes.index(axis)
    order = [i for i in range(len(axes)) if i != place] + [place]
    if order == list(range(len(axes))):
        return data, axes
    return data.transpose(order), "".join(axes[i] for i in order)


def _axis_name(letter: str, axes: str) -> str:
    name = _AXIS_NAMES.get(letter, letter.lower())
    if letter in "IQ" and any(_AXIS_NAMES.get(other) == "t" for other in axes if other != letter):
        return letter.lower()
    return name
