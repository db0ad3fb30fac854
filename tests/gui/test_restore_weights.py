"""Weights that the user brings, in the Restore panel: chosen, forgotten, and run."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox
from w2s_panel import FakeRegistry, FakeRestore, MakePanel, MemoryStore, descriptor

from napari_w2s._types import Task
from napari_w2s.app.state import FinishReason
from napari_w2s.gui import defaults, restore_weights
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import save
from napari_w2s.models.descriptor import WeightsPlace, WeightsSource


def pick(combo: QComboBox, value: str) -> None:
    """Choose an entry as a user does."""
    combo.setCurrentIndex(combo.findData(value))
    combo.activated.emit(combo.currentIndex())


def answer(monkeypatch: pytest.MonkeyPatch, *, file: str = "", folder: str = "") -> list[str]:
    """Answer the dialogs, and note where they began."""
    began: list[str] = []

    class Dialog:
        @staticmethod
        def getOpenFileName(_parent: Any, _title: str, before: str, _filter: str) -> tuple[str, str]:  # noqa: N802
            began.append(before)
            return file, ""

        @staticmethod
        def getExistingDirectory(_parent: Any, _title: str, before: str) -> str:  # noqa: N802
            began.append(before)
            return folder

    monkeypatch.setattr(restore_weights, "QFileDialog", Dialog)
    return began


def enter(panel: RestoreWidget, text: str) -> None:
    """Type a path."""
    panel.advanced.weights.path.setText(text)
    panel.advanced.weights.path.editingFinished.emit()


class Models(FakeRegistry):
    """The usual ones, and one of each kind that takes weights."""

    def __init__(self) -> None:
        super().__init__({"raw": "train your own"})
        own = WeightsSource(path="net_data/own", sha256=None, licence="theirs", place=WeightsPlace.OWN)
        self.register(descriptor("raw", weights=own))
        self.register(descriptor("other", weights=own))


@pytest.fixture
def panel(make_panel: MakePanel, viewer: ViewerModel) -> RestoreWidget:
    """A panel with an image, and a model that has no weights chosen."""
    viewer.add_image(np.ones((16, 12)), name="cells", metadata={"w2s": {"source": "cells.tif"}})
    made = make_panel(registry=Models(), store=MemoryStore())
    pick(made.card.model, "raw")
    return made


class TestRow:
    def test_without_weights_nothing_can_be_run_and_the_message_says_what_to_do(self, panel: RestoreWidget):
        assert panel.card.model.currentText() == "RAW – no weights yet"
        assert panel.card.model.findData("raw") == panel.card.model.count() - 1
        assert not panel.bar.action.isEnabled()
        assert not panel.bar.preview.isEnabled()
        assert "RAW has no weights yet" in panel.bar.message.text()
        assert "choose a file of weights under Advanced" in panel.bar.message.text()
        assert panel.advanced.weights.path.placeholderText() == "None yet"
        # A command would fail for the same reason.
        assert not panel.bar.command.isEnabled()
        assert panel.bar.command.toolTip() == panel.bar.message.text()

    def test_a_path_can_be_typed_and_forgotten(self, panel: RestoreWidget, qtbot: QtBot):
        row = panel.advanced.weights
        assert not row.clear.isEnabled()
        enter(panel, "/data/best.pth")
        assert panel.state.weights == "/data/best.pth"
        assert panel.bar.action.isEnabled()
        assert "weights from best.pth" in panel.card.text.text()
        assert row.path.toolTip().startswith("/data/best.pth\n")
        words = shlex.split(panel.command())
        assert words[words.index("--weights") + 1] == "/data/best.pth"
        qtbot.mouseClick(row.clear, Qt.MouseButton.LeftButton)
        assert (panel.state.weights, row.path.text()) == (None, "")
        assert not panel.bar.action.isEnabled()
        assert panel.command() == ""

    def test_a_file_or_a_folder_can_be_chosen(self, panel: RestoreWidget, monkeypatch: pytest.MonkeyPatch):
        row = panel.advanced.weights
        began = answer(monkeypatch, file="/data/best.safetensors", folder="/data/net_data")
        row.file.trigger()
        assert panel.state.weights == row.path.text() == "/data/best.safetensors"
        row.folder.trigger()
        assert panel.state.weights == row.path.text() == "/data/net_data"
        assert began == ["", "/data/best.safetensors"]
        answer(monkeypatch)
        row.file.trigger()
        row.folder.trigger()
        assert panel.state.weights == "/data/net_data"

    def test_they_belong_to_the_chosen_model(self, panel: RestoreWidget):
        enter(panel, "best.pth")
        pick(panel.card.model, "raw")
        assert panel.state.weights == "best.pth"
        pick(panel.card.model, "other")
        assert (panel.state.weights, panel.advanced.weights.path.text()) == (None, "")
        enter(panel, "best.pth")
        pick(panel.card.task, "sr")
        assert panel.state.weights is None

    def test_a_model_that_was_suggested_keeps_them(self, make_panel: MakePanel, viewer: ViewerModel):
        viewer.add_image(np.ones((16, 12)), name="cells")
        models = Models()
        models.places = {"any": "missing", "net-avg1": "missing", "net-avg4": "missing", "raw": "missing"}
        panel = make_panel(registry=models)
        assert (panel.state.model, panel.plan.model) == (None, "other")
        enter(panel, "best.pth")
        # Another one would be suggested now.
        models.places = {}
        panel._on_models()
        assert (panel.plan.model, panel.state.weights) == ("other", "best.pth")

    def test_a_method_takes_none(self, panel: RestoreWidget):
        enter(panel, "best.pth")
        pick(panel.card.model, "any")
        row = panel.advanced.weights
        assert not row.path.isEnabled()
        assert not row.choose.isEnabled()
        assert row.path.toolTip() == "ANY takes no weights."
        assert row.path.placeholderText() == "None needed"
        assert panel.bar.action.isEnabled()

    def test_they_are_not_kept_for_the_next_session(self, make_panel: MakePanel, viewer: ViewerModel):
        viewer.add_image(np.ones((16, 12)), name="cells")
        store = MemoryStore()
        panel = make_panel(registry=Models(), store=store)
        pick(panel.card.model, "raw")
        enter(panel, "best.pth")
        panel.state.flips = True
        assert "weights" not in store.values
        assert store.values["flips"] is True

    def test_they_reach_the_run(self, make_panel: MakePanel, viewer: ViewerModel, qtbot: QtBot):
        viewer.add_image(np.ones((16, 12)), name="cells")
        fake = FakeRestore()
        panel = make_panel(fake, registry=Models())
        pick(panel.card.model, "raw")
        enter(panel, "best.pth")
        panel.run()
        qtbot.waitUntil(lambda: not panel.runner.status.busy)
        assert fake.calls[0][1].weights == "best.pth"


@pytest.fixture
def real(make_panel: MakePanel, viewer: ViewerModel) -> RestoreWidget:
    """A panel with the package's models and nothing faked, and a super-resolution network without weights chosen."""
    noisy = np.random.default_rng(0).poisson(40, (20, 24)).astype(np.uint16)
    viewer.add_image(noisy, name="cells")
    registry = default_registry()
    panel = make_panel(
        defaults.restore,
        load=partial(defaults.load, registry),
        registry=registry,
        devices=lambda: ("cpu",),
    )
    panel.state.device = "cpu"
    pick(panel.card.task, "sr")
    pick(panel.card.model, "rdn-light")
    return panel


