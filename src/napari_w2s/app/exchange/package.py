"""A model as a package of the BioImage Model Zoo: made in memory, checked by bioimageio.core."""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from napari_w2s._types import OutputError
from napari_w2s.app.exchange.check import Agreement, Frame, compare, example_frames, predicted
from napari_w2s.app.exchange.description import custom_licence, describe
from napari_w2s.app.exchange.facts import Facts
from napari_w2s.app.exchange.graph import INPUT, OUTPUT

_WRITTEN = (1980, 1, 1, 0, 0, 0)
_TEST_SIZE = (64, 80)

_PYDANTIC_FAULT = "package_file_descr_serializer"
"""Where bioimageio.spec up to 0.5.12 calls pydantic in a way that pydantic 2.14 refuses."""

logger = logging.getLogger(__name__)


def make_package(facts: Facts, graph: bytes) -> bytes:
    """Return the package of a model as a zip file.

    Parameters
    ----------
    facts : Facts
    graph : bytes
        The model as ONNX.
    """
    from napari_w2s.engine.standalone import Standalone

    name = facts.model.name
    frame = np.ascontiguousarray(example_frames()[0][: _TEST_SIZE[0], : _TEST_SIZE[1]])
    expected = predicted(facts.model, frame, facts.intensity_range)
    files = {
        "graph": f"{name}.onnx",
        "weights": f"{name}.safetensors",
        "readme": "README.md",
        "test_input": "test_input.npy",
        "test_output": "test_output.npy",
    }
    contents = {
        files["graph"]: graph,
        files["weights"]: _weights(facts),
        files["readme"]: facts.readme.encode(),
        files["test_input"]: _npy(frame[None, None]),
        files["test_output"]: _npy(expected[None, None]),
    }
    if (text := custom_licence(facts)) is not None:
        files["licence"] = "LICENSE.txt"
        contents["LICENSE.txt"] = (text + "\n").encode()
    hashes = {key: hashlib.sha256(data).hexdigest() for key, data in contents.items()}
    least = Standalone(facts.model).least_size
    description = describe(facts, hashes, files, least, expected)
    contents["rdf.yaml"] = yaml.safe_dump(description, sort_keys=False, allow_unicode=True).encode()
    return _zipped(contents)


def check_package(path: Path, facts: Facts) -> Agreement:
    """Validate a package with bioimageio.core, run it, and compare.

    Raises
    ------
    OutputError
        If bioimageio.core finds fault with it, or it computes something else.
    """
    from bioimageio.core import predict, test_description
    from bioimageio.spec import load_description

    # Opened here, since bioimageio.spec leaves it open, which keeps Windows from renaming it.
    with _quiet(), zipfile.ZipFile(path) as archive:
        description = load_description(archive)
        _require(description.validation_summary, "valid-format", "passed")
        _require(test_description(description, expected_type="model", weight_format="onnx"), "passed")

        def run(frame: Frame) -> Frame:
            sample = predict(model=description, inputs={INPUT: frame[None, None]})
            members: Any = sample.members
            plane: Frame = np.asarray(members[OUTPUT].data, np.float32)[0, 0]
            return plane

        pairs = [(frame, predicted(facts.model, frame, facts.intensity_range)) for frame in example_frames()]
        return compare(run, pairs)


def _require(summary: Any, *statuses: str) -> None:
    """Raise an OutputError with what bioimageio.core found fault with, unless the summary has one of the statuses."""
    if summary.status in statuses:
        return
    faults = "; ".join(str(error.msg) for detail in summary.details for error in detail.errors)
    logger.debug("%s", summary.format())
    if _PYDANTIC_FAULT in faults:
        raise OutputError(
            "The installed bioimageio.core does not work with the installed pydantic. Install versions that fit "
            'together: pip install "napari-w2s[bioimageio]"'
        )
    raise OutputError(
        f"bioimageio.core does not accept the package: {faults or summary.status}. It was not kept. Run again with -vv "
        "for all it says."
    )


def _weights(facts: Facts) -> bytes:
    """Return the network's weights with a card: what this package reads to have the very model back."""
    from napari_w2s.models.card import make_card
    from napari_w2s.models.checkpoint import save

    known = {key: value for key, value in facts.card.items() if key not in ("models", "format")}
    kept = {key: value for key, value in known.items() if isinstance(value, (str, int, float, dict, list))}
    with tempfile.TemporaryDirectory(prefix="napari-w2s-") as folder:
        card = make_card(facts.model.descriptor, **kept)
        return save(Path(folder) / "weights.safetensors", facts.model.network.state_dict(), card).read_bytes()


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _zipped(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("rdf.yaml", *(name for name in contents if name != "rdf.yaml")):
            archive.writestr(zipfile.ZipInfo(name, _WRITTEN), contents[name], zipfile.ZIP_DEFLATED)
    return stream.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the remarks of bioimageio.core from the user; what counts is in its summary."""
    from loguru import logger as loguru_logger

    loguru_logger.disable("bioimageio")
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        loguru_logger.enable("bioimageio")
