"""Frames that an image and its reference have in common, whose noise would pass for agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_w2s._types import Level
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.grid import FloatArray
from napari_w2s.app.comparing.place import place_of, restoration_of
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import FRAME_INDICES


def frames_of(image: Image) -> range | None:
    """Return which frames of its field's burst an image, or the input of a restoration, is the mean of, if known."""
    known = image.w2s
    frames, level = known.get("frames"), known.get("level")
    if isinstance(frames, Sequence) and len(frames) == 2:
        return range(int(frames[0]), int(frames[1]) + 1)
    return FRAME_INDICES.get(Level(level)) if level in set(Level) else None


def shares_frames(tile: Tile, reference: Tile, position: Sequence[float] = ()) -> bool:
    """Tell whether two images, or what they were restored from, are known to have frames in common."""
    place = place_of(tile.image, position)
    if place is None or place != place_of(reference.image, position):
        return False
    own, base = frames_of(tile.image), frames_of(reference.image)
    return own is not None and base is not None and bool(_common(own, base))


def less_shared(
    comparison: Comparison, tile: Tile, pixels: Mapping[str, FloatArray], position: Sequence[float] = ()
) -> FloatArray | None:
    """Return the mean of those frames of the reference that are not in a tile, whose noise is independent of its own.

    From the mean of B frames and that of N of them follows the mean of the others: ``(B * mean_B - N * mean_N) / (B -
    N)``.

    Parameters
    ----------
    comparison : Comparison
    tile : Tile
        It shares frames with the reference. For a restoration, its input has to be among the tiles.
    pixels : mapping of str to numpy.ndarray, (H, W)
        The tiles on one grid, by key.
    position : sequence of float
        As in `Comparison`.

    Returns
    -------
    numpy.ndarray, (H, W), or None
        None where it cannot be told: the reference is a restoration, or does not hold all frames of the tile.
    """
    reference = comparison.tile(str(comparison.reference))
    own, base = frames_of(tile.image), frames_of(reference.image)
    if own is None or base is None or restoration_of(reference.image) or not _holds(base, own):
        return None
    place = place_of(tile.image, position)
    measured = next(
        (
            other.key
            for other in (tile, *comparison.tiles)
            if not restoration_of(other.image)
            and frames_of(other.image) == own
            and place_of(other.image, position) == place
            and other.key in pixels
        ),
        None,
    )
    if measured is None:
        return None
    total, part = len(base), len(own)
    rest: FloatArray = (total * pixels[reference.key] - part * pixels[measured]) / (total - part)
    return rest


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _holds(whole: range, part: range) -> bool:
    return len(part) < len(whole) and _common(whole, part) == part
