"""The model that comes with the package, on images that it did not learn from and on fields with nothing in them."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
import pytest
from imageio.v3 import imread

from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import match_affine, psnr
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import RestorationModel

HELD_OUT = ("047_0", "050_1", "053_2")
PART = (slice(128, 384), slice(128, 384))
FINE = (slice(256, 768), slice(256, 768))

Array = npt.NDArray[np.generic]


@pytest.fixture(scope="module")
def denoiser() -> RestorationModel:
    return default_registry().load("w2s-denoise")


@pytest.fixture(scope="module")
def doubler() -> RestorationModel:
    return default_registry().load("w2s-jdsr")


def images(root: Path, level: str, part: tuple[slice, slice]) -> list[Array]:
    return [imread(root / "data/train" / level / f"{name}.png")[part] for name in HELD_OUT]


@pytest.mark.parametrize(("level", "gain"), [("avg1", 13.0), ("avg4", 10.0), ("avg16", 8.0)])
def test_denoises_every_level(w2s_root: Path, denoiser: RestorationModel, level: str, gain: float) -> None:
    pairs = zip(images(w2s_root, level, PART), images(w2s_root, "avg400", PART), strict=True)
    better = [
        psnr(clean, predict(denoiser, noisy), data_range=255) - psnr(clean, noisy, data_range=255)
        for noisy, clean in pairs
    ]
    assert mean(better) > gain


@pytest.mark.parametrize("level", ["avg1", "avg16"])
def test_denoising_keeps_the_mean(w2s_root: Path, denoiser: RestorationModel, level: str) -> None:
    for noisy in images(w2s_root, level, PART):
        assert predict(denoiser, noisy).mean() == pytest.approx(noisy.mean(), rel=0.01)


@pytest.mark.parametrize("level", ["avg1", "avg16", "avg400"])
def test_is_nearer_to_sim_than_bicubic(w2s_root: Path, doubler: RestorationModel, level: str) -> None:
    bicubic = default_registry().load("bicubic")
    better = []
    for noisy, sim in zip(images(w2s_root, level, PART), images(w2s_root, "sim", FINE), strict=True):
        scores = [psnr(sim, match_affine(predict(m, noisy), sim), data_range=255) for m in (doubler, bicubic)]
        better.append(scores[0] - scores[1])
    assert mean(better) > 1.0


@pytest.mark.parametrize("name", ["denoiser", "doubler"])
def test_any_intensity_scale(w2s_root: Path, name: str, request: pytest.FixtureRequest) -> None:
    model: RestorationModel = request.getfixturevalue(name)
    (noisy, *_) = images(w2s_root, "avg4", PART)
    low, high = float(noisy.min()), float(noisy.max())
    expected = predict(model, noisy, precision="float32", intensity_range=(low, high))
    for scale, offset, kind in ((11.0, 9_000.0, np.uint16), (1 / 66, -2.3, np.float32), (1e-4, 1.0, np.float64)):
        other = (noisy * scale + offset).astype(kind)
        made = predict(model, other, precision="float32").astype(np.float64)
        np.testing.assert_allclose((made - offset) / scale, expected, atol=0.02 * (high - low) / 255, rtol=0)


@pytest.mark.parametrize("name", ["denoiser", "doubler"])
def test_makes_nothing_up_in_an_empty_field(name: str, request: pytest.FixtureRequest) -> None:
    rng = np.random.default_rng(0)
    empty = (100 + rng.poisson(20, (256, 256)) * 2.0 + rng.normal(0, 3, (256, 256))).astype(np.float32)
    made = predict(request.getfixturevalue(name), empty)
    assert np.ptp(np.percentile(made, [0.5, 99.5])) < 0.1 * np.ptp(np.percentile(empty, [0.5, 99.5]))


def test_a_constant_image_stays_constant(denoiser: RestorationModel) -> None:
    made = predict(denoiser, np.full((64, 64), 1000, np.uint16))
    np.testing.assert_allclose(made, 1000, rtol=0.01)
