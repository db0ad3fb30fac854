"""Names of models: which are valid, and which is free."""

from __future__ import annotations

import re
from collections.abc import Iterable

from napari_w2s._types import Task

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LONGEST = 60


def problem_of_name(name: str, taken: Iterable[str]) -> str:
    """Say why a model cannot have a name, and what to do; empty if it can."""
    if not name:
        return "Give the model a name."
    if not _NAME.fullmatch(name):
        return f"{name!r} cannot name a model: use lower-case letters, digits, '-', '_' and '.'."
    if len(name) > _LONGEST:
        return f"The name is too long: use at most {_LONGEST} letters."
    clash = next((other for other in taken if _clash(name, other)), None)
    return "" if clash is None else f"There is a model named {clash} already. Choose another name."


def free_name(stem: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken: the stem with the first number that is free."""
    used = tuple(taken)
    number = 1
    while any(_clash(f"{stem}-{number}", other) for other in used):
        number += 1
    return f"{stem}-{number}"


def _clash(name: str, other: str) -> bool:
    """Tell whether a model, or one of several with that stem, would have the name of another."""
    return other == name or other in {f"{name}-{task}" for task in Task}
