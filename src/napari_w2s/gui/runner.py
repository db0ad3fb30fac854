"""Runs restorations and previews for a viewer: snapshots in, a job in a thread, result layers out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_w2s._types import Cancelled, InputError, Progress, StopFn, W2SError
from napari_w2s.app import restore as use_case
from napari_w2s.app.resolve import RestorePlan
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import FinishReason, RunState, RunStatus
from napari_w2s.data.image import Image
from napari_w2s.gui import bridge, preview
from napari_w2s.gui.worker import Job

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

logger = logging.getLogger(__name__)

RestoreFn = Callable[..., Image]
"""``restore(image, settings, *, progress, should_stop, out, **extra)``, as `napari_w2s.app.restore.restore_image`."""

LoadFn = Callable[..., dict[str, Any]]
"""``load(settings, *, progress, should_stop)``: fetches and loads the models; its value is handed to each restore."""


@dataclass(eq=False)
class _Target:
    """A result in the making. The thread writes to `array`, `result` and `error`, and reads `dropped`."""

    snapshot: bridge.Snapshot
    array: bridge.FloatArray
    layer: str = ""
    dropped: threading.Event = field(default_factory=threading.Event)
    result: Image | None = None
    error: InputError | None = None

    @property
    def name(self) -> str:
        return self.snapshot.image.name


class Runner:
    """Restores layers of one viewer, one run at a time.

    Parameters
    ----------
    viewer : napari.Viewer
    restore : callable
        See `RestoreFn`. Called in a thread.
    load : callable
        See `LoadFn`. Called in a thread, once per run.
    clock : callable
        Returns seconds.
    """

    status_changed = Signal(RunStatus)

    def __init__(
        self,
        viewer: ViewerModel,
        restore: RestoreFn,
        load: LoadFn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._viewer = viewer
        self._restore = restore
        self._load = load
        self._clock = clock
        self._job: Job[Any] | None = None
        self._targets: list[_Target] = []
        self._error: Exception | None = None
        self._began = 0.0
        self.status = RunStatus()
        self.preview_layer: str | None = None

    def restore(self, layers: Sequence[Layer], plan: RestorePlan) -> None:
        """Start to restore layers into new ones.

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
        begun = self.status.begin(RunState.RESTORING, _loading(plan))
        snapshots = [bridge.snapshot_of(layer) for layer in layers]
        targets = [_Target(s, a) for s, a in zip(snapshots, _allocate(snapshots, plan.scale), strict=True)]
        self.remove_preview()
        self._targets = targets
        for target in targets:
            target.layer = self._add_layer(target, plan)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._start(begun, partial(self._restore_all, settings, targets), self._end_restore)

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
        begun = self.status.begin(RunState.PREVIEWING, _loading(plan))
        snapshot = bridge.snapshot_of(layer)
        window = preview.visible_window(layer, self._viewer.dims, snapshot.image.data.shape, plan.halo)
        work = partial(self._preview_one, settings, snapshot, window, plan.scale)
        self._start(begun, work, self._end_preview, on_done=partial(self._show_preview, snapshot, window, plan))

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
        """Stop, wait for the thread, and remove what is half done and temporary; the viewer goes on."""
        self.abandon()
        self._drop_unfinished()
        self.remove_preview()
        self.status = RunStatus()

    def abandon(self) -> None:
        """Stop and wait for the thread, and touch nothing else: for when the window is gone."""
        job, self._job = self._job, None
        if job is not None:
            job.abandon()
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)

    # In the thread ---------------------------------------------------------------------------------------------------

    def _restore_all(
        self, settings: RestoreSettings, targets: list[_Target], report: Callable[[Any], None], stop: StopFn
    ) -> None:
        extra = self._load(settings, progress=report, should_stop=stop)
        sizes = [prod(t.array.shape) for t in targets]
        for i, target in enumerate(targets):
            report(f"Restoring {target.name}{f' ({i + 1} of {len(targets)})' if len(targets) > 1 else ''} …")
            try:
                target.result = self._restore(
                    target.snapshot.image,
                    settings,
                    progress=partial(_pass_on, report, target, sum(sizes[:i]), sizes[i], sum(sizes)),
                    should_stop=partial(_either, stop, target.dropped.is_set),
                    out=target.array,
                    **extra,
                )
            except Cancelled:
                if not target.dropped.is_set():
                    raise
            except InputError as error:
                logger.warning("%s was not restored: %s", target.name, error)
                target.error = error

    def _preview_one(
        self,
        settings: RestoreSettings,
        snapshot: bridge.Snapshot,
        window: preview.Window,
        scale: int,
        report: Callable[[Any], None],
        stop: StopFn,
    ) -> bridge.FloatArray:
        extra = self._load(settings, progress=report, should_stop=stop)
        report(f"Previewing {snapshot.image.name} …")
        if settings.intensity_range is None:
            settings = replace(settings, intensity_range=preview.frame_range(snapshot.image, window.index))
        part = preview.crop(snapshot.image, window)
        result = self._restore(part, settings, progress=report, should_stop=stop, out=None, **extra)
        array: bridge.FloatArray = np.asarray(result.data)[(..., *window.trim(scale))]
        return array

    # Back in the main thread -----------------------------------------------------------------------------------------

    def _start(
        self,
        begun: RunStatus,
        work: Callable[[Callable[[Any], None], StopFn], Any],
        on_end: Callable[[], None],
        on_done: Callable[[Any], None] | None = None,
    ) -> None:
        self._error = None
        self._began = self._clock()
        self._job = Job(
            work,
            on_report=self._on_reports,
            on_done=on_done or (lambda _: None),
            on_error=self._on_error,
            on_end=on_end,
        )
        self._set_status(begun)
        self._job.start()

    def _on_reports(self, reports: list[Any]) -> None:
        status = self.status
        grown: set[_Target] = set()
        for what in reports:
            if isinstance(what, str):
                # Between layers the count goes on; only from loading to restoring it begins anew.
                status = replace(status, message=what) if grown or self._counts_on(status) else status.step(what)
                continue
            target, progress = what if isinstance(what, tuple) else (None, what)
            status = status.advance(progress.done, progress.total, self._clock())
            if target is not None and progress.region is not None:
                grown.add(target)
        for target in grown:
            layer = bridge.find_layer(self._viewer.layers, target.layer)
            if layer is not None:
                layer.refresh(highlight=False, extent=False)
        if not self._cancelling():
            self._set_status(status)

    def _counts_on(self, status: RunStatus) -> bool:
        return status.state is RunState.RESTORING and any(t.result or t.error for t in self._targets[:1])

    def _cancelling(self) -> bool:
        return self.status.state is RunState.CANCELLING

    def _on_error(self, error: Exception) -> None:
        self._error = error
        if not isinstance(error, W2SError):
            logger.error("a restoration failed", exc_info=error)

    def _on_layer_removed(self, event: Any) -> None:
        identity = bridge.layer_id(event.value)
        for target in self._targets:
            if target.layer == identity and target.result is None:
                target.dropped.set()

    def _end_restore(self) -> None:
        self._job = None
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        targets = self._targets
        for target in targets:
            if target.result is not None:
                self._finish_layer(target, target.result)
        self._drop_unfinished()
        self._set_status(self.status.end(*self._outcome(targets)))

    def _outcome(self, targets: list[_Target]) -> tuple[FinishReason, str]:
        done = [t for t in targets if t.result is not None]
        refused = [str(t.error) for t in targets if t.error is not None]
        deleted = [t.name for t in targets if t.dropped.is_set()]
        count = f"{len(done)} of {len(targets)}" if len(done) < len(targets) else f"{len(done)}"
        restored = f"Restored {count} layer{'' if len(targets) == 1 else 's'}"
        if isinstance(self._error, Cancelled) or (self._error is None and self._cancelling()):
            return FinishReason.CANCELLED, f"Cancelled. {restored + '; kept.' if done else 'Nothing was kept.'}"
        if self._error is not None:
            kept = f" {restored} before." if done else ""
            return FinishReason.FAILED, _explain(self._error) + kept
        if not done and not refused:
            return FinishReason.CANCELLED, f"Stopped, because the result of {', '.join(deleted)} was deleted."
        text = f"{restored} in {self._clock() - self._began:.1f} s." if done else "Nothing was restored."
        return FinishReason.FAILED if refused else FinishReason.DONE, " ".join([text, *refused])

    def _show_preview(
        self, snapshot: bridge.Snapshot, window: preview.Window, plan: RestorePlan, array: bridge.FloatArray
    ) -> None:
        self.remove_preview()
        layers = self._viewer.layers
        if bridge.find_layer(layers, snapshot.id) is None:
            return
        frame = bridge.result_frame(snapshot.frame, plan.scale, window.origin)
        look = {**snapshot.look, "blending": "translucent_no_depth"}
        layer = bridge.keep_selection(
            layers,
            lambda: self._viewer.add_image(array, name=f"{snapshot.image.name} | preview", **frame, **look),
        )
        self.preview_layer = bridge.layer_id(layer)
        height, width = window.size
        whole = preview.is_whole_frame(window, snapshot.image.data.shape)
        part = "the whole frame" if whole else f"{height} × {width} pixels"
        seconds = self._clock() - self._began
        self.status = replace(self.status, message=f"Preview of {part} with {plan.title}: {seconds:.1f} s.")

    def _end_preview(self) -> None:
        self._job = None
        if isinstance(self._error, Cancelled) or (self._error is None and self._cancelling()):
            self._set_status(self.status.end(FinishReason.CANCELLED, "Preview cancelled."))
        elif self._error is not None:
            self._set_status(self.status.end(FinishReason.FAILED, _explain(self._error)))
        else:
            self._set_status(self.status.end(FinishReason.DONE, self.status.message))

    def _add_layer(self, target: _Target, plan: RestorePlan) -> str:
        name = use_case.result_name(target.snapshot.image, plan.title, plan.scale)
        frame = bridge.result_frame(target.snapshot.frame, plan.scale)
        layer = bridge.keep_selection(
            self._viewer.layers,
            lambda: self._viewer.add_image(target.array, name=name, **frame, **target.snapshot.look),
        )
        return bridge.layer_id(layer)

    def _finish_layer(self, target: _Target, result: Image) -> None:
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


