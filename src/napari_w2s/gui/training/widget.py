"""The Train panel: it joins what the user wants, what the viewer holds, and the runner. It computes nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent

from napari_w2s._types import W2SError
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.folder import look_at_folder
from napari_w2s.app.training.pace import Pace
from napari_w2s.app.training.plan import TrainPlan
from napari_w2s.app.training.resolve import SecondsFn, resolve_training
from napari_w2s.app.training.run import FitFn
from napari_w2s.app.training.state import PERSISTENT, TrainState
from napari_w2s.app.training.status import TrainStatus
from napari_w2s.app.training.use import install_model
from napari_w2s.gui import bridge, defaults
from napari_w2s.gui.at_end import AtEnd
from napari_w2s.gui.parts import is_alive
from napari_w2s.gui.settings import PluginStore, Store
from napari_w2s.gui.training.curves import palette
from napari_w2s.gui.training.guard import AskFn, ChooseFn, CloseGuard, ask_for_folder, ask_to_stop
from napari_w2s.gui.training.keeper import InstallFn, Keeper
from napari_w2s.gui.training.runner import TrainRunner
from napari_w2s.gui.training.scout import DevicesFn, LookFn, Scout
from napari_w2s.gui.training.view import TrainView
from napari_w2s.gui.watcher import LayerWatcher

if TYPE_CHECKING:
    import napari


class TrainWidget(TrainView):
    """A panel that trains a model, and puts it to use.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    fit : callable, optional
        See `FitFn`; that of `napari_w2s.training.fit` by default.
    models : SharedModels, optional
        The models in use; those of the session by default.
    install : callable
        See `install_model`. Called in a thread.
    look : callable
        See `look_at_folder`. Called in a thread.
    seconds : callable, optional
        See `SecondsFn`.
    ask : callable
        Asks whether to stop a training that goes on; see `AskFn`.
    choose : callable
        Asks for a folder.
    devices : callable
        Lists the devices of this machine. Called in a thread.
    store : Store, optional
        Where settings outlive the session; napari's store of plugin settings by default.

    Attributes
    ----------
    state : TrainState
        What the user wants; setting a field does what the user's own hand would do.
    runner : TrainRunner
    plan : TrainPlan
        What `state` comes to at present.
    """

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        *,
        fit: FitFn | None = None,
        models: SharedModels | None = None,
        install: InstallFn = install_model,
        look: LookFn = look_at_folder,
        seconds: SecondsFn | None = None,
        ask: AskFn = ask_to_stop,
        choose: ChooseFn = ask_for_folder,
        devices: DevicesFn = defaults.devices,
        store: Store | None = None,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._models = models if models is not None else defaults.models()
        self._choose_folder = choose
        self._seconds = seconds if seconds is not None else self._estimate
        self._pace = Pace()
        self._store = store if store is not None else PluginStore("train")
        self._notice = ""
        self._intent: Any = None
        self._available: dict[str, str] = {}
        self._scout = Scout(look, devices)
        self._was_busy = False
        self._keeper = Keeper(self._models, install)
        self.state = TrainState(root=defaults.w2s_root())
        self.state.recall({k: v for k, v in self._store.load().items() if v != ""})
        self._watcher = LayerWatcher(napari_viewer)
        self.runner = TrainRunner(napari_viewer, self._models.registry, fit)
        self._guard = CloseGuard(self, self._is_busy, ask, self.runner.stop_and_wait)
        self.plan: TrainPlan
        self._connect()
        self._find_weights()
        self._refresh()
        self._show_run(self.runner.status)
        self.paint_theme()
        self._scout.list_devices()
        self._scout.look_at(self.state.root)
        # It waits for the threads, which may still be at it.
        self._at_end = AtEnd(self, partial(_abandon, self.runner, self._watcher, self._keeper, self._scout))

    def close_down(self) -> None:
        """Stop all work, wait for it, and let go of the viewer. The panel is dead afterwards."""
        self.runner.close()
        self._at_end()
        self._models.changed.disconnect(self._on_models)

    def train(self) -> None:
        """Train what is chosen."""
        choice = self.plan.choice
        if choice is None or self.plan.missing or self.runner.status.busy:
            return
        try:
            self.runner.start(choice, show_preview=self.state.show_preview)
        except W2SError as error:
            self._tell(str(error))
            return
        self._keeper.begin(choice.name)
        self.set_up.set_open(is_open=False)

    def use(self) -> None:
        """Put the model that was trained among the user's, and select it in the Restore panel."""
        result, choice = self.runner.status.result, self.runner.choice
        if result is not None and result.model is not None and choice is not None:
            self._keeper.use(Path(result.model), choice.task)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ask on Esc whether to stop; what has the focus comes first."""
        if event.key() == Qt.Key.Key_Escape and self._is_busy():
            self._guard.may_close()
        else:
            super().keyPressEvent(event)

    def _connect(self) -> None:
        # Bound methods throughout: Qt holds them weakly, but a lambda that knows `self` would keep the panel alive.
        self.source.changed.connect(self._choose)
        self.source.folder_asked.connect(self._ask_for_root)
        self.options.changed.connect(self._choose)
        self.advanced.changed.connect(self._choose)
        self.advanced.folder_asked.connect(self._ask_for_folder)
        self.advanced_fold.toggled.connect(self._choose_show_advanced)
        self.progress.preview_chosen.connect(self._choose_show_preview)
        self.progress.fit_asked.connect(self.runner.preview.fit)
        self.bar.train_asked.connect(self.train)
        self.bar.go_on_asked.connect(self.runner.go_on)
        self.bar.pause_asked.connect(self.runner.pause)
        self.bar.stop_asked.connect(self.runner.stop)
        self.result.name_entered.connect(self._keeper.rename)
        self.result.use_asked.connect(self.use)
        self.state.events.connect(self._on_state)
        self.runner.status_changed.connect(self._on_status)
        self.runner.curves_changed.connect(self._draw)
        self._watcher.changed.connect(self._refresh)
        self._models.changed.connect(self._on_models)
        self._keeper.changed.connect(self._on_keeper)
        self._scout.changed.connect(self._on_scout)

    def _is_busy(self) -> bool:
        return self.runner.status.busy

    def _choose(self, name: str, value: Any) -> None:
        setattr(self.state, name, value)

    def _choose_show_advanced(self, is_open: bool) -> None:
        self.state.show_advanced = is_open

    def _choose_show_preview(self, shown: bool) -> None:
        self.state.show_preview = shown
        self.runner.show_preview(shown=shown)
        self._show_run(self.runner.status)

    def _ask_for_root(self) -> None:
        self.state.root = self._choose_folder(self, self.state.root) or self.state.root

    def _ask_for_folder(self) -> None:
        self.state.folder = self._choose_folder(self, self.state.folder) or self.state.folder

    def _on_state(self, info: Any) -> None:
        self._notice = ""
        if info.signal.name in PERSISTENT:
            self._store.save(self.state.persistent())
        if info.signal.name == "root":
            self._scout.look_at(self.state.root)
        self._refresh()

    def _on_status(self, status: TrainStatus) -> None:
        self._notice = ""
        if status.busy is self._was_busy:
            self._show_run(status)
            return
        self._was_busy = status.busy
        if status.busy:
            self._guard.watch()
        elif self.runner.choice is not None:
            self._pace.learn(self.runner.choice, self._scout.devices, status)
        self._refresh()

    def _on_models(self) -> None:
        if is_alive(self):
            self._find_weights()
            self._refresh()

    def _find_weights(self) -> None:
        self._available = {d.name: self._models.registry.available(d.name) for d in self._models.registry}

    def _on_scout(self) -> None:
        self.advanced.show_devices(self._scout.devices)
        self._refresh()

    def _on_keeper(self) -> None:
        self._show_run(self.runner.status)

    def _tell(self, notice: str) -> None:
        """Say something that is true until the next thing happens."""
        self._notice = notice
        self._refresh()

    def _refresh(self) -> None:
        """Show what intent, layers and run come to."""
        registry = self._models.registry
        materials = bridge.materials(self._viewer.layers)
        self.plan = resolve_training(
            self.state,
            materials,
            self._scout.folder,
            registry,
            self._available,
            trainable=defaults.trainable(),
            seconds=self._seconds,
        )
        if self.plan.intent != self._intent:
            self._intent = self.plan.intent
            self.runner.dismiss()
        self.show_plan(self.plan, self.state, busy=self.runner.status.busy)
        self._show_run(self.runner.status)

    def _show_run(self, status: TrainStatus) -> None:
        self.bar.show_run(self.plan, status, self._notice or self.plan.missing)
        begun = self.runner.choice is not None
        self.progress.setVisible(begun)
        self.set_up.set_title("Set-up" if begun else "")
        self.progress.show_run(status, preview=self.state.show_preview, layers=bool(self.runner.preview.own_layers))
        result = status.result
        self.result.show_result(
            there=result is not None and result.model is not None,
            name=self._keeper.name,
            problem=self._keeper.problem,
            error=self._keeper.error,
            busy=self._keeper.busy,
            card=self._keeper.card,
        )

    def _draw(self) -> None:
        self.progress.show_curves(self.runner.curves)

    def _estimate(self, choice: TrainChoice) -> float | None:
        return self._pace.seconds(choice, self._scout.devices)

    def paint_theme(self) -> None:
        """Take over the colours of the viewer's theme."""
        theme = self._viewer.theme
        self.bar.paint(*defaults.accent(theme), defaults.warning(theme))
        self.progress.curves.paint(palette(theme))


def _abandon(runner: TrainRunner, watcher: LayerWatcher, keeper: Keeper, scout: Scout) -> None:
    """Stop everything that goes on outside of the panel's own widgets."""
    keeper.changed.disconnect()
    keeper.abandon()
    scout.abandon()
    watcher.close()
    runner.abandon()
    runner.status_changed.disconnect()
    runner.curves_changed.disconnect()
