"""Runs restorations and previews for a viewer: snapshots in, a job in a thread, layers out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_w2s._types import Cancelled, InputError, W2SError
from napari_w2s.app import restore as use_case
from napari_w2s.app.resolve import RestorePlan
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import FinishReason, RunState, RunStatus
from napari_w2s.data.image import Image
from napari_w2s.gui import bridge
from napari_w2s.gui.preview import Window, visible_window
from napari_w2s.gui.tasks import (
    FloatArray,
    LoadFn,
    Phase,
    PreviewTask,
    RestoreFn,
    RestoreTask,
    Target,
    explain,
    outcome,
)
from napari_w2s.gui.worker import Job

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

logger = logging.getLogger(__name__)


class Runner:
    """Restores layers of one viewer, one run at a time. All methods are for the main thread.

    Parameters
    ----------
    viewer : napari.Viewer
    restore : callable
        See `RestoreFn`. Called in a thread.
    load : callable
        See `LoadFn`. Called in a thread, once per run.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    status : RunStatus
        Changes of it are told by the signal `status_changed`.
    preview_layer : str or None
        Identity of the temporary layer that shows the last preview.
    """

    status_changed = Signal(RunStatus)

    def __init__(
        self, viewer: ViewerModel, restore: RestoreFn, load: LoadFn, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._viewer = viewer
        self._restore = restore
        self._load = load
        self._clock = clock
        self._job: Job[Any] | None = None
        self._targets: list[Target] = []
        self._error: Exception | None = None
        self._began = 0.0
        self.status = RunStatus()
        self.preview_layer: str | None = None

    @property
    def own_layers(self) -> frozenset[str]:
        """Identities of the layers that are temporary or not done yet, which nobody should want restored."""
        unfinished = (t.layer for t in self._targets if t.result is None)
        return frozenset(unfinished) | ({self.preview_layer} if self.preview_layer else set())

    def restore(self, layers: Sequence[Layer], plan: RestorePlan) -> None:
        """Start to restore layers into new ones, which are there at once and fill as parts get done.

        Parameters
        ----------
        layers : sequence of napari.layers.Image
            From the bottom of the stack to its top.
        plan : RestorePlan

        Raises
        ------
        BusyError
            If a run is going on.
        InputError
            If a layer cannot be restored.
        W2SError
            If the results do not fit into memory.
        """
        settings = _settings_of(plan)
        begun = self.status.begin(RunState.RESTORING, f"Loading {plan.title} …")
        snapshots = [bridge.snapshot_of(layer) for layer in layers]
        arrays = _allocate(snapshots, plan.scale)
        self.remove_preview()
        self._targets = [
            Target(snapshot.image, array, self._add_result(snapshot, array, plan, covers=i == 0))
            for i, (snapshot, array) in enumerate(zip(snapshots, arrays, strict=True))
        ]
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._start(begun, RestoreTask(self._restore, self._load, settings, self._targets), self._end_restore)

    def preview(self, layer: Layer, plan: RestorePlan) -> None:
        """Start to restore the part of a layer that is on screen into a temporary layer.

        Raises
        ------
        BusyError
            If a run is going on.
        InputError
            If the layer cannot be restored, or is seen from the side.
        """
        settings = _settings_of(plan)
        begun = self.status.begin(RunState.PREVIEWING, f"Loading {plan.title} …")
        snapshot = bridge.snapshot_of(layer)
        window = visible_window(layer, self._viewer.dims, snapshot.image.data.shape, plan.halo)
        task = PreviewTask(self._restore, self._load, settings, snapshot.image, window, plan.scale)
        self._start(begun, task, self._end_preview, partial(self._show_preview, snapshot, window, plan))

    def cancel(self) -> None:
        """Ask the run to end; it does within one tile, and what is half done is removed."""
        if self._job is not None:
            self._job.cancel()
            self._set_status(self.status.cancel())

    def remove_preview(self) -> None:
        """Remove the temporary layer of the last preview, if it is still there."""
        identity, self.preview_layer = self.preview_layer, None
        if identity is not None:
            self._remove(identity)

    def close(self) -> None:
        """Stop, wait for the thread, and remove what is half done or temporary; the viewer goes on."""
        self.abandon()
        self._drop_unfinished()
        self.remove_preview()
        if self.status.busy:
            self._set_status(self.status.end(FinishReason.CANCELLED, "Cancelled. Nothing was kept."))

    def abandon(self) -> None:
        """Stop and wait for the thread, and touch nothing else: for when the window is gone."""
        job, self._job = self._job, None
        if job is not None:
            job.abandon()
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)

    def _start(
        self,
        begun: RunStatus,
        task: Callable[..., Any],
        on_end: Callable[[], None],
        on_done: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._error = None
        self._began = self._clock()
        self._job = Job(task, on_report=self._on_reports, on_done=on_done, on_error=self._on_error, on_end=on_end)
        self._set_status(begun)
        self._job.start()

    def _on_reports(self, reports: list[Any]) -> None:
        status = self.status
        grown: dict[str, None] = {}
        for report in reports:
            if isinstance(report, Phase):
                status = status.step(report.message, counts_anew=report.counts_anew)
                continue
            status = status.advance(report.progress.done, report.progress.total, self._clock())
            if report.target is not None:
                grown[report.target.layer] = None
        for identity in grown:
            layer = bridge.find_layer(self._viewer.layers, identity)
            if layer is not None:
                layer.refresh(highlight=False, extent=False)
        self._set_status(status)

    def _on_error(self, error: Exception) -> None:
        self._error = error
        if not isinstance(error, W2SError):
            logger.error("a restoration failed", exc_info=error)

    def _on_layer_removed(self, event: Any) -> None:
        identity = bridge.layer_id(event.value)
        for target in self._targets:
            if target.layer == identity and target.result is None:
                target.dropped.set()

    def _was_cancelled(self) -> bool:
        # Work that ended by itself before it saw the request was not cancelled, whatever the button said.
        return isinstance(self._error, Cancelled)

    def _end_restore(self) -> None:
        self._job = None
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        targets = self._targets
        for target in targets:
            if target.result is not None:
                self._finish_result(target, target.result)
        self._drop_unfinished()
        seconds = self._clock() - self._began
        ending = outcome(targets, self._error, seconds, cancelled=self._was_cancelled())
        self._set_status(self.status.end(*ending))

    def _end_preview(self) -> None:
        self._job = None
        if self._was_cancelled():
            self._set_status(self.status.end(FinishReason.CANCELLED, "Preview cancelled."))
        elif self._error is not None:
            self._set_status(self.status.end(FinishReason.FAILED, explain(self._error)))
        else:
            self._set_status(self.status.end(FinishReason.DONE, self.status.message))

    def _show_preview(self, snapshot: bridge.Snapshot, window: Window, plan: RestorePlan, part: FloatArray) -> None:
        self.remove_preview()
        if bridge.find_layer(self._viewer.layers, snapshot.id) is None:
            return
        frame = bridge.result_frame(snapshot.frame, plan.scale, window.origin)
        # Over its source and in its place, whatever the source does with what is below it.
        look = {**snapshot.look, "blending": "translucent_no_depth", "opacity": 1.0}
        self.preview_layer = self._add_layer(part, f"{snapshot.image.name} | preview", frame, look)
        height, width = window.size
        where = "the middle of what is on screen" if window.limited else "what is on screen"
        seconds = self._clock() - self._began
        message = f"Preview of {where} ({height} × {width} pixels), made in {seconds:.1f} s with {plan.title}."
        self.status = replace(self.status, message=message)

    def _add_result(self, snapshot: bridge.Snapshot, array: FloatArray, plan: RestorePlan, *, covers: bool) -> str:
        name = use_case.result_name(snapshot.image, plan.title, plan.scale)
        # Channels are drawn additively: the results among themselves too, but their sum is not added to the sources'.
        look = {**snapshot.look, "blending": "translucent_no_depth"} if covers else snapshot.look
        return self._add_layer(array, name, bridge.result_frame(snapshot.frame, plan.scale), look)

    def _add_layer(self, array: FloatArray, name: str, frame: Any, look: Any) -> str:
        layers = self._viewer.layers
        layer = bridge.keep_selection(layers, lambda: self._viewer.add_image(array, name=name, **frame, **look))
        return bridge.layer_id(layer)

    def _finish_result(self, target: Target, result: Image) -> None:
        layer = bridge.find_layer(self._viewer.layers, target.layer)
        if layer is None:
            return
        if result.data is not target.array:
            layer.data = np.asarray(result.data)
        layer.metadata = dict(result.metadata)
        layer.refresh()

    def _drop_unfinished(self) -> None:
        targets, self._targets = self._targets, []
        for target in targets:
            if target.result is None:
                self._remove(target.layer)

    def _remove(self, identity: str) -> None:
        layers = self._viewer.layers
        layer = bridge.find_layer(layers, identity)
        if layer is not None:
            bridge.keep_selection(layers, lambda: layers.remove(layer))

    def _set_status(self, status: RunStatus) -> None:
        self.status = status
        self.status_changed.emit(status)


def _settings_of(plan: RestorePlan) -> RestoreSettings:
    if plan.settings is None:
        raise InputError(plan.missing or "There is no model to restore with.")
    return plan.settings


def _allocate(snapshots: list[bridge.Snapshot], scale: int) -> list[FloatArray]:
    shapes = [use_case.result_shape(s.image, scale) for s in snapshots]
    try:
        return bridge.allocate(shapes)
    except MemoryError:
        size = sum(prod(shape) for shape in shapes) * 4 / 2**30
        raise W2SError(
            f"The result would take {size:.1f} GiB, more than there is. Restore fewer layers or frames at a time, or "
            "use the command line (Copy as command) on the files."
        ) from None
