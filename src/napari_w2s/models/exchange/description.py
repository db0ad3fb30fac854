"""Read the description of a package, version 0.5: what it takes and gives, and where its weights are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

from napari_w2s._types import InputError
from napari_w2s.models.exchange.steps import AFTER, BEFORE, Step, read_steps

_SPACE = ("y", "x")
_MAX_EDGE = 4096


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights.

    Attributes
    ----------
    kind : str
        ``"onnx"`` or ``"pytorch_state_dict"``.
    source : str
        Name in the package.
    sha256 : str or None
    """

    kind: str
    source: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Described:
    """What is needed to use a model.

    Attributes
    ----------
    name, summary, licence, citation, origin : str
        Texts.
    inputs, outputs : str
        Order of the axes, of ``bcyx``.
    scale : int
        Output pixels per input pixel along y and x.
    least, step : int
        Sizes that it takes: ``least + n * step``.
    halo : int
        Input pixels at the border of a tile whose result is not used; 0 if none are said.
    before, after : tuple of Step
    weights : Weights
    test_input, test_output : Weights
        Files of arrays (their `kind` says nothing).
    """

    name: str
    summary: str
    licence: str
    citation: str
    origin: str
    inputs: str
    outputs: str
    scale: int
    least: int
    step: int
    halo: int
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    weights: Weights
    test_input: Weights
    test_output: Weights


def read_description(content: Mapping[str, Any]) -> Described:
    """Read a description.

    Parameters
    ----------
    content : mapping
        Plain YAML.

    Returns
    -------
    Described

    Raises
    ------
    InputError
        If it describes something that cannot be used here; the message completes "it was refused: …".
    """
    if content.get("type", "model") != "model":
        raise InputError(f"it holds a {short(content.get('type'))}, not a model")
    version = str(content.get("format_version", ""))
    if not version.startswith("0.5."):
        raise InputError(
            f"its description has format {short(version)}, and 0.5 is read here; "
            "`bioimageio update-format` of the package bioimageio.core updates it"
        )
    given, made = _only(content, "inputs", "takes"), _only(content, "outputs", "answers with")
    inputs, sizes = _input_axes(given)
    outputs, scale, halo = _output_axes(made, given)
    cite = content.get("cite") or [{}]
    first = cite[0] if isinstance(cite, list) and isinstance(cite[0], Mapping) else {}
    least, step = sizes
    return Described(
        name=_text(content, "name") or "model",
        summary=_text(content, "description"),
        licence=_text(content, "license") or "Not stated, or in the package.",
        citation=_text(first, "text") or "Not stated.",
        origin=_text(content, "id") or _text(content, "git_repo") or "A package of the BioImage Model Zoo.",
        inputs=inputs,
        outputs=outputs,
        scale=scale,
        least=least,
        step=step,
        halo=halo,
        before=read_steps(given.get("preprocessing"), BEFORE, "preprocessing"),
        after=read_steps(made.get("postprocessing"), AFTER, "postprocessing"),
        weights=_weights(content),
        test_input=_file(given.get("test_tensor"), "test_tensor of its input"),
        test_output=_file(made.get("test_tensor"), "test_tensor of its output"),
    )


def _only(content: Mapping[str, Any], key: str, verb: str) -> Mapping[str, Any]:
    entries = content.get(key)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"its {key} are missing")
    if len(entries) != 1:
        raise InputError(f"it {verb} {len(entries)} images; one is known here")
    only: Mapping[str, Any] = entries[0]
    return only


def _axes(tensor: Mapping[str, Any], whose: str) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """Return the order of axes, and y and x by name."""
    entries = tensor.get("axes")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"the axes of its {whose} are {short(entries)}")
    order, space = "", {}
    for axis in entries:
        kind, name = axis.get("type"), str(axis.get("id", ""))
        if kind == "space" and name in _SPACE:
            order += name
            space[name] = axis
        elif kind == "space":
            raise InputError(f"its {whose} has the axis {short(name)}; images here have y and x (no 3-D)")
        elif kind == "channel":
            names = axis.get("channel_names")
            count = len(names) if isinstance(names, list) else axis.get("size", 1)
            if count != 1:
                raise InputError(f"its {whose} has {short(count)} channels; images here have one")
            order += "c"
        elif kind == "batch":
            order += "b"
        else:
            raise InputError(f"its {whose} has an axis of the kind {short(kind)}, which is not known here")
    if len(space) != 2 or len(set(order)) != len(order):
        raise InputError(f"its {whose} has the axes {short(order)}; y and x, once each, are needed")
    return order, space


