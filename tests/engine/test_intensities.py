"""Any intensity scale: what a frame is measured to be, and models that see it standardised."""

from __future__ import annotations

import dataclasses
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from w2s_toys import Residual, model, residual
from w2s_trained import small_unet, unet_model

from napari_w2s._types import Task
from napari_w2s.engine.frames import apply_stretch, measure
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.models.descriptor import Normalization, RestorationModel, Stretch

RNG = np.random.default_rng(0)
STANDARD, UNIT = Normalization.STANDARD, Normalization.UNIT

Frame = npt.NDArray[Any]


def cells(shape: tuple[int, int] = (40, 52)) -> Frame:
    """An 8-bit frame of the full range, most of it dark."""
    frame = RNG.gamma(2.0, 12.0, shape).clip(0, 255).astype(np.uint8)
    frame.flat[:2] = 0, 255
    return frame


def spread_of(frame: Frame) -> tuple[float, float]:
    measured = measure(frame, None, "keep", spread=True)
    assert measured.std is not None
    return measured.mean, measured.std


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, ">u2", np.uint32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (1300, 3), (700, 200)])
def test_mean_and_spread_are_those_of_numpy(dtype: Any, shape: tuple[int, int]) -> None:
    frame = (RNG.random(shape) * 3).astype(dtype)
    plain = frame.astype(float)
    assert spread_of(frame) == pytest.approx((plain.mean(), plain.std()), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("first", [10_003.0, 5e8])
def test_an_offset_costs_no_digits(first: float) -> None:
    frame = 10_000 + 3 * RNG.standard_normal((900, 300))
    frame[0, 0] = first
    mean, std = spread_of(frame)
    # Of numbers without the offset, in the precision beyond double, where the machine has one.
    plain = (frame - 10_000).astype(np.longdouble)
    assert mean - 10_000 == pytest.approx(float(plain.mean()), rel=1e-9)
    assert std == pytest.approx(float(plain.std()), rel=1e-12)


def test_pixels_that_are_no_numbers_do_not_count() -> None:
    frame = RNG.random((600, 20))
    frame[3], frame[550, 4:9] = np.nan, (np.inf, -np.inf, np.nan, np.inf, np.nan)
    good = frame[np.isfinite(frame)]
    assert spread_of(frame) == pytest.approx((good.mean(), good.std()))
    assert spread_of(np.full((4, 4), np.nan)) == (0.0, 0.0)


@pytest.mark.parametrize("value", [0, 0.1, -3e5, 65535])
def test_a_constant_frame_has_no_spread_at_all(value: float) -> None:
    frame = np.full((1030, 70), value)
    assert spread_of(frame) == (value, 0.0)
    np.testing.assert_array_equal(measure(frame, None, "keep", spread=True).to_model(frame, STANDARD), 0)


def test_the_spread_is_measured_where_it_is_asked_for() -> None:
    measured = measure(cells(), None, "keep")
    assert measured.std is None
    with pytest.raises(ValueError, match="not measured"):
        measured.to_model(cells(), STANDARD)


def test_a_standardised_frame_has_mean_0_and_spread_1() -> None:
    seen: list[torch.Tensor] = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x

        def frame_context(self, frame: Frame) -> None: ...

    class Watching(Spy):
        def forward(self, x: torch.Tensor, context: None) -> torch.Tensor:
            return super().forward(x)

    counts = cells((64, 64)).astype(np.uint16) + 10_000
    result = predict(model(Watching(), frame_context=True, normalization=STANDARD), counts, intensity_range=(0, 1))
    (given,) = seen
    assert float(given.mean()) == pytest.approx(0, abs=1e-6)
    assert float(given.std(correction=0)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(result, counts, atol=2e-3)


MODELS = {
    "convolutions": lambda: residual(normalization=STANDARD),
    "denoised": lambda: unet_model("denoised"),
    "sim": lambda: unet_model("sim"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        (np.uint16, 1, 10_000),
        (np.uint16, 3, 94),
        (np.int32, 100, -20_000),
        (np.float32, 1 / 255, 0),
        (np.float32, 1 / 21, -1.3),
        (np.float64, 1e-9, 0),
        (np.float64, 1e6, -1e9),
    ],
)
def test_scale_and_offset_do_not_matter(name: str, dtype: Any, scale: float, offset: float) -> None:
    """8-bit images, camera counts over an offset, and floats of mean 0 come out alike."""
    toy, eight_bit = MODELS[name](), cells()
    expected = predict(toy, eight_bit).astype(float)
    result = predict(toy, (eight_bit * float(scale) + offset).astype(dtype)).astype(float)
    # Results are float32 on the image's own scale: an offset takes the digits behind the point.
    grain = np.spacing(np.float32(abs(offset))) / scale
    np.testing.assert_allclose((result - offset) / scale, expected, atol=2e-4 * np.ptp(expected) + 2 * grain)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e4, 1e4))
