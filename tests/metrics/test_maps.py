"""Maps agree with scikit-image and with the numbers that sum them up."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from napari_w2s._types import InputError
from napari_w2s.metrics.maps import absolute_error, ssim_map
from napari_w2s.metrics.reference import match_affine, rmse, ssim

RNG = np.random.default_rng(4)
REFERENCE = RNG.integers(0, 256, (40, 50)).astype(np.uint8)
NOISY = np.clip(REFERENCE + RNG.normal(0, 10, REFERENCE.shape), 0, 255).astype(np.uint8)


def test_absolute_errors_add_up_to_the_rmse() -> None:
    plain = absolute_error(REFERENCE, NOISY, matched=False)
    assert np.sqrt(np.mean(plain**2)) == pytest.approx(rmse(REFERENCE, NOISY))
    assert plain[3, 4] == abs(int(REFERENCE[3, 4]) - int(NOISY[3, 4]))
    matched = absolute_error(REFERENCE, 0.25 * NOISY + 7, matched=True)
    assert np.sqrt(np.mean(matched**2)) == pytest.approx(rmse(REFERENCE, match_affine(NOISY, REFERENCE)))
    np.testing.assert_allclose(absolute_error(REFERENCE, 3.0 * REFERENCE - 5, matched=True), 0, atol=1e-9)


def test_similarity_agrees_with_scikit_image() -> None:
    similarity = ssim_map(REFERENCE, NOISY, data_range=255)
    expected = structural_similarity(REFERENCE, NOISY, data_range=255, full=True)[1]
    np.testing.assert_allclose(similarity, expected, atol=1e-6)
    assert similarity[3:-3, 3:-3].mean() == pytest.approx(ssim(REFERENCE, NOISY, data_range=255), abs=1e-9)
    np.testing.assert_allclose(ssim_map(REFERENCE, REFERENCE, data_range=255), 1)


def test_one_wrong_place_shows_where_it_is() -> None:
    wrong = REFERENCE.copy()
    wrong[20:23, 30:33] = 0
    assert np.unravel_index(np.argmin(ssim_map(REFERENCE, wrong, data_range=255)), wrong.shape) == pytest.approx(
        (21, 31), abs=3
    )
    error = absolute_error(REFERENCE, wrong, matched=False)
    assert set(zip(*np.nonzero(error), strict=True)) <= {(y, x) for y in range(20, 23) for x in range(30, 33)}


@pytest.mark.parametrize(
    "make", [lambda a, b: absolute_error(a, b, matched=False), lambda a, b: ssim_map(a, b, data_range=1)]
)
def test_what_cannot_be_compared_is_refused(make: object) -> None:
    with pytest.raises(InputError, match="shape"):
        make(REFERENCE, NOISY[1:])  # type: ignore[operator]
    with pytest.raises(InputError, match="Empty"):
        make(REFERENCE[:0], NOISY[:0])  # type: ignore[operator]
    with pytest.raises(InputError, match="7 x 7"):
        ssim_map(REFERENCE[:5], NOISY[:5], data_range=255)
    with pytest.raises(InputError, match="data_range must be positive"):
        ssim_map(REFERENCE, NOISY, data_range=0)