def _input_axes(tensor: Mapping[str, Any]) -> tuple[str, tuple[int, int]]:
    order, space = _axes(tensor, "input")
    sizes = []
    for name in _SPACE:
        size = space[name].get("size")
        if not isinstance(size, Mapping) or "min" not in size:
            raise InputError(f"it takes images of {short(size)} pixels along {name} only; any size is needed here")
        least, step = size.get("min"), size.get("step")
        if not isinstance(least, int) or not isinstance(step, int) or not 1 <= min(least, step) <= _MAX_EDGE:
            raise InputError(f"the size of its input along {name} is {short(dict(size))}")
        if step != 1 and least % step:
            raise InputError(f"it takes {least} + n x {step} pixels along {name}, which are not multiples of {step}")
        sizes.append((least, step))
    (least_y, step_y), (least_x, step_x) = sizes
    if step_y != step_x:
        raise InputError(f"its steps along y and x differ ({step_y} and {step_x})")
    return order, (max(least_y, least_x), step_y)


def _output_axes(tensor: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[str, int, int]:
    order, space = _axes(tensor, "output")
    _order, source = _axes(given, "input")
    scales, halos = [], []
    for name in _SPACE:
        size = space[name].get("size")
        if not isinstance(size, Mapping) or dict(size) | {"offset": size.get("offset", 0)} != {
            "tensor_id": given.get("id", "input"),
            "axis_id": name,
            "offset": 0,
        }:
            raise InputError(f"its result along {name} has {short(size)} pixels, neither its size nor twice that")
        ratio = _number(source[name], "scale") / _number(space[name], "scale")
        if ratio not in (1.0, 2.0):
            raise InputError(f"its result has {ratio:g} pixels for one along {name}; 1 and 2 are known here")
        scales.append(int(ratio))
        halo = space[name].get("halo", 0)
        if not isinstance(halo, int) or not 0 <= halo <= _MAX_EDGE:
            raise InputError(f"its halo is {short(halo)}")
        halos.append(-(-halo // int(ratio)))
    if scales[0] != scales[1]:
        raise InputError(f"its result has {scales[0]} pixels for one along y and {scales[1]} along x")
    return order, scales[0], max(halos)


def _weights(content: Mapping[str, Any]) -> Weights:
    entries = content.get("weights")
    if not isinstance(entries, Mapping):
        raise InputError("it names no weights")
    for kind in ("onnx", "pytorch_state_dict"):
        entry = entries.get(kind)
        if isinstance(entry, Mapping):
            if entry.get("external_data") is not None:
                raise InputError("its graph keeps its numbers in another file, which is not taken")
            found = _file(entry, f"{kind} weights")
            return Weights(kind, found.source, found.sha256)
    kinds = ", ".join(str(kind) for kind, entry in entries.items() if entry) or "nothing"
    raise InputError(
        f"it holds {kinds[:200]}, and onnx is needed, or pytorch_state_dict of a network known here: "
        "the others are programs, which could do anything"
    )


def _file(entry: Any, what: str) -> Weights:
    source = entry.get("source") if isinstance(entry, Mapping) else None
    if not isinstance(source, str):
        raise InputError(f"it has no {what}, so that it cannot be checked")
    if "://" in source:
        raise InputError(f"its {what} is on the web ({source[:100]}); download the whole package")
    assert isinstance(entry, Mapping)
    sha256 = entry.get("sha256")
    return Weights(what, source.removeprefix("./"), None if sha256 is None else str(sha256))


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def _number(axis: Mapping[str, Any], key: str) -> float:
    value = axis.get(key, 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"the {key} of an axis is {short(value)}")
    return float(value)
