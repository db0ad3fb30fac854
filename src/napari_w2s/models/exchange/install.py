"""Take a package in: its model is then listed among the user's, and runs like any other."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_w2s._types import InputError, Task, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.card import descriptors_of, make_card
from napari_w2s.models.checkpoint import load_state_dict, save
from napari_w2s.models.descriptor import ModelDescriptor, Normalization
from napari_w2s.models.exchange.archive import MIB, Package
from napari_w2s.models.exchange.description import Described, read_description
from napari_w2s.models.exchange.network import PackagedNetwork, build, pack
from napari_w2s.models.trained import install

ARCHITECTURE = "packaged"
CONFIG = "napari_w2s"
"""Entry of a description's ``config`` that names the file with this package's own card."""

_WITHIN = 1e-3
"""Difference from the test image's result that is allowed, as a share of its range."""
_MAX_TEST_PIXELS = 4 * MIB


def install_package(path: Path | str, *, name: str | None = None) -> Path:
    """Take in a model from a package of the BioImage Model Zoo (a zip file). Nothing in it is run, and nothing fetched.

    A package that this package wrote gives the very model back, from the weights in it. Others must hold an ONNX graph,
    or a state dict of a network known here, for images of one channel; the result must have the input's size, or twice
    that. They are run on their own test image first.

    Parameters
    ----------
    path : Path or str
    name : str, optional
        Name of the model here. By default its own, in small letters.

    Returns
    -------
    Path
        The file in the user's folder of models.

    Raises
    ------
    WeightsError
        If it cannot be read, is not safe, or does not do what it says.
    InputError
        If another model has its name.
    OutputError
        If it cannot be written.
    """
    package = Package(path)
    content = package.description()
    with tempfile.TemporaryDirectory(prefix="napari-w2s-") as folder:
        own = _own_weights(content)
        scratch = Path(folder) / "model.safetensors"
        if own is not None:
            scratch.write_bytes(package.read(own[0], sha256=own[1]))
            _rename(package, scratch, name)
        else:
            _convert(package, content, scratch, name)
        return install(scratch)


def _own_weights(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return name and hash of the file with this package's own card, if there is one."""
    config = content.get("config")
    said = config.get(CONFIG) if isinstance(config, Mapping) else None
    wanted = said.get("weights") if isinstance(said, Mapping) else None
    for entry in content.get("attachments") or ():
        if isinstance(entry, Mapping) and wanted and entry.get("source") == wanted and entry.get("sha256"):
            return str(wanted), str(entry["sha256"])
    return None


def _rename(package: Package, path: Path, name: str | None) -> None:
    checkpoint = load_state_dict(path)
    if checkpoint.card is None:
        raise package.refuse("its own weights have no card that says what they are")
    descriptors = descriptors_of(checkpoint.card, path)
    if name is None:
        return
    if len(descriptors) != 1:
        raise InputError(f"{package.path} holds several models, which cannot have one name.")
    (entries,) = checkpoint.card["models"]
    save(path, checkpoint.state, {**checkpoint.card, "models": [{**entries, "name": name, "title": name}]})


def _convert(package: Package, content: Mapping[str, Any], path: Path, name: str | None) -> None:
    """Write the model of a package as a weights file with a card."""
    try:
        described = read_description(content)
    except InputError as error:
        raise package.refuse(str(error)) from error
    data = package.read(described.weights.source, sha256=described.weights.sha256)
    plan = {
        "before": [step.to_json() for step in described.before],
        "after": [step.to_json() for step in described.after],
        "least": described.least,
        "inputs": described.inputs,
        "outputs": described.outputs,
    }
    is_graph = described.weights.kind == "onnx"
    try:
        if is_graph:
            state = pack(plan, data, None)
        else:
            inner = path.with_name("inner.pth")
            inner.write_bytes(data)
            state = pack(plan, None, load_state_dict(inner).state)
        network = build(state)
        _check(package, described, network)
    except WeightsError as error:
        if str(package.path) in str(error):
            raise
        raise package.refuse(str(error).rstrip(".").replace(str(path.parent), "its weights")) from error
    save(path, state, make_card(_descriptor(described, name, is_graph)))


def _check(package: Package, described: Described, network: PackagedNetwork) -> None:
    """Run the model on its test image: axes, steps and graph must have been understood as they were meant."""
    frame, expected = (
        _plane(package, package.tensor(file.source, file.sha256), axes)
        for file, axes in ((described.test_input, described.inputs), (described.test_output, described.outputs))
    )
    import torch

    result = network(torch.from_numpy(frame[None, None]), network.frame_context(frame))[0, 0].numpy()
    if result.shape != expected.shape or result.shape[0] != frame.shape[0] * described.scale:
        raise package.refuse(
            f"its test image of {frame.shape} pixels becomes {result.shape}, expected {expected.shape}"
        )
    extent = float(np.ptp(expected)) or 1.0
    worst = float(np.abs(result - expected).max())
    if not worst <= _WITHIN * extent:
        raise package.refuse(
            f"on its own test image it does not give the result that comes with it ({worst / extent:.1%} of the range "
            "off), so that it would not do here what it was made for"
        )


def _plane(package: Package, array: Any, axes: str) -> Any:
    fits = array.ndim == len(axes) and all(
        n == 1 for n, axis in zip(array.shape, axes, strict=False) if axis not in "yx"
    )
    if not fits or array.size > _MAX_TEST_PIXELS:
        raise package.refuse(f"a test image has the shape {array.shape}, expected the axes {axes}")
    plane = array.reshape([n for n, axis in zip(array.shape, axes, strict=True) if axis in "yx"])
    upright = plane if axes.index("y") < axes.index("x") else plane.T
    return np.ascontiguousarray(upright, np.float32)


def _descriptor(described: Described, name: str | None, is_graph: bool) -> ModelDescriptor:
    own = re.sub(r"[^a-z0-9]+", "-", described.name.lower()).strip("-") or "model"
    descriptor = ModelDescriptor(
        name=name or own,
        title=name or described.name,
        task=Task.DENOISE if described.scale == 1 else Task.JDSR,
        summary=described.summary or "A model from a package of the BioImage Model Zoo.",
        architecture=ARCHITECTURE,
        build=ARCHITECTURES[ARCHITECTURE].build,
        licence=described.licence,
        origin=described.origin,
        citation=described.citation,
        scale=described.scale,
        normalization=Normalization.NONE,
        size_multiple=described.step,
        receptive_field=2 * described.halo + 1 if described.halo else None,
        blended_tile=ARCHITECTURES[ARCHITECTURE].blended_tile,
        frame_context=True,
        devices=("cpu",),
    )
    return replace(descriptor, requires=("onnxruntime",)) if is_graph else descriptor
