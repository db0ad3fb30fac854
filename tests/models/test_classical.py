"""Variance stabilisation, non-local means, bicubic interpolation."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from napari_w2s.models.classical.bicubic import Bicubic
from napari_w2s.models.classical.bicubic import build as build_bicubic
from napari_w2s.models.classical.nlm import VSTNonLocalMeans
from napari_w2s.models.classical.nlm import build as build_nlm
from napari_w2s.models.classical.vst import GeneralizedAnscombe


def moments(transform: GeneralizedAnscombe, counts: float, sigma: float, bias: float) -> tuple[float, float]:
    """Mean and variance of transformed intensities, by summing over counts and integrating over the read noise."""
    points, weights = np.polynomial.hermite_e.hermegauss(201)
    k = np.arange(int(counts + 12 * math.sqrt(counts)) + 30)
    probability = stats.poisson.pmf(k, counts)[:, None] * (weights / weights.sum())
    values = transform.forward(bias + transform.gain * (k[:, None] + sigma * points))
    mean = float((probability * values).sum())
    return mean, float((probability * (values - mean) ** 2).sum())


@pytest.mark.parametrize("gain", [0.02, 1.0, 8.0])
@pytest.mark.parametrize("bias", [0.0, 100.0])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("counts", [0.0, 0.3, 1.0, 3.0, 10.0, 100.0])
def test_inverse_is_unbiased(gain: float, bias: float, sigma: float, counts: float) -> None:
    offset_variance = gain**2 * sigma**2 - gain * bias
    transform = GeneralizedAnscombe(gain, offset_variance, reference=bias + 20 * gain)
    mean, _ = moments(transform, counts, sigma, bias)
    error = (float(transform.inverse(mean)) - bias) / gain - counts
    # The closed form is within a twentieth of a count of the exact inverse.
    assert abs(error) < 0.05


@pytest.mark.parametrize("sigma", [0.01, 1.0, 5.0])
def test_algebraic_inverse_would_be_biased(sigma: float) -> None:
    """The test above can tell an unbiased inverse from another: the mean square of a root has a variance."""
    transform = GeneralizedAnscombe(1.0, sigma**2, reference=20.0)
    mean, variance = moments(transform, 10.0, sigma, 0.0)
    assert variance == pytest.approx(1.0, abs=0.05)
    root = 2 * math.sqrt(20 + 0.375 + sigma**2) + mean
    assert abs(root**2 / 4 - 0.375 - sigma**2 - 10.0) > 0.2


@pytest.mark.parametrize("sigma", [0.5, 2.0])
@pytest.mark.parametrize("counts", [5.0, 20.0, 100.0])
def test_variance_becomes_one(sigma: float, counts: float) -> None:
    transform = GeneralizedAnscombe(0.1, 0.01 * sigma**2, reference=3.0)
    assert moments(transform, counts, sigma, 0.0)[1] == pytest.approx(1.0, abs=0.05)


def test_agrees_with_the_textbook_form() -> None:
    gain, offset, reference = 0.3, 1.7, 12.0
    z = np.linspace(-5, 400, 50)
    textbook = 2 / gain * np.sqrt(np.maximum(gain * z + 0.375 * gain**2 + offset, 0))
    at_reference = 2 / gain * math.sqrt(gain * reference + 0.375 * gain**2 + offset)
    result = GeneralizedAnscombe(gain, offset, reference).forward(z)
    np.testing.assert_allclose(result, textbook - at_reference, atol=1e-10)


@pytest.mark.parametrize("gain", [0.0, 1e-300, 1e-15, 1e-9])
def test_no_gain_means_scaling(gain: float) -> None:
    transform = GeneralizedAnscombe(gain, 4.0, reference=100.0)
    z = np.linspace(-1000, 1000, 21)
    np.testing.assert_allclose(transform.forward(z), (z - 100) / 2, rtol=1e-5)
    np.testing.assert_allclose(transform.inverse(transform.forward(z)), z, atol=1e-4)


def test_negative_intensities_and_less_than_no_signal() -> None:
    transform = GeneralizedAnscombe(0.5, 9.0, reference=0.0)
    z = np.array([-1e6, -18.0, -10.0, 0.0, 10.0])
    stable = transform.forward(z)
    assert np.isfinite(stable).all()
    assert (np.diff(stable[1:]) > 0).all()
    low = transform.inverse(np.array([-1e9, stable[0], stable[2]]))
    assert np.isfinite(low).all()
    assert low[0] == pytest.approx(-18.0)
    assert (np.diff(transform.inverse(np.linspace(stable[0], 50, 500))) >= -1e-9).all()


def test_reference_below_no_signal_is_moved() -> None:
    transform = GeneralizedAnscombe(1.0, -100.0, reference=0.0)
    assert transform.reference == 100.0
    assert np.isfinite(transform.forward([0.0, 100.0, 300.0])).all()


@pytest.mark.parametrize("bad", [(-1.0, 1.0), (0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_no_noise_model(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="noise"):
        GeneralizedAnscombe(*bad)


def test_transform_of_an_estimate() -> None:
    noise = SimpleNamespace(gain=0.2, offset_variance=-3.0, median=50.0)
    assert GeneralizedAnscombe.of(noise) == GeneralizedAnscombe(0.2, -3.0, 50.0)
    assert GeneralizedAnscombe.of(SimpleNamespace(gain=0.0, offset_variance=0.0, median=5.0)) is None
    assert GeneralizedAnscombe.of(SimpleNamespace(gain=0.0, offset_variance=2.0, median=5.0)).gain == 0.0


def scene(gain: float, bias: float, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A smooth scene and its noisy image."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    clean = bias + 60 + 50 * np.sin(9 * x) * np.cos(7 * y)
    noisy = gain * rng.poisson((clean - bias) / gain) + bias + rng.normal(0, 1.0, clean.shape)
    return clean, noisy.astype(np.float32)


def denoise(network: VSTNonLocalMeans, noisy: np.ndarray) -> np.ndarray:
    batch = torch.from_numpy(noisy)[None, None]
    return network(batch, network.frame_context(noisy))[0, 0].numpy()


@pytest.mark.parametrize(("gain", "bias"), [(2.0, 0.0), (2.0, 100.0), (2.0, -60.0)])
def test_nlm_removes_noise_and_keeps_the_mean(gain: float, bias: float) -> None:
    clean, noisy = scene(gain, bias)
    result = denoise(VSTNonLocalMeans(), noisy)
    before, after = (float(np.mean((image - clean) ** 2)) for image in (noisy, result))
    assert after < before / 10
    assert abs(float(result.mean() - noisy.mean())) < 0.5


def test_nlm_in_any_unit() -> None:
    _, noisy = scene(2.0, 0.0)
    network = VSTNonLocalMeans()
    small = denoise(network, noisy * np.float32(1e-3))
    np.testing.assert_allclose(small * 1e3, denoise(network, noisy), rtol=1e-3)


@pytest.mark.parametrize("edge", [(0, 60, 0, 60), (30, 90, 20, 100), (68, 128, 5, 128)])
def test_nlm_of_a_tile_is_that_of_the_whole(edge: tuple[int, int, int, int]) -> None:
    _, noisy = scene(2.0, 10.0)
    network = build_nlm(None)
    context = network.frame_context(noisy)
    whole = network(torch.from_numpy(noisy)[None, None], context)
    top, bottom, left, right = edge
    halo = network.receptive_field // 2
    y, x = slice(max(0, top - halo), bottom + halo), slice(max(0, left - halo), right + halo)
    tile = network(torch.from_numpy(noisy[y, x].copy())[None, None], context)
    inner = tile[..., top - y.start : bottom - y.start, left - x.start : right - x.start]
    torch.testing.assert_close(inner, whole[..., top:bottom, left:right], rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_nlm_leaves_an_image_without_noise(value: float) -> None:
    flat = np.full((40, 40), value, np.float32)
    assert np.array_equal(denoise(VSTNonLocalMeans(), flat), flat)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3)])
def test_nlm_leaves_an_image_too_small_to_measure(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(10, 2, shape).astype(np.float32)
    assert np.array_equal(denoise(VSTNonLocalMeans(), image), image)


def test_nlm_does_not_change_its_input() -> None:
    _, noisy = scene(2.0, 0.0, 32)
    batch = torch.from_numpy(noisy)[None, None]
    before = batch.clone()
    network = VSTNonLocalMeans()
    result = network(batch, None)
    assert result.data_ptr() != batch.data_ptr()
    network(batch, network.frame_context(noisy))
    assert torch.equal(batch, before)


@pytest.mark.parametrize("build", [build_nlm, build_bicubic])
def test_methods_without_weights_take_none(build: object) -> None:
    with pytest.raises(ValueError, match="takes no weights"):
        build({"a": torch.zeros(1)})


def test_bicubic_keeps_positions() -> None:
    """The output's centre of mass lies where the input's does, in units of the input's pixels."""
    image = torch.zeros(1, 1, 21, 21)
    image[..., 8, 12] = 1.0
    result = Bicubic()(image)[0, 0].double()
    centres = (torch.arange(42) + 0.5) / 2 - 0.5
    assert float(result.sum()) == pytest.approx(4.0)
    assert float((result.sum(1) * centres).sum() / result.sum()) == pytest.approx(8.0)
    assert float((result.sum(0) * centres).sum() / result.sum()) == pytest.approx(12.0)


def test_bicubic_keeps_a_constant_up_to_the_border() -> None:
    result = Bicubic()(torch.full((1, 1, 5, 9), 7.0))
    torch.testing.assert_close(result, torch.full((1, 1, 10, 18), 7.0))


def test_bicubic_has_no_direction() -> None:
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Bicubic()(image.flip(2, 3)), Bicubic()(image).flip(2, 3))
    torch.testing.assert_close(Bicubic()(image.mT), Bicubic()(image).mT)


def test_bicubic_of_a_tile_is_that_of_the_whole() -> None:
    image = torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(0))
    whole = Bicubic()(image)
    halo = Bicubic().receptive_field // 2
    tile = Bicubic()(image[..., 6 - halo : 15 + halo, : 17 + halo])
    torch.testing.assert_close(tile[..., 2 * halo : -2 * halo, : -2 * halo], whole[..., 12:30, :34], rtol=0, atol=1e-6)
