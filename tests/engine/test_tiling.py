"""Tiles cover a frame exactly once, read enough, and waste little."""

from __future__ import annotations

import numpy as np
import pytest

from napari_w2s.engine.blending import plan_blended
from napari_w2s.engine.tiling import choose_size, plan, spans


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (37, 64), (100, 99)])
@pytest.mark.parametrize("size", [(1, 1), (16, 7), (200, 200)])
@pytest.mark.parametrize("multiple", [1, 4])
def test_cores_cover_the_frame_once(shape: tuple[int, int], size: tuple[int, int], multiple: int) -> None:
    padded = tuple(-(-n // multiple) * multiple for n in shape)
    counted = np.zeros(padded, int)
    for tile in plan(padded, size, 5, multiple):
        counted[tile.target()] += 1
        assert tile.read_shape[0] % multiple == tile.read_shape[1] % multiple == 0
        part = np.empty(tile.read_shape)[tile.keep()]
        assert part.size == tile.pixels
    assert (counted == 1).all()


def test_halo_is_read_inside_the_frame_and_cut_at_its_border() -> None:
    tiles = plan((100, 40), (50, 40), 7)
    assert [t.read for t in tiles] == [((0, 57), (0, 40)), ((43, 100), (0, 40))]
    assert tiles[1].keep(2) == (slice(14, 114), slice(0, 80))


def test_parts_are_nearly_equal() -> None:
    assert spans(10, 4) == [(0, 3), (3, 6), (6, 10)]


@pytest.mark.parametrize("halo", [0, 3, 17])
def test_chosen_tiles_respect_the_limit(halo: int) -> None:
    for limit in (60**2, 300**2, 1000**2):
        tiles = plan((1000, 700), choose_size((1000, 700), halo, limit), halo)
        assert max(t.read_shape[0] * t.read_shape[1] for t in tiles) <= limit


def test_the_whole_frame_is_one_tile_where_it_fits() -> None:
    assert choose_size((512, 512), 17, 512 * 512) == (512, 512)


def test_little_is_computed_twice() -> None:
    shape, halo = (4096, 4096), 17
    tiles = plan(shape, choose_size(shape, halo, 1_500_000), halo)
    computed = sum(t.read_shape[0] * t.read_shape[1] for t in tiles)
    assert computed <= 1.05 * shape[0] * shape[1]


@pytest.mark.parametrize(("shape", "size"), [((50, 64), (16, 20)), ((1, 9), (4, 4)), ((33, 33), (100, 100))])
@pytest.mark.parametrize("scale", [1, 2])
def test_blending_weights_add_up_to_one(shape: tuple[int, int], size: tuple[int, int], scale: int) -> None:
    total = np.zeros((shape[0] * scale, shape[1] * scale))
    for tile, weights in plan_blended(shape, size, 8, 1, scale):
        total[tile.target(scale)] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)
