"""Scale bars of a round length."""

from __future__ import annotations

import math

_SHARE = 0.22


def bar_length(width: float) -> float:
    """Return the length of 1, 2 or 5 times a power of ten that comes closest to a fifth of a width."""
    wanted = math.log10(width * _SHARE)
    power = math.floor(wanted)
    candidates = [math.log10(step) + power for step in (1, 2, 5, 10)]
    return float(f"{10 ** min(candidates, key=lambda c: abs(c - wanted)):.0e}")


def bar_label(length: float) -> str:
    """Return a length in µm in words, in the unit that makes it a short number."""
    if length < 1:
        return f"{length * 1000:.3g} nm"
    return f"{length:.3g} µm" if length < 1000 else f"{length / 1000:.3g} mm"
