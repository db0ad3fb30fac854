"""Numbers of a comparison, of the whole image or of a box."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import isnan

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.averages import averaging_curve, curve_on, planes_for_worth, worth_errors
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.grid import Grid, Plane, align, full_position, readable_planes
from napari_w2s.app.comparing.place import LEARNED, is_finer, was_seen
from napari_w2s.app.comparing.ruler import OTHER_SCALE_NOTE, SHARED_NOTE, Ruler
from napari_w2s.app.comparing.worth import AveragingCurve, worth_frames

__all__ = ["METRICS", "OPTIONAL", "Numbers", "TileNumbers", "averaging_curve", "measure"]

METRICS = (
    "psnr",
    "psnr_matched",
    "ssim",
    "ssim_matched",
    "rmse",
    "rmse_matched",
    "frc",
    "frc_two",
    "noise",
    "worth",
)
"""Keys of the numbers, which are those of `napari_w2s.metrics.definitions.DEFINITIONS`."""

OPTIONAL = ("microssim",)
"""Keys of numbers that are measured where they are asked for only: they take their time."""


@dataclass(frozen=True, kw_only=True)
class TileNumbers:
    """Numbers of one tile. None is a number that cannot be had; `notes` say why.

    Attributes
    ----------
    key, title : str
    is_reference : bool
        True for the tile that the others are measured against.
    shares_scale : bool
        False where its intensities and the reference's are not on one scale, as those of widefield and SIM: then only
        matched numbers say something.
    psnr, psnr_matched : float or None
        In dB against the reference; matched: after an affine least-squares fit of intensities.
    ssim, ssim_matched : float or None
    rmse, rmse_matched : float or None
        In the reference's intensities.
    frc : float or None
        Resolution from this image alone, on its own pixels, in `Numbers.unit`.
    frc_two : float or None
        Resolution down to which it agrees with the reference, in `Numbers.unit`. Frames of the image that are known to
        be among the reference's are taken out of that first.
    shares_frames : bool
        True where they could not be taken out: then `frc_two` looks finer than it is.
    noise : float or None
        Standard deviation at the median signal, in its own intensities.
    worth : float or None
        Number of frames whose mean has the same error; see `worth_frames`.
    microssim : float or None
        Similarity to the reference whatever the intensity scales; measured where it is asked for only.
    seen : bool
        True for a restoration by a model that learned from this field of view.
    notes : tuple of str
        What to know of the numbers, a sentence each.
    """

    key: str
    title: str
    is_reference: bool = False
    shares_scale: bool = True
    psnr: float | None = None
    psnr_matched: float | None = None
    ssim: float | None = None
    ssim_matched: float | None = None
    rmse: float | None = None
    rmse_matched: float | None = None
    frc: float | None = None
    frc_two: float | None = None
    shares_frames: bool = False
    noise: float | None = None
    worth: float | None = None
    microssim: float | None = None
    seen: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers of all tiles of a comparison, and what they rest on.

    Attributes
    ----------
    tiles : tuple of TileNumbers
        In the order of the comparison.
    reference : str or None
        Key of the reference.
    data_range : float or None
        The one that PSNR and SSIM rest on; None without a reference.
    range_source : str
        Where it comes from, e.g. ``"8-bit images"``.
    unit : str
        Of FRC resolutions: ``"nm"`` or ``"px"``.
    threshold : str
        Of FRC: ``"1/7"`` or ``"half-bit"``.
    area : str
        What was measured, e.g. ``"whole image, 512 × 512 px"`` or ``"box, 256 × 256 px"``.
    curve : AveragingCurve or None
        The one that worth rests on.
    """

    tiles: tuple[TileNumbers, ...]
    reference: str | None
    data_range: float | None
    range_source: str
    unit: str
    threshold: str
    area: str
    curve: AveragingCurve | None = None

    def of(self, key: str) -> TileNumbers:
        """Return the numbers of a tile; a KeyError names one that is not there."""
        return {tile.key: tile for tile in self.tiles}[key]

    def caption(self) -> str:
        """Return one line that says what the numbers rest on: area, reference, range, threshold."""
        parts = [self.area]
        if self.reference is not None:
            parts.append(f"against {self.of(self.reference).title}")
        if self.data_range is not None:
            parts.append(f"range {self.data_range:.6g} ({self.range_source})")
        elif self.range_source:
            parts.append(self.range_source)
        if any(tile.frc is not None or tile.frc_two is not None for tile in self.tiles):
            parts.append(f"FRC at {self.threshold}")
        return "; ".join(parts)


