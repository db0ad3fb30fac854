"""Time the packaged model on one whole frame, beside the authors' joint network in their scheme of tiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.engine import frame
from benchmarks.timing import Row, best_of
from napari_w2s.engine.predict import predict
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.networks import rrdb

_EDGE = 512
_TILE, _STRIDE = 128, 64
_AUTHORS_BLOCKS = 12


def one_authors_tile() -> Callable[[], torch.Tensor]:
    """Return a function that runs the authors' joint network (random weights) on one of their tiles."""
    torch.manual_seed(0)
    network = rrdb.create(blocks=_AUTHORS_BLOCKS).eval()
    tile = torch.rand(1, 1, _TILE, _TILE)

    def run() -> torch.Tensor:
        with torch.inference_mode():
            out: torch.Tensor = network(tile)
        return out

    return run


def speed() -> list[Row]:
    """Time a frame of 512 x 512, which becomes 1024 x 1024."""
    model, image = default_registry().load("w2s-jdsr"), frame(_EDGE)
    times = best_of(
        {
            "default": partial(predict, model, image, device="cpu"),
            "float32": partial(predict, model, image, device="cpu", precision="float32"),
            "tile": one_authors_tile(),
        }
    )
    tiles = ((_EDGE - _TILE) // _STRIDE + 1) ** 2
    authors = tiles * times["tile"]
    return [
        ("w2s-jdsr, 512 x 512 to 1024 x 1024 (s)", times["default"], "at most 2"),
        ("The same in float32 (s)", times["float32"], "-"),
        (
            f"Authors' joint network (RRDB, 12 blocks) on its {tiles} tiles / w2s-jdsr",
            authors / times["default"],
            "at least 50",
        ),
    ]
