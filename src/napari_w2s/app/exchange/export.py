"""Write a trained model for other programs, and check that they compute the same with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from napari_w2s._files import replacing, write_at_once
from napari_w2s._types import InputError, OutputError
from napari_w2s.app.exchange.check import Agreement, compare, example_frames, predicted
from napari_w2s.app.exchange.extras import require
from napari_w2s.app.exchange.facts import Facts, gather
from napari_w2s.models.descriptor import ModelDescriptor, RestorationModel

SayFn = Callable[[str], None]


class ExchangeFormat(StrEnum):
    """Kinds of file that a model can be written to."""

    BIOIMAGEIO = "bioimageio"
    """A package of the BioImage Model Zoo (zip)."""
    ONNX = "onnx"
    """An ONNX graph."""


SUFFIXES = {ExchangeFormat.BIOIMAGEIO: ".zip", ExchangeFormat.ONNX: ".onnx"}
KINDS = {suffix: kind for kind, suffix in SUFFIXES.items()}
_EXTRAS = {ExchangeFormat.BIOIMAGEIO: ("onnx", "bioimageio"), ExchangeFormat.ONNX: ("onnx",)}


@dataclass(frozen=True)
class Exported:
    """A model that was written.

    Attributes
    ----------
    path : Path
    agreement : Agreement
        How closely the file computes what this package does.
    """

    path: Path
    agreement: Agreement


def check_exportable(descriptor: ModelDescriptor) -> None:
    """Raise an InputError for a model that is no network of this package."""
    if descriptor.weights is None:
        raise InputError(
            f"{descriptor.title} cannot be exported: it is a method without trained weights, not a network. Choose a "
            "network (napari-w2s models), or make its result here."
        )
    if descriptor.frame_context:
        raise InputError(
            f"{descriptor.title} cannot be exported: it is no network of this package. If it came in a package, pass "
            "that on."
        )


def export_onnx(
    model: RestorationModel,
    path: Path | str,
    *,
    intensity_range: tuple[float, float] | None = None,
    overwrite: bool = False,
    say: SayFn = lambda _message: None,
) -> Exported:
    """Write a model as an ONNX file, and check it with ONNX Runtime. Needs the extra ``onnx``.

    The graph takes ``input``, float32 ``(1, 1, H, W)`` in a frame's own intensities, and gives ``output``, float32
    ``(1, 1, scale * H, scale * W)``: normalisation, padding and brightness are part of it.

    Parameters
    ----------
    model : RestorationModel
        From `napari_w2s.models.registry.Registry.load`.
    path : Path or str
        Ends in ``.onnx``.
    intensity_range : (float, float), optional
        See `napari_w2s.engine.standalone.Standalone`.
    overwrite : bool
        Replace a file that is there.
    say : callable, optional
        Gets a line before every step.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        If the extra is not installed, the model is no network, or the file is there already.
    OutputError
        If it cannot be written, or computes something else: then there is no file.
    """
    path = check_export(model.descriptor, path, ExchangeFormat.ONNX, overwrite=overwrite)
    facts = gather(model, intensity_range)
    graph, agreement = checked_graph(facts, say)
    with _written(path):
        write_at_once(path, graph)
    return Exported(path, agreement)


def export_bioimageio(
    model: RestorationModel,
    path: Path | str,
    *,
    intensity_range: tuple[float, float] | None = None,
    authors: Sequence[str] = (),
    overwrite: bool = False,
    say: SayFn = lambda _message: None,
) -> Exported:
    """Write a model as a package of the BioImage Model Zoo, and check it with bioimageio.core.

    The package holds the model as ONNX, its weights and card as they are here, test images, and what is known of how
    it was made. Needs the extra ``bioimageio``.

    Parameters
    ----------
    model, intensity_range, overwrite, say
        As for `export_onnx`.
    path : Path or str
        Ends in ``.zip``.
    authors : sequence of str
        Names of who made it.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        If the extra is not installed, the model is no network, or the file is there already.
    OutputError
        If it cannot be written, is not valid, or computes something else: then there is no file.
    """
    from napari_w2s.app.exchange.package import check_package, make_package

    path = check_export(model.descriptor, path, ExchangeFormat.BIOIMAGEIO, overwrite=overwrite)
    facts = gather(model, intensity_range, tuple(authors))
    graph, _agreement = checked_graph(facts, say)
    with _written(path), replacing(path, SUFFIXES[ExchangeFormat.BIOIMAGEIO]) as temporary:
        temporary.write_bytes(make_package(facts, graph))
        say("Checking the package with bioimageio.core …")
        agreement = check_package(temporary, facts)
    return Exported(path, agreement)


def checked_graph(facts: Facts, say: SayFn) -> tuple[bytes, Agreement]:
    """Make the ONNX graph of a model, and run it on images."""
    from napari_w2s.app.exchange.graph import run_onnx, to_onnx
    from napari_w2s.engine.standalone import Standalone

    say(f"Writing the graph of {facts.model.descriptor.title} …")
    graph = to_onnx(Standalone(facts.model, facts.intensity_range), facts.metadata)
    say("Checking it with ONNX Runtime …")
    pairs = [(frame, predicted(facts.model, frame, facts.intensity_range)) for frame in example_frames()]
    return graph, compare(lambda frame: run_onnx(graph, frame), pairs)


def check_export(descriptor: ModelDescriptor, path: Path | str, kind: ExchangeFormat, *, overwrite: bool) -> Path:
    """Return the path that a model is to be written to, or raise an InputError if it cannot be."""
    require(*_EXTRAS[kind])
    check_exportable(descriptor)
    path, suffix = Path(path), SUFFIXES[kind]
    if path.suffix.lower() != suffix:
        raise InputError(f"{path} must end in {suffix}. Choose another name, or another format.")
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist. Make it, or choose another.")
    if path.is_dir():
        raise InputError(f"{path} is a folder. Choose another name.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already. Choose another name, or replace it: --overwrite")
    return path


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Say which file could not be written, and what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path} could not be written: {error.strerror}. Choose another folder or free space."
        ) from error
