"""What all commands share: two streams, logging, progress bars, and a clean end.

Results go to standard output; messages, progress and errors go to standard error.
"""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

EXIT_FAILED = 1
EXIT_USAGE = 2


def err() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def out() -> Console:
    """Return a console on standard output; piped output is as wide as it needs to be."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def say(message: str, style: str = "") -> None:
    """Print a message to standard error, as it is."""
    err().print(message, style=style, markup=False)


def print_json(value: Any) -> None:
    """Print `value` to standard output as JSON and nothing else."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Print an error and end with an exit code."""
    report_error(message)
    raise typer.Exit(code)


def report_error(message: str) -> None:
    """Print an error to standard error, marked as one."""
    console = err()
    console.print("Error: ", style="bold red", end="")
    console.print(message, markup=False)


def configure_logging(verbosity: int) -> int:
    """Show warnings only, with ``-v`` also what goes on, with ``-vv`` every detail."""
    from rich.logging import RichHandler

    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=verbosity > 1)
    logger = logging.getLogger("napari_w2s")
    logger.handlers = [handler]
    logger.setLevel(level)
    return verbosity


Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        callback=configure_logging,
        show_default=False,
        help="Say more; twice: everything, with tracebacks.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show progress bars on standard error while the body runs; nothing where it is no terminal."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    if bars.disable:
        yield bars  # not entered: some versions of rich end even a disabled display with an empty line
        return
    with bars:
        yield bars


class StopRequest:
    """Becomes true when the user asks for an end; `signal` says how."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Return True if the user asked for an end."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a process ended by this signal returns, by the shell's convention."""
        return 128 + (self.signal or 0)


@contextmanager
def stop_on_signal(
    message: str = "Stopping after the current tile; once more to stop at once.",
) -> Iterator[StopRequest]:
    """Turn the first Ctrl-C (or SIGTERM) into a request to stop, and say so; the second one interrupts at once."""
    request = StopRequest()

    def ask(number: int, _frame: FrameType | None) -> None:
        if request():
            raise KeyboardInterrupt
        request.signal = number
        if message:
            say(message, "yellow")

    signals = [signal.SIGINT, signal.SIGTERM]
    before = {s: signal.signal(s, ask) for s in signals}
    try:
        yield request
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
