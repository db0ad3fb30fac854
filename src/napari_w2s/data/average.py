"""Averages of a burst, with the frames that the benchmark averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_w2s._types import InputError, Level
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.lazy import lazy_map
from napari_w2s.data.limits import display_limits
from napari_w2s.data.protocol import FRAME_INDICES

if TYPE_CHECKING:
    from napari_w2s.data.image import AnyArray

_FRAMES_FOR_LIMITS = 16


def average(burst: AnyArray, frames: int | Level) -> AnyArray:
    """Average frames of a burst.

    Parameters
    ----------
    burst : array
        ``(t, y, x)`` or ``(..., t, y, x)``: frames along the third axis from the end.
    frames : int or Level
        A level takes the benchmark's own frames (avg1 is frame 249, avg4 the mean of frames 0–3, …); a number N
        takes frames 0 … N-1.

    Returns
    -------
    array
        ``(..., y, x)`` float32, summed in float64. Lazy (dask) if `burst` is a dask array or a memory map.

    Raises
    ------
    InputError
        If the burst has too few frames, or there is no such average.
    """
    import numpy as np

    indices = frame_indices(frames)
    if burst.ndim < 3:
        raise InputError(f"An array of shape {tuple(burst.shape)} is a single frame, not a burst: it has no t axis.")
    there = burst.shape[-3]
    if there < indices.stop:
        what = f"avg1 is frame {indices.start}" if frames is Level.AVG1 else f"{len(indices)} frames are wanted"
        raise InputError(
            f"This burst has {there} frames; {what}, counted from 0. "
            f"Take an average of at most {there} frames instead, by number."
        )
    if isinstance(burst, np.memmap):
        burst = lazy_map(burst, frame_axes=3)
    part = burst[..., indices.start : indices.stop, :, :]
    mean: AnyArray = part.mean(axis=-3, dtype=np.float64).astype(np.float32)
    return mean


def frame_indices(frames: int | Level) -> range:
    """Return which frames of a burst, counted from 0, an average is made of."""
    if isinstance(frames, Level):
        if frames not in FRAME_INDICES:
            raise InputError(f"{frames.value} is no average of widefield frames. Choose avg1 … avg400 or a number.")
        return FRAME_INDICES[frames]
    if frames < 1:
        raise InputError(f"An average of {frames} frames does not exist. Choose at least 1.")
    return range(int(frames))


def average_image(image: Image, frames: int | Level) -> Image:
    """Average the frames of a burst image, keeping what else is known of it.

    Parameters
    ----------
    image : Image
        Its third axis from the end is the frames.
    frames : int or Level
        As for `average`.

    Returns
    -------
    Image
        Without the frames' axis; ``metadata["w2s"]["level"]`` is the benchmark's level if these are its frames, else
        None; ``frames`` gives the first and the last.
    """
    data = average(image.data, frames)
    indices = frame_indices(frames)
    # Only the benchmark's own frames make one of its levels: frame 0 alone is as noisy as avg1, but it is not avg1.
    level = next((level.value for level, own in FRAME_INDICES.items() if own == indices), None)
    label = level or (f"mean of {len(indices)} frames" if len(indices) > 1 else f"frame {indices.start}")
    old = str(image.w2s.get("level") or "")
    name = f"{image.name.removesuffix(old).rstrip()} {label}"

    known = {**image.w2s, "level": level, "frames": [indices.start, indices.stop - 1]}
    # A display range does not need all of 400 frames.
    few = image.data[..., indices.start : indices.start + min(len(indices), _FRAMES_FOR_LIMITS), :, :]
    return image.replace(
        data=data,
        name=name,
        axes=image.axes[:-3] + image.axes[-2:],
        scale=image.scale[:-3] + image.scale[-2:],
        units=image.units[:-3] + image.units[-2:],
        translate=image.translate[:-3] + image.translate[-2:],
        contrast_limits=display_limits(average(few, few.shape[-3])),
        metadata={**image.metadata, METADATA_KEY: known},
    )
