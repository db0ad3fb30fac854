"""On real W2S images a benchmark finds what the parts of the package find by themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_w2s.benchmark import evaluate, make_config
from napari_w2s.data.png import read_png
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import psnr, ssim
from napari_w2s.models.builtin import default_registry


def test_dncnn_and_bicubic_score_as_they_do_by_hand(w2s_root: Path, tmp_path: Path) -> None:
    if not (w2s_root / "net_data").is_dir():
        pytest.skip("no net_data beside the images")
    entries = {
        "data": str(w2s_root),
        "fovs": "47",
        "channels": [0],
        "levels": ["avg16"],
        "pipelines": ["noisy", "dncnn-{level}", "dncnn-{level}+bicubic"],
        "net_data": str(w2s_root),
    }
    images = {level: read_png(w2s_root / f"data/train/{level}/047_0.png") for level in ("avg16", "avg400", "sim")}
    registry = default_registry()
    dncnn, bicubic = registry.load("dncnn-avg16", weights=w2s_root), registry.load("bicubic")

    noisy, denoised, fine = evaluate(make_config(entries), tmp_path / "authors").rows
    assert noisy.values["psnr"] == pytest.approx(psnr(images["avg400"], images["avg16"], data_range=255), abs=1e-5)
    clipped = np.clip(predict(dncnn, images["avg16"], precision="float32"), 0, 255)
    assert denoised.values["psnr"] == pytest.approx(psnr(images["avg400"], clipped, data_range=255), abs=1e-4)
    assert denoised.values["psnr"] > noisy.values["psnr"] + 5
    enlarged = np.clip(predict(bicubic, clipped.astype(np.uint8)) / 255, 0, 1)
    sim = images["sim"] / 255
    assert fine.values["psnr"] == pytest.approx(psnr(sim, enlarged, data_range=1), abs=1e-4)
    assert fine.values["ssim"] == pytest.approx(ssim(sim, enlarged, data_range=2), abs=1e-5)

    floating = make_config({**entries, "protocol": "float", "pipelines": ["dncnn-{level}+bicubic"]})
    (row,) = evaluate(floating, tmp_path / "float").rows
    chain = predict(Pipeline(dncnn, bicubic), images["avg16"], precision="float32") / 255
    assert row.values["psnr"] == pytest.approx(psnr(sim, chain, data_range=1), abs=0.01)
    assert 0.02 < abs(row.values["psnr"] - fine.values["psnr"]) < 0.5, "cut, it is darker by half a step"
