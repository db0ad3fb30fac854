"""The settings of a restoration: one frozen record that the widget, the command line and Python share."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
NON_FINITE_POLICIES = ("keep", "fill", "raise")


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """How to restore an image.

    Attributes
    ----------
    models : tuple of str
        Registry names, run one after the other: one model, or a denoiser and a super-resolution model.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    precision : str
        ``"auto"`` takes a lower precision only where the model's card says that it was measured to be harmless and
        the hardware is fast at it.
    tile : int or None
        Edge in pixels of the square tiles; None chooses from receptive field, device and memory.
    flips : bool
        Restore everything in its 8 orientations and take the mean: slightly better, 8 times as long.
    intensity_range : tuple of float or None
        Intensities that count as 0 and 1 for models that work on [0, 1]. None: what the release of the data says,
        else 0-255 for 8-bit images, else the frame's own minimum and maximum.
    non_finite : str
        ``"keep"``: NaN and infinite pixels stay NaN in the result; ``"fill"``: they are replaced by what the model
        makes of the frame's mean; ``"raise"``: refuse such an image.
    weights : str or None
        A local checkpoint file, for the last model that has none without it, or else the last that takes any; or a
        folder of the authors' checkpoints, for all. None: the models' own weights.
    """

    models: tuple[str, ...]
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    flips: bool = False
    intensity_range: tuple[float, float] | None = None
    non_finite: str = "keep"
    weights: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("name at least one model")
        for name, value, allowed in (
            ("precision", self.precision, PRECISIONS),
            ("non_finite", self.non_finite, NON_FINITE_POLICIES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
        if self.tile is not None and self.tile < 1:
            raise ValueError(f"tile must be a positive number of pixels; got {self.tile}")

    @property
    def model(self) -> str:
        """The models as one name, e.g. ``"dncnn-avg1+bicubic"``."""
        return "+".join(self.models)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values that JSON can hold."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RestoreSettings:
        """Rebuild settings from `to_dict`, also after a passage through JSON; unknown keys are ignored."""
        known = {f.name for f in fields(cls)}
        given = {k: v for k, v in values.items() if k in known}
        given["models"] = tuple(given["models"])
        if given.get("intensity_range") is not None:
            low, high = given["intensity_range"]
            given["intensity_range"] = (float(low), float(high))
        return cls(**given)

    def command(self, paths: Iterable[str | Path], output_dir: str | Path = ".") -> str:
        """Return the command line that makes the same result from files, quoted for a POSIX shell."""
        words = ["napari-w2s", "restore", *map(str, paths), "-m", self.model, "-o", str(output_dir)]
        for option, value, default in (
            ("--device", self.device, "auto"),
            ("--precision", self.precision, "auto"),
            ("--tile", self.tile, None),
            ("--non-finite", self.non_finite, "keep"),
            ("--weights", self.weights, None),
        ):
            if value != default:
                words += [option, str(value)]
        if self.flips:
            words.append("--flips")
        if self.intensity_range is not None:
            words += ["--range", *(repr(float(v)).removesuffix(".0") for v in self.intensity_range)]
        return shlex.join(words)
