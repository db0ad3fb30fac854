"""Sample data: a simulated field of view, and real ones of the 8-bit release.

napari demands that a sample brings at least one layer at once. A real field of view that must be downloaded first
therefore starts as an empty image in its place; removing that layer cancels the download.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_w2s._types import Cancelled, Level, Progress, StopFn, W2SError
from napari_w2s.data.catalog import BURST
from napari_w2s.data.download import fetch_many, find_local, fov_paths
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import ASSUMED_PIXEL_SIZE_UM, LR_SIZE
from napari_w2s.data.simulate import simulated_images
from napari_w2s.gui.layers import LayerData, image_to_layer_data
from napari_w2s.gui.reader import read

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_w2s.gui.worker import Job

logger = logging.getLogger(__name__)

PLACEHOLDER_KEY = "w2s_download"
"""Key in the metadata of a layer that stands for a download; its value tells one download from another."""


def simulated_fov() -> list[LayerData]:
    """Return the simulated field of view: SIM-like target, avg400 and, shown and on top, avg1 of three channels."""
    levels = (Level.SIM, Level.AVG400, Level.AVG1)
    images = [image for image in simulated_images() if image.w2s["level"] in levels]
    images.sort(key=lambda image: levels.index(image.w2s["level"]))
    return [image_to_layer_data(image, visible=image.w2s["level"] == Level.AVG1) for image in images]


def simulated_burst() -> list[LayerData]:
    """Return 400 frames of one channel of the simulated field of view, each made when it is looked at."""
    return [image_to_layer_data(image) for image in simulated_images(channels=[1]) if image.w2s["level"] == BURST]


def real_fov_001() -> list[LayerData]:
    """Return field of view 001 of W2S."""
    return real_fov(1)


def real_fov_050() -> list[LayerData]:
    """Return field of view 050 of W2S."""
    return real_fov(50)


def real_fov(fov: int) -> list[LayerData]:
    """Return a real field of view of the 8-bit release, or a placeholder that its layers will replace.

    Parameters
    ----------
    fov : int
        1 to 120.

    Returns
    -------
    list of layer data tuples
        The layers themselves if all files are here, or if there is no window to keep alive (then the files are
        downloaded first). Otherwise one empty image; the download goes on in a thread, with a progress bar.

    Raises
    ------
    InputError
        If there is no such FOV.
    DownloadError
        If there is no window and the files cannot be downloaded.
    """
    from napari import current_viewer
    from qtpy.QtCore import QCoreApplication

    paths = list(fov_paths(fov).values())
    local = [find_local(path) for path in paths]
    here = [file for file in local if file is not None]
    if len(here) == len(paths):
        return read(here)
    viewer = current_viewer()
    if viewer is None or QCoreApplication.instance() is None:
        return read(fetch_many(paths))
    download = SampleDownload(viewer, f"W2S FOV {fov:03d}", paths)
    download.start()
    return [download.placeholder()]


class SampleDownload:
    """A download in a thread whose files replace a placeholder layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    title : str
        Name for a person.
    paths : list of str
        Files to fetch, as for `napari_w2s.data.download.fetch`.
    fetch_files : callable, optional
        Stands in for `napari_w2s.data.download.fetch_many`.
    """

    _running: ClassVar[set[SampleDownload]] = set()

    def __init__(
        self, viewer: Viewer, title: str, paths: list[str], fetch_files: Callable[..., list[Path]] | None = None
    ) -> None:
        from napari.utils import progress

        from napari_w2s.gui.worker import Job

        self._viewer = viewer
        self._title = title
        self._paths = paths
        self._fetch_files = fetch_files or fetch_many
        self._token = uuid.uuid4().hex
        self._bar = progress(total=100, desc=f"{title}: downloading")
        self.job: Job[list[LayerData]] = Job(
            self._work, on_report=self._show, on_done=self._replace, on_error=self._explain, on_end=self._end
        )

    def start(self) -> None:
        """Begin; call in the main thread."""
        from qtpy.QtCore import QCoreApplication

        self._running.add(self)
        self._viewer.layers.events.removed.connect(self._on_removed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.job.cancel)
        self.job.start()

    def placeholder(self) -> LayerData:
        """Return an empty image where the field of view will be."""
        image = Image(
            data=np.zeros((LR_SIZE, LR_SIZE), np.uint8),
            name=f"{self._title} (downloading, remove to cancel)",
            axes=("y", "x"),
            scale=(ASSUMED_PIXEL_SIZE_UM,) * 2,
            units=("um", "um"),
            contrast_limits=(0.0, 255.0),
            metadata={PLACEHOLDER_KEY: self._token},
        )
        return image_to_layer_data(image)

    def _work(self, report: Callable[[Any], None], should_stop: StopFn) -> list[LayerData]:
        files = self._fetch_files(self._paths, progress=report, should_stop=should_stop)
        if should_stop():
            raise Cancelled("stopped after the download")
        return read(files)

    def _show(self, reports: list[Any]) -> None:
        last: Progress = reports[-1]
        percent = min(100, int(100 * last.fraction))
        if percent > self._bar.n:
            self._bar.update(percent - self._bar.n)

    def _replace(self, layers: list[LayerData]) -> None:
        from napari.layers import Layer

        if self._layer() is None:
            return
        self._viewer.layers.extend([Layer.create(*data) for data in layers])

    def _explain(self, error: Exception) -> None:
        from napari.utils.notifications import show_error, show_info

        if isinstance(error, Cancelled):
            show_info(f"{self._title}: cancelled. What is complete is kept for the next time.")
        elif isinstance(error, W2SError):
            logger.warning("%s: %s", self._title, error)
            show_error(f"{self._title}: {error}")
        else:
            logger.error("%s failed", self._title, exc_info=error)
            show_error(f"{self._title} could not be opened: {error}. The log has the details.")

    def _end(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        layer = self._layer()
        if layer is not None:
            self._viewer.layers.remove(layer)
        self._bar.close()
        self._running.discard(self)

    def _on_removed(self, event: Any) -> None:
        if event.value.metadata.get(PLACEHOLDER_KEY) == self._token:
            self.job.cancel()

    def _layer(self) -> Layer | None:
        for layer in self._viewer.layers:
            if layer.metadata.get(PLACEHOLDER_KEY) == self._token:
                return layer
        return None
