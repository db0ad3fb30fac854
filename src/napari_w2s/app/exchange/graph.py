"""Write a model as an ONNX graph, and run such a graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError

if TYPE_CHECKING:
    from napari_w2s.engine.standalone import Standalone

INPUT, OUTPUT = "input", "output"
"""Names of the graph's tensors: ``(1, 1, height, width)`` and ``(1, 1, scale * height, scale * width)``, float32."""

OPSET = 18
"""Version of the ONNX operators."""

_MAX_SIZE = 16_384
_TRACED = (69, 101)
_NOISY_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")

logger = logging.getLogger(__name__)


def to_onnx(network: Standalone, facts: Mapping[str, str]) -> bytes:
    """Write a network as an ONNX file that takes frames of any size.

    Parameters
    ----------
    network : Standalone
    facts : mapping of str to str
        For the file's metadata.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the network cannot be written as a graph.
    """
    import onnx
    import torch
    from torch.export import Dim

    frame = torch.linspace(0, 1, _TRACED[0] * _TRACED[1]).reshape(1, 1, *_TRACED)
    axes = {axis: Dim(name, min=network.least_size, max=_MAX_SIZE) for axis, name in ((2, "height"), (3, "width"))}
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (frame,),
                dynamo=True,
                verbose=False,
                dynamic_shapes=(axes,),
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
            )
            assert program is not None
            proto = program.model_proto
    except Exception as error:  # the exporter fails in any way there is
        logger.debug("the graph could not be made", exc_info=True)
        raise InputError(
            f"PyTorch {torch.__version__} cannot write this network as an ONNX graph ({type(error).__name__}). "
            "Run again with -vv for the details, or use the model here."
        ) from error
    proto.doc_string = facts.get("summary", "")
    onnx.helper.set_model_props(proto, dict(facts))
    data: bytes = proto.SerializeToString()
    return data


def run_onnx(graph: bytes, frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Restore a frame ``(H, W)`` with ONNX Runtime on the CPU, and return ``(scale * H, scale * W)``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answer: npt.NDArray[np.float32] = session.run([OUTPUT], {INPUT: frame[None, None]})[0]
    plane: npt.NDArray[np.float32] = answer[0, 0]
    return plane


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own remarks from the user: they are about its inside."""
    loggers: list[Any] = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    loggers += [
        one
        for name, one in logging.root.manager.loggerDict.items()
        if isinstance(one, logging.Logger) and name.startswith(_NOISY_LOGGERS)
    ]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
