"""The command ``napari-w2s`` and its subcommands."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_w2s import __version__
from napari_w2s._types import Cancelled, W2SError
from napari_w2s.cli import demo, download, info, models, restore
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
app.command("restore", no_args_is_help=True, epilog=restore.EXAMPLES)(restore.restore)
app.command("models")(models.models)
app.command("info", no_args_is_help=True)(info.info)
app.command("download", no_args_is_help=True, epilog=download.EXAMPLES)(download.download)
app.command("demo")(demo.demo)


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
