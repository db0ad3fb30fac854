"""A comparison as a small JSON file: where the images are, and how they are shown. Nothing in it is run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError
from napari_w2s.app.comparing.comparison import Box, Comparison, Contrast, Tile
from napari_w2s.app.comparing.place import restoration_of
from napari_w2s.app.comparing.select import input_of
from napari_w2s.app.comparing.table import write_text
from napari_w2s.data.image import Image

SUFFIX = ".json"
FORMAT = "napari-w2s comparison"
VERSION = 1

_LARGEST = 16 * 2**20
_IDENTITY = ("release", "fov", "channel", "level", "key", "channel_name", "frames")
_SIDES = ("top", "left", "bottom", "right")


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a comparison that was saved.

    Attributes
    ----------
    path : Path
    problems : tuple of str
        Tiles that are in no file, so that the JSON cannot reopen them; a sentence each.
    """

    path: Path
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reopened:
    """A comparison from a file.

    Attributes
    ----------
    comparison : Comparison
    problems : tuple of str
        Tiles that could not be opened; a sentence each.
    """

    comparison: Comparison
    problems: tuple[str, ...] = ()


def save(comparison: Comparison, path: str | Path) -> Saved:
    """Write a comparison to a JSON file, whole or not at all.

    Pixels are not written: images are kept by the files that they were read from, relative to the JSON's folder where
    they lie in it. A restoration that is in no file is kept by how it was made, if its input is in one.

    Parameters
    ----------
    comparison : Comparison
    path : str or Path
        A file of that name is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    everything = (*comparison.tiles, *comparison.averages)
    numbers = {tile.key: str(number) for number, tile in enumerate(everything)}
    problems = []
    entries = {}
    for tile in everything:
        entries[tile.key] = _entry(tile, everything, numbers, path.absolute().parent)
        if "file" not in entries[tile.key] and "given" not in entries[tile.key] and tile in comparison.tiles:
            problems.append(f"{tile.title} is in no file, and is lost to {path.name}. Save it, and open it from there.")
    box = comparison.box
    content = {
        "format": FORMAT,
        "version": VERSION,
        "tiles": [entries[tile.key] for tile in comparison.tiles],
        "averages": [entries[tile.key] for tile in comparison.averages],
        "reference": None if comparison.reference is None else numbers[comparison.reference],
        "position": list(comparison.position),
        "box": None if box is None else {side: float(getattr(box, side)) for side in _SIDES},
        "contrast": str(comparison.contrast),
        "data_range": comparison.data_range,
    }
    write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n", path)
    return Saved(path, tuple(problems))


def is_comparison(path: str | Path) -> bool:
    """Tell whether a file is one that `save` wrote. Never raises."""
    try:
        _read(Path(path))
    except (InputError, TypeError, ValueError):
        return False
    return True


def reopen(path: str | Path) -> Reopened:
    """Open a saved comparison; images are opened lazily.

    A restoration that was in no file is made again by the model that it names, when it is looked at.

    Raises
    ------
    InputError
        If the file is missing or no comparison, or none of its images can be opened.
    """
    path = Path(path)
    content = _read(path)
    try:
        return _reopened(content, path)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged: {error!r}. Save the comparison again.") from error


def _read(path: Path) -> Mapping[str, Any]:
    wrong = f"{path} is no comparison that was saved with this plugin. Choose another file."
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(wrong)
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(wrong) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(wrong)
    if content.get("version") != VERSION:
        raise InputError(
            f"{path} is of version {content.get('version')!r}, and this one reads {VERSION}. Update napari-w2s."
        )
    return content


def _entry(tile: Tile, everything: Sequence[Tile], numbers: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Write down one tile."""
    image, made = tile.image, restoration_of(tile.image)
    entry: dict[str, Any] = {
        "key": numbers[tile.key],
        "title": tile.title,
        "name": image.name,
        "known": {name: image.w2s[name] for name in _IDENTITY if image.w2s.get(name) is not None},
        "shape": [int(size) for size in image.data.shape],
        "axes": list(image.axes),
        "scale": [float(step) for step in image.scale],
        "translate": [float(place) for place in image.translate],
        "units": list(image.units),
    }
    source = image.w2s.get("source")
    # A result that was read from a file has that file as its source, and its input's beside.
    if source is not None and (not made or source != made.get("source")):
        return entry | {"file": _relative(str(source), folder)}
    if made:
        given = input_of({other.key: other.image for other in everything}, tile.key)
        if given is not None:
            return entry | {"given": numbers[given], "restoration": dict(made)}
        if source is not None:
            return entry | {"given_file": _relative(str(source), folder), "given": None, "restoration": dict(made)}
    return entry


