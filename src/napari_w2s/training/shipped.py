"""The recipes that come with the package, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from napari_w2s._types import InputError

FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def find_recipe(text: str) -> Path:
    """Return the file of a recipe: one that was named by its path, or one that comes with the package.

    Raises
    ------
    InputError
        If there is none.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if text in recipe_names():
        return FOLDER / f"{text}.yaml"
    close = difflib.get_close_matches(text, recipe_names(), n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Those that come along: {', '.join(recipe_names())}."
    raise InputError(f"There is no recipe {text!r}: no file of that name, and none that comes along. {hint}")
