"""A model of a registry, loaded and written for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_w2s.app.exchange.export import (
    ExchangeFormat,
    Exported,
    SayFn,
    check_export,
    export_bioimageio,
    export_onnx,
)
from napari_w2s.models.registry import Registry


def export_named(
    registry: Registry,
    name: str,
    path: Path | str,
    kind: ExchangeFormat,
    *,
    weights: Path | str | None = None,
    intensity_range: tuple[float, float] | None = None,
    authors: Sequence[str] = (),
    overwrite: bool = False,
    say: SayFn = lambda _message: None,
) -> Exported:
    """Load a model and write it; what can be refused is refused before anything is loaded, and perhaps downloaded.

    Parameters
    ----------
    registry : Registry
    name : str
        Of the model.
    path : Path or str
        Ends as `kind` asks for.
    kind : ExchangeFormat
    weights : Path or str, optional
        See `napari_w2s.models.registry.Registry.load`.
    intensity_range, authors, overwrite, say
        See `export_bioimageio`. An ONNX file has no authors.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        If an extra is not installed, the model is no network, an argument is out of range, or the file is there.
    WeightsError
        If there are no weights, or not those that were promised.
    OutputError
        If it cannot be written, or computes something else: then there is no file.
    """
    from napari_w2s.engine.frames import check_range

    check_export(registry.descriptor(name), path, kind, overwrite=overwrite)
    if intensity_range is not None:
        check_range(intensity_range)
    model = registry.load(name, weights=weights)
    if kind is ExchangeFormat.ONNX:
        return export_onnx(model, path, intensity_range=intensity_range, overwrite=overwrite, say=say)
    return export_bioimageio(
        model, path, intensity_range=intensity_range, authors=authors, overwrite=overwrite, say=say
    )
