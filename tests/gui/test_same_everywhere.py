"""One real image, denoised and then super-resolved, wherever it is done: in Python, commands, the panel, a cluster."""

from __future__ import annotations

import csv
import sys
from functools import partial
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from pytestqt.qtbot import QtBot
from w2s_panel import MakePanel

from napari_w2s import cli
from napari_w2s._types import Task
from napari_w2s.app.batch import run_batch
from napari_w2s.app.batch_job import Outcome
from napari_w2s.app.plan import plan_batch
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import FinishReason
from napari_w2s.benchmark import evaluate, make_config
from napari_w2s.data.ometiff import read_ome_tiff
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.gui import defaults
from napari_w2s.gui.reader import get_reader
from napari_w2s.metrics.reference import psnr
from napari_w2s.models.builtin import default_registry

distributed = pytest.importorskip("distributed")

MODEL = "dncnn-avg1+bicubic"
IMAGE = "052_0.png"
EDGE = 192
"""Pixels of the widefield image that are taken, to be quick."""
SAME_DB = 0.01
PRECISION = "float32"
"""As the benchmark has by default; elsewhere a network may run in bfloat16 where the processor is fast at it."""


@pytest.fixture
def part(w2s_root: Path, tmp_path: Path) -> Path:
    """Return a W2S folder with the middle of one image, which the authors' networks were not trained to restore."""
    for level, scale in (("avg1", 1), ("avg400", 1), ("sim", 2)):
        pixels = iio.imread(w2s_root / "data" / "train" / level / IMAGE)
        start, edge = 160 * scale, EDGE * scale
        folder = tmp_path / "w2s" / "data" / "train" / level
        folder.mkdir(parents=True)
        iio.imwrite(folder / IMAGE, pixels[start : start + edge, start : start + edge])
    return tmp_path / "w2s"


def in_python(image: np.ndarray, net_data: Path) -> np.ndarray:
    registry = default_registry()
    chain = Pipeline(registry.load("dncnn-avg1", weights=net_data), registry.load("bicubic"))
    return predict(chain, image, device="cpu", precision=PRECISION, intensity_range=(0.0, 255.0))


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["napari-w2s", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code


def score_in(folder: Path) -> float:
    with (folder / "rows.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    return float(row["psnr"])


def pixels_of(file: Path) -> np.ndarray:
    (image,) = read_ome_tiff(file)
    return np.asarray(image.data)


def in_the_panel(noisy: Path, net_data: Path, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot) -> np.ndarray:
    reader = get_reader(str(noisy))
    assert reader is not None
    ((data, options, _kind),) = reader(str(noisy))
    viewer.add_layer(ImageLayer(data, **options))
    registry = default_registry()
    panel = make_panel(
        defaults.restore, load=partial(defaults.load, registry), registry=registry, devices=lambda: ("cpu",)
    )
    panel.state.device, panel.state.precision = "cpu", PRECISION
    panel.state.task = Task.SR
    panel.state.model = "bicubic"
    panel.state.denoise_first, panel.state.denoiser = True, "dncnn-avg1"
    panel.state.weights = str(net_data)
    assert panel.plan.settings is not None
    assert panel.plan.settings.model == MODEL
    panel.run()
    qtbot.waitUntil(lambda: not panel.runner.status.busy, timeout=60_000)
    assert panel.runner.status.finish is FinishReason.DONE, panel.bar.message.text()
    return np.asarray(viewer.layers[-1].data)


@pytest.mark.timeout(600)
# Sockets of a process that was killed are closed by the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_psnr_is_the_same_in_python_commands_panel_and_cluster(
    part: Path,
    w2s_root: Path,
    tmp_path: Path,
    make_panel: MakePanel,
    viewer: ViewerModel,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net_data = w2s_root / "net_data"
    noisy = part / "data" / "train" / "avg1" / IMAGE
    sim = iio.imread(part / "data" / "train" / "sim" / IMAGE).astype(float)
    weights: tuple[object, ...] = ("--weights", net_data, "--device", "cpu", "--precision", PRECISION)

    def decibels(result: np.ndarray) -> float:
        assert result.shape == sim.shape
        return psnr(sim, result, data_range=255)

    found = {"python": decibels(in_python(iio.imread(noisy), net_data))}
    found["bicubic alone"] = decibels(predict(default_registry().load("bicubic"), iio.imread(noisy), device="cpu"))
    command(monkeypatch, "restore", noisy, "-m", MODEL, "-o", tmp_path / "restored", *weights)
    result = f"{noisy.stem}_{MODEL}.ome.tif"
    found["restore"] = decibels(pixels_of(tmp_path / "restored" / result))
    given = ("--data", part, "--levels", "avg1", "-m", MODEL, "--protocol", "float", "--metrics", "psnr")
    command(monkeypatch, "evaluate", *given, "--workers", 1, "-o", tmp_path / "here", *weights)
    found["evaluate"] = score_in(tmp_path / "here")
    found["panel"] = decibels(in_the_panel(noisy, net_data, make_panel, viewer, qtbot))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        entries: dict[str, Any] = {"data": str(part), "levels": ["avg1"], "pipelines": [MODEL], "metrics": ["psnr"]}
        config = make_config({**entries, "protocol": "float", "net_data": str(net_data), "device": "cpu"})
        evaluate(config, tmp_path / "there", scheduler=cluster.scheduler_address)
        found["evaluate on a cluster"] = score_in(tmp_path / "there")
        settings = RestoreSettings(tuple(MODEL.split("+")), device="cpu", precision=PRECISION, weights=str(net_data))
        jobs = plan_batch([noisy], tmp_path / "spread", model=MODEL).jobs
        (done,) = run_batch(jobs, settings, scheduler=cluster.scheduler_address).results
        assert done.outcome is Outcome.DONE, done.message
        found["restore on a cluster"] = decibels(pixels_of(done.job.output))
    alone = found.pop("bicubic alone")
    assert abs(alone - found["python"]) > 10 * SAME_DB  # or the comparison would tell nothing
    assert found == pytest.approx(dict.fromkeys(found, found["python"]), abs=SAME_DB)
