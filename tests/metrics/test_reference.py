"""Metrics agree with scikit-image and with what is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_w2s._types import InputError
from napari_w2s.metrics.reference import match_affine, psnr, rmse, ssim

RNG = np.random.default_rng(3)
REFERENCE = RNG.integers(0, 256, (40, 50)).astype(np.uint8)
NOISY = np.clip(REFERENCE + RNG.normal(0, 10, REFERENCE.shape), 0, 255).astype(np.uint8)


def test_agreement_with_scikit_image() -> None:
    for data_range in (255, 400.0):
        assert psnr(REFERENCE, NOISY, data_range=data_range) == pytest.approx(
            peak_signal_noise_ratio(REFERENCE, NOISY, data_range=data_range), abs=1e-6
        )
        assert ssim(REFERENCE, NOISY, data_range=data_range) == pytest.approx(
            structural_similarity(REFERENCE, NOISY, data_range=data_range), abs=1e-6
        )


def test_known_values() -> None:
    assert rmse(np.zeros((2, 2)), np.full((2, 2), 3)) == 3
    assert psnr(np.zeros((2, 2)), np.full((2, 2), 0.1), data_range=1) == pytest.approx(20)
    assert psnr(REFERENCE, REFERENCE, data_range=255) == float("inf")


def test_unsigned_images_do_not_wrap_around() -> None:
    assert rmse(np.array([[1]], np.uint8), np.array([[3]], np.uint8)) == 2


def test_affine_match_undoes_gain_and_offset() -> None:
    np.testing.assert_allclose(match_affine(REFERENCE * 0.3 + 94, REFERENCE), REFERENCE, atol=1e-9)
    np.testing.assert_allclose(match_affine(np.full((40, 50), 9), REFERENCE), REFERENCE.mean())


def test_affine_match_is_the_least_squares_solution() -> None:
    x, y = NOISY.astype(float).ravel(), REFERENCE.astype(float).ravel()
    (slope, offset), *_ = np.linalg.lstsq(np.stack([x, np.ones_like(x)], 1), y, rcond=None)
    np.testing.assert_allclose(match_affine(NOISY, REFERENCE), slope * NOISY + offset, rtol=1e-9)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_what_cannot_be_compared_is_refused(metric: object) -> None:
    with pytest.raises(InputError, match="shape"):
        metric(REFERENCE, NOISY[1:], data_range=255)  # type: ignore[operator]
    with pytest.raises(InputError, match="data_range must be positive"):
        metric(REFERENCE, NOISY, data_range=0)  # type: ignore[operator]
    with pytest.raises(InputError, match="Empty"):
        metric(REFERENCE[:0], NOISY[:0], data_range=1)  # type: ignore[operator]
    with pytest.raises(InputError, match="7 x 7"):
        ssim(REFERENCE[:5], NOISY[:5], data_range=255)


def test_a_missing_pixel_is_not_left_out_without_a_word() -> None:
    holed = REFERENCE.astype(float)
    holed[3, 4] = np.nan
    assert np.isnan(psnr(REFERENCE, holed, data_range=255))
    assert np.isnan(rmse(REFERENCE, holed))
    assert np.isnan(ssim(REFERENCE, holed, data_range=255))
    assert np.isnan(match_affine(holed, REFERENCE)).all()
