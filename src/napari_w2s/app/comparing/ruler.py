"""Measure one tile of a comparison after the other: against the reference, and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.finite import finite_part
from napari_w2s.app.comparing.grid import Aligned, FloatArray, Plane, full_position
from napari_w2s.app.comparing.place import LEARNED, is_estimate, is_finer, restoration_of, was_seen
from napari_w2s.app.comparing.scores import SCORES, Fit, Reference
from napari_w2s.app.comparing.shared import less_shared, shares_frames
from napari_w2s.app.comparing.stopping import poll

Values = dict[str, float | None]

SMOOTH_NOTE = (
    "FRC of one image supposes noise that differs from pixel to pixel, and here it does not: it says where the "
    "spectrum ends, not what is resolved."
)
"""Stands with a one-image FRC that is no resolution."""

SHARED_NOTE = (
    "The reference holds frames that this image is made of, so that its FRC with the reference looks finer than it is."
)
"""Stands with a two-image FRC that is a bound only."""

OTHER_SCALE_NOTE = "Its intensities are on another scale than the reference's: only the matched scores compare the two."
"""Stands with scores that are those of the scales, not of the images."""

_LEARNED = "Its model learned from this field of view, which flatters its scores."
_JUDGED = "The training of its model was judged by this field of view, which may flatter its scores a little."
_LESS_SHARED = "For the FRC with the reference, the frames that this image is made of are taken out of the reference."
_NO_MATCH = "The reference is constant here, so that nothing can be matched to it."
_NO_CROSSING = "FRC gives no number where its curve does not cross the threshold."


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
        poll(self._stop)
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
        if fit.spread == 0:
            wanted = [name for name in wanted if not name.endswith("_matched")]
            notes.append(_NO_MATCH)
        values |= self._reference.scores(pixels, fit, wanted)
        if values.get("ssim", 0.0) is None and self.data_range is not None:
            notes.append("SSIM needs 7 × 7 finite pixels.")
        if _is_off_scale(values, fit):
            notes.append(OTHER_SCALE_NOTE)
        if "frc_two" in self._wanted:
            poll(self._stop)
            values["frc_two"] = self._frc_with_reference(tile, notes)
        if "microssim" in self._wanted:
            poll(self._stop)
            values["microssim"] = _micro_ssim(notes, self._laid.pixels[key], pixels)

    def _frc_with_reference(self, tile: Tile, notes: list[str]) -> float | None:
        """Correlate a tile with those frames of the reference that it does not hold itself."""
        pixels, key = self._laid.pixels, str(self._comparison.reference)
        other = None
        if shares_frames(tile, self._comparison.tile(key), self._position):
            other = less_shared(self._comparison, tile, pixels, self._position)
            notes.append(SHARED_NOTE if other is None else _LESS_SHARED)
        return self._frc(notes, self._laid.grid.scale, pixels[key] if other is None else other, pixels[tile.key])

    def _look(self, tile: Tile, values: Values, notes: list[str]) -> None:
        """Measure a tile on its own pixels."""
        own = self._found[tile.key].cut(self._laid.grid.box)
        if own is None:
            return
        if "frc" in self._wanted:
            poll(self._stop)
            values["frc"] = self._frc(notes, own.scale, own.pixels)
            if values["frc"] is not None and (restoration_of(tile.image) or is_finer(tile.image)):
                notes.append(SMOOTH_NOTE)
        if "noise" in self._wanted and not is_finer(tile.image) and not is_estimate(tile.image):
            from napari_w2s.data.noise import estimate_noise

            poll(self._stop)
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
        if (
            found.resolution is None
            and _NO_CROSSING not in notes
            and not any(image.min() == image.max() for image in cut)
        ):
            notes.append(_NO_CROSSING)
        return found.resolution


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
    if not finite.size:
        return None, "the reference has no finite pixel"
    spread = float(finite.max()) - float(finite.min())
    return (spread, "that of the reference") if 0 < spread < np.inf else (None, "the reference is constant")


def _is_off_scale(values: Values, fit: Fit) -> bool:
    """Tell whether an image is like the reference, and further from it than the reference's own mean is."""
    plain, matched = values.get("rmse"), values.get("rmse_matched")
    return plain is not None and matched is not None and plain > fit.spread and matched < plain / 2


def _percent(share: float) -> str:
    return f"{100 * min(share, 0.999):.1f} %"