def measure(
    comparison: Comparison,
    *,
    threshold: str = "1/7",
    only: Collection[str] | None = None,
    curve: AveragingCurve | None = None,
    stop: StopFn | None = None,
) -> Numbers:
    """Measure all tiles on the area that they have in common, or on the box.

    PSNR, SSIM, RMSE and two-image FRC are measured on the reference's grid; single-image FRC and noise on each image's
    own pixels.

    Parameters
    ----------
    comparison : Comparison
    threshold : str
        Of FRC: ``"1/7"`` or ``"half-bit"``.
    only : collection of str, optional
        Keys of `METRICS` and `OPTIONAL` to measure; by default all of `METRICS`.
    curve : AveragingCurve, optional
        Measured before, on the same area, by `averaging_curve`; by default it is measured now.
    stop : callable, optional
        Polled before each tile and each slow number.

    Returns
    -------
    Numbers
        Of every tile, also of those that cannot be measured: their `notes` say why.

    Raises
    ------
    InputError
        If nothing can be measured: no tile can be shown, the box lies outside of the images, or there is no such
        number or threshold.
    Cancelled
        If `stop` returned True.
    """
    wanted = _checked(only, threshold)
    found, problems = (
        planes_for_worth(comparison, stop=stop) if "worth" in wanted else readable_planes(comparison, stop=stop)
    )
    shown = {tile.key: found[tile.key] for tile in comparison.tiles if tile.key in found}
    laid = align(comparison, shown, problems, stop=stop)
    worth: dict[str, float] = {}
    if "worth" in wanted:
        curve = curve or curve_on(comparison, found, laid.grid.box, stop=stop)
        if curve is not None:
            errors = worth_errors(comparison, found, laid.grid.box, curve, stop=stop)
            worth = {key: worth_frames(curve, error) for key, error in errors.items()}
    ruler = Ruler(comparison, shown, laid, wanted, threshold, stop)
    tiles = []
    for tile in comparison.tiles:
        values, notes = ruler.measure(tile)
        numbers = TileNumbers(
            key=tile.key,
            title=tile.title,
            is_reference=tile.key == comparison.reference,
            shares_scale=_shares_scale(comparison, tile) and OTHER_SCALE_NOTE not in notes,
            shares_frames=SHARED_NOTE in notes,
            seen=was_seen(tile.image, full_position(comparison)) == LEARNED,
            notes=tuple(notes),
            **values,
        )
        if curve is not None and tile.key in laid.pixels:
            numbers = _with_worth(numbers, tile, worth.get(tile.key))
        tiles.append(numbers)
    return Numbers(
        tiles=tuple(tiles),
        reference=comparison.reference,
        data_range=ruler.data_range,
        range_source=ruler.range_source,
        unit="nm" if laid.grid.unit == "um" else "px",
        threshold=threshold,
        area=_area_text(comparison, shown, laid.grid),
        curve=curve,
    )


def _checked(only: Collection[str] | None, threshold: str) -> frozenset[str]:
    from napari_w2s.metrics.crossing import THRESHOLDS

    if threshold not in THRESHOLDS:
        raise InputError(f"FRC has the thresholds {' and '.join(THRESHOLDS)}; got {threshold!r}.")
    unknown = sorted(set(only or ()) - {*METRICS, *OPTIONAL})
    if unknown:
        raise InputError(f"There is no number {unknown[0]!r}. Choose among {', '.join((*METRICS, *OPTIONAL))}.")
    return frozenset(METRICS if only is None else only)


def _shares_scale(comparison: Comparison, tile: Tile) -> bool:
    if comparison.reference in (None, tile.key):
        return True
    one, other = tile.image, comparison.tile(str(comparison.reference)).image
    # SIM images are scaled one by one.
    return not is_finer(one) and not is_finer(other) and one.w2s.get("release") == other.w2s.get("release")


def _with_worth(numbers: TileNumbers, tile: Tile, worth: float | None) -> TileNumbers:
    if worth is not None and not isnan(worth):
        return replace(numbers, worth=worth)
    if not is_finer(tile.image):
        return numbers
    note = "Worth in frames is of widefield images: this one shows more than any mean of them does."
    return replace(numbers, notes=(*numbers.notes, note))


def _area_text(comparison: Comparison, found: dict[str, Plane], grid: Grid) -> str:
    key = comparison.reference
    if key is None or key not in found:
        key = min(found, key=lambda other: found[other].scale[0] * found[other].scale[1])
    whole = found[key].pixels.shape == grid.shape
    what = "whole image" if whole else "common area" if comparison.box is None else "box"
    return f"{what}, {grid.shape[0]} × {grid.shape[1]} px"
