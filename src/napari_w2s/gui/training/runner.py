"""Runs trainings for a viewer: snapshots in, a job in a thread, reports out as status, curves and preview layers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QEventLoop, QThreadPool, QTimer

from napari_w2s._types import Cancelled, InputError, W2SError
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.control import Control
from napari_w2s.app.training.run import Begun, Doubts, FitFn, TrainTask, explain_training
from napari_w2s.app.training.status import Curves, TrainPhase, TrainStatus
from napari_w2s.data.protocol import ASSUMED_PIXEL_SIZE_UM
from napari_w2s.gui import bridge
from napari_w2s.gui.training.preview import TrainPreview
from napari_w2s.gui.worker import Job
from napari_w2s.training.report import PreviewReport, TrainingResult

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_w2s.models.registry import Registry

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 60.0


class TrainRunner:
    """Trains, one run at a time. All methods are for the main thread.

    Parameters
    ----------
    viewer : napari.Viewer
    registry : Registry
        Where models to go on from are.
    fit : callable, optional
        See `FitFn`. Called in a thread.

    Attributes
    ----------
    status : TrainStatus
        Changes of it are told by the signal `status_changed`.
    curves : Curves
        Of the present run, or the last; changes are told by `curves_changed`.
    choice : TrainChoice or None
        What is trained, or was last.
    folder : Path or None
        Of the run.
    preview : TrainPreview
    """

    status_changed = Signal(TrainStatus)
    curves_changed = Signal()

    def __init__(self, viewer: ViewerModel, registry: Registry, fit: FitFn | None = None) -> None:
        self._viewer = viewer
        self._registry = registry
        self._fit = fit
        self._job: Job[TrainingResult] | None = None
        self._control = Control()
        self._doubts: tuple[str, ...] = ()
        self._accepted: set[str] = set()
        self._last: PreviewReport | None = None
        self._shows = True
        self.status = TrainStatus()
        self.curves = Curves()
        self.choice: TrainChoice | None = None
        self.folder: Path | None = None
        self.preview = TrainPreview(viewer)

    def start(self, choice: TrainChoice, *, show_preview: bool) -> None:
        """Start to train.

        Parameters
        ----------
        choice : TrainChoice
        show_preview : bool

        Raises
        ------
        BusyError
            If a training is going on.
        InputError
            If a layer that is learned from is gone or cannot be used, or there is no memory for a copy of it.

        Notes
        -----
        Arrays in memory are copied, so that what the user does to a layer meanwhile changes nothing. What is in a file
        (memory maps, dask and zarr arrays) is not: it is read when it is needed.
        """
        begun = self.status.begin("Looking at the images …")
        images = {identity: self._snapshot(identity) for identity in choice.layers}
        self._control = Control()
        self.choice, self.folder, self.curves = choice, None, Curves()
        self._last, self._shows = None, show_preview
        self.preview.begin(_pixel(choice, images))
        pixels = {identity: snapshot.image for identity, snapshot in images.items()}
        task = TrainTask(choice, pixels, self._control, self._registry, frozenset(self._accepted), self._fit)
        self._job = Job(
            task, on_report=self._on_reports, on_done=self._on_done, on_error=self._on_error, on_end=self._on_end
        )
        self._set_status(begun)
        self.curves_changed.emit()
        # A training takes so long that on a small machine other work would wait for its thread: there is one more.
        QThreadPool.globalInstance().releaseThread()
        self._job.start()

    def pause(self) -> None:
        """Let the run rest after the present step."""
        if self.status.phase is TrainPhase.TRAINING:
            self._control.pause()
            self._set_status(self.status.pause())

    def go_on(self) -> None:
        """Let the run go on: it rests, or waits for an answer."""
        if self.status.phase in (TrainPhase.PAUSED, TrainPhase.ASKING):
            self._accepted.update(self._doubts)
            self._control.go()
            self._set_status(self.status.resume())

    def stop(self) -> None:
        """Let the run end after the present step, and keep the best model so far."""
        if self.status.busy:
            self._control.stop()
            self._set_status(self.status.stop())

    def stop_and_wait(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop, and let the window live until the run has ended; what the user does meanwhile waits."""
        self.stop()
        if not self.status.busy:
            return
        loop = QEventLoop()

        def quit_loop(status: TrainStatus) -> None:
            if not status.busy:
                loop.quit()

        self.status_changed.connect(quit_loop)
        QTimer.singleShot(round(timeout_s * 1000), loop.quit)
        loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        self.status_changed.disconnect(quit_loop)

    def dismiss(self) -> None:
        """Leave out what was said of the last run: it is not true of what is set up now."""
        status = self.status.dismiss()
        if status != self.status:
            self._set_status(status)

    def show_preview(self, *, shown: bool) -> None:
        """Show the preview from now on, or remove it."""
        self._shows = shown
        if not shown:
            self.preview.remove()
        elif self._last is not None and not self.preview.own_layers:
            self.preview.begin(self.preview.pixel)
            self.preview.show(self._last)

    def close(self) -> None:
        """Stop, and wait for the thread; the viewer goes on without the preview."""
        self.abandon()
        self.preview.remove()
        if self.status.busy:
            self._set_status(self.status.drop("Stopped."))

    def abandon(self) -> None:
        """Stop and wait for the thread, and touch nothing else: for when the window is gone."""
        job, self._job = self._job, None
        self._control.stop()
        if job is not None:
            job.abandon(STOP_TIMEOUT_S)
            QThreadPool.globalInstance().reserveThread()

    def _snapshot(self, identity: str) -> bridge.Snapshot:
        layer = bridge.find_layer(self._viewer.layers, identity)
        if layer is None:
            raise InputError("A layer to learn from is gone. Choose again.")
        return bridge.frozen(bridge.snapshot_of(layer))

    def _on_reports(self, reports: list[Any]) -> None:
        status, drawn = self.status, False
        for report in reports:
            if isinstance(report, PreviewReport):
                self._last = report
            elif isinstance(report, Doubts):
                self._doubts = report.texts
                status = status.ask("This speaks against it. Train anyway?")
            elif isinstance(report, Begun):
                self.folder = report.folder
            else:
                status = status.see(report)
                drawn = self.curves.see(report) or drawn
        if self._last in reports and self._shows and self._last is not None:
            self.preview.show(self._last)
        self._set_status(status)
        if drawn:
            self.curves_changed.emit()

    def _on_done(self, result: TrainingResult) -> None:
        self._set_status(self.status.end(result))

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._set_status(self.status.drop(explain_training(error)))
            return
        if not isinstance(error, W2SError):
            logger.error("a training failed", exc_info=error)
        self._set_status(self.status.fail(explain_training(error)))

    def _on_end(self) -> None:
        self._job = None
        QThreadPool.globalInstance().reserveThread()
        if self.status.busy:
            self._set_status(self.status.fail("The training ended without a word. Napari's log has the details."))

    def _set_status(self, status: TrainStatus) -> None:
        self.status = status
        self.status_changed.emit(status)


def _pixel(choice: TrainChoice, images: dict[str, bridge.Snapshot]) -> tuple[float, str] | None:
    """Return size and unit of a pixel of what is learned from."""
    if choice.root and not images:
        return ASSUMED_PIXEL_SIZE_UM, "um"
    first = [r.layer for scene in choice.scenes for r in scene.inputs.values()] + [choice.burst]
    source = next((images[i] for i in first if i in images), None)
    return None if source is None else (float(source.image.scale[-1]), str(source.image.units[-1]))
