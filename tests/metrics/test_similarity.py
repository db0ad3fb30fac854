"""SSIM, RMSE and the affine fit, found block by block, are those of whole images."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_w2s._types import InputError
from napari_w2s.data.png import read_png
from napari_w2s.metrics.affine import PLAIN, Affine, fit_affine
from napari_w2s.metrics.reference import match_affine, psnr, psnr_of, rmse, rmses, ssim, ssims
from napari_w2s.metrics.row_blocks import BLOCK_VALUES, RowBlocks
from napari_w2s.metrics.similarity import mean_ssim

RNG = np.random.default_rng(11)
FIT = Affine(-1.7, 40.0)


def _pair(shape: tuple[int, int], offset: float = 0.0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return a reference with structure at several scales, and a noisy image of it."""
    rows, columns = np.indices(shape)
    reference = offset + 100 * np.sin(rows / 5) * np.cos(columns / 17) + RNG.normal(0, 3, shape)
    return reference, reference + RNG.normal(0, 20, shape)


@pytest.mark.parametrize("shape", [(7, 7), (7, 900), (900, 7), (8, 20_000), (301, 517), (512, 512)])
def test_numbers_are_those_of_scikit_image(shape: tuple[int, int]) -> None:
    reference, image = _pair(shape, offset=300)
    plain, scaled = ssims(reference, image, (PLAIN, FIT), data_range=255)
    assert plain == ssim(reference, image, data_range=255)
    assert plain == pytest.approx(structural_similarity(reference, image, data_range=255), abs=1e-11)
    wanted = structural_similarity(reference, FIT.gain * image + FIT.offset, data_range=255)
    assert scaled == pytest.approx(wanted, abs=1e-11)


def test_numbers_on_real_images_are_those_of_scikit_image(w2s_root: Path) -> None:
    reference, small = (read_png(w2s_root / f"data/train/{level}/050_0.png") for level in ("sim", "avg4"))
    image = small.repeat(2, 0).repeat(2, 1)
    fit = fit_affine(image, reference)
    for fits in ((PLAIN,), (fit, FIT)):
        for found, one in zip(ssims(reference, image, fits, data_range=255), fits, strict=True):
            scaled = one.gain * image + one.offset
            wanted = structural_similarity(reference.astype(np.float64), scaled, data_range=255)
            assert found == pytest.approx(wanted, abs=1e-11)
    wanted = peak_signal_noise_ratio(reference, image, data_range=255)
    assert psnr(reference, image, data_range=255) == pytest.approx(wanted, abs=1e-11)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float32])
def test_other_types_count_as_their_values(dtype: type) -> None:
    reference, image = (one.astype(dtype) for one in _pair((60, 400), offset=300))
    exact = reference.astype(np.float64), image.astype(np.float64)
    assert ssim(reference, image, data_range=200) == ssim(*exact, data_range=200)
    assert rmse(reference, image) == rmse(*exact)
    assert fit_affine(image, reference) == fit_affine(exact[1], exact[0])


def test_similarity_after_a_match_follows_from_the_moments() -> None:
    reference, image = _pair((301, 517), offset=300)
    fit = fit_affine(image, reference)
    matched = match_affine(image, reference)
    (similar,) = ssims(reference, image, (fit,), data_range=255)
    assert similar == pytest.approx(structural_similarity(reference, matched, data_range=255), abs=1e-11)
    plain, error = rmses(reference, image, (PLAIN, fit))
    assert plain == pytest.approx(np.sqrt(np.mean((image - reference) ** 2)), rel=1e-13)
    assert error == pytest.approx(np.sqrt(np.mean((matched - reference) ** 2)), rel=1e-13)
    assert psnr_of(error, data_range=255) == pytest.approx(psnr(reference, matched, data_range=255), abs=1e-11)


