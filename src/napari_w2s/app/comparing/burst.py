"""The mean of the first frames of a burst, for any number of frames, one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_w2s._types import Cancelled, StopFn
from napari_w2s.data.average import average_image
from napari_w2s.data.image import Image


class RunningMean:
    """Means of the first N frames of a burst. The sum of the last one is kept, so that a step from N to N + 1 is cheap.

    Parameters
    ----------
    burst : Image
        ``(T, H, W)``; frames of a lazy one are read one by one.
    """

    def __init__(self, burst: Image) -> None:
        self._burst = burst
        self._frames = 0
        self._sum: npt.NDArray[np.float64] = np.zeros(burst.data.shape[-2:], np.float64)

    @property
    def total(self) -> int:
        """Number of frames that there are."""
        return int(self._burst.data.shape[0])

    def mean(self, frames: int, stop: StopFn | None = None) -> Image:
        """Return the mean of the first frames, float32, with what is known of it.

        Parameters
        ----------
        frames : int
            Brought into 1 … `total`.
        stop : callable, optional
            Polled before each frame.

        Raises
        ------
        Cancelled
            If `stop` returned True. The next call goes on from where this one stopped.
        """
        wanted = min(max(1, int(frames)), self.total)
        if wanted < self._frames - wanted:
            self._frames = 0
            self._sum[:] = 0
        while self._frames != wanted:
            if stop is not None and stop():
                raise Cancelled("Stopped before all frames were read.")
            step = 1 if self._frames < wanted else -1
            index = self._frames if step > 0 else self._frames - 1
            self._sum += step * self._frame(index)
            self._frames += step
        data = (self._sum / wanted).astype(np.float32)
        return described_mean(self._burst, wanted).replace(data=data)

    def _frame(self, index: int) -> npt.NDArray[np.float64]:
        frame: npt.NDArray[np.float64] = np.asarray(self._burst.data[index]).astype(np.float64)
        return frame


def described_mean(burst: Image, frames: int) -> Image:
    """Return what is known of the mean of the first frames of a burst, with its very first pixel for all pixels.

    It has the benchmark's level where these are the benchmark's frames.
    """
    total = int(burst.data.shape[0])
    one = np.broadcast_to(np.asarray(burst.data[:1, :1, :1]), (total, 1, 1))
    return average_image(burst.replace(data=one), frames).replace(contrast_limits=burst.contrast_limits)
