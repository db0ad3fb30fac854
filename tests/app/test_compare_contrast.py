"""Display ranges of compared images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from w2s_averages import compare, halved, image_of, levels, truth

from napari_w2s._types import Cancelled
from napari_w2s.app.comparing.comparison import Box, Contrast
from napari_w2s.app.comparing.contrast import label, limits
from napari_w2s.app.comparing.grid import planes
from napari_w2s.data.image import Image

SCENE = halved(truth())


def scaled() -> dict[str, Image]:
    return {"r": image_of(SCENE), "half": image_of(0.5 * SCENE + 40), "double": image_of(2 * SCENE - 100)}


class TestShared:
    def test_is_one_range_of_all(self) -> None:
        found = limits(compare(scaled(), "r"))
        assert len(set(found.values())) == 1
        own = limits(compare(scaled(), "r", contrast=Contrast.PER_TILE))
        assert found["r"] == (own["double"][0], own["double"][1])

    def test_is_not_ruled_by_the_largest_tile(self) -> None:
        dark = {"dark": image_of(np.zeros((512, 512)) + np.eye(512)), "bright": image_of(SCENE)}
        low, high = limits(compare(dark))["bright"]
        assert low == pytest.approx(0, abs=1)
        assert high > 0.9 * SCENE.max()


class TestPerTile:
    def test_is_of_each_tile(self) -> None:
        found = limits(compare(scaled(), "r", contrast=Contrast.PER_TILE))
        for key, image in scaled().items():
            assert found[key] == pytest.approx(np.percentile(image.data, [0.1, 99.9]), rel=1e-6)


class TestMatched:
    def test_shows_what_is_as_bright_alike(self) -> None:
        found = limits(compare(scaled(), "r", contrast=Contrast.MATCHED))
        low, high = found["r"]
        assert found["half"] == pytest.approx((0.5 * low + 40, 0.5 * high + 40), rel=1e-6)
        assert found["double"] == pytest.approx((2 * low - 100, 2 * high - 100), rel=1e-6)

    def test_works_across_pixel_sizes(self) -> None:
        found = limits(compare(levels(), "sim", contrast=Contrast.MATCHED))
        low, high = found["sim"]
        assert found["avg400"] == pytest.approx(((low - 7) / 3, (high - 7) / 3), rel=0.1, abs=8)

    @pytest.mark.parametrize("odd", [np.full(SCENE.shape, 5.0), 300 - SCENE, np.full(SCENE.shape, np.nan)])
    def test_leaves_tiles_that_do_not_follow_the_reference_their_own(self, odd: np.ndarray) -> None:
        images = {"r": image_of(SCENE), "odd": image_of(odd)}
        own = limits(compare(images, "r", contrast=Contrast.PER_TILE))
        assert limits(compare(images, "r", contrast=Contrast.MATCHED)) == own

    def test_without_a_reference_is_per_tile(self) -> None:
        assert limits(compare(scaled(), contrast=Contrast.MATCHED)) == limits(
            compare(scaled(), contrast=Contrast.PER_TILE)
        )


@pytest.mark.parametrize("contrast", list(Contrast))
class TestAlways:
    def test_a_range_can_be_shown(self, contrast: Contrast) -> None:
        rng = np.random.default_rng(0)
        holes = np.where(rng.random(SCENE.shape) < 0.3, np.nan, SCENE)
        images = {
            "r": image_of(SCENE),
            "nan": image_of(np.full(SCENE.shape, np.nan)),
            "flat": image_of(np.full(SCENE.shape, 7.0)),
            "holes": image_of(holes),
            "inf": image_of(np.where(SCENE > 100, np.inf, SCENE)),
            "bool": image_of(SCENE > 100),
            "int": image_of(SCENE.astype(np.int16)),
        }
        found = limits(compare(images, "r", contrast=contrast))
        assert set(found) == set(images)
        for low, high in found.values():
            assert math.isfinite(low)
            assert math.isfinite(high)
            assert low < high

    def test_the_box_changes_nothing(self, contrast: Contrast) -> None:
        whole = compare(scaled(), "r", contrast=contrast)
        assert limits(whole.replace(box=Box(0.5, 0.5, 1.0, 1.0))) == limits(whole)

    def test_planes_that_are_there_give_the_same(self, contrast: Contrast) -> None:
        whole = compare(scaled(), "r", contrast=contrast)
        assert limits(whole, planes=planes(whole)) == limits(whole)

    def test_can_be_stopped(self, contrast: Contrast) -> None:
        with pytest.raises(Cancelled):
            limits(compare(scaled(), "r", contrast=contrast), stop=lambda: True)


def test_a_tile_says_what_its_range_is() -> None:
    one = compare(scaled(), "r")
    assert label(one, "half") == "one contrast for all"
    assert label(one.replace(contrast=Contrast.PER_TILE), "half") == "own contrast"
    assert label(one.replace(contrast=Contrast.MATCHED), "half") == "contrast matched to r"
    assert label(one.replace(contrast=Contrast.MATCHED), "r") == "own contrast"
