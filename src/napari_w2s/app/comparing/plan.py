"""From a user's intent and the images that are open to what a comparison panel shows: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from napari_w2s._types import InputError
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.place import is_burst, level_of, place_of, restoration_of
from napari_w2s.app.comparing.select import gather, last_restoration, levels_of, title_of
from napari_w2s.app.comparing.state import CompareState
from napari_w2s.app.resolve import LayerRow
from napari_w2s.data.image import Image

_MOST = 30
_FRAME_AXES = ("t", "time", "frame", "frames")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image layer that might be compared.

    Attributes
    ----------
    id : str
    name : str
    image : Image or None
        None if there is a problem.
    problem : str or None
        Why it cannot be compared, and what to do.
    """

    id: str
    name: str
    image: Image | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """Everything that the first part of the panel shows, and what its buttons would do.

    Attributes
    ----------
    layers : tuple of LayerRow
        The top layer first.
    references : tuple of (str, str)
        Keys and titles of the images that could be the reference.
    reference : str or None
        The one that would be.
    levels, last : Comparison or None
        What the buttons would show.
    no_levels, no_last : str
        Why a button has nothing to show; empty if it has.
    action : str
        What the primary button says.
    missing : str
        What is missing before it can work; empty if nothing is.
    """

    layers: tuple[LayerRow, ...]
    references: tuple[tuple[str, str], ...]
    reference: str | None
    levels: Comparison | None
    last: Comparison | None
    no_levels: str
    no_last: str
    action: str
    missing: str


def resolve(
    state: CompareState, candidates: Sequence[Candidate], like: str | None = None, position: Sequence[float] = ()
) -> ComparePlan:
    """Work out what the panel shows for an intent. Changes nothing, reads no pixel.

    Parameters
    ----------
    state : CompareState
    candidates : sequence of Candidate
        The image layers, the top one first.
    like : str, optional
        Identity of the selected layer.
    position : sequence of float
        As in `Comparison`.
    """
    images = images_of(candidates)
    levels, no_levels = _attempt(lambda: levels_of(images, _placed(images, like, position), position))
    last, no_last = _attempt(lambda: last_restoration(images, position))
    chosen = [key for key in state.layers if key in images]
    count = len(chosen)
    made = _with_reference(gather({key: images[key] for key in chosen}), state.reference) if chosen else None
    if not images:
        missing = next((c.problem for c in candidates if c.problem), None) or (
            "There is no image layer. Open images, or drop them onto the window."
        )
    elif count < 2:
        missing = "Tick two layers or more."
    elif count > _MOST:
        missing = f"Tick at most {_MOST} layers: more would be too small to see."
    else:
        missing = ""
    return ComparePlan(
        layers=tuple(LayerRow(c.id, c.name, c.id in chosen, c.problem) for c in candidates),
        references=() if made is None else tuple((tile.key, tile.title) for tile in made.tiles),
        reference=None if made is None else made.reference,
        levels=levels,
        last=last,
        no_levels=no_levels,
        no_last=no_last,
        action=f"Compare {count} images" if count > 1 else "Compare",
        missing=missing,
    )


def images_of(candidates: Sequence[Candidate]) -> dict[str, Image]:
    """Return the images that can be compared by key, the bottom layer first."""
    return {c.id: c.image for c in reversed(candidates) if c.image is not None}


def compare(
    images: Mapping[str, Image],
    keys: Sequence[str],
    reference: str | None,
    position: Sequence[float] = (),
    bursts: Collection[str] = (),
) -> Comparison:
    """Compare chosen images, and measure the averaging curve on whatever else is open of their place.

    Parameters
    ----------
    images : mapping of str to Image
        All that are open.
    keys : sequence of str
        The chosen ones; those that are not there are left out.
    reference : str or None
        None, or one that is not among them, takes the most obvious one; an empty string is none at all.
    position : sequence of float
        As in `Comparison`.
    bursts : collection of str
        Keys of bursts that are shown; others only serve the averaging curve.

    Raises
    ------
    InputError
        If none is there.
    """
    chosen = [key for key in keys if key in images]
    made = gather({key: images[key] for key in chosen}, None, position)
    shown = {tile.key for tile in made.tiles}
    known = {tile.key for tile in made.averages} | shown
    more = [tile for tile in _averages(images, chosen, position) if tile.key not in known]
    wanted = [key for key in chosen if key in bursts and key not in shown]
    tiles = (*made.tiles, *(Tile(key=key, image=images[key], title=title_of(images[key])) for key in wanted))
    shown |= set(wanted)
    return _with_reference(made.replace(tiles=tiles, averages=(*made.averages, *more)), reference)


def ticked(before: Sequence[str], now: Sequence[str]) -> tuple[str, ...]:
    """Return the order of the tiles after a change of ticks: those that stay keep their places.

    Parameters
    ----------
    before : sequence of str
        In the order of the tiles.
    now : sequence of str
        In the order of the list, the top one first.
    """
    return (*(key for key in before if key in now), *(key for key in reversed(now) if key not in before))


def results_of(comparison: Comparison) -> tuple[Tile, ...]:
    """Return the tiles that are restorations."""
    return tuple(tile for tile in comparison.tiles if restoration_of(tile.image))


def bursts_of(comparison: Comparison, images: Mapping[str, Image]) -> tuple[str, ...]:
    """Return the keys of the images whose frames can be averaged step by step: stacks of frames of one scene."""
    keys = {tile.key for tile in (*comparison.tiles, *comparison.averages)}
    return tuple(key for key, image in images.items() if key in keys and _has_frames(image))


def _has_frames(image: Image) -> bool:
    if image.data.ndim != 3 or image.data.shape[0] < 2 or restoration_of(image):
        return False
    return is_burst(image) or image.axes[0] in _FRAME_AXES


def _averages(images: Mapping[str, Image], keys: Sequence[str], position: Sequence[float]) -> tuple[Tile, ...]:
    """Return the averaging levels and bursts of the place that the first of the chosen images of W2S shows."""
    like = next((key for key in keys if place_of(images[key], position) is not None), None)
    if like is None:
        return ()
    try:
        levels = levels_of(images, like, position)
    except InputError:
        return ()
    found = (*levels.tiles, *levels.averages)
    return tuple(t for t in found if is_burst(t.image) or (level_of(t.image) or "sim") != "sim")


def _placed(images: Mapping[str, Image], like: str | None, position: Sequence[float]) -> str | None:
    return like if like is not None and like in images and place_of(images[like], position) is not None else None


def _with_reference(comparison: Comparison, reference: str | None) -> Comparison:
    if reference == "":
        return comparison.replace(reference=None)
    there = any(tile.key == reference for tile in comparison.tiles)
    return comparison.replace(reference=reference) if there else comparison


def _attempt(make: Callable[[], Comparison]) -> tuple[Comparison | None, str]:
    try:
        return make(), ""
    except InputError as error:
        return None, str(error)
