"""From a noisy image to one without noise: the estimate, the transform, and images that are not as they should be."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, ndimage, stats
from torch import nn
from w2s_toys import model

from napari_w2s.data.noise import estimate_noise
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.engine.predict import predict
from napari_w2s.models.classical.nlm import VSTNonLocalMeans
from napari_w2s.models.classical.pure_let import PureLet
from napari_w2s.models.classical.stabilised import mirrored
from napari_w2s.models.classical.total_variation import VSTTotalVariation
from napari_w2s.models.classical.vst import GeneralizedAnscombe
from napari_w2s.models.classical.wavelet import VSTWavelet

METHODS: list[Callable[[], nn.Module]] = [VSTNonLocalMeans, PureLet, VSTTotalVariation, VSTWavelet]
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)


def mean_of_transformed(transform: GeneralizedAnscombe, mean: float, bias: float, read: float) -> float:
    """Integrate over read noise and sum over counts, of which there are ``(mean - bias) / gain`` on average."""
    counts = (mean - bias) / transform.gain
    reach = 9.0 * math.sqrt(counts) + 30.0
    k = np.arange(max(0, int(counts - reach)), int(counts + reach))
    probability = stats.poisson.pmf(k, counts)
    points = np.linspace(-8.5, 8.5, 1701)
    density = stats.norm.pdf(points)
    values = transform.forward(bias + transform.gain * k[:, None] + read * points)
    return float(probability @ integrate.trapezoid(values * density, points, axis=1))


@settings(max_examples=80, deadline=None)
@given(
    gain=st.floats(0.001, 0.2),
    counts=st.floats(0.0, 400.0),
    reads=st.floats(0.05, 4.0),
    bias=st.floats(-1.0, 2.0),
)
def test_the_closed_form_inverts_the_mean(gain: float, counts: float, reads: float, bias: float) -> None:
    """`reads` is the read noise in counts. The closed form is exact to a twentieth of a count, or of the noise."""
    read, mean = reads * gain, bias + counts * gain
    transform = GeneralizedAnscombe(gain, read**2 - gain * bias, reference=bias + 30 * gain)
    found = float(transform.inverse(mean_of_transformed(transform, mean, bias, read)))
    assert abs(found - mean) < 0.05 * math.hypot(gain, read)


@pytest.mark.parametrize("counts", [0.5, 2.0, 8.0])
def test_undoing_the_root_alone_would_give_too_little(counts: float) -> None:
    """The test above would see it if the correction for the bias were left out."""
    gain, read = 0.05, 0.02
    transform = GeneralizedAnscombe(gain, read**2, reference=0.1)
    transformed = mean_of_transformed(transform, counts * gain, 0.0, read)
    constant = 0.375 + (read / gain) ** 2
    algebraic = (transformed / 2 + math.sqrt(0.1 / gain + constant)) ** 2 - constant
    assert counts - algebraic > 0.1


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("gain", [0.001, 0.003, 0.02, 0.1, 0.2])
def test_the_estimated_gain_is_within_a_tenth(gain: float, channel: int) -> None:
    clean = simulate_fov(11, channel).clean.astype(float)
    clean = (clean - clean.min()) / np.ptp(clean)
    rng = np.random.default_rng(1)
    noise = estimate_noise(gain * rng.poisson(clean / gain) + 0.02 * rng.standard_normal(clean.shape))
    assert noise.gain == pytest.approx(gain, rel=0.1)
    for mean in (0.1, 0.5, 0.9):
        assert noise.variance(mean) == pytest.approx(gain * mean + 0.02**2, rel=0.1)


@pytest.mark.parametrize("gain", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("contrast", [0.0, 1.0], ids=["flat", "cell"])
def test_the_noise_of_a_small_image_is_known(gain: float, contrast: float) -> None:
    """Of 64 x 64 pixels the noise where most of them are; the gain by itself is not told by a flat image."""
    clean = simulate_fov(11, 1, 256).clean[100:164, 60:124].astype(float)
    clean = 0.3 + contrast * (clean - clean.min()) / np.ptp(clean)
    middle = float(np.median(clean))
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        noise = estimate_noise(gain * rng.poisson(clean / gain) + 0.02 * rng.standard_normal(clean.shape))
        found.append(noise.std(middle) / math.sqrt(gain * middle + 0.02**2))
    assert np.median(found) == pytest.approx(1.0, abs=0.05)
    assert np.abs(np.array(found) - 1.0).max() < 0.12


def cells(size: int = 72) -> tuple[np.ndarray, np.ndarray]:
    """Spots and a ground of 40, and the noisy image of gain 2 and read noise 1."""
    rng = np.random.default_rng(0)
    spots = ndimage.gaussian_filter(rng.random((size, size)) ** 60, 3.0)
    clean = 40.0 + 150.0 * spots / spots.max()
    return clean, 2.0 * rng.poisson(clean / 2.0) + rng.normal(0, 1.0, clean.shape)


def restore(method: Callable[[], nn.Module], image: np.ndarray, **options: object) -> np.ndarray:
    network = method()
    about = {"frame_context": True, "receptive_field": network.receptive_field}
    return predict(model(network, **about), image, device="cpu", **options)


def error(clean: np.ndarray, image: np.ndarray) -> float:
    return float(np.mean((image - clean) ** 2))


@each_method
@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, -70.0), (1 / 66.0, -154.5 / 66.0), (1 / 255.0, 0.0), (200.0, 0.0)], ids=str
)
def test_any_scale_and_negative_intensities(method: Callable[[], nn.Module], scale: float, offset: float) -> None:
    """Background-subtracted, standardised, divided by 255, 16 bits: all are restored as the original is."""
    clean, noisy = cells()
    result = (restore(method, noisy * scale + offset) - offset) / scale
    plain = restore(method, noisy)
    assert error(clean, plain) < error(clean, noisy) / 4
    assert error(plain, result) < 0.02 * error(clean, plain)


@each_method
def test_saturated_pixels_stay_near_the_limit(method: Callable[[], nn.Module]) -> None:
    _, noisy = cells()
    limit = 90.0
    cut = np.clip(noisy, 0.0, limit)
    result = restore(method, np.rint(cut).astype(np.uint8))
    inside = ndimage.binary_erosion(ndimage.uniform_filter(noisy, 5) > limit + 25.0)
    assert inside.sum() > 30
    assert np.abs(result[inside] - limit).max() < 6.0
    assert result.max() < limit + 20.0


@each_method
def test_pixels_that_are_not_numbers(method: Callable[[], nn.Module]) -> None:
    clean, noisy = cells()
    holed = noisy.copy()
    holed[10:14, 20:24], holed[40, 40], holed[50, 3] = np.nan, np.inf, -np.inf
    hole = ~np.isfinite(holed)
    result = restore(method, holed)
    assert np.array_equal(np.isnan(result), hole)
    far = ndimage.binary_dilation(hole, iterations=4)
    assert error(clean[~far], result[~far]) < error(clean, noisy) / 3
    assert np.isfinite(restore(method, holed, non_finite="fill")).all()


@each_method
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 3), (5, 5), (6, 41), (9, 8)], ids=str)
def test_images_smaller_than_what_is_looked_at(method: Callable[[], nn.Module], shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).poisson(50, shape).astype(np.uint16)
    result = restore(method, image)
    assert result.shape == shape
    assert image.min() - 5 <= result.min()
    assert result.max() <= image.max() + 5


@each_method
@pytest.mark.parametrize("value", [0, 7, 255])
def test_constant_images_stay(method: Callable[[], nn.Module], value: int) -> None:
    flat = np.full((40, 33), value, np.uint8)
    assert np.array_equal(restore(method, flat), flat)


@each_method
@pytest.mark.parametrize("hot", [2000.0, 60000.0])
def test_a_hot_pixel_does_not_keep_the_noise_elsewhere(method: Callable[[], nn.Module], hot: float) -> None:
    image = np.random.default_rng(0).normal(1000.0, 10.0, (64, 64))
    image[30, 30] = hot
    result = restore(method, image)
    assert result[30, 30] > 1000.0
    assert result[:20].std() < 5.0


@each_method
def test_no_context_leaves_the_pixels(method: Callable[[], nn.Module]) -> None:
    batch = torch.rand(2, 1, 9, 9)
    network = method()
    assert torch.equal(network(batch, None), batch)
    assert network(batch[:0], network.frame_context(cells()[1])).shape == (0, 1, 9, 9)


def test_mirroring_goes_on_as_long_as_it_takes() -> None:
    image = np.arange(6.0).reshape(2, 3)
    extended = mirrored(image, 3, least=12)
    assert extended.shape == (12, 12)
    assert np.array_equal(extended[3:5, 3:6], image)
    assert np.array_equal(extended[2], extended[3])
    assert np.array_equal(extended[5], extended[4])
    assert mirrored(image, 2).shape == (6, 7)
