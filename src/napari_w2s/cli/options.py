"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="PATH", help="A checkpoint, or the authors' net_data folder."),
]
