"""``napari-w2s download``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from napari_w2s._types import InputError, Level
from napari_w2s._types import Progress as Done
from napari_w2s.cli.console import EXIT_USAGE, Verbose, fail, progress_bar, say, stop_on_signal

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry

EXAMPLES = (
    "Examples:  napari-w2s download dncnn-avg1   |   napari-w2s download all   |   "
    "napari-w2s download --fov 1 --channel 0 --level avg1 --level sim"
)


def download(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models by name, or all.", show_default=False)
    ] = None,
    fov: Annotated[
        list[int] | None, typer.Option("--fov", metavar="N", min=1, max=120, help="A field of view, 1 to 120.")
    ] = None,
    channel: Annotated[
        list[int] | None,
        typer.Option("--channel", metavar="C", min=0, max=2, show_default="all", help="Of --fov: 0, 1 or 2."),
    ] = None,
    level: Annotated[
        list[Level] | None, typer.Option("--level", show_default="all", help="Of --fov: an averaging level, or sim.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List what there is and what is here, and end.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Get models' weights or real W2S images from the authors' repository, each file checked by its SHA-256.

    A download that was broken off goes on where it stopped. Prints the path of each file. The images and the weights
    belong to the authors of W2S (arXiv:2003.05961).
    """
    from napari_w2s.models.builtin import default_registry

    registry = default_registry()
    if listing:
        _list(registry)
        return
    if not names and not fov:
        fail("Nothing to download: name a model or give --fov. See: napari-w2s download --list", EXIT_USAGE)
    if (channel or level) and not fov:
        fail("--channel and --level choose images of a field of view: give --fov too.", EXIT_USAGE)
    wanted = _downloadable(registry) if names == ["all"] else list(names or ())
    try:
        for name in wanted:
            if registry.descriptor(name).weights is None:
                fail(f"{name} has no weights to download: it is built in.", EXIT_USAGE)
    except InputError as error:
        fail(str(error), EXIT_USAGE)
    fetch_weights(registry, wanted, tell=True)
    if fov:
        _fetch_images(fov, channel or (0, 1, 2), level)
