"""The command ``napari-w2s`` and its subcommands."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_w2s import __version__
from napari_w2s._types import Cancelled, W2SError
from napari_w2s.cli import compare, demo, download, evaluate, export, info, models, restore, train
from napari_w2s.cli.console import EXIT_FAILED, fail


class _Group(TyperGroup):
    """Turns what a user can act on into a message and an exit code, never into a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Cancelled as error:
            fail(str(error), 130)
        except W2SError as error:
            fail(str(error), EXIT_FAILED)


app = typer.Typer(
    name="napari-w2s",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Restore fluorescence images: denoise, super-resolve, or both, with the models and data of W2S.",
    epilog="Start with: napari-w2s demo",
)


def _add(command: Callable[..., None], *, epilog: str | None = None, bare: bool = False) -> None:
    """Add a command; `bare` says that it does something without arguments."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    text = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    app.command(command.__name__, help=text, epilog=epilog, no_args_is_help=not bare)(command)


_add(restore.restore, epilog=restore.EXAMPLES)
_add(compare.compare, epilog=compare.EXAMPLES)
_add(evaluate.evaluate, epilog=evaluate.EXAMPLES)
_add(models.models, bare=True)
_add(train.train, epilog=train.EXAMPLES)
_add(export.export, epilog=export.EXAMPLES)
_add(info.info)
_add(download.download, epilog=download.EXAMPLES)
_add(demo.demo, bare=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-w2s {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options of the command itself."""


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    try:
        app(prog_name="napari-w2s")
    except KeyboardInterrupt:
        sys.exit(130)
