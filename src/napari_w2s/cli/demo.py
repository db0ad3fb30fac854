"""``napari-w2s demo``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_w2s.cli.console import Verbose, fail, progress_bar, say, stop_on_signal


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the images and the figure.")
    ] = Path("demo"),
    window: Annotated[
        bool | None,
        typer.Option("--window/--no-window", show_default="a window where there is a display", help="Open napari."),
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Restore a simulated field of view and show it: in napari, or without a display as a figure.

    Needs no file and no network.
    """
    from napari_w2s.app.demo import run_demo, save_figure, save_images

    with stop_on_signal() as stop, progress_bar() as bars:
        say("Restoring a simulated field of view ...")
        task = bars.add_task("Restoring", total=1.0)
        made = run_demo(progress=lambda p: bars.update(task, completed=p.fraction), should_stop=stop)
    say(
        f"{made.models}: {made.psnr_noisy:.1f} dB before, {made.psnr_result:.1f} dB after, in {made.seconds:.1f} s "
        f"(simulated; PSNR against {made.truth})"
    )
    files = save_images(made, output)
    if has_display() if window is None else window:
        say(f"Opening napari on {', '.join(map(str, files))}")
        open_window(files)
    else:
        figure = save_figure(made, output)
        say(f"Comparison figure: {figure.resolve()}")


def has_display() -> bool:
    """Tell whether a window can be opened here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_window(files: list[Path]) -> None:
    """Open napari on files, with the Restore panel, and wait until it is closed.

    A process of its own: the command line itself knows nothing of napari and Qt.
    """
    names = [str(file) for file in files]
    # Opaque: the result covers the input, and hiding it shows what was there before.
    options = ["--plugin", "napari-w2s", "--blending", "opaque", "--with", "napari-w2s", "Restore"]
    command = [sys.executable, "-m", "napari", *names, *options]
    done = subprocess.run(command, check=False)
    if done.returncode:
        fail("napari ended with an error; is it installed with a Qt binding? Try: pip install 'napari-w2s[all]'")
