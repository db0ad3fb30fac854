"""A network that came in a package: an ONNX graph, or weights of a known architecture, with the package's own steps.

The file that keeps it holds numbers only: the graph's bytes and the steps as text, each as a tensor of bytes, or the
weights under their names. ONNX graphs are run by ONNX Runtime, which has a fixed list of operators; a graph that keeps
numbers in other files, or asks for operators from elsewhere, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.exchange.steps import AFTER, BEFORE, Numbers, Pixels, Step, steps_from_json

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GRAPH, PLAN, WEIGHTS = "package.graph", "package.plan", "package.weights."
"""Keys of the state dict: the ONNX graph, the `Plan`, and what the names of weights begin with."""

_STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_TYPES: Mapping[str, type[np.number[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
}


class PackagedNetwork(nn.Module):
    """Steps, a graph or a network, steps.

    Parameters
    ----------
    run : callable
        Maps ``(1, 1, H, W)`` float32 to ``(1, 1, scale * H, scale * W)``.
    before, after : tuple of Step
    least : int
        Least height and width that `run` takes; smaller images are continued by their mirror image.
    """

    receptive_field: int | None = None

    def __init__(
        self, run: Callable[[Pixels], Pixels], before: tuple[Step, ...], after: tuple[Step, ...], least: int
    ) -> None:
        super().__init__()
        self._run, self._before, self._after, self._least = run, before, after, least

    def frame_context(self, frame: Pixels) -> list[Numbers | None]:
        """Return what each step before the network measures on a whole frame ``(H, W)``."""
        found = []
        for step in self._before:
            found.append(step.measure(frame))
            frame = step.apply(frame, found[-1])
        return found

    def forward(self, x: torch.Tensor, context: list[Numbers | None]) -> torch.Tensor:
        """Restore ``(N, 1, H, W)`` in a frame's own intensities."""
        pixels: Pixels = x.cpu().numpy()
        for step, measured in zip(self._before, context, strict=True):
            pixels = step.apply(pixels, measured)
        height, width = pixels.shape[-2:]
        missing = [max(0, self._least - height), max(0, self._least - width)]
        if any(missing):
            pixels = np.pad(pixels, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])), mode="symmetric")
        result = np.concatenate([self._run(one[None]) for one in pixels]) if len(pixels) else pixels
        scale = result.shape[-1] // pixels.shape[-1] if pixels.size else 1
        result = result[..., : height * scale, : width * scale]
        for step in self._after:
            result = step.apply(result, step.measure(result))
        return torch.from_numpy(np.ascontiguousarray(result, np.float32))


