"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Precision(StrEnum):
    """Choices of ``--precision``."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def complete_model(incomplete: str) -> list[str]:
    """Return the models whose name begins like this, for the shell."""
    from napari_w2s.models.builtin import default_registry

    chain, plus, last = incomplete.rpartition("+")
    return [chain + plus + name for name in default_registry().names() if name.startswith(last)]


def range_option(default: str) -> Any:
    """Return the option that says which intensities count as 0 and 1; `default` are words."""
    return typer.Option(
        "--range",
        metavar="LOW HIGH",
        show_default=default,
        help="Intensities that count as black and white.",
    )


Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Work on a running Dask cluster, e.g. tcp://node1:8786."),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="PATH", help="A checkpoint, or the authors' net_data folder."),
]