def test_any_scale_and_offset(scale: float, offset: float) -> None:
    toy = residual(normalization=STANDARD)
    frame = np.random.default_rng(1).normal(5, 2, (17, 23))
    expected = predict(toy, frame).astype(float)
    result = predict(toy, frame * scale + offset).astype(float)
    grain = float(np.spacing(np.float32(np.abs(result).max())))
    np.testing.assert_allclose(result, expected * scale + offset, atol=1e-5 * scale * np.ptp(expected) + 2 * grain)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("value", [0, 3, -2.5, 10_000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (20, 20)])
def test_constant_frames_and_single_pixels(name: str, value: float, shape: tuple[int, int]) -> None:
    toy = MODELS[name]()
    result = predict(toy, np.full(shape, value))
    assert result.shape == (shape[0] * toy.scale, shape[1] * toy.scale)
    assert np.isfinite(result).all()
    # As what the network makes of nothing, one unit being one unit of intensity.
    nothing = predict(toy, np.zeros(shape))
    np.testing.assert_allclose(result - np.float32(value), nothing, atol=2e-3)


@pytest.mark.parametrize("name", MODELS)
def test_non_finite_policies(name: str) -> None:
    toy = MODELS[name]()
    frame = cells().astype(np.float32)
    frame[7, 5], frame[30, 40] = np.nan, np.inf
    kept, filled = predict(toy, frame), predict(toy, frame, non_finite="fill")
    bad = np.kron(~np.isfinite(frame), np.ones((toy.scale, toy.scale))) > 0
    np.testing.assert_array_equal(np.isnan(kept), bad)
    np.testing.assert_array_equal(kept[~bad], filled[~bad])
    # What is no number is seen as the mean of what is, and does not change how the rest is seen.
    intensities = measure(frame, None, "keep", spread=True)
    whole = np.where(np.isfinite(frame), frame, np.float32(intensities.mean))
    as_whole = predict(toy, whole, intensities=intensities)
    np.testing.assert_allclose(filled, as_whole, atol=1e-5 * float(np.ptp(as_whole)))
    assert np.isnan(predict(toy, np.full((9, 9), np.nan))).all()


def test_the_answer_can_come_back_another_way() -> None:
    """A network on standardised frames whose answers are shares of the range."""
    frame = cells()
    mean, std = spread_of(frame)
    toy = model(nn.Identity(), normalization=STANDARD, result=UNIT)
    np.testing.assert_allclose(predict(toy, frame), 255 * (frame - mean) / std, rtol=1e-4, atol=1e-2)
    as_counts = frame.astype(np.float32) * 3 + 100
    np.testing.assert_allclose(predict(toy, as_counts), 3 * 255 * (frame - mean) / std + 100, rtol=1e-4, atol=1e-1)
    back = model(nn.Identity(), normalization=UNIT, result=STANDARD)
    np.testing.assert_allclose(predict(back, frame), frame / 255 * std + mean, rtol=1e-5)


def test_in_a_chain_each_model_sees_a_standardised_frame() -> None:
    frame = cells()
    first, second = residual(normalization=UNIT), residual(2, task=Task.SR, normalization=STANDARD)
    expected = predict(second, predict(first, frame))
    np.testing.assert_allclose(predict(Pipeline(first, second), frame), expected, rtol=1e-4, atol=1e-2)
    counts = frame.astype(np.uint16) * 3 + 10_000
    shifted = predict(Pipeline(first, second), counts)
    np.testing.assert_allclose((shifted - 10_000) / 3, expected, atol=1e-2)


def test_the_range_of_a_chain_is_that_of_the_image() -> None:
    frame = cells()
    halve = model(nn.Hardtanh(0, 0.5), normalization=UNIT)
    share = model(nn.Identity(), normalization=STANDARD, result=UNIT)
    dimmed = predict(halve, frame)
    expected = 255 * (dimmed - dimmed.mean()) / dimmed.std()
    np.testing.assert_allclose(predict(Pipeline(halve, share), frame), expected, rtol=1e-3, atol=0.05)


def direct(toy: RestorationModel, frame: Frame) -> Frame:
    """What the network itself makes of a frame whose size needs no padding, in its own units."""
    mean, std = spread_of(frame)
    with torch.inference_mode():
        x = torch.from_numpy(((frame - mean) / std).astype(np.float32))[None, None]
        return toy.network(x)[0, 0].numpy()


@pytest.mark.parametrize("output", ["denoised", "sim"])
def test_tiles_of_a_network_that_pools_give_the_whole_image_answer(output: str) -> None:
    toy, frame = unet_model(output), cells((136, 96))
    mean, std = spread_of(frame)
    answer = direct(toy, frame)
    expected = answer * std + mean if output == "denoised" else answer * 255
    size = float(np.ptp(expected))
    for options in ({}, {"tile": 30}, {"tile": 48, "batch": 3}):
        np.testing.assert_allclose(predict(toy, frame, **options), expected, atol=1e-5 * size)


