"""Packages of the BioImage Model Zoo become models here, and nothing in them is run or trusted."""

from __future__ import annotations

import hashlib
import io
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from w2s_package import axes, frame, linear_graph, npy, package
from w2s_trained import small_state

from napari_w2s import predict
from napari_w2s._types import InputError, Task, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.exchange import archive
from napari_w2s.models.exchange.install import install_package
from napari_w2s.models.trained import models_folder

NAME = "affable-shark-test"


def load(name: str = NAME) -> Any:
    return default_registry().load(name)


def restored(image: np.ndarray, name: str = NAME, **options: Any) -> np.ndarray:
    result: np.ndarray = predict(load(name), image, device="cpu", **options)
    return result


def test_a_graph_becomes_a_model_of_the_name_in_small_letters(tmp_path: Path) -> None:
    path = install_package(package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1))
    assert path == models_folder() / f"{NAME}.safetensors"
    descriptor = default_registry().descriptor(NAME)
    assert (descriptor.task, descriptor.scale, descriptor.licence) == (Task.DENOISE, 1, "MIT")
    assert descriptor.citation == "A. Person, A Paper"
    for shape in ((24, 32), (5, 41), (1, 3)):
        image = frame(*shape)
        np.testing.assert_allclose(restored(image), 2 * image + 1, rtol=1e-6)


def test_a_graph_may_double_the_pixels(tmp_path: Path) -> None:
    expected = np.kron(frame() + 1, np.ones((2, 2), np.float32))
    install_package(package(tmp_path / "a.zip", linear_graph(1.0, scale=2), expected, scale=2, halo=4), name="big")
    descriptor = default_registry().descriptor("big")
    assert (descriptor.scale, descriptor.task, descriptor.receptive_field) == (2, Task.JDSR, 5)
    image = frame(19, 37)
    np.testing.assert_allclose(
        restored(image, "big", tile=16), np.kron(image + 1, np.ones((2, 2), np.float32)), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"id": "scale_linear", "kwargs": {"gain": 0.5, "offset": -3}}, lambda x: 0.5 * x - 3),
        ({"id": "scale_linear", "kwargs": {"axis": "channel", "gain": [4.0]}}, lambda x: 4 * x),
        ({"id": "clip", "kwargs": {"min": 110, "max": 130}}, lambda x: x.clip(110, 130)),
        ({"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}, lambda x: x),
        ({"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 7, "std": 2}}, lambda x: (x - 7) / 2),
        ({"id": "zero_mean_unit_variance"}, lambda x: (x - x.mean()) / (x.std() + 1e-6)),
        (
            {"id": "scale_range", "kwargs": {"min_percentile": 1, "max_percentile": 99.8, "axes": ["y", "x"]}},
            lambda x: (x - np.percentile(x, 1)) / (np.percentile(x, 99.8) - np.percentile(x, 1) + 1e-6),
        ),
    ],
    ids=lambda value: value["id"] if isinstance(value, dict) else "",
)
def test_steps_before_the_network_are_those_of_the_whole_frame_in_any_tile(
    step: dict[str, Any], expected: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    want = expected(frame().astype(np.float64)).astype(np.float32) * 2 + 1
    install_package(package(tmp_path / "a.zip", linear_graph(), want, before=[step], halo=2))
    image = frame(40, 56)
    want = expected(image.astype(np.float64)) * 2 + 1
    for tile in (None, 16):
        np.testing.assert_allclose(restored(image, tile=tile), want, rtol=1e-5, atol=1e-5)


def test_steps_after_the_network(tmp_path: Path) -> None:
    after = [
        {"id": "scale_linear", "kwargs": {"gain": 0.01, "offset": -2}},
        {"id": "sigmoid"},
        {"id": "clip", "kwargs": {"max": 0.6}},
    ]
    want = np.minimum(1 / (1 + np.exp(-(0.01 * (2 * frame() + 1) - 2))), 0.6).astype(np.float32)
    install_package(package(tmp_path / "a.zip", linear_graph(), want, after=after))
    np.testing.assert_allclose(restored(frame()), want, rtol=1e-5)


def test_weights_of_a_known_network_are_used_without_the_code_beside_them(tmp_path: Path) -> None:
    state = small_state()
    stream = io.BytesIO()
    torch.save(state, stream)
    network = ARCHITECTURES["dncnn"].build(state)
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame() / 255)[None, None])[0, 0].numpy()
    before = [{"id": "scale_linear", "kwargs": {"gain": 1 / 255}}]
    path = package(
        tmp_path / "a.zip",
        stream.getvalue(),
        expected,
        kind="pytorch_state_dict",
        before=before,
        size={"min": 1, "step": 1},
        change=lambda d: d["weights"]["pytorch_state_dict"].update(
            architecture={"source": "evil.py", "callable": "Net"}, pytorch_version="2.0"
        ),
        extra={"evil.py": b"raise SystemExit('it was run')"},
    )
    install_package(path)
    np.testing.assert_allclose(restored(frame()), expected, atol=1e-5)


def test_what_ran_in_this_process_runs_in_another(tmp_path: Path) -> None:
    install_package(package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1))
    twin = pickle.loads(pickle.dumps(load()))
    np.testing.assert_array_equal(predict(twin, frame(), device="cpu"), restored(frame()))


