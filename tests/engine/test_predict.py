"""Any model over any array: the same answer however the work is cut."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
from torch import nn
from w2s_toys import GlobalMean, PoolUp, Residual, SubtractContext, model, residual

from napari_w2s._types import Cancelled, InputError, Progress, Task
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.engine.runner import Runner
from napari_w2s.models.descriptor import Normalization, RestorationModel

RNG = np.random.default_rng(0)


def whole(restoration: RestorationModel, frame: np.ndarray) -> np.ndarray:
    """The network's own answer for a frame, without the engine."""
    with torch.inference_mode():
        return restoration.network(torch.from_numpy(frame.astype(np.float32))[None, None])[0, 0].numpy()


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 200), (97, 33), (130, 131), (400, 3)])
@pytest.mark.parametrize("tile", [None, 8, 50])
def test_tiles_and_bands_give_the_whole_image_answer(scale: int, shape: tuple[int, int], tile: int | None) -> None:
    toy, frame = residual(scale), RNG.random(shape)
    np.testing.assert_allclose(predict(toy, frame, tile=tile), whole(toy, frame), atol=2e-5)


def test_convolutions_run_in_bands_on_the_cpu() -> None:
    assert Runner(residual())._streamer is not None
    assert Runner(residual(), tile=64)._streamer is None


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 3, padding=0),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(1, 1, 2, padding="same"),
        nn.AdaptiveAvgPool2d(1),
        nn.InstanceNorm2d(1),
        nn.Upsample(scale_factor=2),
    ],
)
def test_what_cannot_run_in_bands_does_not(layer: nn.Module) -> None:
    assert Runner(model(nn.Sequential(layer)))._streamer is None


def test_shared_rows_are_not_rectified_in_place() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            return self.relu(y) - y

    assert Runner(model(Shared(), receptive_field=3))._streamer is None


def test_wide_images_are_cut_into_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_w2s.engine.runner.memory_budget", lambda _device: 400_000)
    toy, frame = residual(2), RNG.random((40, 700))
    np.testing.assert_allclose(predict(toy, frame), whole(toy, frame), atol=2e-5)


@pytest.mark.parametrize(
    "image",
    [
        RNG.integers(0, 2, (20, 30)).astype(bool),
        RNG.integers(0, 255, (20, 30)).astype(np.uint8),
        RNG.integers(0, 60000, (20, 30)).astype(">u2"),
        RNG.integers(-300, 300, (20, 30)).astype(np.int32),
        RNG.random((20, 30)).astype(np.float16),
        RNG.random((30, 20)).astype(">f8").T,
        RNG.random((40, 60))[::-2, ::-2],
    ],
    ids=lambda a: f"{a.dtype}{a.strides}",
)
def test_every_real_dtype_and_layout(image: np.ndarray) -> None:
    toy = residual(normalization=Normalization.UNIT)
    result = predict(toy, image)
    plain = np.ascontiguousarray(image.astype(float))
    limits = {"|b1": (0.0, 1.0), "|u1": (0.0, 255.0)}.get(image.dtype.str)
    assert result.dtype == np.float32
    np.testing.assert_allclose(
        result, predict(toy, plain, intensity_range=limits), rtol=1e-4, atol=1e-4 * float(np.ptp(plain))
    )


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 4), complex), "complex"),
        (np.array([["a"]]), "real numbers"),
        (np.zeros(5), "axes y and x"),
        ([[1, 2]], "must be an array"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        predict(residual(), image)


def test_leading_axes_are_frames() -> None:
    toy, stack = residual(2), RNG.random((2, 3, 17, 12))
    result = predict(toy, stack)
    assert result.shape == (2, 3, 34, 24)
    np.testing.assert_allclose(result[1, 2], whole(toy, stack[1, 2]), atol=2e-5)


@pytest.mark.parametrize("shape", [(0, 5), (0, 4, 4), (2, 0, 3)])
def test_empty_arrays_give_empty_arrays(shape: tuple[int, ...]) -> None:
    assert predict(residual(2), np.zeros(shape)).shape == (*shape[:-2], shape[-2] * 2, shape[-1] * 2)


def test_size_multiples_are_padded_and_cut_off() -> None:
    toy = model(PoolUp(), size_multiple=2, receptive_field=3)
    frame = np.arange(15.0).reshape(3, 5)
    for tile in (None, 2):
        result = predict(toy, frame, tile=tile)
        assert result.shape == (3, 5)
        np.testing.assert_allclose(result[:2, :4], np.kron([[3, 5], [13, 15]], np.ones((2, 2)))[:2, :4] + [[0] * 4] * 2)


def test_frame_context_comes_from_the_whole_frame() -> None:
    toy = model(SubtractContext(), frame_context=True)
    frame = RNG.random((40, 40))
    np.testing.assert_allclose(predict(toy, frame, tile=16), frame - frame.max(), atol=1e-6)


def test_blended_tiles_are_of_the_size_that_the_model_says() -> None:
    frame = RNG.random((100, 70))
    free, fixed = (model(GlobalMean(), receptive_field=None, blended_tile=edge) for edge in (None, 32))
    np.testing.assert_array_equal(predict(fixed, frame), predict(free, frame, tile=32))
    np.testing.assert_array_equal(predict(fixed, frame[:30, :30]), predict(free, frame[:30, :30]))
    assert not np.array_equal(predict(fixed, frame), predict(free, frame))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_transposed_convolutions_run_in_a_lower_precision(precision: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(4, 1, 3, padding=1)
    )
    toy, frame = model(network, scale=2, task=Task.SR, receptive_field=5), RNG.random((20, 20))
    exact = predict(toy, frame, precision="float32")
    np.testing.assert_allclose(predict(toy, frame, precision=precision), exact, atol=0.02)


def test_global_models_are_blended_without_seams() -> None:
    toy = model(GlobalMean(), receptive_field=None)
    constant = np.full((100, 90), 3.0)
    np.testing.assert_allclose(predict(toy, constant, tile=32), 6.0, rtol=1e-6)
    ramp = np.linspace(0, 1, 200)[None].repeat(50, 0)
    steps = np.abs(np.diff(predict(toy, ramp, tile=64)[20]))
    assert steps.max() < 0.02


def test_intensities_keep_their_scale_and_offset() -> None:
    """A model on [0, 1] gives the same picture for 8-bit values and for camera counts of them."""
    toy = residual(normalization=Normalization.UNIT)
    eight_bit = RNG.integers(0, 256, (50, 50)).astype(np.uint8)
    eight_bit.flat[:2] = 0, 255
    counts = eight_bit.astype(np.uint16) * 3 + 94
    np.testing.assert_allclose(predict(toy, counts), predict(toy, eight_bit) * 3 + 94, rtol=1e-5, atol=1e-2)


def test_a_given_range_is_used() -> None:
    toy = model(nn.Hardtanh(0, 1), normalization=Normalization.UNIT)
    frame = np.array([[0.0, 10, 20, 30]])
    assert predict(toy, frame, intensity_range=(10, 20)).tolist() == [[10, 10, 20, 20]]


@pytest.mark.parametrize("limits", [(5, 5), (3, 1), (0, np.nan), (0, np.inf)])
def test_an_empty_range_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="intensity range"):
        predict(residual(), np.zeros((4, 4)), intensity_range=limits)


