"""The undecimated Haar transform, the estimate of the risk, and PURE-LET."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_w2s.data.noise import NoiseEstimate, estimate_noise
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.models.classical import haar, pure_let_risk
from napari_w2s.models.classical.count_size import with_measured_count
from napari_w2s.models.classical.pure_let import LetFit, PureLet, build
from napari_w2s.models.classical.pure_let_risk import PARTS, PLAIN_GAINS, PoissonGaussian, risk_estimate

PLAIN = np.tile(PLAIN_GAINS, (4, 3, 1))


def scene(size: int = 128) -> np.ndarray:
    """Spots of all sizes on a dark ground, in [0, 1]."""
    rng = np.random.default_rng(0)
    spots = [ndimage.gaussian_filter(rng.random((size, size)) ** 40, sigma) for sigma in (1.0, 2.0, 5.0)]
    image = sum(spot / spot.max() for spot in spots)
    return (image - image.min()) / np.ptp(image)


def noisy(clean: np.ndarray, gain: float, read: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    counts = gain * rng.poisson(clean / gain) if gain else clean
    return counts + read * rng.standard_normal(clean.shape)


def apply(frame: np.ndarray, noise: PoissonGaussian, gains: np.ndarray) -> np.ndarray:
    fit = LetFit(noise, gains, float(np.median(frame)), 0.0)
    return PureLet(len(gains))(torch.from_numpy(frame)[None, None], fit)[0, 0].numpy()


def denoise(frame: np.ndarray) -> np.ndarray:
    network = build(None)
    return network(torch.from_numpy(frame)[None, None], network.frame_context(frame))[0, 0].numpy()


def squared_error(clean: np.ndarray, result: np.ndarray, rim: int = 0) -> float:
    inner = (slice(rim, clean.shape[0] - rim), slice(rim, clean.shape[1] - rim))
    return float(np.mean((result - clean)[inner] ** 2))


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (23, 40)])
def test_the_transform_gives_back_what_it_was_given(shape: tuple[int, int], levels: int) -> None:
    image = torch.randn(2, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    details, means = haar.analyse(haar.extend(image, haar.reach(levels)), levels)
    out = means[-1]
    for level in reversed(range(levels)):
        out = haar.raise_all(out, haar.within(details[level], levels, level), level)
    torch.testing.assert_close(out, image, rtol=0, atol=1e-12)


def test_means_and_details_are_those_of_squares() -> None:
    image = torch.randn(1, 1, 12, 15, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    details, means = haar.analyse(image, 2)
    square = image[0, 0, 3:7, 5:9]
    assert float(means[1][0, 0, 3, 5]) == pytest.approx(float(square.mean()))
    assert float(details[1][0, 0, 3, 5]) == pytest.approx(float(square[:, :2].mean() - square[:, 2:].mean()) / 2)
    assert float(details[1][0, 1, 3, 5]) == pytest.approx(float(square[:2].mean() - square[2:].mean()) / 2)


def test_bands_raised_one_by_one_add_up() -> None:
    means, details = torch.randn(1, 1, 9, 11), torch.randn(1, 3, 9, 11)
    apart = haar.raise_means(means, 1) + haar.raise_details(details, 1).sum(1, keepdim=True)
    torch.testing.assert_close(apart, haar.raise_all(means, details, 1))


def test_an_image_is_continued_by_its_mirror_image() -> None:
    row = torch.arange(3.0)[None, None, None]
    extended = haar.extend(row, 7)[0, 0, 7]
    assert extended.tolist() == np.pad(np.arange(3.0), 7, mode="symmetric").tolist()


@pytest.mark.parametrize(
    ("gain", "read", "ground"),
    [(0.001, 0.01, 0.0), (0.05, 0.02, 0.0), (0.2, 0.05, 0.0), (0.2, 0.02, 0.1), (0.0, 0.05, 0.0)],
)
def test_the_estimated_risk_is_the_true_one(gain: float, read: float, ground: float) -> None:
    """Also where most pixels have no count at all, and for weights that keep half of the noise."""
    clean = scene() + ground
    noise = PoissonGaussian.poisson(gain, 0.0, read**2, gain * float(np.median(clean)) + read**2)
    gains = np.tile([0.5, 0.8, 1.0], (4, 3, 1))
    rim = pure_let_risk.border(clean.shape, 4)
    pairs = []
    for seed in range(16):
        frame = noisy(clean, gain, read, seed)
        true = squared_error(clean, apply(frame, noise, gains), rim)
        pairs.append((risk_estimate(frame, noise, 4).at(gains), true))
    estimated, true = np.mean(pairs, axis=0)
    assert estimated == pytest.approx(true, rel=0.02)


@pytest.mark.parametrize(("channel", "gain", "read"), [(0, 0.001, 0.01), (1, 0.02, 0.02), (2, 0.2, 0.05)])
def test_the_risk_of_one_simulated_frame_is_told_within_a_fiftieth(channel: int, gain: float, read: float) -> None:
    clean = simulate_fov(11, channel).clean.astype(float)
    clean = (clean - clean.min()) / np.ptp(clean)
    frame = noisy(clean, gain, read)
    noise = PoissonGaussian.poisson(gain, 0.0, read**2, gain * float(np.median(clean)) + read**2)
    gains = np.tile([0.5, 0.8, 1.0], (4, 3, 1))
    true = squared_error(clean, apply(frame, noise, gains), pure_let_risk.border(clean.shape, 4))
    assert risk_estimate(frame, noise, 4).at(gains) == pytest.approx(true, rel=0.02)


def test_behind_an_electron_multiplier_a_count_is_half_of_the_gain() -> None:
    """Amplified counts are more skewed than Poisson counts of the same variance."""
    clean, gain = scene() + 0.05, 0.1
    plain = PoissonGaussian.poisson(gain, 0.0, 0.0, 0.005)
    gains = np.tile([0.5, 0.8, 1.0], (4, 3, 1))
    rim = pure_let_risk.border(clean.shape, 4)
    found = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        frame = gain / 2 * rng.standard_gamma(rng.poisson(clean / (gain / 2)).astype(float))
        true = squared_error(clean, apply(frame, plain, gains), rim)
        found.append([true, *(risk_estimate(frame, replace(plain, count=c), 4).at(gains) for c in (gain / 2, gain))])
    true, half, whole = np.mean(found, axis=0)
    assert half == pytest.approx(true, rel=0.02)
    assert abs(half - true) < abs(whole - true)


def exposed(clean: np.ndarray, gain: float, read: float, *, multiplied: bool) -> np.ndarray:
    """Return a frame of a camera that counts, or of one that multiplies electrons, of the same variance."""
    rng = np.random.default_rng(0)
    if not multiplied:
        return noisy(clean, gain, read)
    counts = gain / 2 * rng.standard_gamma(rng.poisson(clean / (gain / 2)).astype(float))
    return counts + read * rng.standard_normal(clean.shape)


@pytest.mark.parametrize(("gain", "read"), [(0.2, 0.005), (0.2, 0.05), (1.0, 0.0)])
@pytest.mark.parametrize("bias", [0.0, 100.0])
def test_the_count_is_told_from_how_skewed_the_noise_is(gain: float, read: float, bias: float) -> None:
    clean = scene(192) + 0.1
    for multiplied, expected in ((False, 1.0), (True, 0.5)):
        frame = exposed(clean, gain, read, multiplied=multiplied) + bias
        noise = PoissonGaussian.poisson(gain, bias, read**2, 0.1)
        assert with_measured_count(noise, frame).count / gain == pytest.approx(expected, abs=0.2)


def test_read_noise_that_is_taken_for_counts_makes_the_count_larger() -> None:
    clean = scene(512) + 0.1
    frame = noisy(clean, 0.1, 0.15)
    # All of the variance is taken for that of counts above a bias.
    noise = PoissonGaussian.poisson(0.1, -(0.15**2) / 0.1, 0.0, 0.01)
    assert 1.2 < with_measured_count(noise, frame).count / 0.1 <= 2.0


def test_where_skewness_tells_nothing_the_count_is_between_both() -> None:
    rng = np.random.default_rng(0)
    noise = PoissonGaussian.poisson(1e-6, 0.0, 0.0, 1e-6)
    hardly_skewed = 1.0 + 1e-3 * rng.standard_normal((48, 48))
    assert with_measured_count(noise, hardly_skewed).count == pytest.approx(0.75e-6, rel=0.2)
    for shape in ((1, 9), (2, 2)):
        assert with_measured_count(noise, np.ones(shape)).count == 0.75e-6
    gaussian = PoissonGaussian(0.0, 0.0, 4.0, 1.0)
    assert with_measured_count(gaussian, hardly_skewed) is gaussian
    assert with_measured_count(noise, np.full((9, 9), -1.0)) is noise


@pytest.mark.parametrize("multiplied", [False, True])
@pytest.mark.parametrize(("gain", "read"), [(0.02, 0.02), (0.2, 0.05), (0.2, 0.005)])
def test_the_risk_is_known_from_the_frame_alone(gain: float, read: float, multiplied: bool) -> None:
    """To a fiftieth of the noise, though neither noise nor camera is told."""
    clean = simulate_fov(11, 0, 256).clean.astype(float)
    clean = (clean - clean.min()) / np.ptp(clean)
    frame = exposed(clean, gain, read, multiplied=multiplied)
    noise, gains = build(None).frame_context(frame).noise, np.tile([0.5, 0.8, 1.0], (4, 3, 1))
    rim = pure_let_risk.border(clean.shape, 4)
    true = squared_error(clean, apply(frame, noise, gains), rim)
    energy = squared_error(clean, frame, rim)
    assert abs(risk_estimate(frame, noise, 4).at(gains) - true) < 0.02 * energy


def test_a_camera_that_counts_gets_as_good_a_result_as_if_it_was_told() -> None:
    clean = simulate_fov(11, 2, 256).clean.astype(float)
    clean = (clean - clean.min()) / np.ptp(clean)
    frame = noisy(clean, 0.2, 0.05)
    told = PoissonGaussian.poisson(0.2, 0.0, 0.05**2, 0.2 * float(np.median(clean)) + 0.05**2)
    best = apply(frame, told, risk_estimate(frame, told, 4).minimise())
    # Half of the gain, as behind an electron multiplier, gives twice the error here.
    assert squared_error(clean, denoise(frame)) < 1.1 * squared_error(clean, best)


def test_a_bias_of_the_camera_does_not_matter() -> None:
    clean, bias = scene(64), 300.0
    frame = noisy(clean, 0.05, 0.02)
    plain = risk_estimate(frame, PoissonGaussian.poisson(0.05, 0.0, 0.0004, 0.005), 3)
    biased = risk_estimate(frame + bias, PoissonGaussian.poisson(0.05, bias, 0.0004, 0.005), 3)
    np.testing.assert_allclose(biased.minimise(), plain.minimise(), rtol=1e-6, atol=1e-8)
    assert biased.at(PLAIN[:3]) == pytest.approx(plain.at(PLAIN[:3]), rel=1e-6)


@pytest.mark.parametrize("shape", [(90, 100), (33, 61)])
def test_strips_add_up(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    frame = noisy(scene(100)[: shape[0], : shape[1]], 0.05, 0.02)
    noise = PoissonGaussian.poisson(0.05, 0.0, 0.0004, 0.005)
    whole = risk_estimate(frame, noise, 4)
    monkeypatch.setattr(pure_let_risk, "_STRIP_PIXELS", 16 * shape[1])
    strips = risk_estimate(frame, noise, 4)
    np.testing.assert_allclose(strips.gram, whole.gram, atol=1e-10)
    np.testing.assert_allclose(strips.target, whole.target, atol=1e-10)
    assert strips.constant == pytest.approx(whole.constant, rel=1e-9)
    assert strips.pixels == whole.pixels


def test_of_a_large_frame_the_middle_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = noisy(scene(100), 0.05, 0.02)
    noise = PoissonGaussian.poisson(0.05, 0.0, 0.0004, 0.005)
    middle = risk_estimate(frame[18:82, 18:82], noise, 2)
    monkeypatch.setattr(pure_let_risk, "_LARGEST_SIDE", 64)
    np.testing.assert_allclose(risk_estimate(frame, noise, 2).gram, middle.gram)


def test_the_gains_are_the_best_ones() -> None:
    clean, gain, read = scene(256), 0.05, 0.03
    frame = noisy(clean, gain, read)
    noise = PoissonGaussian.poisson(gain, 0.0, read**2, 0.005)
    risk = risk_estimate(frame, noise, 4)
    gains = risk.minimise()
    error = squared_error(clean, apply(frame, noise, gains))
    assert risk.at(gains) < risk.at(PLAIN)
    assert error < 0.95 * squared_error(clean, apply(frame, noise, PLAIN))
    rng = np.random.default_rng(0)
    steps = [gains + 0.1 * rng.standard_normal(gains.shape) for _ in range(20)]
    assert all(risk.at(step) > risk.at(gains) for step in steps)
    assert np.mean([squared_error(clean, apply(frame, noise, step)) for step in steps]) > error


def test_gains_stay_within_bounds_where_the_estimate_is_wrong() -> None:
    frame = noisy(scene(), 0.05, 0.03)
    wrong = PoissonGaussian.poisson(0.2, 0.0, 0.0, 0.02)
    gains = risk_estimate(frame, wrong, 4).minimise()
    assert gains.min() >= -0.25
    assert gains.max() <= 1.75


def test_the_result_is_better_and_its_error_is_known() -> None:
    clean = scene(256)
    frame = noisy(clean, 0.05, 0.03)
    network = build(None)
    fit = network.frame_context(frame)
    error = squared_error(clean, denoise(frame))
    assert error < squared_error(clean, frame) / 8
    assert fit.risk == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize(("scale", "offset"), [(300.0, -40.0), (1e-4, 0.0), (66.0, 1e5)])
def test_any_unit_of_intensity(scale: float, offset: float) -> None:
    frame = noisy(scene(96), 0.05, 0.02)
    np.testing.assert_allclose((denoise(frame * scale + offset) - offset) / scale, denoise(frame), atol=2e-3)


@pytest.mark.parametrize("edge", [(0, 60, 0, 60), (30, 70, 20, 80), (68, 96, 5, 96)])
def test_a_tile_is_part_of_the_whole(edge: tuple[int, int, int, int]) -> None:
    frame = noisy(scene(96), 0.05, 0.02)
    network = build(None)
    context = network.frame_context(frame)
    whole = network(torch.from_numpy(frame)[None, None], context)
    top, bottom, left, right = edge
    halo = network.receptive_field // 2
    y, x = slice(max(0, top - halo), bottom + halo), slice(max(0, left - halo), right + halo)
    tile = network(torch.from_numpy(frame[y, x].copy())[None, None], context)
    inner = tile[..., top - y.start : bottom - y.start, left - x.start : right - x.start]
    torch.testing.assert_close(inner, whole[..., top:bottom, left:right], rtol=0, atol=1e-10)


@pytest.mark.parametrize("side", [8, 13, 24])
def test_a_small_image_is_not_spoilt(side: int) -> None:
    """There are more gains than such images tell: they stay near the plain ones."""
    errors = []
    for seed in range(8):
        clean = 0.2 + scene()[40 : 40 + side, 40 : 40 + side]
        frame = noisy(clean, 0.05, 0.02, seed)
        noise = PoissonGaussian.poisson(0.05, 0.0, 0.0004, 0.01)
        gains = risk_estimate(frame, noise, 4).minimise()
        errors.append(squared_error(clean, apply(frame, noise, gains)) / squared_error(clean, frame))
    assert np.mean(errors) < 0.75


def test_the_noise_model_of_an_estimate() -> None:
    def estimate(gain: float, at_zero: float) -> NoiseEstimate:
        return NoiseEstimate(
            gain=gain, offset_variance=at_zero, dark=100.0, median=110.0, upper=150.0, bright=300.0, step=1.0, blocks=9
        )

    biased = PoissonGaussian.of(estimate(2.0, -180.0))
    assert (biased.gain, biased.bias, biased.read_variance, biased.count) == (2.0, 90.0, 0.0, 2.0)
    gaussian = PoissonGaussian.of(estimate(0.0, 4.0))
    assert (gaussian.gain, gaussian.read_variance, gaussian.count) == (0.0, 4.0, 0.0)
    assert PoissonGaussian.of(estimate(0.0, 0.0)) is None
    means = torch.tensor([90.0, 100.0])
    assert biased.variance(means).tolist() == [0.0, 20.0]
    assert biased.below(10.0).variance(means - 10.0).tolist() == [0.0, 20.0]


def test_pixels_below_the_bias_do_no_harm() -> None:
    frame = np.random.default_rng(0).normal(100, 3, (64, 64))
    noise = PoissonGaussian.poisson(2.0, 95.5, 0.0, 9.0)
    assert np.mean(frame < 95.5) > 0.05
    result = apply(frame, noise, risk_estimate(frame, noise, 4).minimise())
    assert result.std() < 1.5


def test_tensors_stay_on_their_device_and_keep_their_type() -> None:
    frame = noisy(scene(48), 0.05, 0.02)
    network = build(None)
    fit = network.frame_context(frame)
    assert network(torch.empty(2, 1, 20, 30, device="meta"), fit).device.type == "meta"
    for dtype in (torch.float32, torch.float64):
        assert network(torch.from_numpy(frame)[None, None].to(dtype), fit).dtype == dtype


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same() -> None:
    frame = noisy(scene(96), 0.05, 0.02).astype(np.float32)
    network = build(None)
    fit, batch = network.frame_context(frame), torch.from_numpy(frame)[None, None]
    torch.testing.assert_close(network(batch.cuda(), fit).cpu(), network(batch, fit), rtol=1e-4, atol=1e-5)


def test_the_input_and_the_context_are_not_changed() -> None:
    frame = noisy(scene(48), 0.05, 0.02)
    network = build(None)
    fit, batch = network.frame_context(frame), torch.from_numpy(frame)[None, None]
    gains, before = copy.deepcopy(fit.gains), batch.clone()
    first = network(batch, fit)
    assert torch.equal(network(batch, fit), first)
    assert torch.equal(batch, before)
    assert np.array_equal(fit.gains, gains)
    assert network(batch, None).data_ptr() != batch.data_ptr()


def test_what_the_context_holds() -> None:
    frame = noisy(scene(48), 0.05, 0.02)
    fit = build(None).frame_context(frame)
    assert fit.gains.shape == (4, haar.BANDS, PARTS)
    assert estimate_noise(frame).median == pytest.approx(fit.centre)


def test_it_takes_no_weights() -> None:
    with pytest.raises(ValueError, match="takes no weights"):
        build({"a": torch.zeros(1)})
