"""The description of a model in the BioImage Model Zoo's format, version 0.5.

The format: https://bioimage.io and the package bioimageio.spec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from napari_w2s import __version__
from napari_w2s.app.exchange.check import TOLERANCE, Frame
from napari_w2s.app.exchange.facts import Facts
from napari_w2s.app.exchange.graph import INPUT, OPSET, OUTPUT

FORMAT = "0.5.12"
CONFIG = "napari_w2s"
"""Entry of the description's ``config`` that names the package's own weights file."""

_LICENCES = (
    *("BSD-3-Clause", "BSD-2-Clause", "MIT", "Apache-2.0", "ISC", "MPL-2.0", "Unlicense"),
    *("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"),
    *("GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-3.0-only"),
)
"""Identifiers that the format knows; any other licence goes along as a text."""

_LONGEST_NAME, _SHORTEST_NAME = 64, 5


def describe(
    facts: Facts, hashes: Mapping[str, str], files: Mapping[str, str], least_size: int, expected: Frame
) -> dict[str, Any]:
    """Describe a model.

    Parameters
    ----------
    facts : Facts
    hashes : mapping of str to str
        SHA-256 by name in the package.
    files : mapping of str to str
        Names in the package of: graph, weights, readme, licence, test_input, test_output. Without licence, the licence
        is one that the format knows.
    least_size : int
        Least height and width of a frame.
    expected : numpy.ndarray
        What the test input must become.

    Returns
    -------
    dict
        Plain YAML.
    """
    descriptor = facts.model.descriptor

    def file(role: str) -> dict[str, str]:
        return {"source": files[role], "sha256": hashes[files[role]]}

    batch, channel = {"type": "batch", "size": 1}, {"type": "channel", "channel_names": ["intensity"]}
    sizes = {"min": least_size, "step": 1}
    came_in = [{"type": "space", "id": axis, "size": dict(sizes)} for axis in ("y", "x")]
    come_out = [
        {
            "type": "space",
            "id": axis,
            "size": {"tensor_id": INPUT, "axis_id": axis},
            "scale": 1 / descriptor.scale,
        }
        for axis in ("y", "x")
    ]
    licence = file("licence") if "licence" in files else facts.licence
    return {
        "format_version": FORMAT,
        "type": "model",
        "name": plain_name(descriptor.title),
        "description": descriptor.summary,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "authors": [{"name": name} for name in facts.authors],
        "cite": facts.citations,
        "license": licence,
        "tags": ["2d", "fluorescence-light-microscopy", "image-restoration", *_task_tags(facts), "napari-w2s"],
        "documentation": file("readme"),
        "attachments": [file("weights")],
        "inputs": [
            {
                "id": INPUT,
                "description": "One widefield frame, whole.",
                "axes": [batch, channel, *came_in],
                "data": {"type": "float32"},
                "test_tensor": file("test_input"),
            }
        ],
        "outputs": [
            {
                "id": OUTPUT,
                "description": "The restored frame, in the input's intensities.",
                "axes": [dict(batch), {**channel, "channel_names": ["intensity"]}, *come_out],
                "data": {"type": "float32"},
                "test_tensor": file("test_output"),
            }
        ],
        "weights": {"onnx": {**file("graph"), "opset_version": OPSET}},
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [
                    {
                        "relative_tolerance": TOLERANCE,
                        "absolute_tolerance": TOLERANCE * float(expected.max() - expected.min()),
                    }
                ]
            },
            CONFIG: {"version": __version__, "weights": files["weights"]},
        },
    }


def custom_licence(facts: Facts) -> str | None:
    """Return the text of a licence that the format has no identifier for; None where it has one."""
    return None if facts.licence in _LICENCES else facts.licence


def plain_name(title: str) -> str:
    """Return a title in the characters that the format allows in a name."""
    name = re.sub(r"[^A-Za-z0-9_+\-()]+", " ", title).strip()[:_LONGEST_NAME]
    return name if len(name) >= _SHORTEST_NAME else f"{name} model".strip()


def _task_tags(facts: Facts) -> list[str]:
    descriptor = facts.model.descriptor
    return [
        *(["denoising"] if descriptor.denoises else []),
        *(["super-resolution"] if descriptor.scale > 1 else []),
    ]
