"""What a package does to pixels before and after its network: the format's plain operations, no code of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from reprlib import repr as short
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError

Pixels = npt.NDArray[np.float32]
Numbers = tuple[float, float]
"""``pixels * gain + offset``."""

_LINEAR = ("ensure_dtype", "scale_linear", "fixed_zero_mean_unit_variance")
BEFORE = (*_LINEAR, "clip", "zero_mean_unit_variance", "scale_range")
"""Operations that are known before the network; the last two look at the whole frame."""
AFTER = (*_LINEAR, "clip", "sigmoid")
"""Operations that are known after it: none that looks at a whole result, which is not there when tiles are made."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    Attributes
    ----------
    name : str
        The format's.
    numbers : mapping of str to float
        Its parameters.
    """

    name: str
    numbers: Mapping[str, float]

    def measure(self, frame: Pixels) -> Numbers | None:
        """Return the gain and the offset that it has for a whole frame; None if it is not of that kind."""
        given = self.numbers
        if self.name == "scale_linear":
            return given["gain"], given["offset"]
        if self.name == "fixed_zero_mean_unit_variance":
            return 1 / given["std"], -given["mean"] / given["std"]
        if self.name == "zero_mean_unit_variance":
            zero, one = float(np.mean(frame, dtype=np.float64)), float(np.std(frame, dtype=np.float64)) + given["eps"]
            return 1 / one, -zero / one
        if self.name == "scale_range":
            low, high = np.percentile(frame.astype(np.float64), [given["min_percentile"], given["max_percentile"]])
            one = float(high - low) + given["eps"]
            return 1 / one, -float(low) / one
        return None

    def apply(self, pixels: Pixels, measured: Numbers | None) -> Pixels:
        """Apply it to pixels, with what was measured on their frame."""
        if measured is not None:
            gain, offset = measured
            return (pixels.astype(np.float64) * gain + offset).astype(np.float32)
        if self.name == "clip":
            return np.clip(pixels, self.numbers["min"], self.numbers["max"])
        if self.name == "sigmoid":
            with np.errstate(over="ignore"):
                logistic: Pixels = (1 / (1 + np.exp(-pixels.astype(np.float64)))).astype(np.float32)
            return logistic
        return pixels

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def read_steps(entries: Any, known: Sequence[str], where: str) -> tuple[Step, ...]:
    """Read operations as a description, or `Step.to_json`, lists them.

    Parameters
    ----------
    entries : object
        A list of mappings with ``id`` and ``kwargs``, or None.
    known : sequence of str
        `BEFORE` or `AFTER`.
    where : str
        For messages, e.g. ``"preprocessing"``.

    Raises
    ------
    InputError
        If an operation is unknown here, or a number is missing or not finite.
    """
    if not isinstance(entries, Sequence | None) or isinstance(entries, str):
        raise InputError(f"its {where} is {short(entries)}")
    steps = []
    for entry in entries or ():
        if not isinstance(entry, Mapping):
            raise InputError(f"its {where} has the entry {short(entry)}")
        name, given = entry.get("id"), entry.get("kwargs") or {}
        if not isinstance(name, str) or name not in known:
            raise InputError(f"its {where} {short(name)} is not known here; known are {', '.join(known)}")
        if not isinstance(given, Mapping):
            raise InputError(f"its {where} {name} has the parameters {short(given)}")
        steps.append(Step(name, _numbers(name, given, where)))
    return tuple(steps)


def steps_from_json(entries: Sequence[Mapping[str, Any]], known: Sequence[str]) -> tuple[Step, ...]:
    """Return the operations that `Step.to_json` wrote down."""
    return read_steps([{"id": e["name"], "kwargs": e["numbers"]} for e in entries], known, "list of steps")


def _numbers(name: str, given: Mapping[str, Any], where: str) -> dict[str, float]:
    def number(key: str, default: float | None = None) -> float:
        value = given.get(key, default)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise InputError(f"its {where} {name} has {key} {short(value)}, expected a number")
        return float(value)

    if given.get("reference_tensor") is not None:
        raise InputError(f"its {where} {name} takes the measure of another image, which is not known here")
    numbers: dict[str, float] = {}
    if name == "scale_linear":
        numbers = {"gain": number("gain", 1.0), "offset": number("offset", 0.0)}
    elif name == "fixed_zero_mean_unit_variance":
        numbers = {"mean": number("mean"), "std": number("std")}
    elif name == "clip":
        if given.get("min_percentile") is not None or given.get("max_percentile") is not None:
            raise InputError(f"its {where} clip goes by percentiles, which is not known here")
        numbers = {"min": number("min", -math.inf), "max": number("max", math.inf)}
    elif name == "zero_mean_unit_variance":
        numbers = {"eps": number("eps", 1e-6)}
    elif name == "scale_range":
        numbers = {"min_percentile": number("min_percentile", 0), "max_percentile": number("max_percentile", 100)}
        if not 0 <= numbers["min_percentile"] < numbers["max_percentile"] <= 100:
            raise InputError(f"its {where} scale_range has percentiles that make no range")
        numbers["eps"] = number("eps", 1e-6)
    if numbers.get("std", 1.0) <= 0 or (name != "clip" and not all(map(math.isfinite, numbers.values()))):
        raise InputError(f"its {where} {name} has numbers that make no sense: {short(dict(given))}")
    return numbers
