"""The Restore panel: it joins what the user wants, what the viewer holds, and the runner. It computes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication, QKeyEvent

from napari_w2s._types import Task, W2SError
from napari_w2s.app.exchange.named import export_named
from napari_w2s.app.resolve import Candidate, RestorePlan, resolve
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.app.state import PERSISTENT, RestoreState, RunStatus
from napari_w2s.app.suggest import describe_image
from napari_w2s.app.training.use import how_made
from napari_w2s.gui import bridge, defaults
from napari_w2s.gui.at_end import AtEnd
from napari_w2s.gui.model_export import AskFileFn, ExportFn, ModelExport, ask_for_file
from napari_w2s.gui.parts import is_alive
from napari_w2s.gui.restore_view import RestoreView
from napari_w2s.gui.runner import Runner
from napari_w2s.gui.settings import PluginStore, Store
from napari_w2s.gui.tasks import LoadFn, RestoreFn
from napari_w2s.gui.watcher import LayerWatcher
from napari_w2s.gui.worker import Job

if TYPE_CHECKING:
    import napari

    from napari_w2s.models.registry import Registry


class RestoreWidget(RestoreView):
    """A panel that restores image layers: denoise, super-resolve, or both.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    restore, load : callable, optional
        The use cases, see `RestoreFn` and `LoadFn`; those of `napari_w2s.app.restore` by default.
    registry : Registry, optional
        The models on offer; those of the session by default.
    models : SharedModels, optional
        The same, where other panels may add to them.
    describe : callable, optional
        Makes an `ImageReport` of an `Image`.
    devices : callable, optional
        Lists the devices of this machine. Called in a thread.
    store : Store, optional
        Where settings outlive the session; napari's store of plugin settings by default.
    export, ask_file : callable
        Write a model, and ask where to; see `ExportFn` and `AskFileFn`.

    Attributes
    ----------
    state : RestoreState
        What the user wants; setting a field does what the user's own hand would do.
    runner : Runner
    exports : ModelExport
    candidates : tuple of Candidate
        The image layers, and what is known of them.
    plan : RestorePlan
        What `state` comes to at present.
    """

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        *,
        restore: RestoreFn | None = None,
        load: LoadFn | None = None,
        registry: Registry | None = None,
        models: SharedModels | None = None,
        describe: Callable[[Any], Any] = describe_image,
        devices: Callable[[], Sequence[str]] = defaults.devices,
        store: Store | None = None,
        export: ExportFn = export_named,
        ask_file: AskFileFn = ask_for_file,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._models = models or (SharedModels(registry) if registry is not None else defaults.models())
        self._registry = self._models.registry
        self._store = store if store is not None else PluginStore("restore")
        self._available: dict[str, str] = {}
        self._made: dict[str, str] = {}
        self._notice = ""
        self._model: str | None = None
        self.state = RestoreState()
        self.state.recall(self._store.load())
        self._watcher = LayerWatcher(napari_viewer, describe)
        self.runner = Runner(
            napari_viewer,
            restore if restore is not None else defaults.restore,
            load if load is not None else partial(defaults.load, self._registry),
        )
        self.exports = ModelExport(self._registry, export, ask_file)
        self.advanced.export.follow(self.exports)
        self._device_job = Job(lambda _report, _stop: tuple(devices()), on_done=self._show_devices)
        self.candidates: tuple[Candidate, ...] = ()
        self.plan: RestorePlan
        self._find_weights()
        self.state.layers = self._first_choice()
        self._connect()
        self._refresh()
        self.paint_theme()
        self._device_job.start()
        # It waits for the threads, which may still be at it.
        self._at_end = AtEnd(self, partial(_abandon, self.runner, self._watcher, self._device_job, self.exports))

    def close_down(self) -> None:
        """Stop all work, wait for it, and let go of the viewer. The panel is dead afterwards."""
        self.runner.close()
        self._at_end()
        self._models.changed.disconnect(self._on_models)
        self._models.wanted.disconnect(self._on_wanted)

    def preview(self) -> None:
        """Restore what is on screen of the active layer if it is chosen, else of the topmost chosen one."""
        if self.plan.missing or self.runner.status.busy:
            return
        layers = self._chosen_layers()
        active = self._viewer.layers.selection.active
        layer = active if active is not None and active in layers else layers[-1]
        self._attempt(lambda: self.runner.preview(layer, self.plan))

    def run(self) -> None:
        """Restore the chosen layers."""
        if not self.plan.missing and not self.runner.status.busy:
            self._attempt(lambda: self.runner.restore(self._chosen_layers(), self.plan))

    def command(self) -> str:
        """Return the command line that makes the same results from files; empty if there are none, or no weights."""
        sources = [c.source for c in self.candidates if c.id in self.plan.chosen]
        if self.plan.settings is None or self.plan.missing or not sources or None in sources:
            return ""
        return self.plan.settings.command([s for s in sources if s is not None])

    def copy_command(self) -> None:
        """Put the command line on the clipboard."""
        QGuiApplication.clipboard().setText(self.command())
        self._tell("The command is on the clipboard.")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Preview on Space, cancel on Esc; what has the focus comes first."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.preview()
        elif event.key() == Qt.Key.Key_Escape and self.runner.status.busy:
            self.runner.cancel()
        else:
            super().keyPressEvent(event)

    def _connect(self) -> None:
        # Bound methods throughout: Qt holds them weakly, but a lambda that knows `self` would keep the panel alive.
        self.layers.chosen.connect(self._choose_layers)
        self.card.task_chosen.connect(self._choose_task)
        self.card.model_chosen.connect(self._choose_model)
        self.card.denoise_first_chosen.connect(self._choose_denoise_first)
        self.card.denoiser_chosen.connect(self._choose_denoiser)
        self.advanced.changed.connect(self._choose)
        self.fold.toggled.connect(self._choose_show_advanced)
        self.bar.preview_asked.connect(self.preview)
        self.bar.run_asked.connect(self.run)
        self.bar.cancel_asked.connect(self.runner.cancel)
        self.bar.command_asked.connect(self.copy_command)
        self.state.events.connect(self._on_state)
        self.runner.status_changed.connect(self._on_status)
        self._watcher.changed.connect(self._refresh)
        self._watcher.inserted.connect(self._on_inserted)
        self._models.changed.connect(self._on_models)
        self._models.wanted.connect(self._on_wanted)

    def _choose(self, name: str, value: Any) -> None:
        if name == "weights" and value is not None:
            self.state.model = self.plan.model  # Theirs, whatever may be suggested later.
        setattr(self.state, name, value)

    def _choose_layers(self, identities: tuple[str, ...]) -> None:
        self.state.layers = identities

    def _choose_denoise_first(self, on: bool) -> None:
        self.state.denoise_first = on

    def _choose_denoiser(self, name: str) -> None:
        suggested = {m.name for m in self.plan.denoisers if m.suggested}
        self.state.denoiser = None if name in suggested else name

    def _choose_show_advanced(self, is_open: bool) -> None:
        self.state.show_advanced = is_open

    def _choose_task(self, task: str) -> None:
        self.state.model = None
        self.state.task = Task(task)

    def _choose_model(self, name: str) -> None:
        suggested = {m.name for m in self.plan.models if m.suggested}
        self.state.model = None if name in suggested else name

    def _on_state(self, info: Any) -> None:
        self._notice = ""
        if info.signal.name in PERSISTENT:
            self._store.save(self.state.persistent())
        self._refresh()

    def _on_status(self, status: RunStatus) -> None:
        self._notice = ""
        if not status.busy:
            self._find_weights()
        self._refresh()

    def _on_inserted(self, identity: str) -> None:
        # Whoever drops a first image wants to restore that one, or of several the one that is shown.
        layer = bridge.find_layer(self._viewer.layers, identity)
        if layer is not None and layer.visible and not self.plan.chosen and not self.runner.status.busy:
            self.state.layers = (identity,)

    def _on_models(self) -> None:
        if is_alive(self):
            self._find_weights()
            self._refresh()

    def _on_wanted(self, name: str) -> None:
        if is_alive(self):
            self.state.task = self._registry.descriptor(name).task
            self.state.model = name

    def _find_weights(self) -> None:
        self._available = {d.name: self._registry.available(d.name) for d in self._registry.descriptors()}
        new = [d for d in self._registry.descriptors() if d.name not in self._made]
        self._made.update({d.name: how_made(d) for d in new})

    def _first_choice(self) -> tuple[str, ...]:
        """Return the restorable layers that are selected and shown, or else the topmost one, shown if possible."""
        usable = [c.id for c in self._watcher.candidates() if c.problem is None]
        shown = {bridge.layer_id(layer) for layer in self._viewer.layers if layer.visible}
        selected = shown & {bridge.layer_id(layer) for layer in self._viewer.layers.selection}
        first = [i for i in usable if i in shown][:1] or usable[:1]
        return tuple(i for i in usable if i in selected) or tuple(first)

    def _chosen_layers(self) -> list[Any]:
        """Return the chosen layers from the bottom of the stack to its top."""
        return [layer for layer in self._viewer.layers if bridge.layer_id(layer) in self.plan.chosen]

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except W2SError as error:
            self._tell(str(error))

    def _tell(self, notice: str) -> None:
        """Say something that is true until the next thing happens."""
        self._notice = notice
        self._refresh()

    def _refresh(self) -> None:
        """Show what intent, layers and run come to."""
        self.candidates = self._watcher.candidates(self.runner.own_layers)
        self.plan = plan = resolve(
            self.state, self.candidates, self._registry.descriptors(), self._available, self._made
        )
        if plan.model != self._model:
            self._model = plan.model
            if self.state.weights is not None:
                self.state.weights = None  # They were another model's. This shows everything anew.
                return
        status = self.runner.status
        self.show_plan(plan, self.state)
        self.bar.show_plan(plan, status, "" if self.command() else plan.missing or _NO_COMMAND)
        self.exports.offer(plan.model, self.state, running=status.busy)
        self.bar.show_status(status, self._notice or plan.missing, time.monotonic())
        if not status.busy:
            self._watcher.look_at(plan.chosen)

    def _show_devices(self, devices: tuple[str, ...]) -> None:
        self.advanced.show_devices(devices)
        self.advanced.show_state(self.state)

    def paint_theme(self) -> None:
        """Take over the colours of the viewer's theme."""
        self.bar.action.paint_primary(*defaults.accent(self._viewer.theme))


_NO_COMMAND = "There is no file to name in a command: save the layer first, and open what you saved."


def _abandon(runner: Runner, watcher: LayerWatcher, job: Job[Any], exports: ModelExport) -> None:
    """Stop everything that goes on outside of the panel's own widgets."""
    exports.changed.disconnect()
    exports.abandon()
    job.abandon()
    watcher.close()
    runner.abandon()
    runner.status_changed.disconnect()