def _relative(source: str, folder: Path) -> str:
    whole = os.path.abspath(source)
    inside = os.path.commonpath([whole, folder]) == str(folder) if Path(whole).anchor == folder.anchor else False
    return Path(os.path.relpath(whole, folder)).as_posix() if inside else whole


def _reopened(content: Mapping[str, Any], path: Path) -> Reopened:
    folder, problems = path.absolute().parent, []
    images: dict[str, Image] = {}
    entries = [*content["tiles"], *content.get("averages", ())]
    # Inputs before what is made from them.
    for entry in sorted(entries, key=lambda one: "restoration" in one):
        key = str(entry["key"])
        try:
            images[key] = _image(entry, images, folder)
        except InputError as error:
            if entry in content["tiles"]:
                problems.append(f"{entry['title']}: {error}")
    tiles, averages = (
        tuple(
            Tile(key=str(entry["key"]), image=images[str(entry["key"])], title=str(entry["title"]))
            for entry in content.get(part, ())
            if str(entry["key"]) in images
        )
        for part in ("tiles", "averages")
    )
    if not tiles:
        raise InputError(problems[0] if problems else f"{path} holds no image. Save the comparison again.")
    reference, box = content.get("reference"), content.get("box")
    if reference is not None and reference not in {tile.key for tile in tiles}:
        reference = None
    return Reopened(
        Comparison(
            tiles=tiles,
            averages=averages,
            reference=reference,
            position=tuple(_number(place) for place in content.get("position", ())),
            box=None if box is None else Box(*(_number(box[side]) for side in _SIDES)),
            contrast=Contrast(content.get("contrast", Contrast.SHARED)),
            data_range=None if content.get("data_range") is None else _number(content["data_range"]),
        ),
        tuple(problems),
    )


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _image(entry: Mapping[str, Any], images: Mapping[str, Image], folder: Path) -> Image:
    """Open what one entry describes."""
    if "restoration" in entry:
        from napari_w2s.app.comparing.remake import remake

        given = images.get(str(entry.get("given")))
        if given is None and "given_file" in entry:
            given = _opened({**entry, "file": entry["given_file"]}, folder, shaped=False)
        if given is None:
            raise InputError("What it was made from cannot be opened, and it was never saved itself.")
        return remake(given, entry["restoration"])
    if "file" not in entry:
        raise InputError("It was in no file. Save images before the comparison.")
    return _opened(entry, folder)


def _opened(entry: Mapping[str, Any], folder: Path, *, shaped: bool = True) -> Image:
    from napari_w2s.data.stacks import open_all

    where = os.path.join(folder, str(entry["file"]))
    paths = [where] if os.path.exists(where) else sorted(glob(where))
    if not paths:
        raise InputError(f"{where} is not there any more. Put it back, or save the comparison again.")
    image = _averaged(entry, _choose(entry, open_all(paths).images))
    if not shaped:
        return image
    shape = tuple(int(size) for size in entry["shape"])
    if [size for size in shape if size != 1] != [size for size in image.data.shape if size != 1]:
        raise InputError(
            f"{where} has the shape {tuple(image.data.shape)} now, and had {shape}. Save the comparison again."
        )
    return image.replace(
        name=str(entry["name"]),
        data=image.data if image.data.shape == shape else image.data.reshape(shape),
        axes=tuple(str(axis) for axis in entry["axes"]),
        scale=tuple(_number(step) for step in entry["scale"]),
        translate=tuple(_number(place) for place in entry["translate"]),
        units=tuple(str(unit) for unit in entry["units"]),
    )


def _choose(entry: Mapping[str, Any], opened: Sequence[Image]) -> Image:
    """Return the image of a file that an entry describes: by what is known of it, then by its name and shape."""
    known = entry.get("known", {})

    def likeness(image: Image) -> tuple[int, bool, bool]:
        alike = sum(image.w2s.get(name) == value for name, value in known.items())
        return alike, image.name == entry["name"], list(image.data.shape) == list(entry["shape"])

    return max(opened, key=likeness)


def _averaged(entry: Mapping[str, Any], image: Image) -> Image:
    """Average the frames of a burst again if the entry is a mean of them."""
    from napari_w2s._types import Level
    from napari_w2s.app.comparing.place import is_burst
    from napari_w2s.data.average import average_image, frame_indices

    frames, level = entry.get("known", {}).get("frames"), entry.get("known", {}).get("level")
    if not isinstance(frames, list) or len(frames) != 2 or not is_burst(image):
        return image
    wanted: int | Level = Level(level) if level in set(Level) else int(frames[1]) + 1
    indices = frame_indices(wanted)
    if [indices.start, indices.stop - 1] != frames:
        raise InputError(f"The mean of frames {frames[0]} to {frames[1]} cannot be made again. Save it to a file.")
    return average_image(image, wanted)