@pytest.mark.parametrize("value", [0, 7, -3.5, 65535])
def test_constant_frames_are_finite(value: float) -> None:
    toy = model(nn.Identity(), normalization=Normalization.UNIT)
    np.testing.assert_allclose(predict(toy, np.full((9, 9), value)), value)


def test_non_finite_policies() -> None:
    toy = model(nn.Upsample(scale_factor=2), scale=2, normalization=Normalization.UNIT)
    frame = np.ones((6, 6))
    frame[2, 3], frame[0, 0], frame[5, 5] = np.nan, np.inf, 4
    kept = predict(toy, frame)
    assert np.isnan(kept).sum() == 8
    assert np.isnan(kept[4:6, 6:8]).all()
    filled = predict(toy, frame, non_finite="fill")
    np.testing.assert_allclose(filled[4:6, 6:8], (33 + 4) / 34, rtol=1e-6)
    np.testing.assert_array_equal(filled[~np.isnan(kept)], kept[~np.isnan(kept)])
    with pytest.raises(InputError, match="2 of 36 pixels"):
        predict(toy, frame, non_finite="raise")
    with pytest.raises(InputError, match="non_finite"):
        predict(toy, frame, non_finite="ignore")


def test_all_nan_stays_nan() -> None:
    toy = residual(normalization=Normalization.UNIT)
    assert np.isnan(predict(toy, np.full((20, 20), np.nan))).all()


