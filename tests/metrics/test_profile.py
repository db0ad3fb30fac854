"""Profiles read known images in world coordinates; widths of known peaks come out."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import profile_line

from napari_w2s._types import InputError
from napari_w2s.metrics.profile import fwhm, line_profile

UNIT = {"scale": (1.0, 1.0), "origin": (0.0, 0.0)}
IMAGE = np.random.default_rng(0).normal(size=(40, 50))


def test_agreement_with_scikit_image() -> None:
    for start, end in [((3, 5), (30, 41)), ((20, 45), (20, 2)), ((1.5, 2.25), (33.5, 8.0))]:
        distance, values = line_profile(IMAGE, start, end, **UNIT)
        y, x = np.linspace(start, end, len(distance)).T
        expected = [profile_line(IMAGE, (a, b), (a, b), order=1)[0] for a, b in zip(y, x, strict=True)]
        np.testing.assert_allclose(values, expected, atol=1e-9)
        assert distance[-1] == pytest.approx(np.hypot(end[0] - start[0], end[1] - start[1]))
        assert np.diff(distance).max() <= 1 + 1e-9


def test_a_ramp_reads_the_same_on_any_grid() -> None:
    start, end = (1.0, 2.0), (7.0, 6.5)
    for scale, origin in [((0.5, 0.5), (0.0, 0.0)), ((0.25, 0.4), (-0.125, 0.3)), ((1.0, 0.1), (-2.0, -1.0))]:
        y = origin[0] + scale[0] * np.arange(int(12 / scale[0]))
        x = origin[1] + scale[1] * np.arange(int(12 / scale[1]))
        distance, values = line_profile(3 * y[:, None] - 2 * x, start, end, scale=scale, origin=origin, width=3)
        share = distance / np.hypot(6.0, 4.5)
        np.testing.assert_allclose(values, 3 * (1 + 6 * share) - 2 * (2 + 4.5 * share), atol=1e-9)


def test_a_wide_line_averages_its_parallels() -> None:
    _, values = line_profile(IMAGE, (20, 5), (20, 30), **UNIT, width=5)
    np.testing.assert_allclose(values, IMAGE[18:23, 5:31].mean(axis=0), atol=1e-12)
    _, even = line_profile(IMAGE, (20.5, 5), (20.5, 30), **UNIT, width=2)
    np.testing.assert_allclose(even, IMAGE[20:22, 5:31].mean(axis=0), atol=1e-12)


def test_a_band_is_as_wide_in_images_of_any_pixel_size() -> None:
    fine = np.kron(IMAGE, np.ones((4, 4)))
    quarter = {"scale": (0.25, 0.25), "origin": (-0.375, -0.375)}
    distance, coarse = line_profile(IMAGE, (20, 5), (20, 30), **UNIT, width=3.0)
    finer, values = line_profile(fine, (20, 5), (20, 30), **quarter, width=3.0)
    at = np.isin(finer, distance)
    np.testing.assert_allclose(values[at][1:-1], coarse[1:-1], atol=1e-9)
    _, narrow = line_profile(fine, (20, 5), (20, 30), **quarter, width=1.0)
    assert np.abs(narrow[at] - coarse).max() > 0.1


def test_outside_is_nan_and_the_outer_half_pixel_is_inside() -> None:
    distance, values = line_profile(IMAGE, (10, -3), (10, 60), **UNIT)
    place = distance - 3
    assert np.isnan(values[(place < -0.5) | (place > 49.5)]).all()
    assert np.isfinite(values[(place >= -0.5) & (place <= 49.5)]).all()
    holed = IMAGE.copy()
    holed[10, 20] = np.nan
    _, values = line_profile(holed, (10, 0), (10, 49), **UNIT)
    assert np.isnan(values[20])
    assert np.isfinite(values[[17, 23]]).all()


@pytest.mark.parametrize("sigma", [2.0, 3.7])
@pytest.mark.parametrize("centre", [25.0, 23.4])
def test_the_width_of_a_gaussian(sigma: float, centre: float) -> None:
    x = np.arange(50.0)
    peak = 10 + 4 * np.exp(-0.5 * ((x - centre) / sigma) ** 2)
    assert fwhm(0.1 * x, peak) == pytest.approx(0.1 * 2.3548 * sigma, rel=0.03)


def test_the_highest_peak_counts() -> None:
    x = np.linspace(0, 10, 101)
    values = np.clip(1 - np.abs(x - 3), 0, None) + 2 * np.clip(1 - np.abs(x - 7) / 0.5, 0, None)
    assert fwhm(x, values) == pytest.approx(0.5, rel=1e-6)
    values[12] = np.nan
    assert fwhm(x, values) == pytest.approx(0.5, rel=1e-6)


def test_no_width_without_two_flanks() -> None:
    x = np.linspace(0, 1, 20)
    assert fwhm(x, x) is None
    assert fwhm(x, np.ones(20)) is None
    assert fwhm(x, np.full(20, np.nan)) is None
    assert fwhm(x[:2], x[:2]) is None


def test_lines_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(InputError, match="no length"):
        line_profile(IMAGE, (1, 1), (1, 1), **UNIT)
    with pytest.raises(InputError, match="no length"):
        line_profile(IMAGE, (1, 1), (1, np.nan), **UNIT)
    with pytest.raises(InputError, match="Draw a shorter one"):
        line_profile(IMAGE, (1, 1), (1, 1e9), **UNIT)
    with pytest.raises(InputError, match="needs a positive pixel size"):
        line_profile(IMAGE, (1, 1), (1, 9), scale=(1.0, 0.0), origin=(0.0, 0.0))
    for width in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="a width of 0 or more"):
            line_profile(IMAGE, (1, 1), (1, 9), **UNIT, width=width)
    with pytest.raises(InputError, match="two-dimensional"):
        line_profile(IMAGE[None], (1, 1), (1, 9), **UNIT)
