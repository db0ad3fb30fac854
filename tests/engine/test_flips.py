"""The mean over all flips and turns of a frame, for any model and however the frame is cut."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from w2s_toys import GlobalMean, PoolUp, SubtractContext, model, residual
from w2s_trained import unet_model

from napari_w2s._types import Cancelled, Progress, Task
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.models.descriptor import Normalization, RestorationModel

RNG = np.random.default_rng(0)
STANDARD = Normalization.STANDARD

Frame = np.ndarray


def orientations(frame: Frame) -> list[Frame]:
    return [np.rot90(mirrored, turns) for mirrored in (frame, frame[:, ::-1]) for turns in range(4)]


def by_hand(toy: RestorationModel, frame: Frame) -> Frame:
    """The mean over the 8 orientations of the whole frame, without the engine's option."""
    made = [np.rot90(predict(toy, turned), -i) for i, turned in enumerate(orientations(frame))]
    return np.mean([*made[:4], *(y[:, ::-1] for y in made[4:])], axis=0)


MODELS: dict[str, Callable[[], RestorationModel]] = {
    "convolutions": residual,
    "standardised": lambda: residual(normalization=STANDARD),
    "enlarging": lambda: residual(2, normalization=Normalization.UNIT),
    "pooling": lambda: model(PoolUp(), size_multiple=2, receptive_field=3),
    "unet": lambda: unet_model("denoised"),
    "unet, enlarging": lambda: unet_model("sim"),
    "of the frame": lambda: model(SubtractContext(), frame_context=True),
    "without a halo": lambda: model(GlobalMean(), receptive_field=None),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tile", [None, 24])
def test_it_is_the_mean_of_all_orientations(name: str, tile: int | None) -> None:
    toy, frame = MODELS[name](), RNG.random((40, 64))
    if name == "without a halo" and tile is not None:
        pytest.skip("its answer depends on the tile")
    expected = by_hand(toy, frame)
    result = predict(toy, frame, flips=True, tile=tile)
    np.testing.assert_allclose(result, expected, atol=1e-5 * float(np.ptp(expected)))
    if name not in ("pooling", "of the frame", "without a halo"):
        assert np.abs(result - predict(toy, frame)).max() > 0.01 * np.ptp(expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (33, 14)])
def test_any_size(name: str, shape: tuple[int, int]) -> None:
    toy = MODELS[name]()
    result = predict(toy, RNG.random(shape), flips=True)
    assert result.shape == (shape[0] * toy.scale, shape[1] * toy.scale)
    assert np.isfinite(result).all()


def test_the_result_turns_with_the_image() -> None:
    toy, frame = unet_model("sim"), RNG.random((24, 40))
    result = predict(toy, frame, flips=True)
    for turned, expected in zip(orientations(frame), orientations(result), strict=True):
        np.testing.assert_allclose(predict(toy, turned, flips=True), expected, atol=1e-5 * float(np.ptp(result)))


def test_the_image_and_the_answer_may_be_one() -> None:
    frame = RNG.random((5, 9))
    np.testing.assert_allclose(predict(model(nn.Identity()), frame, flips=True), frame, rtol=1e-6)


@pytest.mark.parametrize("tile", [None, 16])
def test_progress_counts_every_pixel_once(tile: int | None) -> None:
    chain = Pipeline(residual(), residual(2, task=Task.SR))
    stack = RNG.random((2, 40, 23))
    seen: list[Progress] = []
    result = predict(chain, stack, flips=True, tile=tile, progress=seen.append)
    assert all(a.done < b.done for a, b in pairwise(seen))
    assert seen[-1].done == seen[-1].total == 2 * 40 * 23 * 2
    covered = np.zeros(result.shape, int)
    for progress in seen:
        if progress.region is not None:
            covered[progress.region] += 1
    assert (covered == 1).all()


def test_stopping_need_not_wait_for_all_orientations() -> None:
    calls = 0

    class Counting(nn.Module):
        def frame_context(self, frame: Frame) -> None: ...

        def forward(self, x: torch.Tensor, context: None) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return x

    toy = model(Counting(), frame_context=True)
    predict(toy, RNG.random((8, 8)), flips=True)
    assert calls == 8
    calls = 0
    with pytest.raises(Cancelled):
        predict(toy, RNG.random((8, 8)), flips=True, should_stop=lambda: calls == 3)
    assert calls == 3
