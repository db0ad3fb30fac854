"""Means of the first frames of bursts, in the places of the bursts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_w2s._types import StopFn, W2SError
from napari_w2s.app.comparing.burst import RunningMean
from napari_w2s.app.comparing.select import title_of
from napari_w2s.data.image import Image
from napari_w2s.gui.comparing.newest import Newest
from napari_w2s.gui.comparing.session import Session


@dataclass(frozen=True, eq=False)
class _Mean:
    key: str
    image: Image


class Bursts:
    """Averages bursts in a thread, and shows the means in their tiles.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._means: dict[str, tuple[Image, RunningMean]] = {}
        self._job: Newest[_Mean] = Newest(self._show, self._explain)

    @property
    def busy(self) -> bool:
        """True while frames are averaged."""
        return self._job.busy

    def average(self, images: Mapping[str, Image], key: str, frames: int) -> None:
        """Show the mean of the first frames of a burst in its tile."""
        burst = images[key]
        known = self._means.get(key)
        if known is None or known[0].data is not burst.data:
            known = self._means[key] = burst, RunningMean(burst)
        self._job.ask(lambda _, stop: _work(key, known[1], frames, stop), in_passing=True)

    def forget(self) -> None:
        """Let go of the bursts."""
        self._job.forget()
        self._means.clear()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._job.close()
        self._means.clear()

    def _show(self, mean: _Mean) -> None:
        self._session.put(mean.key, mean.image, title_of(mean.image))

    def _explain(self, error: Exception) -> None:
        self._session.told.emit(str(error) if isinstance(error, W2SError) else f"The burst cannot be read: {error}")


def _work(key: str, mean: RunningMean, frames: int, stop: StopFn) -> _Mean:
    return _Mean(key, mean.mean(frames, stop))
