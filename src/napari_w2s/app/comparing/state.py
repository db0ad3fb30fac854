"""What a user wants to see compared, and how. No Qt, no napari."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from psygnal import SignalGroupDescriptor

from napari_w2s.app.comparing.comparison import Box, Contrast

PERSISTENT = ("contrast", "columns", "threshold", "normalised", "width_um", "width_px")
"""Fields of `CompareState` that outlive a session. All others belong to images."""

THRESHOLDS = ("1/7", "half-bit")
"""Of the Fourier ring correlation."""


class View(StrEnum):
    """How tiles are laid out."""

    GRID = "grid"
    """Each in a cell of its own."""
    CURTAIN = "curtain"
    """Two on top of one another, divided by a line that can be dragged."""
    BLINK = "blink"
    """One of two in the same place; a key brings the other."""


class Area(StrEnum):
    """What numbers are of."""

    WHOLE = "whole"
    BOX = "box"


class Map(StrEnum):
    """What stands in the place of a result."""

    NONE = "none"
    UNSUPPORTED = "unsupported"
    """Residual against the input that the input's noise does not explain."""
    SPREAD = "spread"
    """Spread over the flipped and turned answers of the model."""
    ERROR = "error"
    """Absolute error against the reference."""
    SSIM = "ssim"
    """Local structural similarity to the reference."""


class Columns(StrEnum):
    """Which numbers a narrow table has."""

    PLAIN = "plain"
    MATCHED = "matched"
    ERRORS = "errors"
    ALONE = "alone"
    MICRO = "microssim"
    """Measured only while it is shown."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the numbers, see `napari_w2s.app.comparing.numbers.METRICS`."""
        return {
            Columns.PLAIN: ("psnr", "ssim", "worth"),
            Columns.MATCHED: ("psnr_matched", "ssim_matched", "worth"),
            Columns.ERRORS: ("rmse", "rmse_matched"),
            Columns.ALONE: ("frc", "frc_two", "noise"),
            Columns.MICRO: ("ssim_matched", "microssim"),
        }[self]


@dataclass(frozen=True, slots=True)
class Line:
    """A line in world coordinates, as those of `Box`.

    Attributes
    ----------
    start, end : tuple of float
        (y, x)
    """

    start: tuple[float, float]
    end: tuple[float, float]


@dataclass
class CompareState:
    """The intent behind a comparison, as edited in a panel. Every change of a field emits ``events``.

    Attributes
    ----------
    layers : tuple of str
        Identities (never names) of the layers to compare, in the order of the tiles.
    reference : str or None
        The one that the others are measured against. None takes the most obvious one; an empty string is none at all.
    contrast : Contrast
    view : View
    pair : tuple of str
        The two tiles of a curtain or a blink: left and right. Empty takes the first and the last.
    divider : float
        Where the curtain divides them: the share of the width that the left one has.
    area : Area
    box : Box or None
        The part that numbers are of, if `area` is the box.
    columns : Columns
    threshold : str
        Of FRC.
    subject : str or None
        The result that maps are of; None takes the last one.
    map : Map
    line : Line or None
        What profiles are of; None as long as there is none.
    normalised : bool
        Whether each profile has a range of its own.
    width_um, width_px : float
        Of the band that profiles are means over, where pixels have a size or have none; 0 is the line alone.
    frames : mapping of str to int
        How many of their first frames bursts are averaged over.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    layers: tuple[str, ...] = ()
    reference: str | None = None
    contrast: Contrast = Contrast.SHARED
    view: View = View.GRID
    pair: tuple[str, ...] = ()
    divider: float = 0.5
    area: Area = Area.WHOLE
    box: Box | None = None
    columns: Columns = Columns.PLAIN
    threshold: str = "1/7"
    subject: str | None = None
    map: Map = Map.NONE
    line: Line | None = None
    normalised: bool = False
    width_um: float = 0.0
    width_px: float = 0.0
    frames: Mapping[str, int] = field(default_factory=dict)

    def begin(self, layers: tuple[str, ...], reference: str | None) -> None:
        """Turn to other images: what belonged to the former ones is forgotten."""
        self.view, self.pair, self.divider = View.GRID, (), 0.5
        self.area, self.box, self.line = Area.WHOLE, None, None
        self.map, self.subject, self.frames = Map.NONE, None, {}
        self.reference = reference
        self.layers = layers

    def measured_box(self) -> Box | None:
        """Return the box that numbers are of; None for the whole image."""
        return self.box if self.area is Area.BOX else None

    def chosen_pair(self) -> tuple[str, str] | None:
        """Return the two tiles of a curtain or a blink; None if there are not two."""
        there = [key for key in self.pair if key in self.layers]
        if len(there) == 2 and there[0] != there[1]:
            return there[0], there[1]
        return (self.layers[0], self.layers[-1]) if len(self.layers) > 1 else None

    def width(self, unit: str) -> float:
        """Return the width of the band of profiles, in ``"um"`` or ``"pixel"``."""
        return self.width_um if unit == "um" else self.width_px

    def persistent(self) -> dict[str, bool | float | str]:
        """Return what outlives a session as plain values: strings, numbers and booleans only."""
        return {
            "contrast": str(self.contrast),
            "columns": str(self.columns),
            "threshold": self.threshold,
            "normalised": self.normalised,
            "width_um": self.width_um,
            "width_px": self.width_px,
        }

    def recall(self, values: Mapping[str, Any]) -> None:
        """Take over what `persistent` once returned; unknown keys and values that make no sense are left out."""
        if values.get("contrast") in set(Contrast):
            self.contrast = Contrast(values["contrast"])
        if values.get("columns") in set(Columns):
            self.columns = Columns(values["columns"])
        if values.get("threshold") in THRESHOLDS:
            self.threshold = str(values["threshold"])
        if isinstance(values.get("normalised"), bool):
            self.normalised = values["normalised"]
        for name in ("width_um", "width_px"):
            value = values.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
                setattr(self, name, float(value))