def run(panel: RestoreWidget, qtbot: QtBot) -> None:
    panel.run()
    qtbot.waitUntil(lambda: not panel.runner.status.busy, timeout=60_000)


class TestRealNetwork:
    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("denoise_first", [False, True], ids=["alone", "chain"])
    def test_an_image_is_restored_with_a_file_of_weights(
        self, real: RestoreWidget, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path, suffix: str, denoise_first: bool
    ):
        rdn = ARCHITECTURES["rdn"]
        state = rdn.create(**rdn.light).state_dict()
        file = tmp_path / f"rdn{suffix}"
        if suffix == ".pth":
            torch.save(state, file)
        else:
            save(file, state, make_card(default_registry().descriptor("rdn-light")))
        assert not real.bar.action.isEnabled()
        assert "RDN light has no weights yet: train it in the Train panel" in real.bar.message.text()
        real.card.denoise_first.setChecked(denoise_first)
        enter(real, str(file))
        assert real.bar.action.isEnabled()
        run(real, qtbot)
        assert real.runner.status.finish is FinishReason.DONE, real.bar.message.text()
        result = viewer.layers[-1]
        assert result.data.shape == (40, 48)
        assert np.isfinite(result.data).all()
        made = result.metadata["w2s"]["restoration"]
        assert made["settings"]["weights"] == str(file)
        names = [model["name"] for model in made["models"]]
        assert names == (["w2s-denoise", "rdn-light"] if denoise_first else ["rdn-light"])

    @pytest.mark.parametrize("content", ["junk", "none", "foreign"])
    def test_a_bad_file_is_named_and_leaves_nothing(
        self, real: RestoreWidget, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path, content: str
    ):
        file = tmp_path / "bad.pth"
        if content == "junk":
            file.write_bytes(b"no weights at all")
        elif content == "foreign":
            torch.save(torch.nn.Linear(2, 2).state_dict(), file)
        enter(real, str(file))
        run(real, qtbot)
        assert real.runner.status.finish is FinishReason.FAILED
        assert "bad.pth" in real.bar.message.text()
        assert [layer.name for layer in viewer.layers] == ["cells"]
        # It can be mended at once.
        assert real.bar.action.isEnabled()

    def test_of_the_packages_models_the_trainable_ones_are_listed_last(self, real: RestoreWidget):
        real.state.model = None
        for task in Task:
            real.state.task = task
            lacking = [choice.name for choice in real.plan.models if choice.mark]
            assert lacking
            assert [choice.name for choice in real.plan.models][-len(lacking) :] == lacking
            assert real.plan.model not in lacking
