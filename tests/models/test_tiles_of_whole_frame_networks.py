"""Networks that see the whole frame: in tiles they answer otherwise, but not by more than is stated here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from w2s_networks import tiny

from napari_w2s.data.simulate import simulate_fov
from napari_w2s.engine.predict import predict
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import RestorationModel

TILE = 64
EDGE = 144


@pytest.mark.parametrize(("name", "most"), [("ridnet", 0.02), ("rcan", 0.01), ("san", 0.12)])
def test_tiles_are_near_the_whole(name: str, most: float) -> None:
    """Within a share of the answer's range, on average within a hundredth, for random weights that are not large."""
    network = tiny(name)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.7)
    model = RestorationModel(default_registry().descriptor(f"{name}-light"), network)
    frame = simulate_fov(3, 1, EDGE).frames([0])[0]
    whole, tiled = (predict(model, frame, device="cpu", precision="float32", tile=tile) for tile in (EDGE, TILE))
    apart = np.abs(tiled - whole) / np.ptp(whole)
    # The test would tell nothing if tiles were never made, or the network saw no more than a tile's overlap.
    assert 0.0 < apart.mean() < 0.01
    assert apart.max() < most
