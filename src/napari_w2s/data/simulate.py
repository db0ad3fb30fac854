"""A simulated field of view in the manner of W2S: offline, seeded, made on demand.

Each channel shows another structure of one cell. The widefield image is the structure seen through an ideal
objective of the benchmark's numerical aperture, with light from out of focus; frames carry the noise of an
electron-multiplying camera; the SIM-like target has twice the resolution on half the pixel size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, Level
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.protocol import (
    ASSUMED_PIXEL_SIZE_UM,
    BURST_FRAMES,
    CHANNELS,
    FRAME_INDICES,
    LR_SIZE,
    SIM_SCALE,
)
from napari_w2s.data.scene import render_scene
from napari_w2s.data.structures import STRUCTURES

if TYPE_CHECKING:
    import dask.array as da

Float32Array = npt.NDArray[np.float32]
UInt16Array = npt.NDArray[np.uint16]

RELEASE = "simulated"
CAMERA_OFFSET = 90.0
"""Counts of an unexposed pixel."""
COUNTS_PER_EVENT = 8.0
"""Mean counts of one detected photon behind the electron multiplier."""
READ_NOISE = 4.0
"""Standard deviation in counts."""
DARK_EVENTS = 1.2
"""Mean events per pixel and frame without a cell: clock-induced charge and stray light."""
PEAK_EVENTS = 28.0
"""Mean events per pixel and frame at the 99.9th percentile of a channel."""

_MIN_SIZE, _MAX_SIZE = 16, 4096
_FRAME_STREAM, _AVERAGE_STREAM = 1, 2
_RENDER_LOCK = Lock()


@dataclass(frozen=True)
class SimulatedFOV:
    """One channel of a simulated field of view. Pixels are made when first asked for.

    Attributes
    ----------
    seed : int
        What the field shows; all channels of a seed share one cell.
    channel : int
        0 shows filaments, 1 mitochondria-like tubes, 2 puncta.
    size : int
        Width and height of widefield images in pixels.
    """

    seed: int = 0
    channel: int = 0
    size: int = LR_SIZE

    @property
    def clean(self) -> Float32Array:
        """The noise-free widefield image in counts, (H, W), read-only."""
        return _rendered(self)[0]

    @property
    def sim(self) -> Float32Array:
        """The SIM-like target, (2 H, 2 W), read-only; scaled by itself to the widefield image's range of counts."""
        return _rendered(self)[1]

    def frames(self, indices: Iterable[int]) -> UInt16Array:
        """Make frames of the burst.

        Parameters
        ----------
        indices : iterable of int
            Frame numbers from 0. A frame depends on seed, channel, size and number only.

        Returns
        -------
        numpy.ndarray, (len(indices), H, W), uint16
        """
        return np.stack([self._frame(index) for index in indices])

    def burst(self, count: int = BURST_FRAMES) -> da.Array:
        """Return the burst as a lazy array, (count, H, W), uint16, one chunk per frame."""
        import dask.array as da

        shape = (1, self.size, self.size)
        lazy: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
            self._burst_block, chunks=((1,) * count, *((n,) for n in shape[1:])), dtype=np.uint16, meta=_NO_FRAMES
        )
        return lazy

    def average(self, level: Level) -> Float32Array:
        """Average the benchmark's own frames of a level.

        Parameters
        ----------
        level : Level
            avg1 to avg16 are means of the burst's frames. For avg400 making 400 frames would take too long: it is
            drawn from the distribution of their mean, normal with the exact mean and variance, so that it shares no
            noise with the burst.

        Returns
        -------
        numpy.ndarray, (H, W), float32

        Raises
        ------
        InputError
            For SIM, which is no average; it is `sim`.
        """
        if level is Level.SIM:
            raise InputError("sim is no average of widefield frames; take the attribute sim of the simulated field")
        if level is Level.AVG400:
            rng = self._generator(_AVERAGE_STREAM)
            gain, offset_variance = self.noise(BURST_FRAMES)
            spread = np.sqrt(gain * self.clean + offset_variance)
            drawn: Float32Array = self.clean + spread * rng.standard_normal(spread.shape, np.float32)
            return drawn
        mean: Float32Array = self.frames(FRAME_INDICES[level]).mean(axis=0, dtype=np.float32)
        return mean

    def noise(self, frames: int = 1) -> tuple[float, float]:
        """Tell the true gain and offset variance of a mean of frames: ``variance = gain * mean + offset_variance``.

        The excess noise of electron multiplication doubles the variance of the events.
        """
        gain = 2.0 * COUNTS_PER_EVENT
        return gain / frames, (READ_NOISE**2 + 1.0 / 12.0 - gain * CAMERA_OFFSET) / frames

    def _generator(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.channel, self.size, *stream])

    def _frame(self, index: int) -> UInt16Array:
        rng = self._generator(_FRAME_STREAM, index)
        events = rng.poisson((self.clean - CAMERA_OFFSET) / COUNTS_PER_EVENT)
        counts = rng.standard_gamma(events.astype(np.float32), dtype=np.float32)
        counts *= np.float32(COUNTS_PER_EVENT)
        counts += np.float32(READ_NOISE) * rng.standard_normal(counts.shape, np.float32)
        counts += np.float32(CAMERA_OFFSET)
        return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)

    def _burst_block(self, block_info: Any = None) -> UInt16Array:
        return self.frames([block_info[None]["chunk-location"][0]])


