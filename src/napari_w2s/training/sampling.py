"""Where patches are cut: anywhere, or where there is something to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_w2s.training.cache import ByIdentity, FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import Field

_BLOCK = 16
"""Pixels of a block, along y and x, that is taken to be of interest or not."""


@dataclass
class Corners:
    """Draw the corners of patches.

    Attributes
    ----------
    foreground : float
        Share of the patches that lie around a block drawn by how much it stands out.
    cache : FrameCache
    """

    foreground: float
    cache: FrameCache
    _chances: ByIdentity[npt.NDArray[np.float64]] = field(default_factory=ByIdentity)

    def draw(self, one: Field, edge: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return top and left of a patch of `edge` pixels in a field at least as large."""
        height, width = one.shape
        top, left = int(rng.integers(height - edge + 1)), int(rng.integers(width - edge + 1))
        if rng.random() >= self.foreground:
            return top, left
        chances = self._chances.get(lambda: self._measure(one), one)
        block = int(chances.searchsorted(rng.random()))
        row, column = divmod(min(block, chances.size - 1), max(1, width // _BLOCK))
        jitter = rng.integers(_BLOCK, size=2)
        top = min(max(row * _BLOCK + int(jitter[0]) - edge // 2, 0), height - edge)
        left = min(max(column * _BLOCK + int(jitter[1]) - edge // 2, 0), width - edge)
        return top, left

    def _measure(self, one: Field) -> npt.NDArray[np.float64]:
        """Return the cumulative chance of each block of a field: how much it stands out from the field's median."""
        clean = self.cache.read(one.clean).astype(np.float32)
        there = np.isfinite(clean)
        middle = np.median(clean[there]) if there.any() else np.float32(0)
        rows, columns = (max(1, size // _BLOCK) for size in clean.shape)
        height, width = min(clean.shape[0], rows * _BLOCK), min(clean.shape[1], columns * _BLOCK)
        away = np.abs(np.where(there, clean, middle)[:height, :width] - middle)
        blocks = away.reshape(rows, height // rows, columns, width // columns).mean((1, 3)).ravel()
        total = float(blocks.sum())
        share = blocks / total if total > 0 else np.full(blocks.size, 1 / blocks.size)
        return np.cumsum(share)


def inputs_of(config: TrainingConfig, one: Field) -> dict[str, float]:
    """Return the inputs of a field that a network is given, with their weights.

    They are those of the config's levels; a field that has none, such as an image from a folder, gives all it has.
    """
    levels = {level.value: weight for level, weight in config.levels.items() if weight > 0}
    return {name: levels[name] for name in one.inputs if name in levels} or dict.fromkeys(one.inputs, 1.0)


class Choices:
    """Draw one of a field's inputs by the weights of their levels.

    Parameters
    ----------
    config : TrainingConfig
    fields : sequence of Field
    """

    def __init__(self, config: TrainingConfig, fields: Sequence[Field]) -> None:
        self._of: list[tuple[list[str], npt.NDArray[np.float64]]] = []
        for one in fields:
            weights = inputs_of(config, one)
            shares = np.array(list(weights.values()))
            chances = np.cumsum(shares / shares.sum())
            self._of.append((list(weights), chances / chances[-1]))

    def draw(self, place: int, rng: np.random.Generator) -> str:
        """Return the name of an input of the field at that place."""
        names, chances = self._of[place]
        return names[int(chances.searchsorted(rng.random(), side="right"))]
