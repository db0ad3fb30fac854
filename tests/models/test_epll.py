"""EPLL and its patch prior."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_w2s._types import WeightsError
from napari_w2s.models.checkpoint import save
from napari_w2s.models.classical.epll import BETAS, CONTRASTS, VSTEPLL, build, find_contrast
from napari_w2s.models.classical.gmm_prior import PRIOR_FILE, PRIOR_SHA256, PatchPrior, load_prior
from napari_w2s.models.classical.nlm import VSTNonLocalMeans

PACKAGED = Path(str(files("napari_w2s"))) / PRIOR_FILE
SCRIPT = Path(__file__).parents[2] / "scripts" / "fit_epll_prior.py"
CENTRING = torch.eye(64, dtype=torch.float64) - 1 / 64


@pytest.fixture(scope="module")
def network() -> VSTEPLL:
    return build(None)


def smooth_covariance(*sharpness: float) -> torch.Tensor:
    """Of patches of mean 0 that are alike over ``1 / sharpness`` pixels, along y and x."""
    place = torch.cartesian_prod(*torch.arange(8.0).double().expand(2, 8)) * torch.tensor(sharpness).double()
    return CENTRING @ torch.exp(-torch.cdist(place, place).square() / 2) @ CENTRING


def covariances(count: int) -> torch.Tensor:
    sharpness = 0.1 + torch.rand(count, 2, generator=torch.Generator().manual_seed(0))
    return torch.stack([smooth_covariance(*pair) for pair in sharpness.tolist()])


def toy_prior(count: int, rank: int = 63) -> PatchPrior:
    weights = torch.arange(1.0, count + 1).double()
    return PatchPrior.of_covariances(weights / weights.sum(), covariances(count), rank)


def centred_patches(n: int, seed: int = 0) -> torch.Tensor:
    patches = torch.randn(64, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return patches - patches.mean(0)


def scene(size: int = 96, gain: float = 2.0, bias: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Blurred spots and lines, and their noisy image."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size].astype(float)
    clean = np.full((size, size), 15.0)
    for _ in range(12):
        angle, place = rng.uniform(0, np.pi), rng.uniform(0, size, 2)
        distance = (x - place[0]) * np.cos(angle) + (y - place[1]) * np.sin(angle)
        clean += rng.uniform(10, 40) * np.exp(-(distance**2) / (2 * 2.0**2))
    noisy = gain * rng.poisson(clean / gain) + rng.normal(0, 1.0, clean.shape) + bias
    return clean + bias, noisy.astype(np.float32)


def denoise(network: VSTEPLL, noisy: np.ndarray) -> np.ndarray:
    result = network(torch.from_numpy(noisy)[None, None], network.frame_context(noisy))
    assert result.shape == (1, 1, *noisy.shape)
    return result[0, 0].numpy()


def squared_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a - b) ** 2))


def test_packaged_prior() -> None:
    assert hashlib.sha256(PACKAGED.read_bytes()).hexdigest() == PRIOR_SHA256
    assert PACKAGED.stat().st_size < 1.5e6
    prior = load_prior()
    count, pixels, rank = prior.basis.shape
    assert (count >= 32, pixels, rank >= 8) == (True, 64, True)
    assert float(prior.weights.sum()) == pytest.approx(1.0, abs=1e-5)
    eye = torch.eye(rank, dtype=torch.float64).expand(count, -1, -1)
    torch.testing.assert_close(prior.basis.mT @ prior.basis, eye, rtol=0, atol=1e-5)
    assert float(prior.basis.sum(1).abs().max()) < 1e-4
    # The unit is the contrast: that of all components together is near 1.
    power = (prior.weights * (prior.variances.sum(1) + (63 - rank) * prior.rest)).sum() / 64
    assert 0.7 < float(power) < 1.3


def test_damaged_prior_is_refused(tmp_path: Path) -> None:
    data = bytearray(PACKAGED.read_bytes())
    data[-4] ^= 1
    damaged = tmp_path / "prior.safetensors"
    damaged.write_bytes(data)
    load_prior(damaged)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_prior(damaged, PRIOR_SHA256)
    with pytest.raises(WeightsError, match="does not exist"):
        load_prior(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("weights", None, "holds no patch prior: it has"),
        ("other", torch.zeros(2), "holds no patch prior: it has"),
        ("weights", torch.ones(3) / 3, "fit together"),
        ("basis", torch.zeros(2, 49, 5), "fit together"),
        ("basis", torch.zeros(64), "fit together"),
        ("rest", torch.tensor(1.0), "fit together"),
        ("weights", torch.ones(2), "no variances"),
        ("weights", torch.tensor([1.0, 0.0]), "no variances"),
        ("variances", -torch.ones(2, 5), "no variances"),
        ("rest", torch.tensor([0.1, float("nan")]), "no variances"),
    ],
)
def test_other_tensors_are_no_prior(tmp_path: Path, key: str, value: torch.Tensor | None, match: str) -> None:
    prior = toy_prior(2, rank=5)
    state = {name: getattr(prior, name) for name in ("weights", "basis", "variances", "rest")}
    load_prior(save(tmp_path / "good.safetensors", state, {}))
    if value is None:
        del state[key]
    else:
        state[key] = value
    with pytest.raises(WeightsError, match=match):
        load_prior(save(tmp_path / "bad.safetensors", state, {}))


@pytest.mark.parametrize("variance", [0.02, 1.0, 30.0])
def test_one_component_is_the_wiener_filter(variance: float) -> None:
    (covariance,) = covariances(1)
    patches = centred_patches(50)
    expected = covariance @ torch.linalg.solve(covariance + variance * torch.eye(64, dtype=torch.float64), patches)
    torch.testing.assert_close(toy_prior(1).estimate(patches, variance), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("contrast", [0.3, 4.0])
def test_likelihood_is_that_of_the_gaussians(contrast: float) -> None:
    prior, patches = toy_prior(4), centred_patches(20)
    # An orthonormal basis of the patches of mean 0, in which the density exists.
    basis = torch.linalg.eigh(CENTRING)[1][:, 1:]
    noise = torch.eye(63, dtype=torch.float64) * 0.7
    expected = torch.stack(
        [
            torch.log(weight)
            + torch.distributions.MultivariateNormal(
                torch.zeros(63, dtype=torch.float64), contrast**2 * basis.T @ covariance @ basis + noise
            ).log_prob((basis.T @ patches).T)
            for weight, covariance in zip(prior.weights, covariances(4), strict=True)
        ]
    )
    found = prior.scaled(contrast).log_likelihood(patches, 0.7)
    constant = -0.5 * 63 * np.log(2 * np.pi)
    torch.testing.assert_close(found + constant, expected, rtol=0, atol=1e-7)


def test_low_rank_is_that_covariance() -> None:
    """A low rank is the same as the whole covariance that it stands for."""
    low = toy_prior(3, rank=6)
    outside = CENTRING - low.basis @ low.basis.mT
    whole = low.basis @ torch.diag_embed(low.variances) @ low.basis.mT + low.rest[:, None, None] * outside
    full = PatchPrior.of_covariances(low.weights, whole, 63)
    patches = centred_patches(30)
    for method in ("log_likelihood", "estimate"):
        found, expected = (getattr(prior, method)(patches, 0.5) for prior in (low, full))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_no_patches() -> None:
    assert toy_prior(3).estimate(torch.zeros(64, 0), 1.0).shape == (64, 0)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_whole_image_is_what_the_paper_says(stride: int) -> None:
    """Against a plain loop over patches."""
    prior, betas = toy_prior(1), (1.0, 4.0, 9.0)
    (covariance,) = covariances(1)
    noisy = torch.randn(9, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seen = torch.from_numpy(np.pad(noisy.numpy(), 8, mode="symmetric"))
    x = seen
    for beta, (row, column) in zip(betas, ((0, 0), (1, 1), (0, 1)), strict=True):
        filtered = covariance @ torch.linalg.inv(covariance + torch.eye(64, dtype=torch.float64) / beta)
        total, count = 64 * seen.clone(), torch.full_like(seen, 64.0)
        for i in range(row % stride, seen.shape[0] - 7, stride):
            for j in range(column % stride, seen.shape[1] - 7, stride):
                patch = x[i : i + 8, j : j + 8].reshape(64)
                clean = filtered @ (patch - patch.mean()) + patch.mean()
                total[i : i + 8, j : j + 8] += beta * stride**2 * clean.view(8, 8)
                count[i : i + 8, j : j + 8] += beta * stride**2
        x = total / count
    found = VSTEPLL(prior, betas, stride).restore(noisy, prior)
    torch.testing.assert_close(found, x[8:-8, 8:-8], rtol=0, atol=1e-10)


@pytest.mark.parametrize("bias", [0.0, 100.0, -60.0])
def test_removes_noise_and_keeps_the_mean(network: VSTEPLL, bias: float) -> None:
    clean, noisy = scene(bias=bias)
    result = denoise(network, noisy)
    assert result.dtype == np.float32
    before, after = (10 * np.log10(1 / squared_error(clean, image)) for image in (noisy, result))
    assert after > before + 10
    assert abs(float(result.mean() - noisy.mean())) < 0.3


def test_any_unit(network: VSTEPLL) -> None:
    _, noisy = scene(64)
    expected = denoise(network, noisy)
    for unit in (1e-3, 1e4):
        np.testing.assert_allclose(denoise(network, noisy * np.float32(unit)) / unit, expected, rtol=0, atol=0.1)


def test_standardised_intensities(network: VSTEPLL) -> None:
    clean, noisy = scene()
    mean, std = float(noisy.mean()), float(noisy.std())
    result = denoise(network, (noisy - mean) / std) * std + mean
    assert squared_error(clean, result) < squared_error(clean, noisy) / 10


def test_saturated_pixels(network: VSTEPLL) -> None:
    clean, noisy = scene()
    top = float(np.quantile(noisy, 0.95))
    result = denoise(network, np.minimum(noisy, top))
    dark = clean < top - 25
    assert np.isfinite(result).all()
    assert squared_error(clean[dark], result[dark]) < squared_error(clean[dark], noisy[dark]) / 5


def test_nan_in_the_frame_does_not_spoil_what_is_known_of_it(network: VSTEPLL) -> None:
    _, noisy = scene()
    holes = noisy.copy()
    holes[10:14, 20:24] = np.nan
    holes[50, 50] = np.inf
    known, expected = network.frame_context(holes), network.frame_context(noisy)
    assert known is not None
    assert known.transform.gain == pytest.approx(expected.transform.gain, rel=0.1)
    assert expected.contrast / 1.5 < known.contrast < expected.contrast * 1.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3), (5, 5), (6, 7), (5, 64)])
def test_small_images(network: VSTEPLL, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(10, 2, shape).astype(np.float32)
    result = denoise(network, image)
    assert np.isfinite(result).all()
    if min(shape) < 5:
        assert np.array_equal(result, image)
    else:
        assert result.std() < image.std()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 3), (8, 8), (9, 15)])
def test_small_parts_of_a_frame(network: VSTEPLL, shape: tuple[int, int]) -> None:
    _, noisy = scene()
    context = network.frame_context(noisy)
    part = torch.from_numpy(noisy[: shape[0], : shape[1]].copy())[None, None]
    result = network(part, context)
    assert result.shape == part.shape
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_leaves_an_image_without_noise(network: VSTEPLL, value: float) -> None:
    flat = np.full((40, 40), value, np.float32)
    assert np.array_equal(denoise(network, flat), flat)


def test_flat_part_of_a_noisy_frame_stays_flat(network: VSTEPLL) -> None:
    _, noisy = scene()
    context = network.frame_context(noisy)
    result = network(torch.full((1, 1, 20, 20), 30.0), context)
    assert float(result.std()) < 1e-4
    assert float(result.mean()) == pytest.approx(30.0, abs=1.0)


def test_noise_alone_is_smoothed_most(network: VSTEPLL) -> None:
    noise = np.random.default_rng(0).normal(50, 3, (96, 96)).astype(np.float32)
    assert network.frame_context(noise).contrast < 2 * min(CONTRASTS)
    assert denoise(network, noise).std() < 0.6


@pytest.mark.parametrize("contrast", [0.5, 2.0, 16.0])
def test_contrast_is_found(contrast: float) -> None:
    """An image that the prior describes is likeliest at the contrast that it has."""
    rng = np.random.default_rng(0)
    blurred = gaussian_filter(rng.normal(size=(160, 160)), 2.0, mode="wrap")
    prior = PatchPrior.of_covariances(torch.ones(1), smooth_covariance(0.5**0.5 / 2.0)[None], 63)
    noisy = torch.from_numpy(contrast * blurred / blurred.std() + rng.normal(size=blurred.shape))
    assert contrast / 1.3 < find_contrast(noisy, prior) < contrast * 1.3


def test_contrast_follows_the_noise(network: VSTEPLL) -> None:
    """Half the noise makes twice the contrast."""
    rng = np.random.default_rng(0)
    clean, _ = scene()
    found = [network.frame_context(clean + rng.normal(0, sigma, clean.shape)).contrast for sigma in (8.0, 4.0, 2.0)]
    assert found[0] < found[1] < found[2]
    assert 2.5 < found[2] / found[0] < 6


def test_tiles_are_those_of_the_whole(network: VSTEPLL) -> None:
    _, noisy = scene(150)
    noisy = noisy[:, :141]
    context = network.frame_context(noisy)
    whole = network(torch.from_numpy(noisy.copy())[None, None], context)
    noise = float(np.sqrt(context.transform.gain * np.median(noisy) + context.transform.offset_variance))
    halo, multiple = network.receptive_field // 2, network.size_multiple
    for top, bottom, left, right in ((0, 60, 0, 60), (48, 90, 42, 100), (90, 150, 5, 141)):
        # Reads start at multiples, as those of the engine do.
        y, x = (max(0, (n - halo) // multiple * multiple) for n in (top, left))
        part = torch.from_numpy(noisy[y : bottom + halo, x : right + halo].copy())
        inner = network(part[None, None], context)[..., top - y : bottom - y, left - x : right - x]
        # Rounding may tip the choice between two components that are equally likely, in a few patches.
        difference = (inner - whole[..., top:bottom, left:right]).abs()
        assert float(difference.max()) < 0.02 * noise
        assert float(difference.median()) < 1e-5 * noise


@given(chunk=st.integers(1, 5000))
@settings(max_examples=8, deadline=None)
def test_chunks_make_no_difference(chunk: int) -> None:
    prior = load_prior()
    noisy = torch.randn(40, 56, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = VSTEPLL(prior, (1.0, 4.0), chunk=10**6).restore(noisy, prior)
    torch.testing.assert_close(
        VSTEPLL(prior, (1.0, 4.0), chunk=chunk).restore(noisy, prior), expected, rtol=0, atol=1e-9
    )


def test_chunks_bound_what_is_worked_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = PatchPrior.estimate

    def watched(self: PatchPrior, patches: torch.Tensor, variance: float) -> torch.Tensor:
        seen.append(patches.shape[1])
        return plain(self, patches, variance)

    monkeypatch.setattr(PatchPrior, "estimate", watched)
    prior = toy_prior(2)
    VSTEPLL(prior, chunk=100).restore(torch.randn(64, 64), prior)
    assert max(seen) <= 100
    seen.clear()
    # A row of patches is the least.
    VSTEPLL(prior, chunk=1).restore(torch.randn(20, 64), prior)
    assert max(seen) == 37


def test_receptive_field_is_what_the_steps_have() -> None:
    prior = load_prior()
    network = VSTEPLL(prior)
    assert network.receptive_field == 1 + 14 * len(BETAS)
    edge = network.receptive_field + 8
    x = torch.randn(edge, edge, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    pixel = edge // 2 // 2 * 2 + 1
    network.restore(x, prior.scaled(2.0))[pixel, pixel].backward()
    assert x.grad is not None
    rows, columns = ((x.grad != 0).any(axis).nonzero() for axis in (1, 0))
    reach = max(
        pixel - int(rows.min()), int(rows.max()) - pixel, pixel - int(columns.min()), int(columns.max()) - pixel
    )
    assert 2 * reach + 1 == network.receptive_field


def test_works_where_its_input_lies(network: VSTEPLL) -> None:
    """No tensor is made on the default device, which is another one here."""
    _, noisy = scene(48)
    context = network.frame_context(noisy)
    batch = torch.from_numpy(noisy)[None, None]
    expected = network(batch, context)
    with torch.device("meta"):
        found = network(batch, context)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(network: VSTEPLL, dtype: torch.dtype) -> None:
    _, noisy = scene(48)
    context = network.frame_context(noisy)
    batch = torch.from_numpy(noisy)[None, None].to(dtype)
    result = network(batch, context)
    assert result.dtype == dtype
    torch.testing.assert_close(result.float(), network(batch.float(), context), rtol=5e-3, atol=0.05)


def test_batches_and_repeated_calls(network: VSTEPLL) -> None:
    _, noisy = scene()
    context = network.frame_context(noisy)
    batch = torch.from_numpy(np.stack([noisy[:40, :40], noisy[40:80, 40:80]]))[:, None]
    before = batch.clone()
    together = network(batch, context)
    assert torch.equal(together, torch.cat([network(batch[i : i + 1], context) for i in range(2)]))
    assert torch.equal(together, network(batch, context))
    assert torch.equal(batch, before)
    assert network(batch[:0], context).shape == (0, 1, 40, 40)
    untouched = network(batch, None)
    assert torch.equal(untouched, batch)
    assert untouched.data_ptr() != batch.data_ptr()


def test_takes_no_weights() -> None:
    with pytest.raises(ValueError, match="takes no weights"):
        build({"a": torch.zeros(1)})


def fitting() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_epll_prior", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mixture_is_found_again() -> None:
    generator = torch.Generator().manual_seed(0)
    roots = torch.stack([torch.diag(torch.tensor([5.0, 0.1, 0.1])), torch.diag(torch.tensor([0.1, 1.0, 3.0]))])
    parts = [torch.randn(n, 3, generator=generator) @ root for n, root in zip((3000, 1000), roots, strict=True)]
    weights, found = fitting().fit_mixture(torch.cat(parts), 2, 30, 1e-4, 0)
    order = weights.argsort(descending=True)
    torch.testing.assert_close(weights[order], torch.tensor([0.75, 0.25]), rtol=0, atol=0.03)
    torch.testing.assert_close(
        found[order].diagonal(dim1=1, dim2=2).sqrt(), roots.diagonal(dim1=1, dim2=2), rtol=0.1, atol=0.05
    )


def test_prior_is_fitted_to_w2s(w2s_root: Path, tmp_path: Path) -> None:
    """On two images: the same prior each time, in units of contrast."""
    for level in ("avg1", "avg400"):
        folder = tmp_path / "data" / "train" / level
        folder.mkdir(parents=True)
        for name in ("001_1.png", "002_2.png"):
            shutil.copy(w2s_root / "data" / "train" / level / name, folder / name)
    module = fitting()
    first, second = (module.gather(tmp_path, 500, np.random.default_rng(0)) for _ in range(2))
    assert first.shape == (1000, 64)
    assert torch.equal(first, second)
    assert 0.7 < float(first.std()) < 1.4
    one, two = (module.fit_prior(x, 3, 6, 3, 0) for x in (first, second))
    assert torch.equal(one.basis, two.basis)
    assert one.basis.shape == (3, 64, 6)


def test_beats_non_local_means_on_real_images(w2s_root: Path, network: VSTEPLL) -> None:
    noisy, clean = (
        iio.imread(w2s_root / "data" / "train" / level / "048_1.png")[128:384, 128:384].astype(np.float32)
        for level in ("avg1", "avg400")
    )
    averaging = VSTNonLocalMeans()
    context = averaging.frame_context(noisy)
    other = averaging(torch.from_numpy(noisy)[None, None], context)[0, 0].numpy()
    mine = denoise(network, noisy)
    gain = 10 * np.log10(squared_error(other, clean) / squared_error(mine, clean))
    assert gain > 0.5
