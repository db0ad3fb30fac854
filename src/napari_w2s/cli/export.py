"""``napari-w2s export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_w2s._types import InputError
from napari_w2s.app.exchange.export import KINDS, ExchangeFormat
from napari_w2s.app.exchange.named import export_named
from napari_w2s.cli.console import Verbose, say
from napari_w2s.cli.options import Weights, complete_model, range_option

EXAMPLES = """Examples:

napari-w2s export w2s-denoise -o w2s-denoise.zip

napari-w2s export mine -o mine.zip --author 'A. Person' --author 'B. Person'

napari-w2s export w2s-jdsr -o w2s-jdsr.onnx --range 0 255

napari-w2s models --add w2s-denoise.zip --name other"""


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A network. See: napari-w2s models",
            autocompletion=complete_model,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write: .zip (bioimageio) or .onnx.")
    ],
    format_: Annotated[
        ExchangeFormat | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            show_default="by the file's name",
            help="bioimageio: a package of the BioImage Model Zoo; onnx: a graph.",
        ),
    ] = None,
    weights: Weights = None,
    intensity_range: Annotated[
        tuple[float, float] | None, range_option("each frame's own; for 8-bit images give 0 255")
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option("--author", metavar="NAME", help="Who made the model. May be given again.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Write a network for other programs: as a BioImage Model Zoo package, or as an ONNX graph.

    Normalisation is part of what is written, so that others get the same result from the same frame. That is checked
    on images before the file is kept, and the largest difference is printed.

    Needs an extra of this package to be installed: onnx, or bioimageio for a package of the Zoo.
    """
    from napari_w2s.models.builtin import default_registry

    kind = format_ or KINDS.get(output.suffix.lower())
    if kind is None:
        raise InputError(f"{output} must end in .zip or .onnx, or say --format.")
    if author and kind is not ExchangeFormat.BIOIMAGEIO:
        raise InputError("--author is for packages (--format bioimageio); an ONNX file has no authors.")
    registry = default_registry()
    names = registry.parse(model)
    if len(names) > 1:
        raise InputError(f"{model} is a chain. Export each of its models by itself: {' and '.join(names)}.")
    done = export_named(
        registry,
        names[0],
        output,
        kind,
        weights=weights,
        intensity_range=intensity_range,
        authors=author or (),
        overwrite=overwrite,
        say=say,
    )
    say(f"Checked: {done.agreement}.")
    typer.echo(done.path)
