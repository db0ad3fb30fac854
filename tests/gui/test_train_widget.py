"""The Train panel over a viewer without a window, with a training that steps when a test wants it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QFont, QFontMetrics
from qtpy.QtWidgets import QDockWidget, QMainWindow, QPushButton, QWidget
from w2s_panel import FakeRegistry, MakePanel, MemoryStore, descriptor
from w2s_train import FakeFit, w2s_known
from w2s_window import close_all

from napari_w2s._types import InputError, Level, OutputError, Task
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.app.training.folder import FolderReport
from napari_w2s.app.training.state import Learn
from napari_w2s.app.training.status import TrainPhase
from napari_w2s.app.training.use import Installed
from napari_w2s.gui import bridge, defaults
from napari_w2s.gui.training.curves import log_ticks, palette, smooth
from napari_w2s.gui.training.preview import TrainPreview
from napari_w2s.gui.training.widget import TrainWidget
from napari_w2s.training.report import FinishReason, PreviewReport, TrainingResult

EDGE = 32
NAMES = ["training input", "training prediction", "training target"]
MakeTrain = Callable[..., TrainWidget]


def add_w2s(viewer: ViewerModel, fovs: tuple[int, ...] = (1, 2, 3), levels: str = "avg1 avg400 sim") -> None:
    """Add what opening W2S files adds: one channel."""
    rng = np.random.default_rng(0)
    for level in levels.split():
        zoom = 2 if level == "sim" else 1
        viewer.add_image(
            rng.integers(0, 255, (len(fovs), EDGE * zoom, EDGE * zoom)).astype(np.uint8),
            name=f"ch0 {level}",
            scale=(1, 0.064 / zoom, 0.064 / zoom),
            units=("pixel", "um", "um"),
            axis_labels=("fov", "y", "x"),
            metadata={"w2s": w2s_known(0, level, fovs)},
        )


def fake_install(path: Path, name: str, task: Task) -> Installed:
    assert path.exists()
    return Installed((descriptor(name, task, scale=2, title=name),), name, f"{name}\nLicence: BSD-3-Clause")


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def previews(viewer: ViewerModel) -> list[ImageLayer]:
    return [layer for layer in viewer.layers if layer.name.startswith("training")]


def said(panel: TrainWidget) -> str:
    return panel.bar.message.text()


def phase(panel: TrainWidget, wanted: TrainPhase) -> Callable[[], bool]:
    return lambda: panel.runner.status.phase is wanted


@pytest.fixture
def make_train(qapp: Any, viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeTrain]:
    """Make panels with fakes behind them, and close them down in the end."""
    assert qapp is not None
    monkeypatch.delenv("W2S_ROOT", raising=False)
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    panels: list[TrainWidget] = []

    def ask(_: QWidget) -> bool:
        raise AssertionError("nobody should be asked")

    def make(fit: Any = None, **options: Any) -> TrainWidget:
        given = {
            "models": SharedModels(FakeRegistry()),
            "install": fake_install,
            "look": lambda root: FolderReport(root, problem="not looked at"),
            "seconds": lambda _: 120.0,
            "ask": ask,
            "choose": lambda _parent, _before: "",
            "devices": lambda: ("cpu",),
            "store": MemoryStore(folder=str(tmp_path)),
            **options,
        }
        panel = TrainWidget(given.pop("viewer", viewer), fit=fit if fit is not None else FakeFit(), **given)
        panels.append(panel)
        return panel

    yield make
    close_all(panels)


def begin(panel: TrainWidget, qtbot: QtBot) -> None:
    """Press the button, and go on in spite of doubts."""
    qtbot.mouseClick(panel.bar.action, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.runner.status.phase is not TrainPhase.PREPARING, timeout=20_000)
    if panel.runner.status.phase is TrainPhase.ASKING:
        qtbot.mouseClick(panel.bar.action, Qt.MouseButton.LeftButton)


def train(panel: TrainWidget, qtbot: QtBot) -> None:
    begin(panel, qtbot)
    qtbot.waitUntil(phase(panel, TrainPhase.IDLE), timeout=20_000)


def pick(combo: Any, value: str) -> None:
    """Choose an entry as a user does."""
    combo.setCurrentIndex(combo.findData(value))
    combo.activated.emit(combo.currentIndex())


def visible(panel: TrainWidget, widget: QWidget) -> bool:
    return widget.isVisibleTo(panel)


class TestChoosing:
    def test_an_empty_viewer_is_told_what_to_do(self, make_train: MakeTrain):
        panel = make_train()
        assert not panel.bar.action.isEnabled()
        assert said(panel) == "Choose the folder of the W2S benchmark, or another source."
        assert panel.bar.action.toolTip() == said(panel)
        assert visible(panel, panel.source.folder)
        assert not visible(panel, panel.progress)
        assert not visible(panel, panel.result)

    def test_open_layers_are_enough(self, make_train: MakeTrain, viewer: ViewerModel):
        panel = make_train()
        add_w2s(viewer)
        assert panel.bar.action.isEnabled()
        assert panel.bar.action.full_text() == "Train on 3 fields, about 2 min"
        assert visible(panel, panel.source.layers)
        assert [box.text() for box in panel.source.layers.noisy.boxes().values()] == [
            "ch0 sim",
            "ch0 avg400",
            "ch0 avg1",
        ]
        assert panel.source.report.text() == "3 fields: avg1, with clean and SIM images."

    def test_only_tasks_that_the_images_allow_are_offered(self, make_train: MakeTrain, viewer: ViewerModel):
        add_w2s(viewer, levels="avg1 avg400")
        panel = make_train()
        assert [panel.options.task.itemData(i) for i in range(panel.options.task.count())] == ["denoise"]
        assert "It is learned from SIM images" in panel.options.note.text()

    def test_a_network_for_another_task_gives_way_in_sight(self, make_train: MakeTrain, viewer: ViewerModel):
        add_w2s(viewer)
        panel = make_train()
        pick(panel.options.task, "denoise")
        pick(panel.options.network, "ridnet-light")
        assert panel.options.network.currentText() == "New, RIDNet light"
        assert panel.options.about.text().startswith("0.19 million weights")
        pick(panel.options.task, "jdsr")
        assert panel.options.network.currentText() == "New, small U-Net"
        assert panel.options.about.text().startswith("RIDNet light is not for this task")
        assert visible(panel, panel.options.about)
        assert panel.plan.choice is not None
        assert panel.plan.choice.size == "small"
        pick(panel.options.network, "rcan-light")
        assert panel.plan.choice.size == "rcan-light"
        assert "is not for" not in panel.options.about.text()

    def test_every_choice_reaches_the_state(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer, levels="avg1 avg4 avg400 sim")
        panel = make_train(devices=lambda: ("cuda:0", "cpu"))
        qtbot.waitUntil(lambda: panel.advanced.device.count() == 3)

        pick(panel.options.task, "sr")
        pick(panel.options.network, "large")
        pick(panel.options.time, "long")
        pick(panel.advanced.loss, "mse")
        pick(panel.advanced.device, "cuda:0")
        panel.advanced.patch.setValue(48)
        panel.advanced.batch.setValue(3)
        panel.advanced.share.setValue(30)
        panel.advanced.rate.setText("0.002")
        panel.advanced.rate.editingFinished.emit()
        panel.advanced.test_fovs.setChecked(True)
        choice = panel.plan.choice
        assert choice is not None
        assert (choice.task, choice.size, choice.preset, choice.loss) == (Task.SR, "large", "long", "mse")
        assert (choice.device, choice.patch, choice.batch, choice.learning_rate) == ("cuda:0", 48, 3, 0.002)
        assert (choice.validation_share, choice.allow_test_fovs) == (0.3, True)
        pick(panel.options.task, "jdsr")
        assert panel.advanced.levels[Level.AVG1].text() == "0.3"
        panel.advanced.levels[Level.AVG4].setText("0")
        panel.advanced.levels[Level.AVG4].editingFinished.emit()
        assert panel.state.levels.startswith("avg1 0.3, avg4 0")
        pick(panel.source.layers.sim, "none")
        assert panel.options.task.currentData() == "denoise"
        panel.source.kinds[Learn.IMAGES].click()
        assert panel.plan.learn is Learn.IMAGES
        assert visible(panel, panel.source.images)

    def test_levels_that_all_weigh_nothing_are_told(self, make_train: MakeTrain, viewer: ViewerModel):
        add_w2s(viewer, levels="avg1 avg4 avg400 sim")
        panel = make_train()
        pick(panel.options.task, "jdsr")
        for level in (Level.AVG1, Level.AVG4):
            assert panel.bar.action.isEnabled()
            panel.advanced.levels[level].setText("0")
            panel.advanced.levels[level].editingFinished.emit()
        assert [panel.advanced.levels[level].text() for level in (Level.AVG1, Level.AVG4)] == ["0", "0"]
        assert not panel.bar.action.isEnabled()
        assert said(panel).startswith("All levels have the weight 0")
        pick(panel.options.task, "sr")
        assert panel.bar.action.isEnabled()

    def test_layers_that_cannot_be_ticked_say_why_in_sight(self, make_train: MakeTrain, viewer: ViewerModel):
        viewer.add_image(np.zeros((EDGE, EDGE)), name="grey")
        panel = make_train()
        for learn in (Learn.LAYERS, Learn.IMAGES):
            panel.source.kinds[learn].click()
            page = panel.source.layers if learn is Learn.LAYERS else panel.source.images
            assert not visible(panel, page.unusable)
        viewer.add_image(np.zeros((EDGE, EDGE, 3), np.uint8), name="photo", rgb=True)
        for learn in (Learn.LAYERS, Learn.IMAGES):
            panel.source.kinds[learn].click()
            page = panel.source.layers if learn is Learn.LAYERS else panel.source.images
            assert visible(panel, page.unusable)
            assert page.unusable.text().startswith("photo is an RGB image, and the models take one channel.")
        viewer.layers.remove("photo")
        assert not visible(panel, panel.source.images.unusable)

    def test_a_folder_is_looked_at_in_a_thread(self, make_train: MakeTrain, qtbot: QtBot):
        threads = []

        def look(root: str) -> FolderReport:
            threads.append(threading.get_ident())
            levels = frozenset({"avg1", "avg400", "sim"})
            return FolderReport(root, {(fov, channel): levels for fov in (1, 2) for channel in (0, 1)})

        panel = make_train(look=look, choose=lambda _parent, _before: "/data/w2s")
        qtbot.mouseClick(panel.source.folder.choose, Qt.MouseButton.LeftButton)
        assert said(panel) == "Looking at /data/w2s …"
        qtbot.waitUntil(panel.bar.action.isEnabled)
        assert panel.bar.action.full_text().startswith("Train on 2 fields × 2 channels")
        assert threading.get_ident() not in threads
        panel.source.folder.fovs.setText("1")
        panel.source.folder.fovs.editingFinished.emit()
        panel.source.folder.channels[0].setChecked(False)
        assert panel.bar.action.full_text().startswith("Train on 1 field,")
        assert "one field of view only" in panel.bar.warning.text.text()
        assert visible(panel, panel.bar.warning)

    def test_what_was_set_is_remembered(self, make_train: MakeTrain):
        store = MemoryStore()
        panel = make_train(store=store)
        panel.advanced.patch.setValue(64)
        panel.advanced_fold.toggled.emit(True)
        again = make_train(store=store)
        assert (again.state.patch, again.state.show_advanced) == (64, True)
        assert again.advanced.patch.value() == 64

    def test_tab_goes_down_the_panel(self, make_train: MakeTrain, viewer: ViewerModel):
        add_w2s(viewer)
        panel = make_train()
        order = [panel.nextInFocusChain()]
        while order[-1] is not panel:
            order.append(order[-1].nextInFocusChain())
        boxes = list(panel.source.layers.noisy.boxes().values())
        expected = [
            *(panel.source.kinds[Learn.W2S], *boxes, panel.source.layers.clean, panel.options.task),
            *(panel.options.network, panel.options.time, panel.advanced.patch, panel.progress.preview),
            *(panel.result.name, panel.result.use, panel.bar.action, panel.bar.pause, panel.bar.stop),
        ]
        assert [widget for widget in order if widget in expected] == expected


class TestTraining:
    def test_reports_become_curves_and_words(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit(gated=True)
        panel = make_train(fit)
        begin(panel, qtbot)
        fit.allow(3)
        qtbot.waitUntil(lambda: panel.runner.status.step == 3)
        assert panel.bar.progress.format() == "step 3 of 4, 0:01 left"
        assert panel.progress.best.text() == "Best 32.0 dB at step 2"
        assert panel.progress.curves.accessibleDescription() == "loss 0.3333, sim 32 dB"
        assert visible(panel, panel.progress.curves)
        assert not visible(panel, panel.source)
        assert not panel.choices.isEnabled()
        assert not visible(panel, panel.bar.action)
        fit.allow()
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert said(panel) == "All steps were done."
        assert threading.get_ident() not in fit.threads
        assert visible(panel, panel.result)
        assert panel.bar.action.isEnabled()

    def test_doubts_are_put_to_the_user_once(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit()
        panel = make_train(fit)
        panel.train()
        qtbot.waitUntil(phase(panel, TrainPhase.ASKING), timeout=20_000)
        assert fit.calls == []
        assert "SIM image and widefield image" in panel.bar.warning.text.text()
        assert panel.bar.action.full_text() == "Train anyway"
        qtbot.mouseClick(panel.bar.stop, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert "no model to keep" in said(panel)
        assert not visible(panel, panel.result)
        train(panel, qtbot)
        assert len(fit.calls) == 1
        panel.train()
        qtbot.waitUntil(lambda: len(fit.calls) == 2, timeout=20_000)
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))

    def test_pausing_resuming_and_stopping(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit(steps=1000, gated=True)
        panel = make_train(fit)
        begin(panel, qtbot)
        fit.allow(2)
        qtbot.waitUntil(lambda: panel.runner.status.step == 2)
        qtbot.mouseClick(panel.bar.pause, Qt.MouseButton.LeftButton)
        assert fit.resting.wait(10)
        assert panel.bar.pause.text() == "Resume"
        assert said(panel).startswith("Paused")
        fit.allow(1)
        qtbot.mouseClick(panel.bar.pause, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: panel.runner.status.step == 3)
        assert panel.bar.pause.text() == "Pause"
        qtbot.mouseClick(panel.bar.stop, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert said(panel) == "Stopped by you."
        assert visible(panel, panel.result)

    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            (FinishReason.DIVERGED, "The loss was no longer a number."),
            (FinishReason.DISK_FULL, "The checkpoint could not be written."),
        ],
    )
    def test_every_ending_has_its_own_words(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot, reason: FinishReason, words: str
    ):
        add_w2s(viewer)
        panel = make_train(FakeFit(ending=TrainingResult(reason, 3, 4, None, message=words)))
        train(panel, qtbot)
        assert said(panel) == words
        # There is no model to use.
        assert not visible(panel, panel.result)

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (InputError("cells is too small. Take larger ones."), "cells is too small. Take larger ones."),
            (RuntimeError("no such kernel"), "The training failed: no such kernel."),
            (RuntimeError("CUDA out of memory"), "smaller patch"),
        ],
        ids=["input", "unknown", "memory"],
    )
    def test_errors_are_words(
        self,
        make_train: MakeTrain,
        viewer: ViewerModel,
        qtbot: QtBot,
        error: Exception,
        words: str,
        caplog: pytest.LogCaptureFixture,
    ):
        add_w2s(viewer)
        panel = make_train(FakeFit(fail=error))
        train(panel, qtbot)
        assert words in said(panel)
        assert "Traceback" not in said(panel)
        assert panel.bar.action.isEnabled()
        assert not visible(panel, panel.bar.progress)

    def test_a_layer_that_is_gone_by_now_is_told(self, make_train: MakeTrain, viewer: ViewerModel):
        add_w2s(viewer)
        panel = make_train()
        choice = panel.plan.choice
        assert choice is not None
        viewer.layers.clear()
        with pytest.raises(InputError, match="gone"):
            panel.runner.start(choice, show_preview=True)
        assert not panel.runner.status.busy

    def test_notes_stay_in_sight(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        panel = make_train(FakeFit(notes=("The batch was halved.",)))
        train(panel, qtbot)
        assert "The batch was halved." in panel.bar.warning.text.text()

    def test_what_was_said_of_a_run_goes_with_its_set_up(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot
    ):
        add_w2s(viewer)
        panel = make_train(FakeFit(notes=("The batch was halved.",)))
        train(panel, qtbot)
        panel.state.show_advanced = True
        panel.progress.preview.click()
        assert said(panel) == "All steps were done."
        pick(panel.options.time, "long")
        assert said(panel) == ""
        assert not visible(panel, panel.bar.warning)
        # What came of it can still be used.
        assert visible(panel, panel.result)
        assert panel.progress.best.text() == "Best 34.0 dB at step 4"

    def test_what_was_said_of_a_failure_goes_with_the_layers(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot
    ):
        add_w2s(viewer)
        panel = make_train(FakeFit(fail=InputError("cells is too small.")))
        train(panel, qtbot)
        assert said(panel) == "cells is too small."
        viewer.layers[0].name = "other"
        assert said(panel) == "cells is too small."
        viewer.layers.remove("ch0 avg400")
        assert said(panel) == ""
        viewer.layers.clear()
        assert said(panel) == "Choose the folder of the W2S benchmark, or another source."

    def test_a_run_that_goes_on_is_not_dismissed(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit(gated=True, notes=("The batch was halved.",))
        panel = make_train(fit)
        begin(panel, qtbot)
        fit.allow(1)
        qtbot.waitUntil(lambda: panel.runner.status.step == 1)
        viewer.layers.remove("ch0 avg400")
        assert "The batch was halved." in panel.bar.warning.text.text()
        fit.allow()
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert said(panel) == "All steps were done."

    def test_pixels_that_are_changed_meanwhile_are_not_learned_from(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot
    ):
        add_w2s(viewer)
        before = viewer.layers["ch0 avg1"].data.copy()
        fit = FakeFit(gated=True)
        panel = make_train(fit)
        begin(panel, qtbot)
        assert fit.running.wait(10)
        viewer.layers["ch0 avg1"].data[:] = 0
        fit.allow()
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        _, _, given = fit.calls[0]
        for one in (*given["train"], *given["validation"]):
            np.testing.assert_array_equal(one.inputs["avg1"], before[int(one.name[:3]) - 1])

    def test_what_is_in_a_file_is_not_copied(self, make_train: MakeTrain, viewer: ViewerModel, tmp_path: Path):
        np.save(tmp_path / "a.npy", np.zeros((3, EDGE, EDGE), np.uint8))
        mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
        for data in (mapped, np.asarray(mapped)[1:], da.zeros((3, EDGE, EDGE), chunks=EDGE)):
            snapshot = bridge.snapshot_of(viewer.add_image(data, contrast_limits=(0, 1)))
            assert bridge.frozen(snapshot) is snapshot
        own = bridge.snapshot_of(viewer.add_image(np.eye(EDGE)))
        assert not np.shares_memory(bridge.frozen(own).image.data, own.image.data)
        assert bridge.frozen(own).frame == own.frame

    def test_no_memory_for_a_copy_is_told(
        self, make_train: MakeTrain, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
    ):
        class Huge(np.ndarray):
            def copy(self, *_: Any, **__: Any) -> Any:
                raise MemoryError

        own = bridge.snapshot_of(viewer.add_image(np.eye(EDGE), name="cells"))
        huge = replace(own, image=own.image.replace(data=own.image.data.view(Huge)))
        with pytest.raises(InputError, match=r"no memory for a copy of cells \(0\.0 GiB\)\. Crop it"):
            bridge.frozen(huge)

    def test_a_second_run_begins_anew(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit()
        panel = make_train(fit)
        train(panel, qtbot)
        first = panel.runner.folder
        train(panel, qtbot)
        assert panel.runner.folder != first
        assert panel.runner.curves.loss.steps == [1, 2, 3, 4]
        assert names(viewer).count("training input") == 1


class TestPreview:
    def test_it_lies_side_by_side_and_fills_in_place(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit(gated=True)
        panel = make_train(fit)
        viewer.scene.camera.center = (0, 0.5, 0.75)
        viewer.scene.camera.zoom = 300.0
        viewer.layers.selection = {viewer.layers[0]}
        viewer.dims.set_point(0, 1)

        def state() -> Any:
            return (
                names(viewer)[:3],
                [layer.visible for layer in viewer.layers[:3]],
                [layer.contrast_limits for layer in viewer.layers[:3]],
                set(viewer.layers.selection),
                viewer.dims.point,
                viewer.scene.camera.center,
                viewer.scene.camera.zoom,
            )

        before = state()
        begin(panel, qtbot)
        qtbot.waitUntil(lambda: len(previews(viewer)) == 3)
        assert state() == before
        noisy, answer, target = previews(viewer)
        assert [layer.name for layer in previews(viewer)] == NAMES
        # The answer has twice the pixels, each half as large: the patches are of one size and in one line.
        assert (noisy.data.shape, answer.data.shape) == ((8, 8), (16, 16))
        np.testing.assert_allclose(noisy.scale, (0.064, 0.064))
        np.testing.assert_allclose(answer.scale, (0.032, 0.032))
        corners = [layer.data_to_world((-0.5, -0.5)) for layer in (noisy, answer, target)]
        assert {round(float(y), 6) for y, _ in corners} == {round(float(corners[0][0]), 6)}
        lefts = [float(x) for _, x in corners]
        assert lefts[0] + 8 * 0.064 < lefts[1] < lefts[1] + 8 * 0.064 < lefts[2]
        middle = np.mean([noisy.data_to_world((-0.5, -0.5)), target.data_to_world((15.5, 15.5))], axis=0)
        np.testing.assert_allclose(middle, (0.5, 0.75))
        limits = answer.contrast_limits
        assert limits == target.contrast_limits
        assert limits[1] > limits[0]

        pixels = answer.data
        answer.visible = False
        target.contrast_limits = (0, 9)
        fit.allow(2)
        qtbot.waitUntil(lambda: bool((answer.data == 2).all()))
        assert answer.data is pixels
        assert (answer.visible, tuple(target.contrast_limits), answer.contrast_limits) == (False, (0, 9), limits)
        assert state() == before
        fit.allow()
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert bool((answer.data == 4).all())

    def test_it_is_no_image_of_the_users(
        self, make_train: MakeTrain, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        add_w2s(viewer)
        panel, restore = make_train(), make_panel()
        rows = [row.name for row in restore.plan.layers]
        train(panel, qtbot)
        assert len(previews(viewer)) == 3
        assert [row.name for row in restore.plan.layers] == rows
        assert [row.name for row in panel.plan.noisy] == rows

    def test_what_the_user_deletes_stays_deleted(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit(gated=True)
        panel = make_train(fit)
        begin(panel, qtbot)
        qtbot.waitUntil(lambda: len(previews(viewer)) == 3)
        viewer.layers.remove(previews(viewer)[0])
        fit.allow()
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert [layer.name for layer in previews(viewer)] == NAMES[1:]

    def test_it_is_shown_if_the_user_wants_it(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit(gated=True)
        panel = make_train(fit, store=MemoryStore(show_preview=False))
        begin(panel, qtbot)
        fit.allow(1)
        qtbot.waitUntil(lambda: panel.runner.status.step == 1)
        assert previews(viewer) == []
        assert not panel.progress.fit.isEnabled()
        panel.progress.preview.setChecked(True)
        assert len(previews(viewer)) == 3
        panel.progress.preview.setChecked(False)
        assert previews(viewer) == []
        fit.allow()
        qtbot.waitUntil(phase(panel, TrainPhase.IDLE))
        assert previews(viewer) == []

    def test_zooming_to_it_is_for_the_asking(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        panel = make_train()
        train(panel, qtbot)
        viewer.scene.camera.center = (0, 99.0, 99.0)
        qtbot.mouseClick(panel.progress.fit, Qt.MouseButton.LeftButton)
        _, answer, _ = previews(viewer)
        middle = answer.data_to_world((7.5, 7.5))
        np.testing.assert_allclose(viewer.scene.camera.center[1:], middle)
        width = viewer.canvas.size[1]
        across = (3 + 2 * 0.06) * 8 * 0.064 * viewer.scene.camera.zoom
        assert across == pytest.approx(0.95 * width)

    def test_without_a_target_there_are_two_layers(self, viewer: ViewerModel):
        preview = TrainPreview(viewer)
        noisy = np.arange(16, dtype=np.float32).reshape(4, 4)
        preview.show(PreviewReport(0, "a", noisy, {"denoised": noisy * 0}, {}))
        assert names(viewer) == NAMES[:2]
        assert viewer.layers[1].contrast_limits == viewer.layers[0].contrast_limits
        # In an empty viewer it is all that there is to see.
        np.testing.assert_allclose(viewer.layers[0].data_to_world((-0.5, -0.5)), (0, 0))


class TestUsing:
    def test_the_restore_panel_lists_it_and_takes_it_at_once(
        self, make_train: MakeTrain, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        add_w2s(viewer)
        models = SharedModels(FakeRegistry({"my-model-1": "here"}))
        panel, restore = make_train(models=models), make_panel(models=models)
        assert restore.plan.model != "my-model-1"
        train(panel, qtbot)
        assert panel.result.name.text() == "my-model-1"
        qtbot.mouseClick(panel.result.use, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: restore.plan.model == "my-model-1")
        assert restore.plan.task is Task.JDSR
        assert "my-model-1" in [restore.card.model.itemData(i) for i in range(restore.card.model.count())]
        qtbot.waitUntil(lambda: panel.result.use.text() == "In use")
        assert not panel.result.use.isEnabled()
        assert "Licence: BSD-3-Clause" in panel.result.card.text()
        # The next model has another name, and this one can be gone on from.
        assert panel.plan.choice is not None
        assert panel.plan.choice.name == "my-model-2"

    def test_a_name_that_cannot_be_is_refused_with_a_reason(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot
    ):
        add_w2s(viewer)
        given = []

        def install(path: Path, name: str, task: Task) -> Installed:
            given.append((path.name, name, task))
            return fake_install(path, name, task)

        panel = make_train(install=install)
        train(panel, qtbot)
        for name, words in (("net-avg1", "already"), ("My Model", "lower-case"), ("", "Give the model a name")):
            panel.result.name.setText(name)
            panel.result.name.textEdited.emit(name)
            assert words in panel.result.problem.text()
            assert not panel.result.use.isEnabled()
        panel.result.name.setText("cells-1")
        panel.result.name.textEdited.emit("cells-1")
        assert panel.result.use.isEnabled()
        panel.result.name.returnPressed.emit()
        qtbot.waitUntil(lambda: panel.result.use.text() == "In use")
        assert given == [("best.safetensors", "cells-1", Task.JDSR)]

    def test_an_error_is_told_and_it_can_be_tried_again(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)

        def install(path: Path, name: str, task: Task) -> Installed:
            raise OutputError("The disk is full. Free space.")

        panel = make_train(install=install)
        train(panel, qtbot)
        panel.use()
        qtbot.waitUntil(lambda: panel.result.problem.text() == "The disk is full. Free space.")
        assert visible(panel, panel.result.problem)
        assert panel.result.use.isEnabled()


class TestClosing:
    def running(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot, **options: Any) -> Any:
        add_w2s(viewer)
        fit = FakeFit(steps=1000, gated=True)
        panel = make_train(fit, **options)
        begin(panel, qtbot)
        assert fit.running.wait(20)
        fit.allow(2)
        qtbot.waitUntil(lambda: panel.runner.status.step == 2)
        return panel, fit

    def docked(self, panel: TrainWidget, qtbot: QtBot) -> tuple[QMainWindow, QDockWidget]:
        window = QMainWindow()
        qtbot.addWidget(window)
        dock = QDockWidget(window)
        dock.setWidget(panel)
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        window.show()
        return window, dock

    @pytest.mark.parametrize("which", [0, 1], ids=["window", "dock"])
    def test_closing_asks_and_stops_only_if_it_may(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot, which: int
    ):
        answers = [False, True]
        add_w2s(viewer)
        fit = FakeFit(steps=1000, gated=True)
        panel = make_train(fit, ask=lambda _: answers.pop(0))
        widgets = self.docked(panel, qtbot)
        begin(panel, qtbot)
        fit.allow(2)
        qtbot.waitUntil(lambda: panel.runner.status.step == 2)
        assert not widgets[which].close()
        assert widgets[which].isVisible()
        assert panel.runner.status.phase is TrainPhase.TRAINING
        assert widgets[which].close()
        assert answers == []
        assert fit.left.is_set()
        assert panel.runner.status.result is not None
        assert panel.runner.status.result.model is not None
        # Nothing goes on any more, so nothing is asked.
        widgets[1 - which].close()

    def test_the_button_that_takes_the_panel_away_asks_too(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot
    ):
        answers = [False, True]
        add_w2s(viewer)
        fit = FakeFit(steps=1000, gated=True)
        panel = make_train(fit, ask=lambda _: answers.pop(0))
        _, dock = self.docked(panel, qtbot)
        button = QPushButton("x", dock)
        button.setObjectName("QTitleBarCloseButton")
        button.show()
        clicked = []
        button.clicked.connect(lambda: clicked.append(True))
        begin(panel, qtbot)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert (clicked, panel.runner.status.busy) == ([], True)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert (clicked, panel.runner.status.busy) == ([True], False)

    def test_escape_asks(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        asked = []
        panel, _ = self.running(make_train, viewer, qtbot, ask=lambda _: bool(asked.append(1)))
        qtbot.keyClick(panel, Qt.Key.Key_Escape)
        assert asked == [1]
        assert panel.runner.status.busy

    def test_a_panel_that_is_taken_away_stops_and_tidies(
        self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot
    ):
        panel, fit = self.running(make_train, viewer, qtbot)
        home = QWidget()
        qtbot.addWidget(home)
        panel.setParent(home)
        panel.setParent(None)
        assert fit.left.is_set()
        assert names(viewer) == ["ch0 avg1", "ch0 avg400", "ch0 sim"]
        # The dead panel does not follow the viewer any more.
        viewer.layers.clear()
        assert panel.plan.noisy != ()

    def test_destroying_the_panel_waits_for_the_thread(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        panel, fit = self.running(make_train, viewer, qtbot)
        home = QWidget()
        panel.setParent(home)
        gone = []
        panel.destroyed.connect(lambda: gone.append(fit.left.is_set()))
        home.deleteLater()
        qtbot.waitUntil(lambda: bool(gone))
        assert gone == [True]
        viewer.layers.clear()

    def test_closing_while_it_waits_for_an_answer(self, make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
        add_w2s(viewer)
        fit = FakeFit()
        panel = make_train(fit)
        panel.train()
        qtbot.waitUntil(phase(panel, TrainPhase.ASKING), timeout=20_000)
        panel.close_down()
        assert not panel.runner.status.busy
        assert fit.calls == []


def test_panels_share_the_models_of_the_session_and_find_new_ones(monkeypatch: pytest.MonkeyPatch):
    registry = FakeRegistry()
    monkeypatch.setattr("napari_w2s.models.builtin.default_registry", lambda: registry)
    defaults._session_models.cache_clear()
    try:
        models = defaults.models()
        assert "mine" not in models.registry
        registry.register(descriptor("mine"))  # Trained on the command line, say.
        assert defaults.models() is models
        assert "mine" in models.registry
    finally:
        defaults._session_models.cache_clear()


def test_the_plots_follow_the_theme(make_train: MakeTrain, viewer: ViewerModel, qtbot: QtBot):
    add_w2s(viewer)
    panel = make_train()
    train(panel, qtbot)

    def colours() -> list[str]:
        plot = panel.progress.curves.loss
        return [
            plot.backgroundBrush().color().name(),
            plot.getAxis("left").textPen().color().name(),
            plot.listDataItems()[-1].opts["pen"].color().name(),
            panel.bar.action.styleSheet(),
        ]

    viewer.theme = "dark"
    QCoreApplication.sendEvent(panel, QEvent(QEvent.Type.StyleChange))
    dark = colours()
    viewer.theme = "light"
    QCoreApplication.sendEvent(panel, QEvent(QEvent.Type.StyleChange))
    assert all(one != other for one, other in zip(dark, colours(), strict=True))
    for theme in ("dark", "light"):
        shades = palette(theme)
        assert all(contrast(shades.background, shade) >= 3 for shade in (shades.text, *shades.curves))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.001, 10, [0.001, 0.01, 0.1, 1, 10]), (0.05, 0.5, [0.1, 0.2, 0.5]), (0.051, 0.058, None)],
)
def test_a_logarithmic_axis_has_round_numbers(low: float, high: float, expected: list[float] | None):
    ticks = [10**t for t in log_ticks(math.log10(low * 0.999), math.log10(high * 1.001))]
    if expected is None:
        assert len(ticks) >= 3
        assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)
    else:
        np.testing.assert_allclose([t for t in ticks if any(math.isclose(t, e) for e in expected)], expected)


@pytest.mark.parametrize("high", [0.051, 0.058, 0.11, 0.5, 3.0, 1e4, 1e12])
def test_marks_of_the_loss_axis_leave_room_for_their_words(make_train: MakeTrain, high: float):
    axis = make_train().progress.curves.loss.getAxis("left")
    low, top = math.log10(0.05), math.log10(high)
    for size in (20.0, 60.0, 104.0):
        ((_, ticks),) = axis.tickValues(low, top, size)
        assert ticks
        assert (np.diff(ticks) * size / (top - low) >= QFontMetrics(QFont()).height()).all()


def test_a_smooth_curve_begins_where_it_begins_and_follows():
    assert smooth([]) == []
    assert smooth([3.0, 3.0, 3.0]) == [3.0, 3.0, 3.0]
    noisy = [1 + (-1) ** i * 0.5 for i in range(400)]
    assert all(abs(value - 1) < 0.1 for value in smooth(noisy)[50:])
