"""The Restore panel over a viewer without a window, with a restoration that stops where a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget
from w2s_panel import FakeRegistry, FakeRestore, MakePanel, MemoryStore, fake_report

from napari_w2s._types import InputError, Level, Task, WeightsError
from napari_w2s.app.state import BusyError, FinishReason, RunState
from napari_w2s.data.image import Image
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.gui.samples import PLACEHOLDER_KEY


def add(viewer: ViewerModel, name: str = "cells", shape: tuple[int, ...] = (16, 12), **options: Any) -> ImageLayer:
    data = options.pop("data", None)
    if data is None:
        data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return viewer.add_image(data, name=name, **options)


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def is_idle(panel: RestoreWidget) -> Callable[[], bool]:
    return lambda: not panel.runner.status.busy


def is_measured(panel: RestoreWidget) -> Callable[[], bool]:
    return lambda: all(c.report is not None for c in panel.candidates if c.id in panel.plan.chosen)


def restore(panel: RestoreWidget, qtbot: QtBot) -> None:
    qtbot.waitUntil(is_measured(panel))
    panel.run()
    qtbot.waitUntil(is_idle(panel))


def said(panel: RestoreWidget) -> str:
    return panel.bar.message.text()


class TestLayers:
    def test_an_empty_viewer_is_told_what_to_do(self, make_panel: MakePanel):
        panel = make_panel()
        assert not panel.bar.action.isEnabled()
        assert not panel.bar.preview.isEnabled()
        assert "drop an image" in said(panel)
        assert panel.bar.action.toolTip() == said(panel)

    def test_the_list_follows_the_viewer(self, make_panel: MakePanel, viewer: ViewerModel):
        def shown() -> list[str]:
            return [row.name for row in panel.plan.layers]

        first = add(viewer, "first")
        panel = make_panel()
        second = add(viewer, "second")
        assert shown() == ["second", "first"]
        assert list(panel.layers.boxes()) == [str(second.unique_id), str(first.unique_id)]
        first.name = "renamed"
        assert shown() == ["second", "renamed"]
        viewer.layers.move(0, 2)
        assert shown() == ["renamed", "second"]
        viewer.layers.remove(first)
        assert shown() == ["second"]

    def test_layers_of_the_same_name_are_told_apart(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layers = [add(viewer, "a"), add(viewer, "b", data=np.full((4, 4), 7.0))]
        layers[0].name = layers[1].name = "same"
        panel = make_panel()
        panel.state.layers = (str(layers[1].unique_id),)
        restore(panel, qtbot)
        assert viewer.layers[-1].data.tolist() == np.full((4, 4), 14.0).tolist()

    def test_selected_layers_are_ticked_and_a_first_drop_too(self, make_panel: MakePanel, viewer: ViewerModel):
        panel = make_panel()
        first = add(viewer, "first")
        add(viewer, "second")
        assert panel.plan.chosen == (str(first.unique_id),)
        viewer.layers.selection = set(viewer.layers)
        assert len(make_panel().plan.chosen) == 2

    def test_what_is_on_screen_is_preferred(self, make_panel: MakePanel, viewer: ViewerModel):
        shown = add(viewer, "shown")
        add(viewer, "hidden", visible=False)
        assert make_panel().plan.chosen == (str(shown.unique_id),)
        viewer.layers.clear()
        panel = make_panel()
        add(viewer, "hidden", visible=False)
        assert panel.plan.chosen == ()
        shown = add(viewer, "shown")
        assert panel.plan.chosen == (str(shown.unique_id),)

    def test_a_download_under_way_is_not_restored(self, make_panel: MakePanel, viewer: ViewerModel):
        panel = make_panel()
        placeholder = add(viewer, "field 1", metadata={PLACEHOLDER_KEY: "token"})
        assert "field 1 is being downloaded" in said(panel)
        arrived = add(viewer, "001 ch0 avg1")
        viewer.layers.remove(placeholder)
        assert panel.plan.chosen == (str(arrived.unique_id),)

    def test_ticks_change_what_is_restored(self, make_panel: MakePanel, viewer: ViewerModel):
        first, second = add(viewer, "first"), add(viewer, "second")
        panel = make_panel()
        boxes = panel.layers.boxes()
        boxes[str(first.unique_id)].setChecked(True)
        assert "2 layers" in panel.bar.action.full_text()
        boxes[str(first.unique_id)].setChecked(False)
        boxes[str(second.unique_id)].setChecked(False)
        assert not panel.bar.action.isEnabled()
        assert "Tick a layer" in said(panel)

    def test_what_cannot_be_restored_says_why(self, make_panel: MakePanel, viewer: ViewerModel):
        layer = viewer.add_image(np.zeros((8, 8, 3)), name="photo", rgb=True)
        panel = make_panel()
        box = panel.layers.boxes()[str(layer.unique_id)]
        assert not box.isEnabled()
        assert "photo is an RGB image" in box.toolTip()
        assert said(panel) == box.toolTip()
        assert not panel.bar.action.isEnabled()
        panel.run()
        assert names(viewer) == ["photo"]

    def test_one_that_cannot_be_restored_does_not_hide_one_that_can(self, make_panel: MakePanel, viewer: ViewerModel):
        good = add(viewer)
        viewer.add_image(np.zeros((8, 8, 3)), name="photo", rgb=True)
        panel = make_panel()
        assert panel.plan.chosen == (str(good.unique_id),)
        assert panel.bar.action.isEnabled()

    # Napari divides by the size of an empty layer.
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_an_empty_layer_says_why(self, make_panel: MakePanel, viewer: ViewerModel):
        viewer.add_image(np.zeros((0, 8, 8)), name="odd", contrast_limits=(0, 1))
        panel = make_panel()
        assert said(panel).startswith("odd has no pixels (shape 0 × 8 × 8)")

    def test_other_kinds_of_layers_are_not_offered(self, make_panel: MakePanel, viewer: ViewerModel):
        viewer.add_labels(np.zeros((8, 8), int))
        viewer.add_points(np.zeros((3, 2)))
        panel = make_panel()
        assert panel.plan.layers == ()
        assert "no image layer" in said(panel)


class TestReportAndModels:
    def test_the_image_is_described(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer, shape=(2, 16, 12), axis_labels=("c", "y", "x"))
        panel = make_panel()
        assert "Looking" in panel.report.text()
        qtbot.waitUntil(is_measured(panel))
        assert panel.report.text() == "16 × 12, 2 channels, looks like avg1 (gain 0.04, read noise 1.1)"

    def test_a_stale_description_is_dropped(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        gate = threading.Event()

        def describe(image: Image) -> Any:
            old = bool(np.asarray(image.data).max() == 0)
            if old:
                gate.wait(10)
            return fake_report(image, Level.AVG1 if old else Level.AVG4)

        layer = add(viewer, data=np.zeros((8, 8)))
        panel = make_panel(describe=describe)
        layer.data = np.ones((8, 8))
        gate.set()
        qtbot.waitUntil(is_measured(panel))
        assert "avg4" in panel.report.text()

    def test_an_image_that_cannot_be_measured_can_be_restored(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot, caplog: pytest.LogCaptureFixture
    ):
        def describe(image: Image) -> Any:
            raise OSError(f"{image.name} cannot be read")

        add(viewer)
        panel = make_panel(describe=describe)
        qtbot.waitUntil(is_measured(panel))
        assert panel.report.text() == "16 × 12, 1 channel"
        assert "cannot be read" in caplog.text
        restore(panel, qtbot)
        assert panel.runner.status.finish is FinishReason.DONE

    def test_the_model_for_the_noise_is_suggested(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer)
        panel = make_panel(describe=lambda image: fake_report(image, Level.AVG4))
        qtbot.waitUntil(is_measured(panel))
        assert panel.card.model.currentText() == "★ NET-AVG4"
        assert panel.card.model.count() == 3
        assert panel.bar.action.full_text() == "Restore 1 layer with NET-AVG4"
        assert "★ suggested" in panel.card.text.text()
        assert "Is net-avg4." in panel.card.text.text()
        assert "BSD-3-Clause" in panel.card.text.text()

    def test_a_choice_stays_and_says_when_it_does_not_match(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        add(viewer)
        panel = make_panel(registry=FakeRegistry({"net-avg4": "on demand"}))
        qtbot.waitUntil(is_measured(panel))
        panel.card.model.setCurrentIndex(panel.card.model.findData("net-avg4"))
        panel.card.model.activated.emit(panel.card.model.currentIndex())
        assert panel.plan.model == "net-avg4"
        assert "cells looks like avg1" in panel.card.text.text()
        assert "downloads its weights" in panel.card.text.text()

    def test_a_denoiser_can_go_before_super_resolution(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer, scale=(2.0, 3.0), translate=(5.0, 7.0))
        fake = FakeRestore(scale=2)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        assert not panel.card.denoise_first.isVisibleTo(panel)
        panel.card.task.setCurrentIndex(panel.card.task.findData("sr"))
        panel.card.task.activated.emit(panel.card.task.currentIndex())
        assert panel.plan.settings is not None
        assert panel.plan.settings.models == ("twice",)
        panel.card.denoise_first.setChecked(True)
        restore(panel, qtbot)
        assert fake.calls[0][1].models == ("net-avg1", "twice")
        result = viewer.layers[-1]
        assert result.name.startswith("cells | NET-AVG1 → TWICE")
        assert "estimate" in result.name
        assert result.data.shape == (32, 24)
        corners = np.add(layer.extent.world, [[-0.5, -0.75], [0.5, 0.75]])
        np.testing.assert_allclose(result.extent.world, corners)

    def test_tab_goes_from_the_layers_down(self, make_panel: MakePanel, viewer: ViewerModel):
        add(viewer)
        panel = make_panel(FakeRestore())
        add(viewer)
        order = [panel.nextInFocusChain()]
        while order[-1] is not panel:
            order.append(order[-1].nextInFocusChain())
        expected = [*panel.layers.boxes().values(), panel.card.task, panel.card.model, panel.bar.preview]
        assert len(expected) == 5
        assert [widget for widget in order if widget in expected] == expected

    def test_only_tasks_with_models_are_offered(self, make_panel: MakePanel):
        panel = make_panel()
        assert [panel.card.task.itemData(i) for i in range(panel.card.task.count())] == ["denoise", "sr"]


class TestResults:
    def test_a_result_has_its_place_and_provenance(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(
            viewer,
            shape=(2, 16, 12),
            scale=(1.0, 0.064, 0.064),
            translate=(0.0, 1.0, 2.0),
            units=("pixel", "um", "um"),
            axis_labels=("c", "y", "x"),
            colormap="cyan",
            contrast_limits=(3, 50),
            metadata={"mine": 1, "w2s": {"level": "avg1"}},
        )
        panel = make_panel()
        restore(panel, qtbot)
        result = viewer.layers[-1]
        assert result.name == "cells | NET-AVG1"
        np.testing.assert_array_equal(result.data, layer.data * 2)
        assert result.data.dtype == np.float32
        for name in ("scale", "translate"):
            np.testing.assert_array_equal(getattr(result, name), getattr(layer, name))
        assert result.units == layer.units
        assert result.axis_labels == layer.axis_labels
        assert result.colormap.name == "cyan"
        assert result.contrast_limits == [3, 50]
        assert result.metadata["mine"] == 1
        assert result.metadata["w2s"]["restoration"] == {"models": ["net-avg1"]}
        assert "restoration" not in layer.metadata["w2s"]
        assert said(panel).startswith("Restored 1 layer in")

    def test_a_turned_layer_is_overlaid_exactly(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer, scale=(2.0, 3.0), translate=(5.0, 7.0), rotate=30, shear=[0.2], affine=np.diag([2, 3, 1]))
        panel = make_panel(FakeRestore(scale=2))
        panel.state.task = Task.SR
        restore(panel, qtbot)
        result = viewer.layers[-1]
        # The corner of the image, half a pixel before the centre of the first one.
        np.testing.assert_allclose(result.data_to_world((-0.5, -0.5)), layer.data_to_world((-0.5, -0.5)))
        np.testing.assert_allclose(result.data_to_world((31.5, 23.5)), layer.data_to_world((15.5, 11.5)))

    def test_nothing_else_changes(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        below, source = (
            add(viewer, "below", shape=(5, 20, 20)),
            add(viewer, "cells", shape=(5, 16, 12), blending="additive"),
        )
        below.visible = False
        viewer.dims.set_point(0, 3)
        viewer.scene.camera.zoom = 7.5
        viewer.scene.camera.center = (0, 4, 5)
        viewer.layers.selection = {below}

        def state() -> tuple[Any, ...]:
            return (
                names(viewer)[:2],
                viewer.dims.point,
                viewer.scene.camera.zoom,
                viewer.scene.camera.center,
                set(viewer.layers.selection),
                [(la.visible, la.contrast_limits, la.opacity, la.blending, la.colormap.name) for la in (below, source)],
            )

        panel = make_panel()
        panel.state.layers = (str(source.unique_id),)
        before = state()
        qtbot.waitUntil(is_measured(panel))
        panel.preview()
        qtbot.waitUntil(is_idle(panel))
        assert state() == before
        restore(panel, qtbot)
        assert state() == before

    def test_many_layers_keep_their_order(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        for name in ("a", "b", "c"):
            add(viewer, name, blending="additive")
        viewer.layers.selection = set(viewer.layers)
        panel = make_panel()
        restore(panel, qtbot)
        assert names(viewer)[3:] == [f"{name} | NET-AVG1" for name in "abc"]
        # The lowest result covers the sources, so that the sum of the results is not added to theirs.
        assert [layer.blending for layer in viewer.layers[3:]] == ["translucent_no_depth", "additive", "additive"]
        assert said(panel).startswith("Restored 3 layers in")

    @pytest.mark.parametrize(
        "data",
        [
            np.ones((1, 1)),
            np.ones((1, 9), bool),
            np.arange(12, dtype=">u2").reshape(3, 4),
            np.array([[1.0, np.nan], [np.inf, 2.0]]),
            np.ones((2, 3, 4, 5), np.int8)[:, ::-1],
        ],
        ids=["one pixel", "bool", "big-endian", "nan", "strided"],
    )
    def test_odd_images(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot, data: npt.NDArray[Any]):
        add(viewer, data=data, contrast_limits=(0, 1))
        panel = make_panel()
        restore(panel, qtbot)
        assert panel.runner.status.finish is FinishReason.DONE
        np.testing.assert_array_equal(viewer.layers[-1].data, data.astype(np.float32) * 2)

    def test_of_a_multiscale_layer_the_finest_level_is_taken(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        full = np.arange(256.0).reshape(16, 16)
        viewer.add_image([full, full[::2, ::2]], name="cells", multiscale=True)
        panel = make_panel()
        restore(panel, qtbot)
        np.testing.assert_array_equal(viewer.layers[-1].data, full * 2)

    def test_too_large_a_result_is_refused(
        self, make_panel: MakePanel, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
    ):
        import dask.array as da

        monkeypatch.setattr("napari_w2s.engine.device.available_memory", lambda: 2**30)
        viewer.add_image(da.zeros((400, 1024, 1024), chunks=(1, -1, -1)), name="huge", contrast_limits=(0, 1))
        panel = make_panel()
        panel.run()
        assert names(viewer) == ["huge"]
        assert "1.6 GiB" in said(panel)
        assert "command line" in said(panel)
        assert not panel.runner.status.busy


class TestRunning:
    def test_the_result_fills_as_tiles_arrive(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        result = viewer.layers[-1]
        assert result is not layer
        assert np.isnan(result.data).all()
        assert str(result.unique_id) not in [row.id for row in panel.plan.layers]
        with qtbot.waitSignal(panel.bar.progress.valueChanged):
            fake.allow(1)
        qtbot.waitUntil(lambda: panel.bar.progress.format().startswith("25 %"))
        np.testing.assert_array_equal(result.data[:4], layer.data[:4] * 2)
        assert np.isnan(result.data[4:]).all()
        assert said(panel) == "Restoring cells …"
        fake.allow()
        qtbot.waitUntil(is_idle(panel))
        assert not panel.bar.progress.isVisibleTo(panel)
        assert fake.threads != {threading.get_ident()}

    def test_cancelling_leaves_no_half_layer(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        qtbot.mouseClick(panel.bar.action, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: panel.runner.status.message == "Restoring cells …")
        assert panel.bar.action.text() == "Cancel"
        assert not panel.bar.preview.isEnabled()
        qtbot.mouseClick(panel.bar.action, Qt.MouseButton.LeftButton)
        assert panel.runner.status.state is RunState.CANCELLING
        assert not panel.bar.action.isEnabled()
        qtbot.waitUntil(is_idle(panel))
        assert panel.runner.status.finish is FinishReason.CANCELLED
        assert said(panel) == "Cancelled. Nothing was kept."
        assert names(viewer) == ["cells"]
        assert panel.bar.action.full_text().startswith("Restore 1 layer")

    def test_cancelling_keeps_what_was_done(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        for name in ("a", "b"):
            add(viewer, name)
        viewer.layers.selection = set(viewer.layers)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        fake.allow(5)
        qtbot.waitUntil(lambda: "b (2 of 2)" in panel.runner.status.message)
        panel.runner.cancel()
        qtbot.waitUntil(is_idle(panel))
        assert said(panel) == "Cancelled. Kept 1 of 2 layers."
        assert names(viewer) == ["a", "b", "a | NET-AVG1"]

    def test_a_second_run_is_refused(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        with pytest.raises(BusyError, match="going on"):
            panel.runner.restore([layer], panel.plan)
        panel.run()
        panel.preview()
        fake.allow()
        qtbot.waitUntil(is_idle(panel))
        assert len(fake.calls) == 1
        assert len(viewer.layers) == 2

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (RuntimeError("CUDA error: device-side assert triggered"), "device-side assert"),
            (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "smaller tile"),
            (MemoryError(), "smaller tile"),
            (WeightsError("D_1.pth is damaged. Download it again."), "D_1.pth is damaged"),
            (ZeroDivisionError(), "ZeroDivisionError"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_errors_reach_the_user(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot, error: Exception, words: str
    ):
        def fail(_: Image) -> None:
            raise error

        add(viewer)
        panel = make_panel(FakeRestore(fail=fail))
        restore(panel, qtbot)
        assert words in said(panel)
        assert "Traceback" not in said(panel)
        assert panel.runner.status.finish is FinishReason.FAILED
        assert not panel.bar.progress.isVisibleTo(panel)
        assert panel.bar.action.isEnabled()
        assert names(viewer) == ["cells"]

    def test_a_failing_load_reaches_the_user(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        def load(*_: Any, **__: Any) -> dict[str, Any]:
            raise RuntimeError("no such kernel")

        add(viewer)
        panel = make_panel(load=load)
        restore(panel, qtbot)
        assert "no such kernel" in said(panel)
        assert names(viewer) == ["cells"]

    def test_a_bad_layer_does_not_keep_the_others(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        def fail(image: Image) -> None:
            if image.name == "bad":
                raise InputError("bad is not good. Take another.")

        for name in ("bad", "good"):
            add(viewer, name)
        viewer.layers.selection = set(viewer.layers)
        panel = make_panel(FakeRestore(fail=fail))
        restore(panel, qtbot)
        assert names(viewer) == ["bad", "good", "good | NET-AVG1"]
        assert said(panel).startswith("Restored 1 of 2 layers in")
        assert said(panel).endswith("bad is not good. Take another.")

    def test_deleting_the_result_stops_its_restoration(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        fake.allow(1)
        qtbot.waitUntil(lambda: panel.runner.status.done > 0)
        viewer.layers.remove(viewer.layers[-1])
        qtbot.waitUntil(is_idle(panel))
        assert "was deleted" in said(panel)
        assert names(viewer) == ["cells"]

    def test_deleting_the_source_does_not(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        viewer.layers.remove(layer)
        fake.allow()
        qtbot.waitUntil(is_idle(panel))
        assert names(viewer) == ["cells | NET-AVG1"]
        assert panel.runner.status.finish is FinishReason.DONE

    def test_clearing_the_viewer_ends_the_run(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        for name in ("a", "b"):
            add(viewer, name)
        viewer.layers.selection = set(viewer.layers)
        panel = make_panel(FakeRestore(gated=True))
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        viewer.layers.clear()
        qtbot.waitUntil(is_idle(panel))
        assert "was deleted" in said(panel)

    def test_closing_the_panel_stops_and_tidies(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer)
        fake = FakeRestore(gated=True)
        home = QWidget()
        qtbot.addWidget(home)
        panel = make_panel(fake)
        panel.setParent(home)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        assert fake.running.wait(10)
        panel.setParent(None)
        assert fake.left.is_set()
        assert names(viewer) == ["cells"]
        # The dead panel does not follow the viewer any more.
        layer.name = "renamed"
        viewer.layers.remove(layer)
        assert [row.name for row in panel.plan.layers] == ["cells"]

    def test_destroying_the_panel_waits_for_the_thread(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        layer = add(viewer)
        fake = FakeRestore(gated=True)
        home = QWidget()
        panel = make_panel(fake)
        panel.setParent(home)
        qtbot.waitUntil(is_measured(panel))
        panel.run()
        assert fake.running.wait(10)
        gone = []
        panel.destroyed.connect(lambda: gone.append(fake.left.is_set()))
        home.deleteLater()
        qtbot.waitUntil(lambda: bool(gone))
        assert gone == [True]
        # Whatever still happens to the viewer finds no panel to crash in.
        layer.name = "renamed"
        viewer.layers.clear()


class TestPreview:
    def test_only_the_visible_part_of_the_slice_is_restored(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        layer = add(viewer, shape=(3, 100, 80), scale=(2.0, 0.5, 0.5), translate=(0.0, 10.0, 20.0))
        viewer.dims.set_point(0, 4.0)
        layer.corner_pixels = np.array([[0, 40, 10], [0, 59, 39]])
        fake = FakeRestore()
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.preview()
        qtbot.waitUntil(is_idle(panel))
        part, settings = fake.calls[0]
        seen = fake.options[0]["intensities"]
        # Radius 4 of the model around 20 x 30 pixels.
        assert part.data.shape == (1, 28, 38)
        assert settings.intensity_range is None
        assert (seen.low, seen.high) == (layer.data[2].min(), layer.data[2].max())
        assert (seen.mean, seen.std) == pytest.approx((layer.data[2].mean(), layer.data[2].std()))
        result = viewer.layers[-1]
        assert result.name == "cells | preview"
        np.testing.assert_array_equal(result.data, layer.data[2:3, 40:60, 10:40] * 2)
        np.testing.assert_allclose(result.translate, layer.data_to_world((2, 40, 10)))
        assert "20 × 30 pixels" in said(panel)
        assert [row.name for row in panel.plan.layers] == ["cells"]

    def test_there_is_one_preview_and_none_after_a_run(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer)
        panel = make_panel()
        qtbot.waitUntil(is_measured(panel))
        for _ in range(2):
            panel.preview()
            qtbot.waitUntil(is_idle(panel))
            assert names(viewer) == ["cells", "cells | preview"]
        restore(panel, qtbot)
        assert names(viewer) == ["cells", "cells | NET-AVG1"]
        panel.preview()
        qtbot.waitUntil(is_idle(panel))
        panel.close_down()
        assert names(viewer) == ["cells", "cells | NET-AVG1"]

    def test_a_wide_view_is_limited_to_its_middle(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer, data=np.zeros((2000, 1500), np.uint8), contrast_limits=(0, 255))
        fake = FakeRestore()
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        panel.preview()
        qtbot.waitUntil(is_idle(panel))
        result = viewer.layers[-1]
        assert result.data.shape == (512, 512)
        np.testing.assert_allclose(result.translate, [744, 494])
        assert (fake.options[0]["intensities"].low, fake.options[0]["intensities"].high) == (0, 255)

    def test_of_a_multiscale_layer_full_resolution_is_previewed(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        full = np.arange(64.0 * 64).reshape(64, 64)
        layer = viewer.add_image([full, full[::2, ::2]], name="cells", multiscale=True)
        layer.data_level = 1
        layer.corner_pixels = np.array([[4, 8], [11, 13]])
        panel = make_panel()
        qtbot.waitUntil(is_measured(panel))
        panel.preview()
        qtbot.waitUntil(is_idle(panel))
        np.testing.assert_array_equal(viewer.layers[-1].data, full[8:24, 16:28] * 2)
        np.testing.assert_allclose(viewer.layers[-1].translate, [8, 16])

    def test_a_view_from_the_side_is_told(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer, shape=(3, 10, 8))
        viewer.dims.ndisplay = 3
        panel = make_panel()
        qtbot.waitUntil(is_measured(panel))
        panel.preview()
        assert "2D" in said(panel)
        assert not panel.runner.status.busy

    def test_an_error_or_a_deleted_source_leaves_no_preview(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        def fail(_: Image) -> None:
            raise RuntimeError("broken")

        layer = add(viewer)
        panel = make_panel(FakeRestore(fail=fail))
        qtbot.waitUntil(is_measured(panel))
        panel.preview()
        qtbot.waitUntil(is_idle(panel))
        assert "broken" in said(panel)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        panel.preview()
        assert fake.running.wait(10)
        viewer.layers.remove(layer)
        fake.allow()
        qtbot.waitUntil(is_idle(panel))
        assert names(viewer) == []

    def test_keys(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer)
        fake = FakeRestore(gated=True)
        panel = make_panel(fake)
        qtbot.waitUntil(is_measured(panel))
        qtbot.keyClick(panel, Qt.Key.Key_Space)
        assert panel.runner.status.state is RunState.PREVIEWING
        qtbot.keyClick(panel, Qt.Key.Key_Escape)
        qtbot.waitUntil(is_idle(panel))
        assert said(panel) == "Preview cancelled."
        # A ticked box keeps the space bar to itself.
        box = next(iter(panel.layers.boxes().values()))
        qtbot.keyClick(box, Qt.Key.Key_Space)
        assert not box.isChecked()
        assert not panel.runner.status.busy


class TestCommandAndSettings:
    def test_the_command_names_the_file(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        add(viewer, metadata={"w2s": {"source": "/data/my cells.tif"}})
        panel = make_panel()
        qtbot.waitUntil(is_measured(panel))
        panel.state.device = "cpu"
        qtbot.mouseClick(panel.bar.command, Qt.MouseButton.LeftButton)
        copied = QGuiApplication.clipboard().text()
        assert copied == "napari-w2s restore '/data/my cells.tif' -m net-avg1 -o . --device cpu"
        assert "clipboard" in said(panel)

    def test_a_layer_without_a_file_has_none(self, make_panel: MakePanel, viewer: ViewerModel):
        add(viewer)
        panel = make_panel()
        assert panel.command() == ""
        assert not panel.bar.command.isEnabled()
        assert "save the layer" in panel.bar.command.toolTip()

    def test_advanced_settings_reach_the_run_and_are_remembered(
        self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot
    ):
        add(viewer)
        store = MemoryStore()
        fake = FakeRestore()
        panel = make_panel(fake, store=store)
        qtbot.waitUntil(lambda: panel.advanced.device.count() == 3)
        panel.advanced.device.setCurrentIndex(panel.advanced.device.findData("cuda:0"))
        panel.advanced.device.activated.emit(panel.advanced.device.currentIndex())
        panel.advanced.tile.setValue(96)
        panel.advanced.flips.click()
        panel.advanced.range.setCurrentIndex(1)
        panel.advanced.range.activated.emit(1)
        panel.advanced.low.setText("10")
        panel.advanced.high.setText("200.5")
        panel.advanced.high.editingFinished.emit()
        restore(panel, qtbot)
        settings = fake.calls[0][1]
        assert (settings.device, settings.tile, settings.intensity_range) == ("cuda:0", 96, (10.0, 200.5))
        assert settings.flips
        again = make_panel(store=store)
        assert (again.state.device, again.state.tile, again.state.intensity_range) == ("cuda:0", 96, None)
        assert again.advanced.device.currentData() == "cuda:0"
        assert again.advanced.flips.isChecked()

    def test_a_range_that_makes_no_sense_is_not_used(self, make_panel: MakePanel):
        panel = make_panel()
        panel.advanced.range.setCurrentIndex(1)
        panel.advanced.range.activated.emit(1)
        panel.advanced.low.setText("5")
        panel.advanced.high.setText("1")
        panel.advanced.high.editingFinished.emit()
        assert panel.state.intensity_range is None
