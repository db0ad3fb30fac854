"""What restorations are worth, in words."""

from __future__ import annotations

import math
from collections.abc import Collection

from napari_w2s.app.comparing.numbers import Numbers
from napari_w2s.app.comparing.worth import worth_text


def worth_sentences(numbers: Numbers, restorations: Collection[str]) -> list[str]:
    """Say what tiles are worth in frames, e.g. ``"w2s-denoise of avg1 is worth 23 frames."``.

    Parameters
    ----------
    numbers : Numbers
    restorations : collection of str
        Keys of the tiles to tell of.
    """
    curve = numbers.curve
    if curve is None:
        return []
    return [
        f"{tile.title} is worth {worth_text(curve, tile.worth)}."
        for tile in numbers.tiles
        if tile.key in restorations and tile.worth is not None and not math.isnan(tile.worth)
    ]