_NO_FRAMES: UInt16Array = np.zeros((0, 0, 0), np.uint16)


def simulate_fov(seed: int = 0, channel: int = 0, size: int = LR_SIZE) -> SimulatedFOV:
    """Describe one channel of a simulated field of view; nothing is computed yet.

    Parameters
    ----------
    seed : int
        Not negative.
    channel : int
        0 (filaments), 1 (mitochondria-like tubes) or 2 (puncta).
    size : int
        Width and height of widefield images in pixels, from 16 to 4096.

    Returns
    -------
    SimulatedFOV

    Raises
    ------
    InputError
        For a channel, size or seed out of these ranges.
    """
    if channel not in STRUCTURES:
        raise InputError(f"there is no simulated channel {channel}; choose one of {', '.join(map(str, STRUCTURES))}")
    if not _MIN_SIZE <= size <= _MAX_SIZE:
        raise InputError(f"a simulated field of {size} pixels cannot be made; choose {_MIN_SIZE} to {_MAX_SIZE}")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; choose 0 or more")
    return SimulatedFOV(seed=int(seed), channel=int(channel), size=int(size))


def simulated_images(seed: int = 0, channels: Sequence[int] = tuple(CHANNELS), size: int = LR_SIZE) -> list[Image]:
    """Lazy images of a simulated field of view: per channel its averages, the SIM-like target and the burst.

    Parameters
    ----------
    seed, size
        As for `simulate_fov`.
    channels : sequence of int

    Returns
    -------
    list of Image
        For each channel the burst, avg400, avg16 ... avg1 and SIM, as dask arrays that cost nothing until looked at.
        Widefield and SIM cover the same area: the SIM image's first pixel centre is a quarter pixel earlier.

    Raises
    ------
    InputError
        As `simulate_fov`.
    """
    images = []
    for channel in channels:
        field = simulate_fov(seed, channel, size)
        images.append(_as_image(field, "burst", field.burst(), CAMERA_OFFSET + 1.6 * _PEAK_COUNTS))
        images += [
            _as_image(field, str(level), _lazy(field, level), CAMERA_OFFSET + 1.25 * _PEAK_COUNTS)
            for level in (*reversed(FRAME_INDICES), Level.SIM)
        ]
    return images


_PEAK_COUNTS = COUNTS_PER_EVENT * PEAK_EVENTS


def _lazy(field: SimulatedFOV, level: Level) -> da.Array:
    import dask.array as da
    from dask.delayed import delayed

    side = field.size * (SIM_SCALE if level is Level.SIM else 1)
    pixels = delayed(_pixels, pure=True)(field, level)
    lazy: da.Array = da.from_delayed(pixels, (side, side), np.float32)  # type: ignore[no-untyped-call]
    return lazy


def _pixels(field: SimulatedFOV, level: Level) -> Float32Array:
    return field.sim if level is Level.SIM else field.average(level)


def _as_image(field: SimulatedFOV, level: str, data: da.Array, brightest: float) -> Image:
    channel = CHANNELS[field.channel]
    pixel = ASSUMED_PIXEL_SIZE_UM / (SIM_SCALE if level == Level.SIM else 1)
    first = (pixel - ASSUMED_PIXEL_SIZE_UM) / 2
    leading = data.ndim - 2
    return Image(
        data=data,
        name=f"simulated {channel.label} {level}",
        axes=("t",) * leading + ("y", "x"),
        scale=(1.0,) * leading + (pixel, pixel),
        units=("pixel",) * leading + ("um", "um"),
        translate=(0.0,) * leading + (first, first),
        colormap=channel.colormap,
        contrast_limits=(CAMERA_OFFSET, brightest),
        metadata={
            METADATA_KEY: {
                "release": RELEASE,
                "split": None,
                "fov": field.seed,
                "channel": field.channel,
                "level": level,
                "source": None,
                "pixel_size_assumed": False,
                "excitation_nm": channel.excitation_nm,
            }
        },
    )


def _rendered(field: SimulatedFOV) -> tuple[Float32Array, Float32Array]:
    # Without the lock, threads that ask for the first frames at once would each do the same work.
    with _RENDER_LOCK:
        return _render(field)


@lru_cache(maxsize=6)
def _render(field: SimulatedFOV) -> tuple[Float32Array, Float32Array]:
    wide, target = render_scene(field.seed, field.channel, field.size)
    return _to_counts(wide), _to_counts(target)


def _to_counts(image: Float32Array) -> Float32Array:
    """Map relative brightness (1 is the 99.9th percentile) to counts; a reconstruction's undershoot is cut at 0."""
    events = DARK_EVENTS + np.float32(PEAK_EVENTS) * np.maximum(image, 0)
    counts: Float32Array = (CAMERA_OFFSET + COUNTS_PER_EVENT * events).astype(np.float32)
    counts.setflags(write=False)
    return counts
