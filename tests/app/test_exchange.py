"""An exported model computes what it computes here."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from w2s_package import linear_graph
from w2s_trained import save_small, small_descriptor, small_state, unet_model

from napari_w2s import predict
from napari_w2s._types import InputError, OutputError, Task, WeightsError
from napari_w2s.app.exchange import check, extras, package
from napari_w2s.app.exchange.check import TOLERANCE, compare, example_frames
from napari_w2s.app.exchange.description import plain_name
from napari_w2s.app.exchange.export import export_bioimageio, export_onnx
from napari_w2s.app.exchange.facts import gather
from napari_w2s.app.exchange.graph import run_onnx
from napari_w2s.engine.standalone import Standalone
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import Normalization, RestorationModel, Stretch, WeightsPlace, WeightsSource
from napari_w2s.models.exchange.install import install_package

STRETCH = Stretch(gain=0.9, gain_power=-0.6, level=0.07, level_power=-0.4, least=0.3, most=3.0)


TRAINED = WeightsSource(path="mine", sha256=None, licence="BSD-3-Clause", place=WeightsPlace.LOCAL)


needs_core = pytest.mark.skipif(
    find_spec("bioimageio") is None or find_spec("bioimageio.core") is None,
    reason='bioimageio.core is not installed: pip install "napari-w2s[bioimageio]"',
)


def dncnn(**changes: Any) -> RestorationModel:
    descriptor = small_descriptor(**{"weights": TRAINED, **changes})
    return RestorationModel(descriptor, descriptor.build(small_state()))


def stretched() -> RestorationModel:
    model = unet_model("sim")
    return replace(model, descriptor=replace(model.descriptor, stretch=STRETCH, weights=TRAINED))


MODELS = {
    "unit": dncnn,
    "standard": lambda: dncnn(normalization=Normalization.STANDARD),
    "none": lambda: dncnn(normalization=Normalization.NONE),
    "padded": lambda: unet_model("denoised"),
    "stretched": stretched,
}


def frames() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    camera = random.gamma(2, 80, (29, 43)).astype(np.float32) + 400
    holed = camera.copy()
    holed[3, 5], holed[10], holed[20, 7] = np.nan, np.inf, -np.inf
    return {
        "camera": camera,
        "tiny numbers": camera * np.float32(1e-5),
        "large offset": camera + 60_000,
        "holed": holed,
        "constant": np.full((16, 16), 0.1, np.float32),
        "nothing": np.full((16, 16), np.nan, np.float32),
        "smallest": camera[:8, :8],
    }


@pytest.mark.parametrize("intensity_range", [None, (0.0, 255.0)], ids=["own", "0-255"])
@pytest.mark.parametrize("kind", MODELS)
def test_the_network_with_all_around_it_is_what_predict_does(
    kind: str, intensity_range: tuple[float, float] | None
) -> None:
    model = MODELS[kind]()
    network = Standalone(model, intensity_range)
    for name, frame in frames().items():
        expected = predict(model, frame, device="cpu", precision="float32", intensity_range=intensity_range)
        with torch.inference_mode():
            result = network(torch.from_numpy(frame)[None, None])[0, 0].numpy()
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected), err_msg=name)
        if np.isfinite(expected).any():
            extent = max(float(np.ptp(expected[np.isfinite(expected)])), 1e-6 * float(np.nanmax(np.abs(expected))))
            atol = 1e-4 * extent + 1e-6 * float(np.nanmax(np.abs(frame[np.isfinite(frame)])))
            np.testing.assert_allclose(result, expected, rtol=0, atol=atol, err_msg=name)


def test_a_batch_is_normalised_frame_by_frame() -> None:
    network = Standalone(stretched())
    a, b = (torch.rand(1, 1, 16, 24) * factor for factor in (1, 500))
    with torch.inference_mode():
        np.testing.assert_allclose(network(torch.cat((a, b)))[1:], network(b), atol=0.01)


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(stretched(), tmp_path_factory.mktemp("onnx") / "fine.onnx").path


def test_an_onnx_file_takes_frames_of_any_size_and_scale(onnx_file: Path) -> None:
    graph, model = onnx_file.read_bytes(), stretched()
    for name, frame in frames().items():
        expected = predict(model, frame, device="cpu", precision="float32")
        result = run_onnx(graph, frame)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected), err_msg=name)
        if name in ("camera", "holed", "smallest"):
            assert np.nanmax(np.abs(result - expected)) < TOLERANCE * np.ptp(expected[np.isfinite(expected)])


def test_an_onnx_file_says_what_it_is(onnx_file: Path) -> None:
    said = {entry.key: entry.value for entry in onnx.load(onnx_file).metadata_props}
    assert said["name"] == "pair-jdsr"
    assert said["scale"] == "2"
    assert "least and greatest" in said["intensities"]
    assert said["licence"] == "BSD-3-Clause"
    onnx.checker.check_model(onnx.load(onnx_file))


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export_onnx(dncnn(), path)
    assert path.read_text() == "mine"
    with pytest.raises(InputError, match=r"must end in \.onnx"):
        export_onnx(dncnn(), tmp_path / "a.zip")
    with pytest.raises(InputError, match=r"folder .*none does not exist"):
        export_onnx(dncnn(), tmp_path / "none" / "a.onnx")


def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_w2s.app.exchange.graph.to_onnx", lambda *_: b"graph")
    monkeypatch.setattr("napari_w2s.app.exchange.graph.run_onnx", lambda _graph, frame: frame)
    with pytest.raises(OutputError, match="does not compute what it does here"):
        export_onnx(dncnn(), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_comparison_refuses_other_shapes_and_nan() -> None:
    frame = example_frames()[0]
    assert compare(lambda x: x, [(frame, frame)]).difference == 0
    with pytest.raises(OutputError, match="expected"):
        compare(lambda x: x[1:], [(frame, frame)])
    with pytest.raises(OutputError, match="differ by up to nan"):
        compare(lambda x: x * np.float32(np.nan), [(frame, frame)])


def test_a_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_is_here", lambda package: package == "onnx")
    with pytest.raises(InputError, match=r'onnxscript and onnxruntime.* pip install "napari-w2s\[onnx\]"'):
        export_onnx(dncnn(), tmp_path / "a.onnx")
    monkeypatch.setattr(extras, "_is_here", lambda package: "onnx" in package)
    with pytest.raises(InputError, match=r'bioimageio\.core.* pip install "napari-w2s\[bioimageio\]"'):
        export_bioimageio(dncnn(), tmp_path / "a.zip")


def test_a_classical_method_cannot_be_exported(tmp_path: Path) -> None:
    descriptor = default_registry().descriptor("vst-nlm")
    model = RestorationModel(descriptor, descriptor.build(None))
    with pytest.raises(InputError, match="method without trained weights"):
        export_onnx(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match="not a network"):
        Standalone(model)


def write_package(path: Path, model: RestorationModel, **facts: Any) -> dict[str, Any]:
    """Write a package without its check, and return its description."""
    path.write_bytes(package.make_package(gather(model, None, **facts), b"graph"))
    with zipfile.ZipFile(path) as archive:
        description: dict[str, Any] = yaml.safe_load(archive.read("rdf.yaml"))
    return description


def test_a_package_holds_what_is_known_of_the_model(tmp_path: Path) -> None:
    said = write_package(tmp_path / "a.zip", stretched(), authors=("A. Person",))
    assert said["authors"] == [{"name": "A. Person"}]
    assert said["license"] == "BSD-3-Clause"
    assert {"denoising", "super-resolution"} <= set(said["tags"])
    assert [axis.get("scale") for axis in said["outputs"][0]["axes"]] == [None, None, 0.5, 0.5]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        frame, result = (np.load(io.BytesIO(archive.read(f"test_{name}.npy"))) for name in ("input", "output"))
        readme = archive.read("README.md").decode()
    assert result.shape[-1] == 2 * frame.shape[-1]
    assert "# Validation" in readme
    assert "tiles" in readme
    assert "LICENSE.txt" not in str(said)


def test_an_unusual_licence_goes_along_as_a_text(tmp_path: Path) -> None:
    said = write_package(tmp_path / "a.zip", dncnn(licence="Ask me first."))
    assert said["license"]["source"] == "LICENSE.txt"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("LICENSE.txt").decode() == "Ask me first.\n"


def test_the_training_of_a_model_is_told(tmp_path: Path) -> None:
    from napari_w2s.models.card import make_card
    from napari_w2s.models.checkpoint import save
    from napari_w2s.models.registry import Registry

    facts = {"training": {"step": 500}, "date": "2026-01-02", "metrics": {"avg1/psnr": 38.25}}
    path = save(tmp_path / "mine.safetensors", small_state(), make_card(small_descriptor(), **facts))
    registry = Registry()
    registry.register_trained(path)
    readme = gather(registry.load("mine"), None).readme
    assert "500 steps" in readme
    assert "2026-01-02" in readme
    assert gather(registry.load("mine"), None).authors == ("not stated",)


def test_a_package_of_ones_own_gives_the_very_model_back(tmp_path: Path) -> None:
    model = stretched()
    write_package(tmp_path / "a.zip", model)
    install_package(tmp_path / "a.zip", name="back")
    back = default_registry().load("back")
    assert back.descriptor.stretch == STRETCH
    assert (back.descriptor.task, back.descriptor.normalization) == (Task.JDSR, Normalization.STANDARD)
    frame = frames()["camera"]
    np.testing.assert_array_equal(predict(back, frame, device="cpu"), predict(model, frame, device="cpu"))


def test_a_package_whose_own_weights_were_changed_is_refused(tmp_path: Path) -> None:
    write_package(tmp_path / "a.zip", dncnn())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["mine.safetensors"] = save_small(tmp_path / "other", seed=9).read_bytes()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    with pytest.raises(WeightsError, match="another SHA-256"):
        install_package(tmp_path / "b.zip")


def test_names_are_made_of_the_characters_that_the_format_allows() -> None:
    assert plain_name("W2S: cells/µ (avg1)") == "W2S cells (avg1)"
    assert plain_name("a") == "a model"
    assert len(plain_name("x" * 200)) == 64


@needs_core
def test_the_description_fits_the_format_and_bioimageio_core_computes_the_same(tmp_path: Path) -> None:
    done = export_bioimageio(stretched(), tmp_path / "a.zip", authors=["A. Person"])
    assert done.agreement.share < TOLERANCE
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@needs_core
def test_bioimageio_core_refuses_a_package_whose_graph_computes_something_else(tmp_path: Path) -> None:
    facts = gather(dncnn(), None)
    (tmp_path / "a.zip").write_bytes(package.make_package(facts, linear_graph()))
    with pytest.raises(OutputError, match=r"bioimageio\.core does not accept the package"):
        package.check_package(tmp_path / "a.zip", facts)


def test_every_frame_of_the_check_is_unlike_the_others() -> None:
    counts, eight_bit = example_frames()
    assert counts.shape[0] % 2 == counts.shape[1] % 2 == 1
    assert counts.min() > 50
    assert (eight_bit.min(), eight_bit.max()) == (0, 255)
    assert check.predicted(dncnn(), counts, None).shape == counts.shape
