"""``napari-w2s download``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from napari_w2s._types import InputError, Level
from napari_w2s._types import Progress as Done
from napari_w2s.cli.console import EXIT_USAGE, Json, Verbose, fail, out, print_json, progress_bar, say, stop_on_signal

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry

EXAMPLES = """Examples:

napari-w2s download dncnn-avg1

napari-w2s download --fov 1-3 --channel 0 --level avg1 --level sim"""
ALL = "all"


def download(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Models by name, or all.", show_default=False)
    ] = None,
    fov: Annotated[
        list[str] | None, typer.Option("--fov", metavar="N", help="Fields of view: 7, or 1-5, or 1,3,8-10.")
    ] = None,
    channel: Annotated[
        list[int] | None,
        typer.Option("--channel", metavar="C", min=0, max=2, show_default="all", help="Of --fov: 0, 1 or 2."),
    ] = None,
    level: Annotated[
        list[Level] | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            show_default="all",
            help="Of --fov: avg1, avg2, avg4, avg8, avg16, avg400 or sim.",
        ),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="List what there is and what is here; fetch nothing.")
    ] = False,
    json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Fetch models' weights or real W2S images from the authors' repository, each file checked by its SHA-256.

    A download that was broken off goes on where it stopped. Prints the path of each file. The images and the weights
    belong to the authors of W2S (arXiv:2003.05961).
    """
    from napari_w2s.data.download import fetch_many
    from napari_w2s.models.builtin import default_registry

    registry = default_registry()
    if listing:
        _list(registry, json)
        return
    if (channel or level) and not fov:
        fail("--channel and --level choose images of a field of view: give --fov too.", EXIT_USAGE)
    if not names and not fov:
        fail("Nothing to download: name a model or give --fov. See: napari-w2s download --list", EXIT_USAGE)
    try:
        paths = _weights(registry, names or ())
        paths += _images(fov or (), channel or (0, 1, 2), level or tuple(Level))
    except InputError as error:
        fail(str(error), EXIT_USAGE)
    with stop_on_signal() as stop, progress_bar() as bars:
        task = bars.add_task(f"{len(paths)} files" if len(paths) > 1 else paths[0], total=None)

        def show(done: Done) -> None:
            bars.update(task, completed=done.done, total=done.total or None)

        files = fetch_many(paths, progress=show, should_stop=stop)
    if json:
        print_json([str(file) for file in files])
    else:
        for file in files:
            typer.echo(file)
    say(f"{len(files)} file{'s' if len(files) > 1 else ''} here, checked.")


def parse_numbers(texts: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers in words such as ``"7"``, ``"1-5"`` and ``"1,3,8-10"``, each once, in order.

    Raises
    ------
    InputError
        If a word is none of these.
    """
    numbers: dict[int, None] = {}
    for part in ",".join(texts).split(","):
        match = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part)
        if match is None:
            raise InputError(f"{part!r} is no number or range. Write 7, or 1-5, or 1,3,8-10.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"The range {part.strip()} ends before it begins. Write {last}-{first}.")
        numbers.update(dict.fromkeys(range(first, last + 1)))
    return tuple(numbers)


def _weights(registry: Registry, names: Sequence[str]) -> list[str]:
    from napari_w2s.models.descriptor import WeightsPlace

    upstream = {
        model.name: model.weights.path
        for model in registry.descriptors()
        if model.weights is not None and model.weights.place is WeightsPlace.UPSTREAM
    }
    if list(names) == [ALL]:
        return list(upstream.values())
    paths = []
    for name in names:
        if registry.descriptor(name).name not in upstream:
            raise InputError(f"{name} needs no download: it comes with the package, or was trained here.")
        paths.append(upstream[name])
    return paths


def _images(fovs: Sequence[str], channels: Sequence[int], levels: Sequence[Level]) -> list[str]:
    from napari_w2s.data.download import fov_paths

    numbers = parse_numbers(fovs) if fovs else ()
    return [path for fov in numbers for path in fov_paths(fov, channels, levels).values()]


def _list(registry: Registry, json: bool) -> None:
    models = {m.name: registry.available(m.name) for m in registry.descriptors() if m.weights is not None}
    if json:
        print_json({"models": models, "fovs": {"train": [1, 80], "test": [81, 120]}})
        return
    console = out()
    for name, state in models.items():
        console.print(f"{name:<16}{state}", markup=False)
    console.print("--fov 1-80      training images, 81-120 test images (8-bit release; channels 0, 1, 2)", markup=False)
