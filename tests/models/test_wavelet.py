"""Wavelet shrinkage on variance-stabilised intensities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_w2s.models.classical.wavelet import VSTWavelet, _shifts, build


def scene(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A smooth scene and its noisy image of gain 2 and read noise 1."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    clean = 60 + 50 * np.sin(9 * x) * np.cos(7 * y)
    return clean, (2.0 * rng.poisson(clean / 2.0) + rng.normal(0, 1.0, clean.shape)).astype(np.float32)


def denoise(network: VSTWavelet, noisy: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(noisy)[None, None], network.frame_context(noisy))[0, 0].numpy()


@pytest.mark.parametrize("rule", ["BayesShrink", "VisuShrink"])
def test_noise_goes_and_the_mean_stays(rule: str) -> None:
    clean, noisy = scene()
    result = denoise(VSTWavelet(rule=rule), noisy)
    before, after = (float(np.mean((image - clean) ** 2)) for image in (noisy, result))
    assert after < before / 6
    assert result.mean() == pytest.approx(noisy.mean(), abs=0.5)


def test_what_is_far_above_the_noise_stays() -> None:
    image = np.zeros((80, 80))
    image[30:50, 30:50] = 100.0
    image = gaussian_filter(image, 1.5)
    noise = np.random.default_rng(0).normal(0, 1, image.shape)
    error = build(None).smooth(image + noise) - image
    assert np.abs(error).max() < 6.0
    assert np.abs(error).mean() < 0.8 * np.abs(noise).mean()


def test_pure_noise_goes() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (128, 128))
    assert build(None).smooth(noise.copy()).std() < 0.15


def test_the_grid_leaves_no_trace() -> None:
    """A shift of the image shifts the result, which holds only roughly for a single grid."""
    image = scene(128)[1].astype(float) / 10.0
    network = build(None)
    together = network.smooth(image)[8:-8, 8:-8]
    shifted = network.smooth(image[3:, 5:])[5:-8, 3:-8]
    single, moved = (_single_grid(part) for part in (image, image[3:, 5:]))
    assert np.std(together - shifted) < 0.4 * np.std(single[8:-8, 8:-8] - moved[5:-8, 3:-8])


def _single_grid(image: np.ndarray) -> np.ndarray:
    from skimage.restoration import denoise_wavelet

    return denoise_wavelet(image, sigma=1.0, wavelet="sym4", wavelet_levels=4, method="BayesShrink")


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_shifts_meet_every_levels_grid_evenly(levels: int) -> None:
    shifts = np.array(_shifts(levels))
    assert len(np.unique(shifts, axis=0)) == 2**levels
    for level in range(1, levels + 1):
        for axis in (0, 1):
            assert set(np.bincount(shifts[:, axis] % 2**level)) == {2 ** (levels - level)}
    both = np.unique(shifts % 2 ** (levels // 2), axis=0)
    assert len(both) == 4 ** (levels // 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 3), (33, 130)])
def test_any_size_gives_no_warning(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(0, 1, shape)
    result = build(None).smooth(image.copy())
    assert result.shape == shape
    assert np.isfinite(result).all()


def test_it_takes_no_weights() -> None:
    with pytest.raises(ValueError, match="takes no weights"):
        build({"a": torch.zeros(1)})
