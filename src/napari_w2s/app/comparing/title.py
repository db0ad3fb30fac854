"""Titles of tiles, with as many numbers as there is room for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.contrast import label
from napari_w2s.app.comparing.numbers import Numbers, TileNumbers
from napari_w2s.app.comparing.ruler import SMOOTH_NOTE
from napari_w2s.app.comparing.table import short_number

_SIZES = (9, 8, 7)
_PIXELS_PER_POINT = 0.86
"""Mean width of a letter over the size of the font, in pixels per point."""

_MARGIN = 24
_DOT = " · "


@dataclass(frozen=True, slots=True)
class Titles:
    """Titles that fit into cells.

    Attributes
    ----------
    size : int
        Of the font, in points.
    texts : mapping of str to str
        By the tile's key.
    """

    size: int
    texts: Mapping[str, str]


def numbers_of(numbers: Numbers | None, key: str) -> tuple[str, ...]:
    """Return the numbers that stand behind a title, the most telling one first.

    Scores, matched ones where intensities share no scale; without a reference FRC and noise.
    """
    known = None if numbers is None else next((tile for tile in numbers.tiles if tile.key == key), None)
    if known is None:
        return ()
    if known.is_reference:
        return ("reference",)
    assert numbers is not None
    if numbers.reference is None:
        return _of_itself(numbers, known)
    suffix, mark = ("", "") if known.shares_scale else ("_matched", " matched")
    parts = []
    psnr, ssim = getattr(known, f"psnr{suffix}"), getattr(known, f"ssim{suffix}")
    if psnr is not None and not math.isnan(psnr):
        seen = " (field seen)" if known.seen else ""
        parts.append((f"{psnr:.1f} dB" if math.isfinite(psnr) else "∞ dB") + mark + seen)
    if ssim is not None and not math.isnan(ssim):
        parts.append(f"SSIM {ssim:.2f}")
    return tuple(parts)


def _of_itself(numbers: Numbers, known: TileNumbers) -> tuple[str, ...]:
    """Return what needs no reference. FRC of an image that no camera took says nothing of what it resolves."""
    names = ("noise",) if SMOOTH_NOTE in known.notes else ("frc", "noise")
    return tuple(short_number(numbers, known, name) for name in names if getattr(known, name) is not None)


def contrast_note(
    comparison: Comparison, size: int, width: float, *, maps: bool = False, legend: Sequence[Sequence[str]] = ()
) -> str:
    """Say in a few words what the display range of the tiles is; the reference of a match has its own.

    Parameters
    ----------
    comparison : Comparison
    size : int
        Of the font, in points.
    width : float
        Of a cell, in pixels.
    maps : bool
        Whether maps stand in the place of some tiles: it is not of these.
    legend : sequence of sequence of str
        Lines that say what a map shows, each in several wordings, the longest first.
    """
    others = [tile.key for tile in comparison.tiles if tile.key != comparison.reference]
    keys = others or [tile.key for tile in comparison.tiles]
    if not keys:
        return ""
    words = label(comparison, keys[0])
    short = words.replace("contrast matched", "matched")
    shorter = [words, short, short.partition(" for ")[0].partition(" to ")[0]]
    wordings = [f"images: {words}", *shorter] if maps else shorter
    lines = [_longest(one, _room(width, size)) for one in (wordings, *legend)]
    return "\n".join(filter(None, lines))


def fit_titles(titles: Mapping[str, str], parts: Mapping[str, Sequence[str]], width: float) -> Titles:
    """Fit titles into cells: a smaller font first, then fewer numbers. The title itself is always whole.

    Parameters
    ----------
    titles : mapping of str to str
        By the tile's key.
    parts : mapping of str to sequence of str
        What stands behind each, the most telling one first.
    width : float
        Of a cell, in pixels.
    """
    full = {key: _DOT.join((title, *parts.get(key, ()))) for key, title in titles.items()}
    for size in _SIZES:
        if all(len(text) <= _room(width, size) for text in full.values()):
            return Titles(size, full)
    room = _room(width, _SIZES[-1])
    return Titles(_SIZES[-1], {key: _cut(title, parts.get(key, ()), room) for key, title in titles.items()})


def _longest(wordings: Iterable[str], room: float) -> str:
    return next((words for words in wordings if len(words) <= room), "")


def _room(width: float, size: int) -> float:
    return max(0.0, width - _MARGIN) / (size * _PIXELS_PER_POINT)


def _cut(title: str, parts: Sequence[str], room: float) -> str:
    for count in range(len(parts), 0, -1):
        text = _DOT.join((title, *parts[:count]))
        if len(text) <= room:
            return text
    return title
