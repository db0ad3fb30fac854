"""Models run, and results are handed on and scored, as a protocol says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from w2s_toys import residual

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark.pixels import Frame
from napari_w2s.benchmark.protocol import METRICS, PROTOCOLS, Tiles
from napari_w2s.benchmark.scores import measure
from napari_w2s.benchmark.stages import Computing, _spans, hand_over, run_stage
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import match_affine, psnr, rmse, ssim
from napari_w2s.models.descriptor import Normalization, RestorationModel, WeightsSource

EIGHT, FLOAT = PROTOCOLS["w2s-8bit"], PROTOCOLS["float"]
RNG = np.random.default_rng(5)
IMAGE = Frame(RNG.integers(0, 256, (40, 51)).astype(np.uint8), 0, 255)
SMALL = Tiles(edge=16, stride=8)
CPU = Computing(device="cpu")


def test_the_protocols_say_what_the_authors_did() -> None:
    assert EIGHT.tiles == Tiles(edge=128, stride=64)
    assert EIGHT.tiles.margin == 32
    assert (EIGHT.ssim_range[Task.DENOISE], EIGHT.ssim_range[Task.SR]) == (1, 2)
    assert (EIGHT.eight_bit, EIGHT.clip, FLOAT.eight_bit, FLOAT.clip) == (True, True, False, False)


@pytest.mark.parametrize("length", [1, 31, 32, 96, 97, 128, 200, 512])
def test_tiles_cover_an_axis_once(length: int) -> None:
    assert EIGHT.tiles is not None
    spans = list(_spans(length, EIGHT.tiles))
    kept = [index for span in spans for index in range(span.first, span.last)]
    assert kept == list(range(length))
    assert all(span.stop - span.start <= 128 and span.start % 64 == 0 for span in spans)


def overlapped(model: RestorationModel, image: np.ndarray, tiles: Tiles) -> np.ndarray:
    """What comes of writing tile over tile, each without its first rows and columns unless they are the image's."""
    scale, (height, width) = model.scale, image.shape
    out = np.full((height * scale, width * scale), np.nan)
    for top in range(0, height, tiles.stride):
        for left in range(0, width, tiles.stride):
            part = image[top : top + tiles.edge, left : left + tiles.edge].astype(np.float32) / 255
            with torch.inference_mode():
                result = model.network(torch.from_numpy(part)[None, None])[0, 0].numpy()
            skip_y, skip_x = (scale * tiles.margin if start else 0 for start in (top, left))
            y, x = top * scale, left * scale
            out[y + skip_y : y + result.shape[0], x + skip_x : x + result.shape[1]] = result[skip_y:, skip_x:]
    return out * 255


def test_networks_that_see_further_than_the_margin_run_in_the_authors_tiles() -> None:
    model = residual(2, normalization=Normalization.UNIT)
    protocol = replace(EIGHT, tiles=SMALL)
    assert model.descriptor.halo is not None
    assert model.descriptor.halo > SMALL.margin
    tiled = run_stage(model, IMAGE, protocol, CPU)
    np.testing.assert_allclose(tiled.pixels, overlapped(model, IMAGE.pixels, SMALL), atol=1e-3)
    assert np.abs(tiled.pixels - predict(model, IMAGE.pixels, device="cpu")).max() > 0.1


@pytest.mark.parametrize(
    ("model", "protocol"),
    [
        (residual(2, normalization=Normalization.UNIT), EIGHT),
        (residual(2, normalization=Normalization.UNIT), FLOAT),
        (residual(2, normalization=Normalization.STANDARD), replace(EIGHT, tiles=SMALL)),
        (residual(1, normalization=Normalization.UNIT), replace(EIGHT, tiles=SMALL)),
    ],
    ids=["short reach", "float", "own intensities", "denoiser"],
)
def test_other_models_see_the_whole_image(model: RestorationModel, protocol: object) -> None:
    result = run_stage(model, IMAGE, protocol, CPU)  # type: ignore[arg-type]
    np.testing.assert_array_equal(result.pixels, predict(model, IMAGE.pixels, device="cpu"))


def test_what_is_handed_on_is_8_bit_or_untouched() -> None:
    frame = Frame(np.array([[-3.0, 1.4, 1.6, 254.9, 300.0]], np.float32), 0, 255)
    method = residual()
    weights = WeightsSource(path="x", sha256=None, licence="none")
    network = replace(method, descriptor=replace(method.descriptor, weights=weights))
    assert hand_over(frame, network, EIGHT).pixels.tolist() == [[0, 1, 1, 254, 255]]
    assert hand_over(frame, method, EIGHT).pixels.tolist() == [[0, 1, 2, 255, 255]]
    assert hand_over(frame, method, EIGHT).pixels.dtype == np.uint8
    assert hand_over(frame, network, FLOAT) is frame


def test_a_range_of_ones_own_is_brought_to_8_bit() -> None:
    frame = Frame(np.array([[100.0, 150.0, 300.0]], np.float32), 100, 300)
    handed = hand_over(frame, residual(), EIGHT)
    assert handed.pixels.tolist() == [[0, 64, 255]]
    assert handed.range == (0, 255)


REFERENCE, RESULT = RNG.random((20, 30)), RNG.random((20, 30)) * 1.4 - 0.2


@pytest.mark.parametrize("task", [Task.DENOISE, Task.SR])
@pytest.mark.parametrize("protocol", [EIGHT, FLOAT], ids=lambda one: one.name)
def test_scores_are_those_of_the_protocol(protocol: object, task: Task) -> None:
    scores = measure(REFERENCE, RESULT, task, protocol, METRICS)  # type: ignore[arg-type]
    seen = np.clip(RESULT, 0, 1) if protocol is EIGHT else RESULT
    wide = 2 if protocol is EIGHT and task is Task.SR else 1
    matched = match_affine(seen, REFERENCE)
    wanted = {
        "psnr": psnr(REFERENCE, seen, data_range=1),
        "ssim": ssim(REFERENCE, seen, data_range=wide),
        "psnr_matched": psnr(REFERENCE, matched, data_range=1),
        "ssim_matched": ssim(REFERENCE, matched, data_range=wide),
        "rmse": rmse(REFERENCE, seen),
        "rmse_matched": rmse(REFERENCE, matched),
    }
    assert list(scores) == list(METRICS)
    assert scores == pytest.approx(wanted, rel=1e-10)


def test_only_what_was_asked_for_is_measured() -> None:
    assert list(measure(REFERENCE, RESULT, Task.SR, EIGHT, ["rmse"])) == ["rmse"]


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(InputError, match="The result has 19 x 30 pixels, and its reference 20 x 30"):
        measure(REFERENCE, RESULT[1:], Task.SR, EIGHT, ["psnr"])
    with pytest.raises(InputError, match="The result has NaN"):
        measure(REFERENCE, RESULT * np.nan, Task.SR, EIGHT, ["psnr"])
    with pytest.raises(InputError, match="The reference has NaN"):
        measure(REFERENCE * np.inf, RESULT, Task.SR, EIGHT, ["psnr"])
