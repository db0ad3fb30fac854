"""MemNet: its shapes, and what it makes of a list in a list."""

from __future__ import annotations

import pytest
from w2s_networks import grown, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import memnet


def test_shapes_of_the_authors() -> None:
    shapes = shapes_of("memnet")
    assert len(shapes) == 336
    gates = [shapes[f"dense_memory.{i}.gate_unit.conv.weight"] for i in range(6)]
    assert gates == [(20, 20 * (5 + i), 1, 1) for i in range(6)]
    assert shapes["dense_memory.5.recursive_unit.3.relu_conv2.conv.weight"] == (20, 20, 3, 3)


def test_blocks_within_blocks_are_not_made_beyond_the_weights_there_are() -> None:
    """A small file could name hundreds of memory blocks, and hundreds of residual blocks in the first of them."""
    with pytest.raises(WeightsError, match="do not fit MemNet; their names ask for a network of far more"):
        memnet.build(grown(tiny("memnet").state_dict(), 300))
