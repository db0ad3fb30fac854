"""SSIM against scikit-image, and Fourier losses whose answers Parseval's theorem gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_w2s.training.losses import make_loss


def image(seed: int, height: int = 40, width: int = 52) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    return 0.5 + 0.3 * np.sin(rows / 5 + seed) * np.cos(columns / 7) + 0.1 * rng.standard_normal((height, width))


def tensor(array: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(array)[None, None].to(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_ssim_is_that_of_scikit_image(dtype: torch.dtype, tolerance: float) -> None:
    x, y = image(0), image(1)
    expected = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    assert make_loss("ssim")(tensor(x, dtype), tensor(y, dtype)).item() == pytest.approx(1 - expected, abs=tolerance)


def test_ssim_of_shifted_constants() -> None:
    """Without variance only the comparison of brightness is left: (2 x y + c) / (x² + y² + c)."""
    x, y = (torch.full((1, 1, 16, 16), value, dtype=torch.float64) for value in (0.2, 0.6))
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert make_loss("ssim")(x, y).item() == pytest.approx(1 - expected, abs=1e-9)


def test_ssim_window_shrinks_to_the_patch() -> None:
    """In a patch of 4 x 9 the windows are 3 x 3 with weights of sigma 1.5 * 3 / 11."""
    x, y = image(2, 4, 9), image(3, 4, 9)
    sigma = 1.5 * 3 / 11
    line = np.exp(-0.5 * (np.arange(-1, 2) / sigma) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    similar = []
    for top in range(2):
        for left in range(7):
            a, b = x[top : top + 3, left : left + 3], y[top : top + 3, left : left + 3]
            ma, mb = (a * weights).sum(), (b * weights).sum()
            va, vb = ((a - ma) ** 2 * weights).sum(), ((b - mb) ** 2 * weights).sum()
            cab = ((a - ma) * (b - mb) * weights).sum()
            similar.append((2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4) * (2 * cab + 9e-4) / (va + vb + 9e-4))
    assert make_loss("ssim")(tensor(x), tensor(y)).item() == pytest.approx(1 - np.mean(similar), abs=1e-9)


def test_ssim_of_a_single_pixel() -> None:
    assert make_loss("ssim")(torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.5)).item() == 0


@pytest.mark.parametrize("kind", ["point", "constant", "wave"])
def test_fourier_known_answers(kind: str) -> None:
    """By Parseval's theorem the squares of a spectrum sum to those of its image, whatever place they are in.

    A point of height a spreads evenly: a / sqrt(pixels) each. All of a constant c is in one place: c * sqrt(pixels).
    A wave of amplitude a has two places, of a * sqrt(pixels) / 2 each.
    """
    height, width = 12, 20
    pixels, size = height * width, 0.3
    error = torch.zeros(1, 1, height, width, dtype=torch.float64)
    if kind == "point":
        error[0, 0, 4, 7] = size
        expected = size / pixels**0.5
    elif kind == "constant":
        error += size
        expected = size * pixels**0.5 / pixels
    else:
        error += size * torch.cos(2 * torch.pi * 3 * torch.arange(width).double() / width)
        expected = size * pixels**0.5 / pixels
    target = tensor(image(4, height, width))
    assert make_loss("fourier")(target + error, target).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("row", "column", "radius"), [(0, 0, 0.0), (0, 5, 0.5), (3, 0, 0.5), (6, 10, 2**0.5)])
def test_high_frequencies_count_more(row: int, column: int, radius: float) -> None:
    """Wave (row, column) of a 12 x 20 patch: frequency row / 12 and column / 20 cycles a pixel, radius in halves."""
    y, x = torch.arange(12.0)[:, None], torch.arange(20.0)
    wave = 0.1 * torch.cos(2 * torch.pi * (row * y / 12 + column * x / 20))[None, None].double()
    target = torch.zeros_like(wave)
    plain, weighted = make_loss("fourier")(wave, target), make_loss("fourier", high=3.0)(wave, target)
    assert (weighted / plain).item() == pytest.approx(1 + 3 * radius, rel=1e-4)
