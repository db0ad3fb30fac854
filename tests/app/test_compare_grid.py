"""Frames of compared images, laid out in one world and brought onto one grid."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from w2s_averages import PIXEL, SIZE, compare, halved, image_of, levels, tiles, truth

from napari_w2s._types import Cancelled, InputError
from napari_w2s.app.comparing.comparison import Box, Comparison, Tile
from napari_w2s.app.comparing.grid import aligned, first_position, plane, planes, readable_planes
from napari_w2s.data.image import Image
from napari_w2s.data.lazy import lazy_blocks

NOISE = np.random.default_rng(5).uniform(0, 200, (SIZE, SIZE)).astype(np.float32)


def tile(data: Any, **changes: Any) -> Tile:
    return Tile(key="a", image=image_of(np.asarray(data)).replace(**changes), title="a")


def world(image: Image, function: Any) -> Image:
    """Fill an image with a function of the world coordinates of its pixel centres."""
    y, x = (image.translate[axis] + np.arange(image.data.shape[axis]) * image.scale[axis] for axis in (0, 1))
    return image.replace(data=function(y[:, None], x[None, :]))


def placed(shape: tuple[int, int], step: tuple[float, float], first: tuple[float, float]) -> Image:
    return image_of(np.zeros(shape)).replace(scale=step, translate=first)


class TestPlane:
    def test_is_the_frame_at_a_position(self) -> None:
        data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
        image = image_of(data).replace(scale=(1, 2.0, 1, 1), translate=(10, 5.0, 0, 0))
        found = plane(Tile(key="a", image=image, title="a"), (11, 9.2))
        np.testing.assert_array_equal(found.pixels, data[1, 2])

    def test_counts_positions_from_the_last_axis(self) -> None:
        data = np.arange(3 * 4 * 5).reshape(3, 4, 5)
        np.testing.assert_array_equal(plane(tile(data), (7, 2)).pixels, data[2])
        np.testing.assert_array_equal(plane(tile(data[0]), (7, 2)).pixels, data[0])

    def test_is_at_the_first_frame_where_the_position_does_not_tell(self) -> None:
        data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
        np.testing.assert_array_equal(plane(tile(data), (2,)).pixels, data[0, 2])

    def test_is_blank_where_the_image_has_no_frame(self) -> None:
        assert np.isnan(plane(tile(np.zeros((3, 4, 5))), (3,)).pixels).all()
        assert np.isnan(plane(tile(np.zeros((3, 4, 5))), (-1,)).pixels).all()

    def test_of_one_thick_step_is_there_all_along(self) -> None:
        image = image_of(np.ones((1, 4, 5))).replace(scale=(400, 1, 1), translate=(199.5, 0, 0))
        for place in (0, 200, 399):
            assert np.isfinite(plane(Tile(key="a", image=image, title="a"), (place,)).pixels).all()

    def test_of_a_lazy_image_reads_that_frame_only_and_only_once(self) -> None:
        read = []

        def block(*, block_id: tuple[int, ...]) -> np.ndarray:
            read.append(block_id[0])
            return np.full((1, 4, 5), block_id[0], np.float32)

        lazy = lazy_blocks(block, ((1,) * 6, (4,), (5,)), np.dtype(np.float32))
        one = Tile(key="a", image=image_of(lazy), title="a")
        assert plane(one, (3,)).pixels.max() == 3
        plane(one, (3,))
        assert read == [3]

    def test_turns_a_mirrored_image_the_right_way_round(self) -> None:
        data = np.arange(12.0).reshape(3, 4)
        found = plane(tile(data, scale=(-2.0, 1.0), translate=(10.0, 0.0)))
        np.testing.assert_array_equal(found.pixels, data[::-1])
        assert (found.scale, found.origin) == ((2.0, 1.0), (6.0, 0.0))

    def test_knows_its_outer_edges(self) -> None:
        found = plane(tile(np.zeros((4, 8)), scale=(0.5, 0.25), translate=(1.0, 2.0)))
        assert found.box == Box(0.75, 1.875, 2.75, 3.875)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (np.zeros(4), "no axes y and x"),
            (np.zeros((0, 4)), "no pixels"),
            (np.zeros((4, 4), complex), "real numbers"),
        ],
    )
    def test_refuses_what_is_no_image(self, data: np.ndarray, message: str) -> None:
        ndim = data.ndim
        image = Image(data=data, name="a", axes=("y", "x")[:ndim], scale=(1.0,) * ndim, units=("um",) * ndim)
        with pytest.raises(InputError, match=message):
            plane(Tile(key="a", image=image, title="a"))


class TestFirstPosition:
    def test_is_where_all_have_a_frame(self) -> None:
        long, late = image_of(np.zeros((9, 4, 4))), image_of(np.zeros((4, 4, 4))).replace(translate=(3.0, 0, 0))
        flat = image_of(np.zeros((4, 4)))
        assert first_position(tiles({"long": long, "late": late, "flat": flat})) == (3.0,)
        assert first_position(tiles({"flat": flat})) == ()

    def test_of_a_burst_and_a_thick_step_is_the_first_frame(self) -> None:
        burst = image_of(np.zeros((400, 2, 2)))
        thick = image_of(np.zeros((1, 2, 2))).replace(scale=(400, 1, 1), translate=(199.5, 0, 0))
        assert first_position(tiles({"burst": burst, "thick": thick})) == (0.0,)


class TestAligned:
    def test_takes_pixels_of_the_same_grid_as_they_are(self) -> None:
        found = aligned(compare({"a": image_of(NOISE), "b": image_of(2 * NOISE)}, "a"))
        np.testing.assert_array_equal(found.pixels["a"], NOISE)
        np.testing.assert_array_equal(found.pixels["b"], 2 * NOISE)

    def test_averages_sim_over_the_pixels_of_widefield(self) -> None:
        found = aligned(compare(levels(), "avg400"))
        assert found.grid.shape == (SIZE, SIZE)
        np.testing.assert_allclose(found.pixels["sim"], halved(3 * truth() + 7), rtol=1e-5)

    def test_interpolates_widefield_onto_the_grid_of_sim(self) -> None:
        images = levels()
        images["avg400"] = images["avg400"].replace(data=halved(truth()))
        found = aligned(compare(images, "sim"))
        assert found.grid.shape == (2 * SIZE, 2 * SIZE)
        error = (found.pixels["avg400"] - truth())[8:-8, 8:-8]
        assert np.sqrt(np.mean(error**2)) < 0.1 * np.std(truth())

    def test_without_a_reference_takes_the_finest_grid(self) -> None:
        assert aligned(compare(levels())).grid.shape == (2 * SIZE, 2 * SIZE)

    @given(
        step=st.floats(0.3, 3.0),
        first=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)),
        slope=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    )
    @settings(max_examples=40, deadline=None)
    def test_keeps_world_coordinates_at_any_pixel_size_and_offset(
        self, step: float, first: tuple[float, float], slope: tuple[float, float]
    ) -> None:
        def ramp(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return 10 + slope[0] * y + slope[1] * x

        # Averages of whole pixels follow a slope to within 7 % of a pixel.
        side = int(30 / step)
        other = world(placed((side, side + 3), (step, step), first), ramp)
        reference = world(placed((30, 30), (1.0, 1.0), (0.0, 0.0)), ramp)
        found = aligned(compare({"other": other, "reference": reference}, "reference"))
        grid = found.grid
        inner = (slice(6, -6), slice(6, -6))
        y, x = (grid.origin[axis] + np.arange(grid.shape[axis]) * grid.scale[axis] for axis in (0, 1))
        np.testing.assert_allclose(
            found.pixels["other"][inner], ramp(y[:, None], x)[inner], atol=0.07 * sum(map(abs, slope)) + 1e-9
        )

    def test_interpolation_is_exact_for_parabolas(self) -> None:
        def parabola(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return y**2 - 3 * x * y + x + 0.5 * x**2

        coarse = world(placed((20, 20), (1.0, 1.0), (0.0, 0.0)), parabola)
        fine = world(placed((50, 50), (0.37, 0.37), (0.21, -0.13)), parabola)
        found = aligned(compare({"coarse": coarse, "fine": fine}, "fine"))
        inner = (slice(8, -8), slice(8, -8))
        np.testing.assert_allclose(found.pixels["coarse"][inner], found.pixels["fine"][inner], atol=1e-9)

    @pytest.mark.parametrize("reference", ["avg400", "sim"])
    def test_of_a_box_is_that_part_of_the_whole(self, reference: str) -> None:
        whole = compare(levels(), reference)
        box = Box(8 * PIXEL, 16 * PIXEL, 40 * PIXEL, 60 * PIXEL)
        part, full = aligned(whole.replace(box=box)), aligned(whole)
        zoom = 2 if reference == "sim" else 1
        rows, columns = slice(8 * zoom + zoom // 2, None), slice(16 * zoom + zoom // 2, None)
        height, width = part.grid.shape
        assert (height, width) == (32 * zoom, 44 * zoom)
        for key, pixels in part.pixels.items():
            np.testing.assert_allclose(pixels, full.pixels[key][rows, columns][:height, :width], rtol=1e-9)

    def test_reads_a_box_that_ends_between_pixels_to_the_next_edge(self) -> None:
        whole = compare({"a": image_of(NOISE, pixel=None)}, "a")
        assert aligned(whole.replace(box=Box(9.9, 9.6, 20.2, 20.4))).grid.shape == (11, 11)
        assert aligned(whole.replace(box=Box(9.1, 9.1, 9.2, 9.2))).grid.shape == (1, 1)
        assert aligned(whole.replace(box=Box(-50, -50, 5.5, 500))).grid.shape == (6, SIZE)

    def test_crops_to_what_all_show(self) -> None:
        crop = image_of(NOISE[10:50, 20:]).replace(translate=(10 * PIXEL, 20 * PIXEL))
        found = aligned(compare({"a": image_of(NOISE), "crop": crop}, "a"))
        assert found.grid.shape == (40, SIZE - 20)
        np.testing.assert_array_equal(found.pixels["a"], found.pixels["crop"])

    def test_leaves_out_a_tile_that_lies_elsewhere(self) -> None:
        away = image_of(NOISE).replace(translate=(100.0, 100.0))
        found = aligned(compare({"a": image_of(NOISE), "b": image_of(NOISE), "away": away}, "a"))
        assert found.grid.shape == (SIZE, SIZE)
        assert set(found.pixels) == {"a", "b"}
        assert "away does not cover" in found.problems["away"]

    def test_leaves_out_a_tile_that_cannot_be_read(self) -> None:
        def broken(*, block_id: tuple[int, ...]) -> np.ndarray:
            raise InputError("b.tif is truncated.")

        lazy = lazy_blocks(broken, ((SIZE,), (SIZE,)), np.dtype(np.float32))
        found = aligned(compare({"a": image_of(NOISE), "b": image_of(lazy)}, "a"))
        assert dict(found.problems) == {"b": "b.tif is truncated."}

    def test_spreads_a_gap_to_its_neighbours_only(self) -> None:
        fine = np.kron(NOISE, np.ones((2, 2), np.float32))
        fine[20, 20], fine[60, 70] = np.nan, np.inf
        gapped = image_of(fine, pixel=PIXEL / 2)
        found = aligned(compare({"a": image_of(NOISE), "gapped": gapped}, "a")).pixels["gapped"]
        assert {tuple(place) for place in np.argwhere(np.isnan(found))} == {(10, 10), (30, 35)}
        coarse = NOISE.copy()
        coarse[10, 10] = np.nan
        found = aligned(compare({"fine": gapped, "coarse": image_of(coarse)}, "fine")).pixels["coarse"]
        gaps = np.argwhere(np.isnan(found))
        assert gaps.min() >= 17
        assert gaps.max() <= 24

    def test_shows_a_flat_image_beside_a_stack(self) -> None:
        stack = image_of(np.stack([NOISE, 2 * NOISE, 3 * NOISE]))
        found = aligned(compare({"flat": image_of(NOISE), "stack": stack}, "flat", position=(2.0,)))
        np.testing.assert_array_equal(found.pixels["stack"], 3 * NOISE)
        np.testing.assert_array_equal(found.pixels["flat"], NOISE)

    def test_refuses_a_box_outside_of_the_images(self) -> None:
        with pytest.raises(InputError, match="outside of a"):
            aligned(compare({"a": image_of(NOISE)}, "a", box=Box(90, 90, 99, 99)))

    def test_refuses_to_align_nothing(self) -> None:
        with pytest.raises(InputError, match="nothing to compare"):
            aligned(Comparison(tiles=()))

    def test_can_be_stopped(self) -> None:
        with pytest.raises(Cancelled):
            aligned(compare(levels()), stop=lambda: True)


class TestImagesWithoutPixelSize:
    def test_of_one_shape_lie_on_one_another(self) -> None:
        found = aligned(compare({"a": image_of(NOISE, pixel=None), "b": image_of(2 * NOISE, pixel=None)}, "a"))
        np.testing.assert_array_equal(found.pixels["b"], 2 * NOISE)
        assert found.grid.unit == "pixel"

    def test_cover_one_area_where_their_shapes_are_multiples(self) -> None:
        fine = image_of(np.kron(NOISE, np.ones((3, 3), np.float32)), pixel=None)
        found = aligned(compare({"a": image_of(NOISE, pixel=None), "fine": fine}, "a"))
        np.testing.assert_allclose(found.pixels["fine"], NOISE, rtol=1e-6)

    def test_lie_on_a_result_that_was_made_from_one_of_them(self) -> None:
        given = image_of(NOISE, pixel=None)
        double = np.kron(NOISE, np.ones((2, 2), np.float32))
        result = given.replace(data=double, scale=(0.5, 0.5), translate=(-0.25, -0.25))
        reference = image_of(double, pixel=None)
        found = aligned(compare({"given": given, "result": result, "reference": reference}, "reference"))
        np.testing.assert_array_equal(found.pixels["result"], double)
        assert found.grid.shape == double.shape
        assert not found.problems

    def test_of_unlike_shapes_are_laid_on_the_reference(self) -> None:
        images = {"a": image_of(NOISE, pixel=None), "tiny": image_of(NOISE[:5, :5], pixel=None)}
        images["double"] = image_of(np.kron(NOISE, np.ones((2, 2), np.float32)), pixel=None)
        for reference, kept in (("a", {"a", "double"}), ("double", {"a", "double"}), ("tiny", {"tiny"})):
            found, problems = readable_planes(compare(images, reference))
            assert set(found) == kept
            assert set(problems) == set(images) - kept

    def test_of_unlike_shapes_are_laid_as_most_of_them_fit(self) -> None:
        images = {"tiny": image_of(NOISE[:5, :5], pixel=None), "a": image_of(NOISE, pixel=None)}
        images["b"] = image_of(2 * NOISE, pixel=None)
        found, problems = readable_planes(compare(images))
        assert (set(found), set(problems)) == ({"a", "b"}, {"tiny"})

    def test_of_unlike_shapes_are_refused_with_a_way_out(self) -> None:
        odd = image_of(NOISE[:50], pixel=None)
        found, problems = readable_planes(compare({"a": image_of(NOISE, pixel=None), "odd": odd}, "a"))
        assert len(found) == 1
        assert "pixel size" in next(iter(problems.values()))
        with pytest.raises(InputError, match="pixel size"):
            planes(compare({"a": image_of(NOISE, pixel=None), "odd": odd}, "a"))

    def test_cover_the_area_of_those_that_have_one(self) -> None:
        images = {"sized": image_of(NOISE), "plain": image_of(np.kron(NOISE, np.ones((2, 2))), pixel=None)}
        found = aligned(compare(images, "sized"))
        np.testing.assert_allclose(found.pixels["plain"], NOISE, rtol=1e-6)
        assert found.grid.unit == "um"

    def test_move_together_with_their_results(self) -> None:
        given = image_of(NOISE, pixel=None)
        double = np.kron(NOISE, np.ones((2, 2)))
        result = given.replace(data=double, scale=(0.5, 0.5), translate=(-0.25, -0.25))
        found = aligned(compare({"sized": image_of(NOISE), "given": given, "result": result}, "sized"))
        np.testing.assert_array_equal(found.pixels["given"], NOISE)
        np.testing.assert_allclose(found.pixels["result"], NOISE, rtol=1e-6)

    def test_that_do_not_fit_those_that_have_one_are_refused(self) -> None:
        images = {"sized": image_of(NOISE), "plain": image_of(NOISE[:40], pixel=None)}
        assert "unknown size" in aligned(compare(images, "sized")).problems["plain"]


def test_a_large_lazy_stack_costs_one_frame() -> None:
    lazy = da.zeros((1000, 512, 512), chunks=(1, 512, 512), dtype=np.uint16)
    found = aligned(compare({"a": image_of(lazy)}, position=(700.0,), box=Box(1.0, 1.0, 2.0, 2.0)))
    assert found.pixels["a"].shape == found.grid.shape
