"""Measure one tile of a comparison after the other: against the reference, and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_w2s._types import Cancelled, InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.finite import finite_part
from napari_w2s.app.comparing.grid import Aligned, FloatArray, Plane, full_position
from napari_w2s.app.comparing.place import LEARNED, is_estimate, is_finer, restoration_of, was_seen
from napari_w2s.app.comparing.scores import SCORES, Reference

Values = dict[str, float | None]

_LEARNED = "Its model learned from this field of view, which flatters its scores."
_JUDGED = "The training of its model was judged by this field of view, which may flatter its scores a little."
_NO_CROSSING = "FRC gives no number where its curve does not cross the threshold."
_SMOOTH = (
    "FRC of one image supposes noise that differs from pixel to pixel, and here it does not: it says where the "
    "spectrum ends, not what is resolved."
)


class Ruler:
    """What the tiles of a comparison are measured with.

    Parameters
    ----------
    comparison : Comparison
    found : mapping of str to Plane
        By key.
    laid : Aligned
        The same on one grid.
    wanted : frozenset of str
        Keys of numbers.
    threshold : str
        Of FRC.
    stop : callable or None

    Attributes
    ----------
    data_range : float or None
    range_source : str
        See `data_range`.
    """

    def __init__(
        self,
        comparison: Comparison,
        found: Mapping[str, Plane],
        laid: Aligned,
        wanted: frozenset[str],
        threshold: Any,
        stop: StopFn | None,
    ) -> None:
        self._comparison, self._found, self._laid = comparison, found, laid
        self._wanted, self._threshold, self._stop = wanted, threshold, stop
        self._position = full_position(comparison)
        self._zoom = 1000.0 if laid.grid.unit == "um" else 1.0
        key = comparison.reference
        self.data_range, self.range_source = data_range(comparison, found)
        pixels = None if key is None else laid.pixels.get(key)
        self._reference = None if pixels is None else Reference(pixels, self.data_range)

    def measure(self, tile: Tile) -> tuple[Values, list[str]]:
        """Return the numbers of a tile by key, without its worth, and what to know of them."""
        self._poll()
        if tile.key not in self._laid.pixels:
            return {}, [self._laid.problems[tile.key]]
        pixels = self._laid.pixels[tile.key]
        finite = pixels[np.isfinite(pixels)] if not np.isfinite(pixels).all() else pixels
        if not finite.size:
            return {}, ["It has no finite pixel here."]
        values: Values = {}
        notes = ["It is constant here."] if finite.min() == finite.max() else []
        if tile.key != self._comparison.reference:
            self._score(tile, values, notes)
        self._look(tile, values, notes)
        seen = was_seen(tile.image, self._position)
        if seen:
            notes.append(_LEARNED if seen == LEARNED else _JUDGED)
        return values, notes

    def _score(self, tile: Tile, values: Values, notes: list[str]) -> None:
        """Measure a tile against the reference."""
        key, pixels = self._comparison.reference, self._laid.pixels[tile.key]
        if key is None:
            return
        if self._reference is None:
            notes.append("The reference cannot be compared with.")
            return
        fit = self._reference.fit(pixels)
        if fit is None:
            notes.append("It and the reference have no finite pixel in common.")
            return
        if fit.share < 1:
            notes.append(
                f"Scores are over the {_percent(fit.share)} of the area where it and the reference are finite."
            )
        wanted = [name for name in SCORES if name in self._wanted]
        values |= self._reference.scores(pixels, fit, wanted)
        if "ssim" in self._wanted and values["ssim"] is None and self.data_range is not None:
            notes.append("SSIM needs 7 × 7 finite pixels.")
        if "frc_two" in self._wanted:
            self._poll()
            values["frc_two"] = self._frc(notes, self._laid.grid.scale, self._laid.pixels[key], pixels)

        if "microssim" in self._wanted:
            self._poll()
            values["microssim"] = _micro_ssim(notes, self._laid.pixels[key], pixels)

    def _look(self, tile: Tile, values: Values, notes: list[str]) -> None:
        """Measure a tile on its own pixels."""
        own = self._found[tile.key].cut(self._laid.grid.box)
        if own is None:
            return
        if "frc" in self._wanted:
            self._poll()
            values["frc"] = self._frc(notes, own.scale, own.pixels)
            if values["frc"] is not None and (restoration_of(tile.image) or is_finer(tile.image)):
                notes.append(_SMOOTH)
        if "noise" in self._wanted and not is_finer(tile.image) and not is_estimate(tile.image):
            from napari_w2s.data.noise import estimate_noise

            self._poll()
            noise = estimate_noise(own.pixels)
            values["noise"] = noise.median_std if noise.blocks else None

    def _frc(self, notes: list[str], scale: tuple[float, float], *images: Any) -> float | None:
        from napari_w2s.metrics.frc import single_image_frc, two_image_frc

        part = finite_part(*images)
        if part is None:
            return None
        cut = [image[part] for image in images]
        size = (scale[0] * self._zoom, scale[1] * self._zoom)
        try:
            found = (
                single_image_frc(cut[0], pixel_size=size, threshold=self._threshold)
                if len(cut) == 1
                else two_image_frc(cut[0], cut[1], pixel_size=size, threshold=self._threshold)
            )
        except InputError as error:
            if str(error) not in notes:
                notes.append(str(error))
            return None
        if found.resolution is None and _NO_CROSSING not in notes and not any(np.ptp(image) == 0 for image in cut):
            notes.append(_NO_CROSSING)
        return found.resolution

    def _poll(self) -> None:
        if self._stop is not None and self._stop():
            raise Cancelled("Stopped.")


def _micro_ssim(notes: list[str], reference: FloatArray, image: FloatArray) -> float | None:
    from napari_w2s.metrics.microssim import micro_ssim

    part = finite_part(reference, image)
    try:
        return None if part is None else micro_ssim(reference[part], image[part])
    except InputError as error:
        notes.append(str(error))
        return None


def data_range(comparison: Comparison, found: Mapping[str, Plane]) -> tuple[float | None, str]:
    """Return the range that PSNR and SSIM rest on, and where it comes from.

    It is the given one, else that of the data type for 8-bit references, else the whole reference's own, so that it
    does not change with the box.
    """
    if comparison.reference is None or comparison.reference not in found:
        return None, ""
    if comparison.data_range is not None:
        return comparison.data_range, "as given"
    pixels = found[comparison.reference].pixels
    if pixels.dtype == np.uint8 or pixels.dtype == np.int8:
        return 255.0, "8-bit images"
    if pixels.dtype == np.bool_:
        return 1.0, "binary images"
    finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    spread = float(finite.max()) - float(finite.min()) if finite.size else 0.0
    return (spread, "that of the reference") if 0 < spread < np.inf else (None, "the reference is constant")


def _percent(share: float) -> str:
    return f"{100 * min(share, 0.999):.1f} %"
