"""``napari-w2s models``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_w2s._types import InputError, Task
from napari_w2s.cli.console import Json, Verbose, out, print_json, say

if TYPE_CHECKING:
    from napari_w2s.models.descriptor import ModelDescriptor


def models(
    task: Annotated[
        Task | None, typer.Option("--task", metavar="TASK", help="Only models for denoise, sr or jdsr (both in one).")
    ] = None,
    add: Annotated[
        Path | None,
        typer.Option(
            "--add",
            metavar="FILE",
            help="Copy a trained model (safetensors), or one in a BioImage Model Zoo package (zip), among these.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="With --add of a package: what to call its model.")
    ] = None,
    json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """List the models: what each does, for which noise level, and whether its weights are here.

    With -v also what each is, its licence and its paper.
    """
    from napari_w2s.models.builtin import default_registry

    if add is not None:
        _add(add, name)
        return
    registry = default_registry()
    rows = [_describe(d, registry.available(d.name)) for d in registry.descriptors(task)]
    if json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "does", "scale", "for", "weights"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        level = row["level"] or ("as trained" if row["state"] == "train your own" else "any level")
        table.add_row(row["name"], Task(row["task"]).label, f"{row['scale']}x", level, row["state"])
    console = out()
    console.print(table)
    if verbose:
        for row in rows:
            console.print(f"\n[bold]{row['name']}[/]", highlight=False)
            licence, origin = f"Licence: {row['licence']}", f"Origin: {row['origin']}"
            for line in (row["summary"], *_costs(row), licence, origin, row["citation"]):
                console.print(line, markup=False, soft_wrap=True)


def _add(path: Path, name: str | None) -> None:
    """Put a model among the user's, and say how to run it."""
    from napari_w2s.models.card import descriptors_of
    from napari_w2s.models.checkpoint import read_card
    from napari_w2s.models.exchange.archive import is_package

    if is_package(path):
        from napari_w2s.models.exchange.install import install_package

        installed = install_package(path, name=name)
        for model in descriptors_of(read_card(installed) or {}, installed):
            say(f"{model.title}. Licence: {model.licence}. Citation: {model.citation}")
            say(f"Use it: napari-w2s restore IMAGE --model {model.name} --output DIR")
    elif name is not None:
        raise InputError("--name is for packages (.zip); other models are called what their file says.")
    else:
        from napari_w2s.models.trained import install

        installed = install(path)
    typer.echo(installed)


def _costs(row: dict[str, Any]) -> list[str]:
    """Say in one line what a model costs to run, where that was measured."""
    cost = row["cost"]
    if cost is None:
        return []
    reach = "the whole frame" if row["receptive_field"] is None else f"{row['receptive_field']} pixels"
    facts = [f"receptive field: {reach}"]
    if cost["multiply_adds"] is not None:
        millions = cost["multiply_adds"] / 1e6
        facts = [f"{cost['parameters'] / 1e6:.2f} M weights", f"{millions:.2f} M multiply-adds per pixel", *facts]
    if cost["seconds"] is not None:
        facts.append(f"{cost['seconds']:.3g} s for 512 x 512 on 2 cores")
    return [", ".join(facts) + "."]


def _describe(model: ModelDescriptor, state: str) -> dict[str, Any]:
    from napari_w2s.models.cost import known_cost

    weights = model.weights
    cost = known_cost(model.name)
    return {
        "name": model.name,
        "title": model.title,
        "task": str(model.task),
        "tasks": [str(task) for task in model.tasks],
        "scale": model.scale,
        "level": None if model.level is None else str(model.level),
        "architecture": model.architecture,
        "state": state,
        "weights": None
        if weights is None
        else {
            "path": weights.path,
            "sha256": weights.sha256,
            "licence": weights.licence,
            "place": str(weights.place),
        },
        "summary": model.summary,
        "licence": model.licence,
        "origin": model.origin,
        "citation": model.citation,
        "receptive_field": model.receptive_field,
        "cost": None if cost is None else asdict(cost),
        "precision_cost_db": dict(model.precision_cost_db),
    }
