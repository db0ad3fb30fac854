"""``napari-w2s compare``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_w2s._types import InputError
from napari_w2s.cli.console import EXIT_FAILED, EXIT_USAGE, Verbose, fail, out, report_error, say, stop_on_signal

if TYPE_CHECKING:
    from napari_w2s.app.compare import Compared

EXAMPLES = """Examples:

napari-w2s compare cells.tif cells_w2s-denoise.ome.tif -o figure.png

napari-w2s compare W2S/data/train/*/050_0.png restored.ome.tif -o figure.pdf --csv numbers.csv

napari-w2s compare noisy.tif restored.tif --reference clean.tif --box 120,200,64,64 --contrast matched"""


class ContrastChoice(StrEnum):
    """Choices of ``--contrast``."""

    SHARED = "shared"
    PER_TILE = "per-tile"
    MATCHED = "matched"


class Threshold(StrEnum):
    """Choices of ``--frc``."""

    FIXED = "1/7"
    HALF_BIT = "half-bit"


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", help="Images of one place, or a comparison saved with --json.", show_default=False
        ),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            "-r",
            metavar="PATH",
            show_default="the avg400 or SIM image among them",
            help="What the others are measured against.",
        ),
    ] = None,
    averages: Annotated[
        list[Path] | None,
        typer.Option(
            "--averages",
            metavar="PATH",
            help="An averaging level of the same place, or a burst, that is not shown: it tells what an image is worth "
            "in frames. May be given again.",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            "--box",
            metavar="TOP,LEFT,HEIGHT,WIDTH",
            show_default="the whole image",
            help="The part that numbers are of, in pixels of the reference, else of the first image.",
        ),
    ] = None,
    enlarge: Annotated[
        str | None,
        typer.Option(
            "--enlarge",
            metavar="TOP,LEFT,HEIGHT,WIDTH",
            show_default="the box",
            help="The part that the figure shows enlarged, in the same pixels.",
        ),
    ] = None,
    contrast: Annotated[
        ContrastChoice | None,
        typer.Option(
            "--contrast",
            metavar="KIND",
            show_default="shared",
            help="shared by all images, per-tile, or matched to the reference. Numbers do not depend on it.",
        ),
    ] = None,
    colours: Annotated[
        bool, typer.Option("--colours", help="Draw in the colours of the channels, not in grey.")
    ] = False,
    channel: Annotated[
        int | None, typer.Option("--channel", min=0, metavar="N", help="Which image of files that hold several.")
    ] = None,
    frame: Annotated[
        str | None,
        typer.Option(
            "--frame", metavar="N[,N]", show_default="the first", help="Which frame of stacks, along t, z or the like."
        ),
    ] = None,
    data_range: Annotated[
        float | None,
        typer.Option(
            "--range",
            metavar="WIDTH",
            show_default="255 for 8-bit images, else the reference's",
            help="Width of the intensity range that PSNR and SSIM rest on.",
        ),
    ] = None,
    threshold: Annotated[
        Threshold, typer.Option("--frc", metavar="KIND", help="Threshold of the FRC resolution: 1/7 or half-bit.")
    ] = Threshold.FIXED,
    microssim: Annotated[
        bool, typer.Option("--microssim", help="Measure MicroSSIM too, which takes as long as all other numbers.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Figure to save: .png, .svg or .pdf.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Save the numbers.")] = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Save what is compared, to reopen it here or in napari."),
    ] = None,
    line: Annotated[
        str | None,
        typer.Option("--line", metavar="Y,X,Y,X", help="Ends of a line for --profile, in the pixels of --box."),
    ] = None,
    width: Annotated[
        float,
        typer.Option("--line-width", min=0, metavar="PIXELS", help="Width of the band around --line that is averaged."),
    ] = 0.0,
    profile: Annotated[
        Path | None, typer.Option("--profile", metavar="FILE", help="Plot the intensities along --line.")
    ] = None,
    spectrum: Annotated[
        Path | None, typer.Option("--spectrum", metavar="FILE", help="Plot the radially averaged power.")
    ] = None,
    worth: Annotated[
        Path | None, typer.Option("--worth", metavar="FILE", help="Plot the averaging curve and what lies on it.")
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Compare images of one place: numbers on standard output, and a figure.

    Images may differ in pixel size and position. Without a reference there are the numbers that need none.
    """
    from napari_w2s.app.compare import compare as run
    from napari_w2s.app.figure_file import check_figure_path

    try:
        for file in (output, profile, spectrum, worth):
            if file is not None:
                check_figure_path(file)
        whole, part, frames = _box(box, "--box"), _box(enlarge, "--enlarge"), _integers(frame, "--frame", None)
        ends = _line(line, profile)
        if json is not None and json.suffix.lower() != ".json":
            raise InputError(f"--json {json} must end with .json, so that it can be told from an image.")
        if data_range is not None and not 0 < data_range < float("inf"):
            raise InputError(f"--range must be a positive number; got {data_range:g}.")
    except InputError as error:
        fail(str(error), EXIT_USAGE)

    with stop_on_signal("Stopping after the current number; once more to stop at once.") as stop:
        compared = run(
            paths,
            reference=reference,
            averages=averages or (),
            box=whole,
            contrast=None if contrast is None else contrast.value.replace("-", " "),
            frame=frames,
            channel=channel,
            data_range=data_range,
            threshold=threshold.value,
            microssim=microssim,
            stop=stop,
        )
        _print(compared)
        saved = []
        if output is not None:
            saved.append(compared.save_figure(output, enlarge=part, colours=colours, stop=stop))
        if profile is not None and ends is not None:
            saved.append(compared.save_profile(profile, *ends, width=width))
        if spectrum is not None:
            saved.append(compared.save_spectrum(spectrum))
        if worth is not None:
            saved.append(compared.save_worth(worth))
        if csv is not None:
            saved.append(compared.save_csv(csv))
        problems = list(compared.problems)
        if json is not None:
            problems += compared.save(json)
            saved.append(json)
    for file in saved:
        say(f"Saved {file.resolve()}")
    for problem in problems:
        report_error(problem)
    if problems:
        raise typer.Exit(EXIT_FAILED)


def _print(compared: Compared) -> None:
    from rich.table import Table

    from napari_w2s.app.comparing.numbers import METRICS, OPTIONAL
    from napari_w2s.app.comparing.table import table

    numbers = table(compared.numbers, (*METRICS, *OPTIONAL))
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("image")
    for heading in numbers.headings:
        shown.add_column(heading, justify="right")
    for row in numbers.rows:
        shown.add_row(row.title, *(cell.text for cell in row.cells))
    console = out()
    console.print(shown, markup=False)
    console.print(numbers.caption, markup=False, soft_wrap=True)
    notes: dict[str, list[str]] = {}
    for tile in compared.numbers.tiles:
        for note in tile.notes:
            notes.setdefault(note, []).append(tile.title)
    for note, titles in notes.items():
        console.print(f"{', '.join(titles)}: {note}", markup=False, soft_wrap=True)


def _box(text: str | None, option: str) -> tuple[int, int, int, int] | None:
    numbers = _integers(text, option, 4)
    if not numbers:
        return None
    top, left, height, width = numbers
    if height == 0 or width == 0:
        raise InputError(f"{option} {text} has no area: its height and width must be 1 or more.")
    return top, left, height, width


def _line(text: str | None, profile: Path | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if (text is None) != (profile is None):
        raise InputError("--profile needs --line, the ends of the line, and --line needs --profile, the file to save.")
    numbers = _integers(text, "--line", 4)
    return ((numbers[0], numbers[1]), (numbers[2], numbers[3])) if numbers else None


def _integers(text: str | None, option: str, count: int | None) -> tuple[int, ...]:
    if text is None:
        return ()
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts) or (count is not None and len(parts) != count):
        wanted = "whole numbers" if count is None else f"{count} whole numbers"
        raise InputError(f"{option} {text} must be {wanted} with commas between them, such as 120,200,64,64.")
    return tuple(int(part) for part in parts)