def _loading(plan: RestorePlan) -> str:
    return f"Loading {plan.title} …"


def _allocate(snapshots: list[bridge.Snapshot], scale: int) -> list[bridge.FloatArray]:
    shapes = [use_case.result_shape(s.image, scale) for s in snapshots]
    try:
        bridge.check_memory(shapes)
        return [bridge.allocate(shape) for shape in shapes]
    except MemoryError:
        size = sum(prod(s) for s in shapes) * 4 / 2**30
        raise W2SError(
            f"The result would take {size:.1f} GiB, more than there is. Restore fewer layers or frames at a time, or "
            "use the command line (Copy as command) on the files."
        ) from None


def _pass_on(
    report: Callable[[Any], None], target: _Target, before: int, size: int, total: int, progress: Progress
) -> None:
    """Report the progress of one image as that of all, by the pixels of their results."""
    report((target, Progress(before + round(progress.fraction * size), total, progress.region)))


def _either(first: StopFn, second: StopFn) -> bool:
    return first() or second()


def _explain(error: Exception) -> str:
    """Say what went wrong and what to do, for any exception."""
    if isinstance(error, W2SError):
        return str(error)
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "Memory ran out. Choose a smaller tile or the device cpu under Advanced, or restore fewer layers at a time."
    return f"The restoration failed: {text.splitlines()[0]}. Napari's log has the details."
