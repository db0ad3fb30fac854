"""MicroSSIM ignores intensity scales and gives the values of its authors' package."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from napari_w2s._types import InputError
from napari_w2s.metrics.microssim import micro_ssim

REFERENCE = 50 + 900 * gaussian_filter(np.random.default_rng(2).random((60, 70)) ** 8, 1.5)
NOISY = REFERENCE + np.random.default_rng(3).normal(0, 30, REFERENCE.shape)


def test_the_value_of_the_authors_package() -> None:
    assert micro_ssim(REFERENCE, NOISY) == pytest.approx(AUTHORS, abs=1e-6)


AUTHORS = 0.6109765826856279
"""micro_structural_similarity(REFERENCE, NOISY) of microssim 0.0.5."""


def test_it_is_ssim_after_the_best_scaling() -> None:
    first, second = (image - np.percentile(image, 3) for image in (REFERENCE, NOISY))
    factors = np.linspace(0.1, 3, 400)
    means = [
        structural_similarity(first, factor * second, data_range=np.ptp(first), gaussian_weights=False)
        for factor in factors
    ]
    best = factors[int(np.argmax(means))] * second
    expected = structural_similarity(first, best, data_range=np.ptp(first), gaussian_weights=True)
    assert micro_ssim(REFERENCE, NOISY) == pytest.approx(expected, abs=1e-3)


def test_scale_and_offset_do_not_matter() -> None:
    assert micro_ssim(REFERENCE, 0.01 * REFERENCE - 4) == pytest.approx(1)
    assert micro_ssim(REFERENCE, 90 * NOISY + 3) == pytest.approx(micro_ssim(REFERENCE, NOISY), abs=1e-6)
    assert micro_ssim(REFERENCE, -REFERENCE) < 0.5
    assert micro_ssim(REFERENCE, NOISY) < micro_ssim(REFERENCE, (REFERENCE + NOISY) / 2) < 1


def test_constant_images() -> None:
    assert micro_ssim(REFERENCE, np.full(REFERENCE.shape, 5)) == 0
    with pytest.raises(InputError, match="brighter than its background"):
        micro_ssim(np.full(REFERENCE.shape, 5), NOISY)
    spots = np.full(REFERENCE.shape, 5)
    spots[0, 0] = 1
    with pytest.raises(InputError, match="brighter than its background"):
        micro_ssim(spots, NOISY)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        micro_ssim(REFERENCE, NOISY[1:])
    with pytest.raises(InputError, match="11 x 11"):
        micro_ssim(REFERENCE[:10], NOISY[:10])
    with pytest.raises(InputError, match="finite"):
        micro_ssim(REFERENCE, np.where(NOISY.mean() < NOISY, np.nan, NOISY))
