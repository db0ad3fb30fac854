"""What every network's options have in common: they are numbers of things, and there is at least one of each."""

from __future__ import annotations

from napari_w2s._types import InputError


def require_positive(architecture: str, **options: int) -> None:
    """Check that options are at least 1.

    Raises
    ------
    InputError
        If one of them is not.
    """
    wrong = [f"{name} {value}" for name, value in options.items() if value < 1]
    if wrong:
        raise InputError(f"{architecture} cannot be made with {', '.join(wrong)}: give at least 1.")
