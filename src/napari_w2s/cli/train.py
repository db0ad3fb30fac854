"""``napari-w2s train``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_w2s._types import InputError
from napari_w2s.cli.console import (
    EXIT_FAILED,
    EXIT_USAGE,
    Verbose,
    fail,
    out,
    progress_bar,
    report_error,
    say,
    stop_on_signal,
)

if TYPE_CHECKING:
    from napari_w2s.training.config import TrainingConfig
    from napari_w2s.training.report import TrainingResult

EXAMPLES = """Examples:

napari-w2s train unet-light --output runs/unet --install

napari-w2s train w2s-unet --name mine --output runs/mine --steps 200

napari-w2s train w2s-unet --name mine --output runs/mine --resume

napari-w2s train dncnn --output runs/dncnn --devices 4"""

_STOPPING = "Stopping after this step, to validate and keep the model; once more to stop at once."


class Accelerator(StrEnum):
    """Choices of ``--accelerator``."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A YAML file, or the name of a recipe that comes along: see --list.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder of this run; made if it is not there."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the model, other than the recipe's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, if there is one.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, metavar="N", help="Other than the recipe's, e.g. to try it.")
    ] = None,
    devices: Annotated[str, typer.Option("--devices", metavar="N", help="Devices on this machine, or auto.")] = "auto",
    nodes: Annotated[int, typer.Option("--num-nodes", min=1, metavar="N", help="Machines that train together.")] = 1,
    accelerator: Annotated[Accelerator, typer.Option("--accelerator", help="What to train on.")] = Accelerator.AUTO,
    allow_test_fovs: Annotated[
        bool,
        typer.Option(
            "--allow-test-fovs",
            help="Learn from the benchmark's test images 081-120 too. The model can then not be compared with others.",
        ),
    ] = False,
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16, in half the space.")] = False,
    install: Annotated[bool, typer.Option("--install", help="List the model with the others from now on.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and on what.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the recipes that come along.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Train a model as a recipe says, and keep the best one.

    The folder gets recipe.yaml, best.safetensors (the best model so far), last.ckpt (to resume from), and logs as CSV
    and for TensorBoard. Ctrl-C stops, validates and keeps the model. Prints the path of the model.
    """
    if listing:
        _list()
        return
    try:
        config = _config(recipe, name, steps, allow_test_fovs)
        count = _count(devices)
        if install:
            _check_free(config)
    except InputError as error:
        fail(str(error), EXIT_USAGE)
    if dry_run:
        _tell(config)
        return
    if output is None:
        fail("Name the folder of this run: --output DIR", EXIT_USAGE)
    hardware = {"devices": count, "num_nodes": nodes, "accelerator": accelerator.value}
    _run(config, output, hardware, resume=resume, half=half, install=install)


def _run(
    config: TrainingConfig, output: Path, hardware: dict[str, Any], *, resume: bool, half: bool, install: bool
) -> None:
    from napari_w2s.cli.train_view import TrainView
    from napari_w2s.training.fit import fit
    from napari_w2s.training.processes import leads
    from napari_w2s.training.report import FinishReason, Wish

    leading = leads()
    with stop_on_signal(_STOPPING if leading else "") as stop, progress_bar() as bars:
        result = fit(
            config,
            output,
            resume=resume,
            half=half,
            preview_every=0,
            report=TrainView(bars, config).report,
            wish=lambda: Wish.STOP if stop() else Wish.GO,
            **hardware,
        )
    if not leading:
        return  # an exit code of its own would have the others ended
    _finish(result, install)
    if result.reason is FinishReason.STOPPED:
        raise typer.Exit(stop.exit_code if stop() else 0)
    if result.reason is not FinishReason.COMPLETED:
        raise typer.Exit(EXIT_FAILED)


def _finish(result: TrainingResult, install: bool) -> None:
    """Say how a run ended, and how to use its model."""
    from napari_w2s.training.report import FinishReason

    if result.reason in (FinishReason.COMPLETED, FinishReason.STOPPED):
        say(result.message)
    else:
        report_error(result.message)
    if result.model is None:
        return
    from napari_w2s.models.card import descriptors_of
    from napari_w2s.models.checkpoint import read_card

    path = result.model.resolve()
    typer.echo(path)
    if install:
        from napari_w2s.models.trained import install as install_model

        install_model(path)
    else:
        say(f"To use it, add it to the models: napari-w2s models --add {path}")
    for model in descriptors_of(read_card(path) or {}, path):
        say(f"{'Use it' if install else 'Then'}: napari-w2s restore IMAGE --model {model.name} --output DIR")


def _config(recipe: str | None, name: str | None, steps: int | None, allow_test_fovs: bool) -> TrainingConfig:
    from napari_w2s.training.config import changed, read_recipe
    from napari_w2s.training.shipped import find_recipe

    if recipe is None:
        raise InputError("Name a recipe. Those that come along: napari-w2s train --list")
    given = {"name": name, "steps": steps, "allow_test_fovs": allow_test_fovs or None}
    return changed(read_recipe(find_recipe(recipe)), {key: value for key, value in given.items() if value is not None})


def _check_free(config: TrainingConfig) -> None:
    """Raise an InputError if another model has a name that is to be installed."""
    from napari_w2s.models.builtin import BUILTIN
    from napari_w2s.models.registry import Registry
    from napari_w2s.models.trained import SUFFIX, add_trained, models_folder
    from napari_w2s.training.export import model_names

    names = model_names(config)
    others = Registry(BUILTIN)
    add_trained(others, without=models_folder() / f"{names[0]}{SUFFIX}")
    if taken := [name for name in names if name in others]:
        raise InputError(f"There is a model named {taken[0]!r} already. Choose another name: --name NAME")


def _count(devices: str) -> int | str:
    if devices == "auto":
        return devices
    if not devices.isdecimal() or int(devices) < 1:
        raise InputError(f"{devices!r} is no number of devices. Give one, or auto.")
    return int(devices)


def _list() -> None:
    from rich.table import Table

    from napari_w2s.training.config import read_recipe
    from napari_w2s.training.shipped import FOLDER, recipe_names

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("recipe", "does", "network", "levels", "steps"):
        table.add_column(column, no_wrap=True)
    for name in recipe_names():
        config = read_recipe(FOLDER / f"{name}.yaml")
        levels = ", ".join(level for level, weight in config.levels.items() if weight > 0)
        table.add_row(name, config.task.label, config.network.architecture, levels, str(config.steps))
    out().print(table)


def _tell(config: TrainingConfig) -> None:
    """Read the data and say what would be trained."""
    from napari_w2s.cli.train_view import plan_lines
    from napari_w2s.training.cache import FrameCache
    from napari_w2s.training.opening import load_data
    from napari_w2s.training.start import adapted, begin, find_start

    start = find_start(config)
    config = adapted(config, start)
    network = begin(config) if start is None else begin(config, start.state, start.name)
    loaded = load_data(config, FrameCache())
    console = out()
    for label, text in plan_lines(config, loaded, sum(p.numel() for p in network.parameters())):
        console.print(f"{label:<12}{text}", markup=False, soft_wrap=True)
    for warning in loaded.warnings:
        say(f"Warning: {warning}", "yellow")
