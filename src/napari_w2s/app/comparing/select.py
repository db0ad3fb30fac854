"""Which images make a comparison. Only metadata are looked at: never names, never pixels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence

from napari_w2s._types import InputError, Level
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.place import Place, is_burst, is_estimate, is_finer, level_of, place_of, restoration_of
from napari_w2s.data.image import Image

_ORDER = tuple(Level)
_IDENTITY = ("release", "fov", "fovs", "channel", "level", "key", "channel_name", "frames")
_MARK = "(estimate)"


def levels_of(images: Mapping[str, Image], like: str | None = None, position: Sequence[float] = ()) -> Comparison:
    """Compare all averaging levels and the SIM image of one field of view and channel, then its restorations.

    Parameters
    ----------
    images : mapping of str to Image
        By key, e.g. the identity of a layer; the bottom layer first.
    like : str, optional
        Key of an image of the field of view and channel that is meant; by default that of the first image of W2S.
    position : sequence of float
        As in `Comparison`; where `images` are stacks it says which field of view is meant.

    Returns
    -------
    Comparison
        In the order avg1 … avg400, SIM, restorations; avg400 is the reference, without it SIM. A burst of the place is
        among its `averages`.

    Raises
    ------
    InputError
        If no image is known to be one of W2S, or there is but one of the field of view.
    """
    places = {key: place_of(image, position) for key, image in images.items()}
    place = places.get(like) if like is not None else next(filter(None, places.values()), None)
    if place is None:
        raise InputError(
            "No image is known to be one of W2S. Open its files or folders with this plugin, or choose the images to "
            "compare by hand."
        )
    here = {key: image for key, image in images.items() if places[key] == place}
    by_level = {level_of(image): key for key, image in reversed(here.items())}
    keys = [by_level[level] for level in _ORDER if level in by_level]
    keys += [key for key, image in here.items() if restoration_of(image)]
    if len(keys) < 2:
        raise InputError(
            f"Of field of view {place.fov:03d}, channel {place.channel}, only one image is open. Open its other levels."
        )
    return _comparison(here, keys, position, reference=_reference(here, keys))


def last_restoration(images: Mapping[str, Image], position: Sequence[float] = ()) -> Comparison:
    """Compare the latest restoration with its input and, where there is one, a reference.

    Parameters
    ----------
    images, position
        As for `levels_of`.

    Returns
    -------
    Comparison
        Input, result, and the reference: SIM for a result with more pixels than its input, else avg400. Other levels
        of the place are among its `averages`.

    Raises
    ------
    InputError
        If no image is a restoration.
    """
    made = {key: str(restoration_of(image).get("date", "")) for key, image in images.items() if restoration_of(image)}
    if not made:
        raise InputError("There is no restoration yet. Restore an image first, in Plugins > W2S > Restore.")
    # Dates have no fractions of a second: of equals the one on top is the latest.
    result = max(reversed(made), key=made.__getitem__)
    given = input_of(images, result)
    place = place_of(images[result], position)
    here = {key: image for key, image in images.items() if place is not None and place_of(image, position) == place}
    wanted = (Level.SIM, Level.AVG400) if is_finer(images[result]) else (Level.AVG400, Level.SIM)
    by_level = {level_of(image): key for key, image in reversed(here.items()) if level_of(image) is not None}
    reference = next((by_level[level] for level in wanted if level in by_level and by_level[level] != given), None)
    keys = [key for key in (given, result, reference) if key is not None]
    return _comparison({**here, **{key: images[key] for key in keys}}, keys, position, reference=reference)


def gather(images: Mapping[str, Image], reference: str | None = None, position: Sequence[float] = ()) -> Comparison:
    """Compare any images, in their order.

    Parameters
    ----------
    images, position
        As for `levels_of`.
    reference : str, optional
        Key of the reference; by default the only avg400 among them, or the only SIM image, if there is one.

    Raises
    ------
    InputError
        If there is no image.
    """
    if not images:
        raise InputError("There is nothing to compare: choose images.")
    keys = [key for key, image in images.items() if not is_burst(image)] or list(images)
    return _comparison(images, keys, position, reference=_reference(images, keys) if reference is None else reference)


def input_of(images: Mapping[str, Image], key: str) -> str | None:
    """Return the key of the image that a restoration was made from, or None if it is not there.

    It is the acquired image of the same area with the same field of view, channel and level, from the file that the
    restoration names if there is one; of several the nearest one below.
    """
    result = images[key]
    wanted, source = _identity(result), _source(result)
    order = list(images)
    fitting = [
        other
        for other, image in images.items()
        if not restoration_of(image) and _identity(image) == wanted and _same_area(image, result)
    ]
    fitting = [other for other in fitting if _source(images[other]) == source] or [
        other for other in fitting if place_of(images[other]) is not None or images[other].w2s.get("fovs")
    ]
    below = [other for other in fitting if order.index(other) < order.index(key)]
    return below[-1] if below else next(iter(fitting), None)


def title_of(image: Image) -> str:
    """Name an image for a person, e.g. ``"avg1"``, ``"SIM"`` or ``"w2s-jdsr of avg1 (estimate)"``.

    Images that are not of W2S keep their names. What shows more than was measured always says that it is an estimate.
    """
    made = restoration_of(image)
    title = _own_title(image)
    if made and title is not None:
        models = "+".join(str(stage.get("name")) for stage in made.get("models") or ()) or "restoration"
        title = f"{models} of {title}"
    title = image.name if title is None else title
    return f"{title} {_MARK}" if is_estimate(image) and not title.endswith(("estimate)", "estimate")) else title


def _own_title(image: Image) -> str | None:
    """Return what an image of W2S, or the input of a restoration of it, is called; None for any other image."""
    known = image.w2s
    if known.get("release") in (None, "image"):
        return None
    level, frames = known.get("level"), known.get("frames")
    if level in set(Level):
        return "SIM" if level == Level.SIM else str(level)
    if level is None and isinstance(frames, Sequence) and len(frames) == 2:
        count = int(frames[1]) - int(frames[0]) + 1
        return f"mean of {count} frames" if count > 1 else f"frame {frames[0]}"
    return None if level is None else str(level)


def _comparison(
    images: Mapping[str, Image], keys: Sequence[str], position: Sequence[float], reference: str | None
) -> Comparison:
    """Make tiles of the chosen images, and averages of the others that show one of their places."""
    places = {place_of(images[key], position) for key in keys} - {None}
    others = [key for key, image in images.items() if key not in keys and _helps(image, places, position)]
    titles = _titles({key: images[key] for key in keys}, position)
    return Comparison(
        tiles=tuple(Tile(key=key, image=images[key], title=titles[key]) for key in keys),
        reference=reference,
        position=tuple(float(place) for place in position),
        averages=tuple(Tile(key=key, image=images[key], title=title_of(images[key])) for key in others),
    )


def _helps(image: Image, places: set[Place | None], position: Sequence[float]) -> bool:
    """Tell whether an image is part of the averaging curve of one of the places."""
    level = level_of(image)
    return place_of(image, position) in places and (is_burst(image) or (level is not None and level is not Level.SIM))


def _titles(images: Mapping[str, Image], position: Sequence[float]) -> dict[str, str]:
    """Name images so that no two have the same title."""
    titles = {key: title_of(image) for key, image in images.items()}
    places = {key: place_of(image, position) for key, image in images.items()}
    if len(set(places.values()) - {None}) > 1:
        for key, place in places.items():
            if place is not None:
                titles[key] = f"{place.fov:03d} ch{place.channel} {titles[key]}"
    seen: Counter[str] = Counter()
    often = Counter(titles.values())
    for key, title in titles.items():
        if often[title] > 1:
            seen[title] += 1
            base, mark = (title.removesuffix(f" {_MARK}"), f" {_MARK}") if title.endswith(_MARK) else (title, "")
            titles[key] = f"{base} #{seen[title]}{mark}"
    return titles


def _reference(images: Mapping[str, Image], keys: Sequence[str]) -> str | None:
    for level in (Level.AVG400, Level.SIM):
        found = [key for key in keys if level_of(images[key]) is level]
        if len(found) == 1:
            return found[0]
    return None


def _identity(image: Image) -> tuple[str, ...]:
    return tuple(str(image.w2s.get(name)) for name in _IDENTITY)


def _source(image: Image) -> str | None:
    """Return the file that an image, or the input of a restoration, was read from."""
    made = restoration_of(image)
    source = made.get("source") if made else image.w2s.get("source")
    return None if source is None else os.path.abspath(str(source))


def _same_area(one: Image, other: Image) -> bool:
    """Tell whether two images cover one area, and have the same axes before y and x."""
    if one.data.shape[:-2] != other.data.shape[:-2] or one.units[-2:] != other.units[-2:]:
        return False
    for axis in (-2, -1):
        edges = [
            (image.translate[axis] - image.scale[axis] / 2, image.data.shape[axis] * image.scale[axis])
            for image in (one, other)
        ]
        near = 1e-3 * abs(edges[0][1])
        if any(abs(first - second) > near for first, second in zip(*edges, strict=True)):
            return False
    return True
