"""The averaging curve of the place that a comparison shows, and where its tiles lie on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from napari_w2s._types import Level, StopFn
from napari_w2s.app.comparing.comparison import Box, Comparison, Tile
from napari_w2s.app.comparing.grid import Grid, Plane, align, common_grid, full_position, on_grid, readable_planes
from napari_w2s.app.comparing.place import Place, is_burst, is_finer, level_of, place_of
from napari_w2s.app.comparing.stopping import poll
from napari_w2s.app.comparing.worth import AveragingCurve, curve_of_burst, curve_of_levels, error_of
from napari_w2s.data.protocol import BURST_FRAMES

_FINER = 0.75


@dataclass(frozen=True)
class _Material:
    """What a curve can be measured on: a burst, or avg400 and other levels; of one place."""

    place: Place | None
    burst: Tile | None
    reference: Tile | None
    levels: Mapping[int, Tile]


def averaging_curve(
    comparison: Comparison, *, order: str = "random", stop: StopFn | None = None
) -> AveragingCurve | None:
    """Measure the averaging curve of the place that a comparison shows, within its box.

    From a burst among its `averages` or tiles where there is one, else from the averaging levels and avg400. It takes
    its time with a burst, whose frames are all read: measure it once and hand it to `measure`.

    Parameters
    ----------
    comparison : Comparison
    order : str
        Of a burst's frames; see `napari_w2s.app.comparing.worth.curve_of_burst`.
    stop : callable, optional

    Returns
    -------
    AveragingCurve or None
        None if there is neither.

    Raises
    ------
    InputError
        If no tile can be shown, or the box lies outside of the images.
    Cancelled
        If `stop` returned True.
    """
    material = _material(comparison)
    if material.burst is None and (material.reference is None or not material.levels):
        return None
    found, problems = planes_for_worth(comparison, stop=stop)
    shown = {tile.key: found[tile.key] for tile in comparison.tiles if tile.key in found}
    grid, _ = common_grid(comparison, shown, problems)
    return curve_on(comparison, found, grid.box, order=order, stop=stop)


def planes_for_worth(comparison: Comparison, *, stop: StopFn | None = None) -> tuple[dict[str, Plane], dict[str, str]]:
    """Return the planes of the tiles and of all that the curve is made of, and why others cannot be had; by key."""
    material = _material(comparison)
    shown = {tile.key for tile in comparison.tiles}
    others = [material.burst, material.reference, *material.levels.values()]
    more = {tile.key: tile for tile in others if tile is not None and tile.key not in shown}
    wider = comparison.replace(
        tiles=(*comparison.tiles, *more.values()), position=full_position(comparison), averages=()
    )
    return readable_planes(wider, stop=stop)


def curve_on(
    comparison: Comparison,
    found: Mapping[str, Plane],
    area: Box,
    *,
    order: str = "random",
    stop: StopFn | None = None,
) -> AveragingCurve | None:
    """Measure the curve on planes that were read before, within an area; see `averaging_curve`."""
    material = _material(comparison)
    if material.burst is not None and material.burst.key in found:
        return _of_burst(material.burst, found[material.burst.key], comparison, area, order, stop)
    if material.reference is None or material.reference.key not in found:
        return None
    tiles = {n: tile for n, tile in material.levels.items() if tile.key in found}
    if not tiles:
        return None
    chosen = (material.reference, *tiles.values())
    laid = align(
        Comparison(tiles=chosen, reference=material.reference.key, box=area),
        {tile.key: found[tile.key] for tile in chosen},
        stop=stop,
    )
    levels = {n: laid.pixels[tile.key] for n, tile in tiles.items() if tile.key in laid.pixels}
    return curve_of_levels(laid.pixels[material.reference.key], levels, BURST_FRAMES)


def worth_errors(
    comparison: Comparison,
    found: Mapping[str, Plane],
    area: Box,
    curve: AveragingCurve,
    *,
    stop: StopFn | None = None,
) -> dict[str, float]:
    """Return the error of each tile that can be laid on a curve, by key.

    Left out are images that show more than a mean of widefield frames can: SIM, super-resolution, and whatever has
    smaller pixels; and those of another place.
    """
    material = _material(comparison)
    reference = curve.reference
    if reference is None and material.reference is not None:
        reference = found.get(material.reference.key)
    reference = None if reference is None else reference.cut(area)
    if reference is None:
        return {}
    height, width = reference.pixels.shape
    grid = Grid((height, width), reference.scale, reference.origin, reference.unit)
    target = on_grid(reference, grid)
    errors = {}
    for tile in comparison.tiles:
        poll(stop)
        one = found.get(tile.key)
        if one is None or not _can_be_laid(tile, one, reference, material.place, comparison):
            continue
        errors[tile.key] = error_of(target, on_grid(one, grid))
    return errors


def _can_be_laid(tile: Tile, one: Plane, reference: Plane, place: Place | None, comparison: Comparison) -> bool:
    own = place_of(tile.image, full_position(comparison))
    if is_finer(tile.image) or is_burst(tile.image) or (own is not None and place is not None and own != place):
        return False
    return all(step > _FINER * wanted for step, wanted in zip(one.scale, reference.scale, strict=True))


def _of_burst(
    tile: Tile, shown: Plane, comparison: Comparison, area: Box, order: str, stop: StopFn | None
) -> AveragingCurve | None:
    part, cut = shown.part(area), shown.cut(area)
    if part is None or cut is None:
        return None
    image, position = tile.image, full_position(comparison)
    lead = image.data.ndim - 3
    index: list[int] = []
    for axis in range(lead):
        from_end = axis - (lead + 1)
        place = position[from_end] if len(position) >= -from_end else image.translate[axis]
        step = round((place - image.translate[axis]) / image.scale[axis])
        if not 0 <= step < image.data.shape[axis]:
            return None
        index.append(step)
    rows, columns = part
    if image.scale[-2] < 0:
        rows = _mirrored(rows, image.data.shape[-2])
    if image.scale[-1] < 0:
        columns = _mirrored(columns, image.data.shape[-1])
    stack: Any = image.data
    burst = stack[(*index, slice(None), rows, columns)]
    curve = curve_of_burst(burst, order=order, stop=stop)
    if curve is None or curve.reference is None:
        return curve
    mean = curve.reference.pixels[:: -1 if image.scale[-2] < 0 else 1, :: -1 if image.scale[-1] < 0 else 1]
    return replace(curve, reference=replace(cut, pixels=mean))


def _mirrored(part: slice, size: int) -> slice:
    return slice(size - part.stop, size - part.start)


def _material(comparison: Comparison) -> _Material:
    position = full_position(comparison)
    tiles = (*comparison.tiles, *comparison.averages)
    burst = next((tile for tile in tiles if is_burst(tile.image)), None)
    if burst is None:
        # A stack of frames that was handed over as a burst need not be of W2S.
        burst = next(
            (
                tile
                for tile in comparison.averages
                if len(tile.image.axes) > 2 and level_of(tile.image) is None and tile.image.axes[-3] == "t"
            ),
            None,
        )
    if burst is not None:
        return _Material(place_of(burst.image, position), burst, None, {})
    places = {tile.key: place_of(tile.image, position) for tile in tiles}
    wanted = None if comparison.reference is None else places[comparison.reference]
    means = [tile for tile in tiles if level_of(tile.image) is Level.AVG400]
    reference = next((tile for tile in means if wanted is None or places[tile.key] == wanted), None)
    if reference is None:
        return _Material(None, None, None, {})
    levels: dict[int, Tile] = {}
    for tile in tiles:
        level = level_of(tile.image)
        same = places[tile.key] == places[reference.key]
        if same and level is not None and level.frames is not None and level is not Level.AVG400:
            levels.setdefault(level.frames, tile)
    return _Material(places[reference.key], None, reference, levels)