class OnnxGraph:
    """An ONNX graph, checked and ready to run on the CPU.

    Parameters
    ----------
    data : bytes
    inputs, outputs : str
        Order of the axes of its image and of its result: letters of ``bcyx``.

    Raises
    ------
    WeightsError
        If it is no graph of one image that ONNX Runtime can run, or reaches outside itself.
    """

    def __init__(self, data: bytes, inputs: str, outputs: str) -> None:
        self._data, self._inputs, self._outputs = data, inputs, outputs
        _check_graph(data)
        self._session = self._start()

    def __call__(self, pixels: Pixels) -> Pixels:
        """Run ``(1, 1, H, W)``."""
        (given,) = self._session.get_inputs()
        dtype = _TYPES[given.type]
        if issubclass(dtype, np.integer):
            limits = np.iinfo(dtype)
            pixels = np.clip(np.rint(pixels), limits.min, limits.max)
        try:
            (result,) = self._session.run(None, {given.name: _arranged(pixels.astype(dtype), self._inputs)})
        except Exception as error:  # as below
            size = " x ".join(map(str, pixels.shape[-2:]))
            raise WeightsError(f"The model's graph failed on an image of {size} pixels: {error}") from error
        return _restored(np.asarray(result, np.float32), self._outputs)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._session = self._start()

    def _start(self) -> InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(self._data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # there is a class of error for every way in which a graph can be wrong
            raise WeightsError(f"ONNX Runtime cannot run the model's graph: {error}") from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise WeightsError(
                f"The model's graph takes {len(inputs)} tensors and gives {len(outputs)}; one of each is known here."
            )
        if inputs[0].type not in _TYPES:
            raise WeightsError(f"The model's graph takes {inputs[0].type}, which is not known here.")
        return session


def build(state: Mapping[str, Any] | None) -> PackagedNetwork:
    """Make the network of a package that was taken in.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        As `pack` made it.

    Raises
    ------
    WeightsError
        If it is not that, or the graph or the weights cannot be used.
    """
    state = state or {}
    try:
        plan = json.loads(_bytes(state[PLAN]))
        before, after = steps_from_json(plan["before"], BEFORE), steps_from_json(plan["after"], AFTER)
        least, inputs, outputs = int(plan["least"]), str(plan["inputs"]), str(plan["outputs"])
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise WeightsError("These are not the weights of a model from a package. Take in the package again.") from error
    if GRAPH in state:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise WeightsError(
                'This model is run by ONNX Runtime, which is not installed. Install: pip install "napari-w2s[onnx]"'
            ) from error
        return PackagedNetwork(OnnxGraph(_bytes(state[GRAPH]), inputs, outputs), before, after, least).eval()
    weights = {key.removeprefix(WEIGHTS): value for key, value in state.items() if key.startswith(WEIGHTS)}
    return PackagedNetwork(_TorchNetwork(known_network(weights)), before, after, least).eval()


def known_network(weights: Mapping[str, Any]) -> nn.Module:
    """Rebuild the one network of this package that weights fit.

    Raises
    ------
    WeightsError
        If they fit none.
    """
    from napari_w2s.models.architectures import ARCHITECTURES

    for method in ARCHITECTURES.values():
        if method.has_weights:
            try:
                network: nn.Module = method.build(weights)
            except WeightsError:
                continue
            return network
    known = ", ".join(method.title for method in ARCHITECTURES.values() if method.has_weights)
    raise WeightsError(f"These weights fit none of the networks known here ({known}).")


def pack(
    plan: Mapping[str, Any], graph: bytes | None, weights: Mapping[str, torch.Tensor] | None
) -> dict[str, torch.Tensor]:
    """Return the state dict of a model from a package.

    Parameters
    ----------
    plan : mapping
        Plain JSON: ``before`` and ``after`` (see `Step.to_json`), ``least``, ``inputs`` and ``outputs`` (axes).
    graph : bytes or None
        ONNX.
    weights : mapping or None
        Of a known network, instead of a graph.
    """
    state = {f"{WEIGHTS}{key}": value for key, value in (weights or {}).items()}
    state[PLAN] = _tensor(json.dumps(dict(plan)).encode())
    if graph is not None:
        state[GRAPH] = _tensor(graph)
    return state


class _TorchNetwork:
    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def __call__(self, pixels: Pixels) -> Pixels:
        with torch.inference_mode():
            result: Pixels = self._network(torch.from_numpy(np.ascontiguousarray(pixels)))[:, :1].numpy()
        return result


def _check_graph(data: bytes) -> None:
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, of which there are several kinds
        raise WeightsError("The model's graph is no ONNX file, or damaged.") from error
    foreign = {entry.domain for entry in model.opset_import} - set(_STANDARD_DOMAINS)
    if foreign:
        raise WeightsError(f"The model's graph asks for operators from elsewhere ({', '.join(sorted(foreign))}).")
    # Wherever a tensor stands (initialisers, attributes, graphs within graphs), it may name a file of numbers.
    if _has_external(model):
        raise WeightsError("The model's graph keeps its numbers in other files, which is not taken.")


def _has_external(message: Any) -> bool:
    import onnx

    if isinstance(message, onnx.TensorProto):
        return bool(message.external_data) or message.data_location == onnx.TensorProto.EXTERNAL
    for field, value in message.ListFields():
        if field.message_type is not None:
            children = [value] if hasattr(value, "ListFields") else value
            if any(_has_external(child) for child in children):
                return True
    return False


def _arranged(pixels: Any, axes: str) -> Any:
    """Return ``(1, 1, H, W)`` with the axes in a given order, without those that are not there."""
    kept = pixels[0, 0] if axes.index("y") < axes.index("x") else pixels[0, 0].T
    for position, axis in enumerate(axes):
        if axis not in "yx":
            kept = np.expand_dims(kept, position)
    return np.ascontiguousarray(kept)


def _restored(result: Pixels, axes: str) -> Pixels:
    if result.ndim != len(axes) or any(n != 1 for n, axis in zip(result.shape, axes, strict=True) if axis not in "yx"):
        raise WeightsError(f"The model's graph gave a result of shape {result.shape}, expected one image.")
    plane = result.reshape([n for n, axis in zip(result.shape, axes, strict=True) if axis in "yx"])
    upright = plane if axes.index("y") < axes.index("x") else plane.T
    return np.ascontiguousarray(upright)[None, None]


def _tensor(data: bytes) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def _bytes(tensor: torch.Tensor) -> bytes:
    data: bytes = tensor.numpy().astype(np.uint8).tobytes()
    return data