@pytest.mark.parametrize("tile", [None, 10])
def test_progress_counts_pixels_and_names_regions(tile: int | None) -> None:
    chain = Pipeline(residual(), residual(2, task=Task.SR))
    image = RNG.random((2, 90, 33))
    out = np.full((2, 180, 66), np.nan, np.float32)
    seen: list[Progress] = []

    def note(progress: Progress) -> None:
        seen.append(progress)
        if progress.region is not None:
            assert np.isfinite(out[progress.region]).all()

    assert predict(chain, image, out=out, tile=tile, progress=note) is out
    done = [p.done for p in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total == 2 * 90 * 33 * 2
    covered = np.zeros(out.shape, int)
    for p in seen:
        if p.region is not None:
            covered[p.region] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("tile", [None, 20])
def test_stopping_is_polled_per_part(tile: int | None) -> None:
    polls, parts = 0, 0

    def stop() -> bool:
        nonlocal polls
        polls += 1
        return polls > 3

    def count(_progress: Progress) -> None:
        nonlocal parts
        parts += 1

    out = np.full((4000, 60), np.nan, np.float32)
    with pytest.raises(Cancelled):
        predict(residual(), RNG.random((4000, 60)), out=out, tile=tile, should_stop=stop, progress=count)
    assert polls == 4
    assert 1 <= parts <= 3
    assert np.isfinite(out).any()
    assert np.isnan(out).any()


def test_pipelines_equal_their_stages() -> None:
    first, second = residual(normalization=Normalization.UNIT), residual(2, task=Task.SR)
    image = RNG.random((40, 41)) * 900
    chain = Pipeline(first, second)
    assert (chain.scale, chain.task, chain.name) == (2, Task.JDSR, "toy+toy")
    np.testing.assert_allclose(predict(chain, image), predict(second, predict(first, image)), rtol=1e-4, atol=1e-2)


def test_a_pipeline_makes_sense() -> None:
    with pytest.raises(InputError, match="denoiser first"):
        Pipeline(residual(2, task=Task.SR), residual())
    with pytest.raises(InputError, match="at least one"):
        Pipeline()


def test_dask_in_dask_out() -> None:
    toy = residual(2, normalization=Normalization.UNIT)
    stack = RNG.random((5, 40, 31))
    lazy = predict(toy, da.from_array(stack, chunks=(2, 16, 31)))
    assert isinstance(lazy, da.Array)
    assert lazy.shape == (5, 80, 62)
    np.testing.assert_allclose(lazy.compute(scheduler="threads"), predict(toy, stack), atol=1e-6)


def test_dask_computes_only_the_frames_that_are_looked_at() -> None:
    asked: list[int] = []

    def frame(block_info: Any = None) -> np.ndarray:
        asked.append(block_info[None]["chunk-location"][0])
        return np.ones((1, 20, 20))

    source = da.map_blocks(frame, chunks=((1,) * 50, (20,), (20,)), dtype=float, meta=np.empty((0, 0, 0)))
    predict(residual(), source)[7].compute()
    assert set(asked) == {7}


def test_dask_into_an_array_reports_progress() -> None:
    out = np.empty((2, 20, 20), np.float32)
    seen: list[Progress] = []
    source = da.ones((2, 20, 20))
    assert predict(residual(), source, out=out, progress=seen.append) is out
    assert seen[-1].fraction == 1


def test_a_wrong_out_array_is_refused() -> None:
    with pytest.raises(InputError, match="out must be float32"):
        predict(residual(2), np.zeros((8, 8)), out=np.empty((8, 8), np.float32))


def test_the_model_itself_is_left_alone() -> None:
    toy = residual()
    before = {k: v.clone() for k, v in toy.network.state_dict().items()}
    predict(toy, RNG.random((30, 30)), precision="bfloat16")
    assert isinstance(toy.network, Residual)
    for key, value in toy.network.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_lower_precision_is_close_and_never_assumed() -> None:
    toy, frame = residual(), RNG.random((60, 60))
    assert Runner(toy).dtype == torch.float32
    exact = predict(toy, frame, precision="float32")
    rough = predict(toy, frame, precision="bfloat16")
    assert 0 < np.abs(rough - exact).max() < 0.05 * np.ptp(exact)
    with pytest.raises(InputError, match="no precision 'int8'"):
        predict(toy, frame, precision="int8")


def test_lower_precision_is_taken_where_it_was_measured_to_be_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_w2s.engine.runner.is_fast_in_bfloat16", lambda _device: True)
    assert Runner(residual(precision_cost_db={"bfloat16": 0.05}), device="cpu").dtype == torch.bfloat16
    assert Runner(residual(precision_cost_db={"bfloat16": 0.06}), device="cpu").dtype == torch.float32
    assert Runner(residual(), device="cpu").dtype == torch.float32


@pytest.mark.skipif("W2S_ROOT" not in os.environ, reason="W2S_ROOT is not set: no real W2S data here")
def test_a_real_image_in_bands_equals_the_whole(w2s_root: Any) -> None:
    from imageio.v3 import imread

    from napari_w2s.models.builtin import default_registry

    dncnn = default_registry().load("dncnn-avg1", weights=w2s_root / "net_data")
    frame = imread(w2s_root / "data/train/avg1/001_0.png")[:300, :260]
    direct = whole(dncnn, frame.astype(np.float32) / 255) * 255
    for tile in (None, 100):
        np.testing.assert_allclose(predict(dncnn, frame, precision="float32", tile=tile), direct, atol=5e-3)


def test_every_step_is_forward() -> None:
    seen: list[Progress] = []
    predict(residual(), RNG.random((3, 64, 64)), tile=16, progress=seen.append)
    assert all(a.done < b.done for a, b in pairwise(seen))
