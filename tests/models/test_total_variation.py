"""Total variation on variance-stabilised intensities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_w2s.models.classical.total_variation import VSTTotalVariation, build


def cells(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A disc on a dark ground and its noisy image of gain 2 and read noise 1."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - size / 2
    clean = 20.0 + 100.0 / (1.0 + np.exp((np.hypot(x, y) - size / 4) / 0.4))
    return clean, (2.0 * rng.poisson(clean / 2.0) + rng.normal(0, 1.0, clean.shape)).astype(np.float32)


def denoise(network: VSTTotalVariation, noisy: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(noisy)[None, None], network.frame_context(noisy))[0, 0].numpy()


def variation(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image, axis=0)).sum() + np.abs(np.diff(image, axis=1)).sum())


def test_noise_goes_and_the_mean_stays() -> None:
    clean, noisy = cells()
    result = denoise(build(None), noisy)
    before, after = (float(np.mean((image - clean) ** 2)) for image in (noisy, result))
    assert after < before / 8
    assert result.mean() == pytest.approx(noisy.mean(), abs=0.5)


def test_an_edge_stays_sharper_than_under_a_blur_that_removes_as_much() -> None:
    clean, noisy = cells()
    result = denoise(build(None), noisy)
    corner = (slice(22), slice(22))
    blurs = (gaussian_filter(noisy, sigma) for sigma in np.arange(0.5, 6, 0.1))
    blurred = next(blur for blur in blurs if blur[corner].std() < result[corner].std())
    edge = np.abs(clean - 70.0) < 40.0
    assert np.mean((result - clean)[edge] ** 2) < np.mean((blurred - clean)[edge] ** 2)


def test_more_weight_and_more_iterations_leave_less_variation() -> None:
    _, noisy = cells()
    results = [variation(denoise(VSTTotalVariation(w), noisy)) for w in (0.3, 1.0, 3.0)]
    results.append(variation(denoise(VSTTotalVariation(3.0, 100), noisy)))
    assert variation(noisy) > results[0] > results[1] > results[2] > results[3]


@pytest.mark.parametrize("edge", [(0, 40, 0, 50), (30, 60, 20, 70), (68, 96, 5, 96)])
def test_a_tile_is_part_of_the_whole(edge: tuple[int, int, int, int]) -> None:
    _, noisy = cells()
    network = build(None)
    context = network.frame_context(noisy)
    whole = network(torch.from_numpy(noisy)[None, None], context)
    top, bottom, left, right = edge
    halo = network.receptive_field // 2
    y, x = slice(max(0, top - halo), bottom + halo), slice(max(0, left - halo), right + halo)
    tile = network(torch.from_numpy(noisy[y, x].copy())[None, None], context)
    inner = tile[..., top - y.start : bottom - y.start, left - x.start : right - x.start]
    torch.testing.assert_close(inner, whole[..., top:bottom, left:right], rtol=0, atol=1e-5)


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_the_receptive_field_is_what_a_pixel_reaches(iterations: int) -> None:
    network = VSTTotalVariation(iterations=iterations)
    image = np.random.default_rng(1).normal(0, 5, (21, 21))
    reached = []
    for column in range(21):
        changed = image.copy()
        changed[10, column] += 1.0
        if network.smooth(changed)[10, 10] != network.smooth(image)[10, 10]:
            reached.append(abs(column - 10))
    assert 2 * max(reached) + 1 == network.receptive_field


def test_it_takes_no_weights() -> None:
    with pytest.raises(ValueError, match="takes no weights"):
        build({"a": torch.zeros(1)})
