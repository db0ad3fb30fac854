"""One world for compared images, also where some of them do not say how large their pixels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.comparing.planes import Plane

_UNIT_STEP = (1.0, 1.0)
_NO_OFFSET = (0.0, 0.0)
_TOLERANCE = 1e-3


def lay_out(
    found: Mapping[str, Plane], titles: Mapping[str, str], reference: str | None
) -> tuple[dict[str, Plane], dict[str, str]]:
    """Bring planes of unknown pixel size into the world of the others.

    An image that states neither size nor place covers the area of the others if the numbers of pixels of the two are
    whole multiples: nothing else is known of it.

    Parameters
    ----------
    found : mapping of str to Plane
        By key.
    titles : mapping of str to str
    reference : str or None
        Key of the reference.

    Returns
    -------
    laid : dict of str to Plane
    problems : dict of str to str
        Why the others could not be laid out.
    """
    laid = dict(found)
    problems = _level_unplaced(laid, titles, reference)
    sized = [key for key, one in laid.items() if one.unit == "um"]
    unsized = [key for key, one in laid.items() if one.unit != "um"]
    if not sized or not unsized:
        return laid, problems
    anchor = laid[reference if reference in sized else sized[0]]
    # What is without a size shares a world of pixels; its images move together.
    whole = _around([laid[key].box for key in unsized])
    largest = max((laid[key] for key in unsized), key=lambda one: one.box.area)
    if not _multiples(largest.pixels.shape, anchor.pixels.shape) or not _same(largest.box, whole):
        for key in unsized:
            problems[key] = (
                f"{titles[key]} has {_size(laid[key])} pixels of unknown size, which do not lie on those of the images "
                "with a pixel size. Give it one."
            )
            del laid[key]
        return laid, problems
    for key in unsized:
        laid[key] = _moved(laid[key], whole, anchor.box, "um")
    return laid, problems


def _level_unplaced(laid: dict[str, Plane], titles: Mapping[str, str], reference: str | None) -> dict[str, str]:
    """Let images that state neither size nor place cover one area, in place; return what cannot, and why."""
    unplaced = [
        key for key, one in laid.items() if one.unit != "um" and one.scale == _UNIT_STEP and one.origin == _NO_OFFSET
    ]
    if len({laid[key].pixels.shape for key in unplaced}) < 2:
        return {}
    placed = [one.box for key, one in laid.items() if key not in unplaced and one.unit != "um"]
    fitting = [key for key in unplaced if any(_same(laid[key].box, box) for box in placed)]
    first = _anchor(fitting or unplaced, laid, reference)
    anchor = laid[first]
    problems = {}
    for key in unplaced:
        one = laid[key]
        if not _multiples(one.pixels.shape, anchor.pixels.shape):
            problems[key] = (
                f"{titles[key]} has {_size(one)} pixels and {titles[first]} has {_size(anchor)}, and no pixel size is "
                "known that would say how they lie on one another. Give them pixel sizes, or crop them to one area."
            )
            del laid[key]
        else:
            laid[key] = _moved(one, one.box, anchor.box, one.unit)
    return problems


def _anchor(keys: Sequence[str], laid: Mapping[str, Plane], reference: str | None) -> str:
    """Return the image that the others are laid on: one of the smallest of those that most of them fit.

    With a reference among them, these are those that fit it.
    """
    shapes = {key: laid[key].pixels.shape for key in keys}
    if reference in shapes:
        keys = [key for key in keys if _multiples(shapes[key], shapes[reference])]
    fits = {key: sum(_multiples(shapes[key], other) for other in shapes.values()) for key in keys}
    return min(keys, key=lambda key: (-fits[key], laid[key].pixels.size))


def _multiples(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether the larger shape is the smaller one times a whole number."""
    small, large = sorted([one, other])
    factor = large[0] // small[0]
    return factor >= 1 and all(size * factor == wanted for size, wanted in zip(small, large, strict=True))


def _moved(one: Plane, before: Box, after: Box, unit: str) -> Plane:
    """Map a plane by the affine map that takes one box to another."""
    zoom = (
        (after.bottom - after.top) / (before.bottom - before.top),
        (after.right - after.left) / (before.right - before.left),
    )
    origin = (
        after.top + (one.origin[0] - before.top) * zoom[0],
        after.left + (one.origin[1] - before.left) * zoom[1],
    )
    return replace(one, scale=(one.scale[0] * zoom[0], one.scale[1] * zoom[1]), origin=origin, unit=unit)


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.top for box in boxes),
        min(box.left for box in boxes),
        max(box.bottom for box in boxes),
        max(box.right for box in boxes),
    )


def _same(one: Box, other: Box) -> bool:
    near = _TOLERANCE * min(one.bottom - one.top, one.right - one.left)
    sides = ("top", "left", "bottom", "right")
    return all(abs(getattr(one, side) - getattr(other, side)) <= near for side in sides)


def _size(one: Plane) -> str:
    return " × ".join(map(str, one.pixels.shape))