def test_views_are_taken_as_they_are_and_nothing_is_written_to_them() -> None:
    reference, image = _pair((90, 700))
    image[3, 4] = np.nan
    before = image.copy()
    image.flags.writeable = reference.flags.writeable = False
    for first, second in ((reference[::2, ::-1], image[::2, ::-1]), (reference.T, image.T)):
        whole = np.ascontiguousarray(first), np.ascontiguousarray(second)
        for skip in (False, True):
            found = mean_ssim(first, second, data_range=9, skip_missing=skip)
            assert found == pytest.approx(mean_ssim(*whole, data_range=9, skip_missing=skip), nan_ok=True)
        rmse(first, second)
        fit_affine(second, first)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_windows_with_a_missing_pixel_can_be_left_out(value: float) -> None:
    reference, image = _pair((120, 400))
    _mean, local = structural_similarity(reference, image, data_range=255, full=True)
    image[50, 60] = reference[118, 2] = value
    seen = np.ones(image.shape, bool)
    seen[47:54, 57:64] = seen[115:, :6] = False
    inner = np.s_[3:-3, 3:-3]
    (found,) = mean_ssim(reference, image, data_range=255, skip_missing=True)
    assert found == pytest.approx(local[inner][seen[inner]].mean(), abs=1e-11)
    assert np.isnan(mean_ssim(reference, image, data_range=255)).all()


def test_no_window_is_left() -> None:
    reference, image = _pair((9, 9))
    image[4, 4] = np.nan
    assert np.isnan(mean_ssim(reference, image, data_range=255, skip_missing=True)).all()


def test_one_bad_block_does_not_spoil_the_next() -> None:
    rows = 4 * BLOCK_VALUES // 1000
    reference, image = _pair((rows, 1000))
    (clean,) = mean_ssim(reference[20:], image[20:], data_range=255)
    image[:13] = np.nan
    (found,) = mean_ssim(reference[:], image, data_range=255, skip_missing=True)
    (wanted,) = mean_ssim(reference[13:], image[13:], data_range=255)
    assert found == pytest.approx(wanted, abs=1e-12)
    assert found != pytest.approx(clean, abs=1e-12)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 5), (2, 3 * BLOCK_VALUES)])
def test_errors_and_fits_have_any_number_of_axes(shape: tuple[int, ...]) -> None:
    reference, image = RNG.random(shape), RNG.random(shape)
    assert rmse(reference, image) == pytest.approx(np.sqrt(np.mean((reference - image) ** 2)), rel=1e-13)
    assert match_affine(image, reference).mean() == pytest.approx(reference.mean())
    assert match_affine(image, reference).shape == shape


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9 / 3, 7])
def test_a_constant_image_becomes_the_mean_of_the_reference(value: float) -> None:
    reference, _image = _pair((70, 900), offset=0.3)
    assert fit_affine(np.full(reference.shape, value), reference) == Affine(0.0, pytest.approx(reference.mean()))


def test_what_cannot_be_compared_is_refused() -> None:
    reference, image = _pair((20, 20))
    with pytest.raises(InputError, match="shape"):
        fit_affine(image[1:], reference)
    with pytest.raises(InputError, match="Empty"):
        fit_affine(image[:0], reference[:0])
    with pytest.raises(InputError, match="7 x 7"):
        ssim(reference[None], image[None], data_range=1)


def test_blocks_cover_an_image_once_but_for_what_they_share() -> None:
    image = np.arange(1000.0 * 100).reshape(1000, 100)
    for reach in (0, 6):
        blocks = [block.copy() for (block,) in RowBlocks(image, reach=reach)]
        assert len(blocks) > 2
        joined = np.concatenate([block[: len(block) - reach] for block in blocks])
        np.testing.assert_array_equal(joined, image[: 1000 - reach])
        assert max(block.size for block in blocks) <= BLOCK_VALUES + reach * 100


def test_a_score_takes_less_memory_than_an_image() -> None:
    reference, image = _pair((1024, 1024))
    ssim(reference[:64], image[:64], data_range=255)
    tracemalloc.start()
    try:
        ssims(reference, image, (PLAIN, fit_affine(image, reference)), data_range=255)
        rmses(reference, image, (PLAIN, FIT))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < reference.nbytes / 2
