"""BM3D between the transforms, with a stand-in for its package where that is not wanted or not installed."""

from __future__ import annotations

import copy
import pickle
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_w2s._types import InputError
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.models.classical.bm3d import VSTBM3D, build


class StandIn(ModuleType):
    """Takes what the package takes, blurs, and notes what it was given."""

    BM3DProfile = SimpleNamespace

    def __init__(self) -> None:
        super().__init__("bm3d")
        self.calls: list[tuple[np.ndarray, float, Any]] = []

    def bm3d(self, z: np.ndarray, sigma_psd: float, profile: Any) -> np.ndarray:
        self.calls.append((z.copy(), sigma_psd, profile))
        return ndimage.gaussian_filter(z, 2.0)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    package = StandIn()
    monkeypatch.setitem(sys.modules, "bm3d", package)
    return package


@pytest.fixture
def real() -> None:
    pytest.importorskip("bm3d", reason="the extra bm3d is not installed", exc_type=ImportError)


def scene(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A smooth scene and its noisy image of gain 2 and read noise 1."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    clean = 60 + 50 * np.sin(9 * x) * np.cos(7 * y)
    return clean, (2.0 * rng.poisson(clean / 2.0) + rng.normal(0, 1.0, clean.shape)).astype(np.float32)


def denoise(noisy: np.ndarray) -> np.ndarray:
    network = build(None)
    return network(torch.from_numpy(noisy)[None, None], network.frame_context(noisy))[0, 0].numpy()


def test_the_package_is_given_noise_of_standard_deviation_one(stand_in: StandIn) -> None:
    _, noisy = scene()
    denoise(noisy)
    ((stable, sigma, profile),) = stand_in.calls
    assert sigma == 1.0
    assert profile.num_threads == torch.get_num_threads()
    differences = stable[:, 1:] - stable[:, :-1]
    assert differences.std() / np.sqrt(2) == pytest.approx(1.0, abs=0.1)


def test_the_mean_survives_both_transforms(stand_in: StandIn) -> None:
    clean, noisy = scene()
    result = denoise(noisy)
    assert result.mean() == pytest.approx(noisy.mean(), abs=0.5)
    assert np.mean((result - clean) ** 2) < np.mean((noisy - clean) ** 2) / 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (8, 8), (3, 70)])
def test_small_images_are_continued(stand_in: StandIn, shape: tuple[int, int]) -> None:
    _, noisy = scene()
    network = build(None)
    part = torch.from_numpy(np.resize(noisy, shape))[None, None]
    result = network(part, network.frame_context(noisy))
    assert result.shape == part.shape
    ((stable, *_),) = stand_in.calls
    assert min(stable.shape) >= 16
    assert len(np.unique(stable)) <= part.numel()


def test_nothing_is_called_without_noise_or_pixels(stand_in: StandIn) -> None:
    flat = np.full((40, 40), 7.0, np.float32)
    assert np.array_equal(denoise(flat), flat)
    network = build(None)
    assert network(torch.zeros(0, 1, 9, 9), network.frame_context(scene()[1])).shape == (0, 1, 9, 9)
    assert not stand_in.calls


def test_the_method_can_be_copied_and_pickled(stand_in: StandIn) -> None:
    network = build(None)
    batch, context = torch.from_numpy(scene()[1])[None, None], network.frame_context(scene()[1])
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(batch, context), network(batch, context))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(InputError, match=r'pip install "napari-w2s\[bm3d\]".*non-commercial'):
        build(None)


def test_a_package_for_another_processor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ModuleType:
        raise OSError(f"{name}: libbm4d.so has a wrong ELF class")

    monkeypatch.setattr("napari_w2s.models.classical.bm3d.import_module", refuse)
    with pytest.raises(InputError, match=r"does not work on this computer: .*wrong ELF class"):
        build(None)


def test_it_takes_no_weights(stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="takes no weights"):
        build({"a": torch.zeros(1)})


@pytest.mark.usefixtures("real")
def test_the_real_package_denoises() -> None:
    clean, noisy = scene()
    before, after = (float(np.mean((image - clean) ** 2)) for image in (noisy, denoise(noisy)))
    assert after < before / 10


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 33)])
def test_the_real_package_takes_any_size(shape: tuple[int, int]) -> None:
    _, noisy = scene()
    network = VSTBM3D()
    part = torch.from_numpy(np.resize(noisy, shape))[None, None]
    before = part.clone()
    result = network(part, network.frame_context(noisy))
    assert result.shape == part.shape
    assert torch.isfinite(result).all()
    assert torch.equal(part, before)


@pytest.mark.usefixtures("real")
def test_the_real_package_takes_saturated_and_negative_pixels() -> None:
    _, noisy = scene()
    noisy = np.clip(noisy - 80.0, None, 0.0)
    result = denoise(noisy)
    assert np.isfinite(result).all()
    assert result.mean() == pytest.approx(noisy.mean(), abs=1.0)


def cell() -> np.ndarray:
    """A piece of a simulated cell, from 100 to 200."""
    clean = simulate_fov(11, 1, 128).clean[30:94, 30:94].astype(float)
    return 100 + 100 * (clean - clean.min()) / np.ptp(clean)


@pytest.mark.usefixtures("real")
def test_on_gaussian_noise_it_is_what_the_package_is_by_itself() -> None:
    """Which is told the noise that is measured here."""
    import bm3d

    clean, sigma = cell(), 6.0
    noisy = clean + sigma * np.random.default_rng(0).standard_normal(clean.shape)
    ours, theirs = denoise(noisy.astype(np.float32)), bm3d.bm3d(noisy, sigma)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.03 * sigma
    assert np.mean((ours - clean) ** 2) == pytest.approx(np.mean((theirs - clean) ** 2), rel=0.05)


@pytest.mark.usefixtures("real")
def test_on_poisson_noise_it_is_the_package_between_textbook_transforms() -> None:
    import bm3d

    clean, gain, read = cell(), 2.0, 3.0
    rng = np.random.default_rng(0)
    noisy = (gain * rng.poisson(clean / gain) + read * rng.standard_normal(clean.shape)).astype(np.float32)
    transform = build(None).frame_context(noisy)
    assert transform.gain == pytest.approx(gain, rel=0.5)

    def stable(z: Any) -> Any:
        return 2 / transform.gain * np.sqrt(transform.gain * z + 0.375 * transform.gain**2 + transform.offset_variance)

    smooth = bm3d.bm3d(stable(noisy), 1.0) - stable(transform.reference)
    # Where 0 lies makes a little difference to the filter.
    difference = denoise(noisy) - transform.inverse(smooth)
    assert np.sqrt(np.mean(difference**2)) < 0.03 * np.std(noisy - clean)
