"""Overlapping tiles whose weights add up to 1, for networks whose answer depends on more than any halo holds."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from napari_w2s.engine.tiling import Shape, Span, Tile, spans


def plan_blended(
    shape: Shape, size: Shape, overlap: int, multiple: int, scale: int
) -> list[tuple[Tile, npt.NDArray[np.float32]]]:
    """Cover a frame with tiles that overlap by up to ``2 * overlap`` pixels.

    Returns
    -------
    list of (Tile, numpy.ndarray)
        The tile (all of what it reads is used) and the weight ``(scale * h, scale * w)`` of its result: linear ramps
        where it meets a neighbour. Over the frame the weights add up to 1.
    """
    axes = [_axis(length, edge, overlap, multiple, scale) for length, edge in zip(shape, size, strict=True)]
    return [
        (Tile(core=(rows, columns), read=(rows, columns)), np.outer(row_weight, column_weight))
        for (rows, row_weight), (columns, column_weight) in product(*axes)
    ]


def _axis(
    length: int, edge: int, overlap: int, multiple: int, scale: int
) -> list[tuple[Span, npt.NDArray[np.float32]]]:
    cores = spans(length, edge, multiple)
    overlap = min([overlap, *((stop - start) // 2 for start, stop in cores)]) // multiple * multiple
    ramps = [np.clip((np.arange(length * scale) + 0.5 - (cut - overlap) * scale) / max(1, 2 * overlap * scale), 0, 1)
             if overlap else (np.arange(length * scale) >= cut * scale).astype(float)
             for _start, cut in cores[:-1]]  # fmt: skip
    edges = [np.ones(length * scale), *ramps, np.zeros(length * scale)]
    weighted = []
    for (start, stop), (rise, fall) in zip(cores, pairwise(edges), strict=True):
        low, high = max(0, start - overlap), min(length, stop + overlap)
        weight = (rise - fall)[low * scale : high * scale].astype(np.float32)
        weighted.append(((low, high), weight))
    return weighted