def test_odd_sizes_are_padded_alike_whole_and_in_tiles() -> None:
    toy, frame = unet_model("sim"), cells((83, 59))
    whole = predict(toy, frame)
    np.testing.assert_allclose(predict(toy, frame, tile=24), whole, atol=1e-5 * float(np.ptp(whole)))
    assert small_unet().size_multiple == 8


def test_a_part_is_seen_as_in_its_frame() -> None:
    toy, frame = residual(normalization=STANDARD), cells((60, 60)).astype(np.uint16)
    intensities = measure(frame, None, "keep", spread=True)
    part = predict(toy, frame[20:50, 20:50], intensities=intensities)
    halo = toy.descriptor.halo
    inner = (slice(halo, -halo),) * 2
    np.testing.assert_allclose(part[inner], predict(toy, frame)[20:50, 20:50][inner], atol=1e-3)


def test_every_frame_of_a_stack_is_measured_for_itself() -> None:
    toy = residual(normalization=STANDARD)
    frame = cells().astype(np.float32)
    stack = np.stack([frame, frame * 5 + 1000])
    first, second = predict(toy, stack)
    np.testing.assert_allclose(second, first * 5 + 1000, atol=0.01)
    lazy = predict(toy, da.from_array(stack, chunks=(1, 20, 20)))
    np.testing.assert_allclose(lazy.compute(scheduler="threads"), np.stack([first, second]), atol=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("output", ["denoised", "sim"])
def test_lower_precision_is_close_for_a_network_with_folded_pixels(output: str, precision: str) -> None:
    toy, frame = unet_model(output), cells((64, 64)).astype(np.uint16) + 10_000
    exact, rough = predict(toy, frame, precision="float32"), predict(toy, frame, precision=precision)
    change = np.abs(rough - exact).max()
    assert 0 < change < 0.03 * np.ptp(exact - frame.mean())


def test_only_inner_convolutions_get_a_lower_precision() -> None:
    from napari_w2s.engine.prepare import CastingConv, prepare

    def exact(network: nn.Module) -> set[str]:
        twin = prepare(network, torch.device("cpu"), torch.bfloat16)
        return {name for name, m in twin.named_modules() if isinstance(m, CastingConv) and m.dtype == torch.float32}

    assert exact(unet_model("denoised").network) == {"stem", "heads.denoised"}
    assert exact(unet_model("sim").network) == {"stem", "heads.sim.6"}
    assert exact(model(Residual(2)).network) == {"head", "last"}


STRETCH = Stretch(gain=2.0, gain_power=-1.0, level=0.25, level_power=1.0, least=0.1, most=2.0)


def stretched(frame: np.ndarray, image: np.ndarray) -> np.ndarray:
    result = frame.astype(np.float32)
    apply_stretch(result, STRETCH, measure(image, None, "keep"))
    return result


def test_a_stretch_sets_level_and_gain_by_the_extent() -> None:
    image = np.array([[100.0, 300.0]])  # what counts as 0 and 1
    made = stretched(np.array([[120.0, 220.0]]), image)  # an extent of 0.5
    level = 100 + 200 * 0.25 * 0.5
    np.testing.assert_allclose(made, [[level - 2 / 0.5 * 50, level + 2 / 0.5 * 50]])


def test_an_empty_frame_is_not_blown_up() -> None:
    image = np.array([[0.0, 1.0]])
    made = stretched(np.array([[0.5, 0.501]]), image)
    assert np.ptp(made) == pytest.approx(2 / 0.1 * (0.001 / 0.1) * 0.001, rel=1e-3)
    assert np.ptp(stretched(np.full((3, 3), 0.5), image)) == 0


def test_a_stretch_leaves_nan_alone() -> None:
    image = np.array([[0.0, 1.0]])
    with_gap, without = np.array([[0.2, 0.7, np.nan]]), np.array([[0.2, 0.7]])
    made = stretched(with_gap, image)
    assert np.isnan(made[0, 2])
    np.testing.assert_allclose(made[:, :2], stretched(without, image))


def test_a_stretched_model_stretches_each_finished_frame_but_no_part() -> None:
    loaded = unet_model("sim")
    bright = dataclasses.replace(loaded, descriptor=dataclasses.replace(loaded.descriptor, stretch=STRETCH))
    frames = np.stack([cells(), cells()])
    plain, made = predict(loaded, frames), predict(bright, frames, tile=24)
    for frame, before, after in zip(frames, plain, made, strict=True):
        expected = before.copy()
        apply_stretch(expected, STRETCH, measure(frame, None, "keep"))
        np.testing.assert_allclose(after, expected, atol=2e-3)
    part = predict(bright, frames[0], intensities=measure(frames[0], None, "keep", spread=True))
    np.testing.assert_allclose(part, plain[0], atol=1e-3)
