"""Check that what another program computes from an exported model is what this one computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_w2s._types import OutputError
from napari_w2s.models.descriptor import RestorationModel

Frame = npt.NDArray[np.float32]
RunFn = Callable[[Frame], Frame]
"""Restores a frame ``(H, W)`` with the exported file."""

TOLERANCE = 1e-4
"""Largest difference that an exported model may have, as a share of the range of the result's intensities."""

_SEED = 7
_FIELD = 192
_SIZES = ((129, 161), (72, 64))
_EIGHT_BIT = 255.0


@dataclass(frozen=True)
class Agreement:
    """How closely a file computes what this package does.

    Attributes
    ----------
    difference : float
        Largest difference of a pixel, in the image's intensities.
    share : float
        The same as a share of the range of the result.
    images : int
        Images that were compared.
    """

    difference: float
    share: float
    images: int

    def __str__(self) -> str:
        return (
            f"largest difference on {self.images} images: {self.difference:.2g} "
            f"({self.share:.1g} of the range, at most {TOLERANCE:g})"
        )


def example_frames() -> tuple[Frame, ...]:
    """Return simulated noisy widefield frames: one of odd size in camera counts, one in 0-255."""
    from napari_w2s.data.simulate import SimulatedFOV

    frames = []
    for channel, (height, width) in enumerate(_SIZES):
        field = SimulatedFOV(seed=_SEED, channel=channel, size=_FIELD)
        frames.append(field.frames([0])[0, :height, :width].astype(np.float32))
    counts, other = frames
    eight_bit = np.round((other - other.min()) / np.ptp(other) * _EIGHT_BIT).astype(np.float32)
    return counts, eight_bit


def predicted(model: RestorationModel, frame: Frame, intensity_range: tuple[float, float] | None) -> Frame:
    """Return what this package makes of a frame, on the CPU in float32; whole, where tiles would make a difference."""
    from napari_w2s.engine.predict import predict

    tile = max(frame.shape) if model.descriptor.receptive_field is None else None
    result: Frame = predict(model, frame, device="cpu", precision="float32", tile=tile, intensity_range=intensity_range)
    return result


def compare(run: RunFn, pairs: Iterable[tuple[Frame, Frame]]) -> Agreement:
    """Restore frames with an exported file and compare.

    Parameters
    ----------
    run : callable
    pairs : iterable of (frame, expected)

    Raises
    ------
    OutputError
        If a result has another shape, is not finite, or differs by more than `TOLERANCE`.
    """
    worst, share, images = 0.0, 0.0, 0
    for frame, expected in pairs:
        result = run(frame)
        if result.shape != expected.shape:
            raise OutputError(
                f"The exported model makes {result.shape} pixels of {frame.shape}, expected {expected.shape}. "
                "It was not kept; please report this with the model's name."
            )
        difference = float(np.abs(result.astype(np.float64) - expected).max())
        extent = float(np.ptp(expected)) or 1.0
        if not difference <= TOLERANCE * extent:
            raise OutputError(
                f"The exported model does not compute what it does here: pixels differ by up to {difference:.3g} "
                f"({difference / extent:.2g} of the range; {TOLERANCE:g} is allowed). It was not kept."
            )
        worst, share, images = max(worst, difference), max(share, difference / extent), images + 1
    return Agreement(worst, share, images)
