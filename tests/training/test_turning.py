"""Patches turned by any angle: input and targets stay aligned, noise stays noise, fields too small stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
import w2s_fields
from w2s_fields import PLAIN

from napari_w2s._types import InputError
from napari_w2s.training.fields import Field
from napari_w2s.training.pairs import Box
from napari_w2s.training.patches import PatchMaker
from napari_w2s.training.turning import Turn, draw_turn

EDGE = 64
TURNED = {**PLAIN, "renoise": 1.0, "turn": 1.0, "zoom": 0.1}


def blobs(edge: int, zoom: int = 1, count: int = 60) -> np.ndarray:
    """Return smooth spots at the same places of a scene of `edge` pixels, with `zoom` pixels for one."""
    rng = np.random.default_rng(3)
    centres, sizes = rng.uniform(0, edge, (count, 2)), rng.uniform(2, 5, count)
    at = (np.arange(zoom * edge) + 0.5) / zoom
    scene = np.full((zoom * edge, zoom * edge), 20.0)
    for (y, x), size in zip(centres, sizes, strict=True):
        scene += 150 * np.exp(-((at[:, None] - y) ** 2 + (at[None, :] - x) ** 2) / (2 * size**2))
    return scene


def binned(image: np.ndarray) -> np.ndarray:
    return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean((1, 3))


def paired_field(edge: int) -> Field:
    clean = blobs(edge)
    noisy = np.random.default_rng(0).poisson(clean).astype(np.float32)
    return Field("spots", "spots", {"avg1": noisy, "avg400": clean}, denoised=clean, sim=blobs(edge, 2))


def config(**changes: object) -> object:
    losses = {"denoised": [{"name": "l1"}], "sim": [{"name": "l1"}]}
    return w2s_fields.config(**{"task": "jdsr", "losses": losses, "augmentation": TURNED, "patch": EDGE, **changes})


@pytest.mark.parametrize("quarter", range(4))
def test_a_quarter_turn_only_moves_pixels(quarter: int) -> None:
    scene = np.random.default_rng(0).random((EDGE, EDGE)).astype(np.float32)
    seen = Turn(quarter * np.pi / 2, 1.0).seen(scene, EDGE)
    assert np.allclose(seen, np.rot90(scene, quarter), atol=1e-4)


@pytest.mark.parametrize(("angle", "magnification"), [(0.5, 1.0), (2.1, 1.2), (0.0, 0.85)])
def test_a_view_shows_each_place_where_the_turn_puts_it(angle: float, magnification: float) -> None:
    turn = Turn(angle, magnification)
    wide = turn.around(EDGE)
    rows, columns = (axis - (wide - 1) / 2 for axis in np.indices((wide, wide)))
    for axis, expected in (
        (rows, lambda y, x: np.sin(angle) * x + np.cos(angle) * y),
        (columns, lambda y, x: np.cos(angle) * x - np.sin(angle) * y),
    ):
        y, x = (place - (EDGE - 1) / 2 for place in np.indices((EDGE, EDGE)))
        assert np.allclose(turn.seen(axis, EDGE), expected(y, x) / magnification, atol=0.1)


def test_a_view_needs_no_pixel_that_is_not_there() -> None:
    for number in range(200):
        rng = np.random.default_rng(number)
        turn = draw_turn(0.2, rng)
        wide = turn.around(EDGE)
        scene = rng.random((wide + 16, wide + 16))
        assert np.allclose(turn.seen(scene[8:-8, 8:-8], EDGE), turn.seen(scene, EDGE), atol=1e-3), turn


def test_a_gap_stays_a_gap_where_it_is_seen() -> None:
    scene = np.ones((EDGE, EDGE))
    scene[20, 30] = np.nan
    gaps = ~np.isfinite(Turn(0.0, 1.0).seen(scene, EDGE))
    assert gaps[20, 30]
    assert gaps.sum() <= 25


def test_input_and_targets_are_turned_alike() -> None:
    maker = PatchMaker(config(), [paired_field(256)])
    for number in range(8):
        sample = maker.draw(number)
        denoised, sim = sample["denoised"][0].astype(float), binned(sample["sim"][0].astype(float))
        assert np.corrcoef(denoised.ravel(), sim.ravel())[0, 1] > 0.9995
        assert np.corrcoef(sample["noisy"].ravel(), denoised.ravel())[0, 1] > 0.9
        again = maker.draw(number)
        assert all(np.array_equal(sample[key], again[key]) for key in sample)


def test_noise_is_drawn_after_the_turn() -> None:
    maker = PatchMaker(config(), [paired_field(256)])
    for number in range(4):
        sample = maker.draw(number)
        gain, offset = sample["denoised_map"]
        noise = (sample["noisy"] * gain + offset - sample["denoised"])[0]
        assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.06
        assert abs(np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]) < 0.06


def test_a_share_is_turned_and_other_patches_are_what_they_were() -> None:
    one = paired_field(256)
    before = PatchMaker(config(augmentation={**PLAIN, "renoise": 1.0}), [one])
    some = PatchMaker(config(augmentation={**PLAIN, "renoise": 1.0, "turn": 0.25}), [one])
    turned = sum(not np.array_equal(before.draw(n)["denoised"], some.draw(n)["denoised"]) for n in range(80))
    assert 8 < turned < 35


def test_a_field_too_small_to_be_turned_is_used_as_it_is() -> None:
    one = paired_field(EDGE)
    sample = PatchMaker(config(), [one]).draw(0)
    assert np.corrcoef(sample["denoised"].ravel(), one.denoised.ravel())[0, 1] == pytest.approx(1, abs=1e-9)


def test_a_box_is_widened_about_its_middle_and_kept_inside() -> None:
    assert Box(40, 50, 10, 10).widened(16, (100, 100)) == Box(37, 47, 16, 16)
    assert Box(0, 90, 10, 10).widened(16, (100, 100)) == Box(0, 84, 16, 16)
    assert Box(0, 0, 10, 10).widened(101, (100, 200)) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turn": 0.5}, r"augmentation\.turn .* set augmentation\.renoise"),
        ({"renoise": 0.5, "zoom": 0.1}, r"augmentation\.zoom .* set augmentation\.turn"),
        ({"renoise": 0.5, "turn": 1.5}, "turn"),
    ],
)
def test_what_would_do_nothing_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config(augmentation={**PLAIN, **changes})
