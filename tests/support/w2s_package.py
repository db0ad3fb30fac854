"""Packages of the BioImage Model Zoo in miniature, as another program would write them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper

HEIGHT, WIDTH = 24, 32


def frame(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A frame with a slope, so that its parts have other statistics than the whole."""
    noise = np.random.default_rng(3).normal(0, 4, (height, width))
    return (100 + np.arange(height)[:, None] + 2 * np.arange(width) + noise).astype(np.float32)


def linear_graph(gain: float = 2.0, offset: float = 1.0, *, scale: int = 1) -> bytes:
    """A graph ``(1, 1, y, x)`` that computes ``gain * x + offset``, and may repeat every pixel."""
    shapes = [[1, 1, f"{name}_y", f"{name}_x"] for name in ("raw", "restored")]
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("raw", "restored"), shapes, strict=True)
    )
    constants = [
        helper.make_tensor("gain", TensorProto.FLOAT, [], [gain]),
        helper.make_tensor("offset", TensorProto.FLOAT, [], [offset]),
        helper.make_tensor("zoom", TensorProto.FLOAT, [4], [1.0, 1.0, float(scale), float(scale)]),
    ]
    nodes = [
        helper.make_node("Mul", ["raw", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["moved"]),
        helper.make_node("Resize", ["moved", "", "zoom"], ["restored"], mode="nearest"),
    ]
    graph = helper.make_graph(nodes, "linear", [given], [made], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype.hasobject)
    return stream.getvalue()


def axes(*, scale: float = 1.0, size: Any = None, halo: int = 0) -> list[dict[str, Any]]:
    """Batch, channel, y, x; without a size those of an output."""
    space = []
    for name in ("y", "x"):
        axis: dict[str, Any] = {"type": "space", "id": name, "scale": scale}
        axis["size"] = {"tensor_id": "raw", "axis_id": name} if size is None else dict(size)
        space.append(axis | ({"halo": halo} if halo else {}))
    return [{"type": "batch"}, {"type": "channel", "channel_names": ["signal"]}, *space]


def package(
    path: Path,
    graph: bytes,
    expected: np.ndarray,
    *,
    given: np.ndarray | None = None,
    kind: str = "onnx",
    scale: int = 1,
    size: Mapping[str, int] | None = None,
    halo: int = 0,
    before: list[dict[str, Any]] | None = None,
    after: list[dict[str, Any]] | None = None,
    change: Any = None,
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a package; `change(description)` edits its description in place before it is written."""
    given = frame() if given is None else given
    files = {"weights.bin": graph, "in.npy": npy(given[None, None]), "out.npy": npy(expected[None, None])}

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    description: dict[str, Any] = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Affable Shark (test)",
        "description": "Makes images brighter.",
        "license": "MIT",
        "cite": [{"text": "A. Person, A Paper", "doi": "10.1/2"}],
        "inputs": [
            {
                "id": "raw",
                "axes": axes(size=size or {"min": 8, "step": 8}),
                "data": {"type": "float32"},
                "test_tensor": file("in.npy"),
                "preprocessing": before or [],
            }
        ],
        "outputs": [
            {
                "id": "restored",
                "axes": axes(scale=1 / scale, halo=halo),
                "test_tensor": file("out.npy"),
                "postprocessing": after or [],
            }
        ],
        "weights": {kind: {**file("weights.bin"), "opset_version": 18}},
    }
    if change is not None:
        change(description)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rdf.yaml", yaml.safe_dump(description))
        for name, data in {**files, **(extra or {})}.items():
            archive.writestr(name, data)
    return path
