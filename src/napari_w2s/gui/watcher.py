"""Keeps an eye on a viewer's image layers, and on what they look like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.resolve import Candidate
from napari_w2s.app.suggest import ImageReport, describe_image, describe_size
from napari_w2s.data.image import Image
from napari_w2s.gui import bridge
from napari_w2s.gui.worker import Job

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

logger = logging.getLogger(__name__)

_LIST_EVENTS = ("inserted", "removed", "reordered", "renamed")


class LayerWatcher:
    """Follows the image layers of a viewer and measures them in a thread.

    Parameters
    ----------
    viewer : napari.Viewer
    describe : callable
        Makes a report of an image. Called in a thread.

    Attributes
    ----------
    changed
        Signal: the layers, or what is known of them, are not what they were.
    inserted
        Signal with the identity of a new image layer, before `changed`.
    """

    changed = Signal()
    inserted = Signal(str)

    def __init__(self, viewer: ViewerModel, describe: Callable[[Image], ImageReport] = describe_image) -> None:
        self._viewer = viewer
        self._describe = describe
        self._reports: dict[str, ImageReport] = {}
        self._versions: dict[str, int] = {}
        self._job: Job[Any] | None = None
        for name in _LIST_EVENTS:
            getattr(viewer.layers.events, name).connect(self._on_list_event)
        for layer in viewer.layers:
            self._watch(layer)

    def candidates(self, without: Collection[str] = ()) -> tuple[Candidate, ...]:
        """Return the image layers as napari lists them, the top one first, but for previews and those `without`."""
        images = [layer for layer in reversed(self._viewer.layers) if bridge.is_image(layer)]
        layers = [layer for layer in images if not bridge.is_preview(layer)]
        return tuple(
            bridge.candidate_of(layer, self._reports.get(identity))
            for layer in layers
            if (identity := bridge.layer_id(layer)) not in without
        )

    def look_at(self, identities: Iterable[str]) -> None:
        """Measure those layers that were not yet; `changed` is emitted when it is done."""
        if self._job is not None:
            return
        wanted = [i for i in identities if i not in self._reports]
        images = [(i, self._versions.get(i, 0), image) for i in wanted if (image := self._image(i)) is not None]
        if not images:
            return
        self._job = Job(
            lambda _, stop: self._measure(images, stop),
            on_done=self._take,
            on_error=lambda error: self._give_up(images, error),
            on_end=self._end,
        )
        self._job.start()

    def close(self) -> None:
        """Stop watching and measuring."""
        job, self._job = self._job, None
        if job is not None:
            job.abandon()
        for name in _LIST_EVENTS:
            getattr(self._viewer.layers.events, name).disconnect(self._on_list_event)
        for layer in self._viewer.layers:
            if bridge.is_image(layer):
                layer.events.data.disconnect(self._on_data)

    def _image(self, identity: str) -> Image | None:
        layer = bridge.find_layer(self._viewer.layers, identity)
        return None if layer is None or bridge.problem_of(layer) else bridge.snapshot_of(layer).image

    def _measure(self, images: list[tuple[str, int, Image]], stop: StopFn) -> list[tuple[str, int, ImageReport]]:
        reports = []
        for identity, version, image in images:
            if stop():
                break
            try:
                report = self._describe(image)
            except InputError as error:
                logger.info("%s was not measured: %s", image.name, error)
                report = ImageReport(describe_size(image))
            reports.append((identity, version, report))
        return reports

    def _take(self, reports: list[tuple[str, int, ImageReport]]) -> None:
        for identity, version, report in reports:
            # A layer may have got other pixels, or have gone, while it was measured.
            if self._versions.get(identity) == version:
                self._reports[identity] = report

    def _give_up(self, images: list[tuple[str, int, Image]], error: Exception) -> None:
        logger.error("an image could not be measured", exc_info=error)
        self._take([(identity, version, ImageReport(describe_size(image))) for identity, version, image in images])

    def _end(self) -> None:
        self._job = None
        self.changed.emit()

    def _watch(self, layer: Layer) -> None:
        if bridge.is_image(layer):
            self._versions.setdefault(bridge.layer_id(layer), 0)
            layer.events.data.connect(self._on_data)

    def _on_list_event(self, event: Any) -> None:
        if event.type == "inserted":
            self._watch(event.value)
            if bridge.is_image(event.value) and not bridge.is_preview(event.value):
                self.inserted.emit(bridge.layer_id(event.value))
        elif event.type == "removed" and bridge.is_image(event.value):
            identity = bridge.layer_id(event.value)
            event.value.events.data.disconnect(self._on_data)
            self._reports.pop(identity, None)
            self._versions.pop(identity, None)
        self.changed.emit()

    def _on_data(self, event: Any) -> None:
        identity = bridge.layer_id(event.source)
        self._versions[identity] = self._versions.get(identity, 0) + 1
        self._reports.pop(identity, None)
        self.changed.emit()