def test_a_name_that_is_taken_is_refused_and_another_may_be_given(tmp_path: Path) -> None:
    path = package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1)
    with pytest.raises(InputError, match="There is a model named 'w2s-denoise' already"):
        install_package(path, name="w2s-denoise")
    assert not models_folder().exists()
    install_package(path, name="other")
    assert "other" in default_registry()


def edit(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of a description: the entry at `keys` becomes `to`."""

    def change(description: dict[str, Any]) -> None:
        at: Any = description
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = to

    return change


def external_graph() -> bytes:
    model = onnx.load_model_from_string(linear_graph())
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model.SerializeToString()


def foreign_graph() -> bytes:
    model = onnx.load_model_from_string(linear_graph())
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    return model.SerializeToString()


Y_SIZE = ("inputs", 0, "axes", 2, "size")
SPACE_3D = {"type": "space", "id": "z", "size": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edit("type", to="dataset"), "holds a 'dataset', not a model"),
        (edit("format_version", to="0.4.10"), "format '0.4.10', and 0.5 is read here"),
        (edit("inputs", to=[]), "its inputs are missing"),
        (lambda d: d["inputs"].append(d["inputs"][0]), "takes 2 images"),
        (lambda d: d["outputs"].append(d["outputs"][0]), "answers with 2 images"),
        (lambda d: d["inputs"][0]["axes"].insert(2, SPACE_3D), "no 3-D"),
        (edit("inputs", 0, "axes", 1, "channel_names", to=["r", "g", "b"]), "3 channels; images here have one"),
        (edit("outputs", 0, "axes", 1, "channel_names", to=["a", "b"]), "its output has 2 channels"),
        (edit("inputs", 0, "axes", to="bcyx"), "axes of its input are 'bcyx'"),
        (edit("inputs", 0, "axes", 3, "id", to="y"), "has the axes 'bcyy'"),
        (edit("inputs", 0, "axes", 0, "type", to="time"), "an axis of the kind 'time'"),
        (edit(*Y_SIZE, to=256), "takes images of 256 pixels along y only"),
        (edit(*Y_SIZE, to={"min": 60, "step": 16}), "60 . n x 16 pixels along y"),
        (edit(*Y_SIZE, to={"min": 0, "step": 1}), "size of its input along y"),
        (edit("outputs", 0, "axes", 2, "scale", to=0.25), "4 pixels for one along y"),
        (edit("outputs", 0, "axes", 2, "scale", to=2.0), "0.5 pixels for one along y"),
        (edit("outputs", 0, "axes", 2, "size", "offset", to=-8), "its result along y has"),
        (edit("inputs", 0, "preprocessing", to=[{"id": "binarize", "kwargs": {"threshold": 1}}]), "'binarize'"),
        (edit("inputs", 0, "preprocessing", to=[{"id": "custom", "source": "a.py"}]), "'custom' is not known"),
        (edit("inputs", 0, "preprocessing", to=[{"id": ["clip"]}]), "preprocessing"),
        (edit("inputs", 0, "preprocessing", to=[{"id": "clip", "kwargs": {"min_percentile": 1}}]), "percentiles"),
        (edit("inputs", 0, "preprocessing", to=[{"id": "scale_linear", "kwargs": {"gain": "2"}}]), "gain '2'"),
        (edit("outputs", 0, "postprocessing", to=[{"id": "zero_mean_unit_variance"}]), "postprocessing"),
        (edit("weights", to={"torchscript": {"source": "weights.bin"}}), "torchscript, and onnx is needed"),
        (edit("weights", "onnx", "external_data", to={"source": "in.npy"}), "in another file"),
        (edit("weights", "onnx", "source", to="https://elsewhere.org/w.onnx"), "is on the web"),
        (edit("weights", "onnx", "source", to="none.onnx"), "no file 'none.onnx'"),
        (edit("weights", "onnx", "sha256", to="0" * 64), "another SHA-256"),
        (edit("inputs", 0, "test_tensor", to=None), "no test_tensor of its input"),
        (edit("inputs", 0, "preprocessing", to=[{"id": "scale_linear", "kwargs": {"gain": 1.1}}]), "own test image"),
    ],
)
def test_what_is_not_for_here_is_refused_with_the_reason(change: Any, reason: str, tmp_path: Path) -> None:
    path = package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1, change=change)
    with pytest.raises(WeightsError, match="was refused") as error:
        install_package(path)
    assert reason.replace(" . ", " + ") in str(error.value)
    assert not models_folder().exists()


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (external_graph(), "numbers in other files"),
        (foreign_graph(), "operators from elsewhere (com.evil)"),
        (b"\x00not a graph" * 9, "no ONNX file"),
        (b"", "cannot run"),
    ],
    ids=["external", "foreign", "garbage", "empty"],
)
def test_a_graph_that_reaches_outside_itself_is_refused(graph: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as error:
        install_package(package(tmp_path / "a.zip", graph, 2 * frame() + 1))
    assert reason in str(error.value)
    assert not models_folder().exists()


def test_a_state_dict_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.write_text, (tmp_path / "was-run", "x")

    path = package(tmp_path / "a.zip", pickle.dumps({"a": Evil()}), frame(), kind="pytorch_state_dict")
    with pytest.raises(WeightsError):
        install_package(path)
    assert not (tmp_path / "was-run").exists()


def test_a_test_image_that_is_a_pickle_is_refused(tmp_path: Path) -> None:
    objects = npy(np.array([{"a": 1}], object))
    sha256 = hashlib.sha256(objects).hexdigest()
    change = edit("inputs", 0, "test_tensor", to={"source": "odd.npy", "sha256": sha256})
    path = package(tmp_path / "a.zip", linear_graph(), frame(), change=change, extra={"odd.npy": objects})
    with pytest.raises(WeightsError, match=r"odd\.npy is no array of numbers"):
        install_package(path)


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "C:/out.txt"])
def test_entries_that_point_out_of_the_package_are_refused(name: str, tmp_path: Path) -> None:
    path = package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1, extra={name: b"x"})
    with pytest.raises(WeightsError, match="points out of the package"):
        install_package(path)


def test_links_are_refused(tmp_path: Path) -> None:
    path = package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1)
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(WeightsError, match="'link' is a link"):
        install_package(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILE", 2 * archive.MIB)
    path = package(tmp_path / "a.zip", linear_graph(), frame(), extra={"bomb": bytes(3 * archive.MIB)})
    with pytest.raises(WeightsError, match="bomb would take 3 MiB; 2 MiB is the most"):
        install_package(path)


def test_a_description_or_too_many_entries_of_a_bomb_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for number in range(archive.MAX_ENTRIES + 1):
            zipped.writestr(str(number), "")
    with pytest.raises(WeightsError, match="1001 entries"):
        install_package(path)
    with zipfile.ZipFile(tmp_path / "long.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("rdf.yaml", " " * (archive.MAX_TEXT + 1))
    with pytest.raises(WeightsError, match=r"rdf\.yaml would take 1 MiB"):
        install_package(tmp_path / "long.zip")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "describes nothing"),
        ("a: b: c", "not YAML"),
        ("!!python/object/apply:os.system ['exit']", "not YAML"),
        ("a: &a [*a]\ninputs: *a", "refused"),
        ("{}", "format ''"),
    ],
)
def test_descriptions_that_are_none(text: str, reason: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("rdf.yaml", text)
    with pytest.raises(WeightsError, match=reason):
        install_package(tmp_path / "a.zip")


def test_files_that_are_no_packages(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        install_package(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(WeightsError, match="no zip file"):
        install_package(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(WeightsError, match=r"it has no rdf\.yaml"):
        install_package(tmp_path / "empty.zip")
    whole = package(tmp_path / "a.zip", linear_graph(), 2 * frame() + 1).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="no zip file, or damaged"):
        install_package(tmp_path / "cut.zip")


def test_the_axes_may_come_in_another_order(tmp_path: Path) -> None:
    given = frame()
    swapped = [axes(size={"min": 8, "step": 8})[i] for i in (0, 1, 3, 2)]

    def change(description: dict[str, Any]) -> None:
        description["inputs"][0]["axes"] = swapped

    graph = linear_graph()  # of an image lying on its side, whose result therefore lies, too
    path = package(tmp_path / "a.zip", graph, 2 * given.T + 1, given=given.T, change=change)
    with pytest.raises(WeightsError, match="test image"):
        install_package(path)  # the result does not: y and x are mixed up

    def both(description: dict[str, Any]) -> None:
        change(description)
        description["outputs"][0]["axes"] = [axes()[i] for i in (0, 1, 3, 2)]

    install_package(package(tmp_path / "b.zip", graph, 2 * given.T + 1, given=given.T, change=both))
    np.testing.assert_allclose(restored(frame(16, 40)), 2 * frame(16, 40) + 1, rtol=1e-6)
