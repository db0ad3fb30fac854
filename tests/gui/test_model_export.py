"""A model that is given away from the Restore panel: the button, the dialog, and one that is really written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog, QWidget
from w2s_package import frame
from w2s_panel import FakeRegistry, FakeRestore, MakePanel, descriptor
from w2s_trained import save_small
from w2s_window import wait

from napari_w2s import predict
from napari_w2s._types import OutputError
from napari_w2s.app.exchange import extras
from napari_w2s.app.exchange.check import Agreement
from napari_w2s.app.exchange.export import ExchangeFormat, Exported
from napari_w2s.app.exchange.graph import run_onnx
from napari_w2s.gui.model_export import ask_for_file
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import WeightsPlace, WeightsSource
from napari_w2s.models.trained import install

OWN = WeightsSource(path="own", sha256=None, licence="BSD-3-Clause", place=WeightsPlace.LOCAL)


class Models(FakeRegistry):
    """The usual ones, which are no networks, and one that is."""

    def __init__(self) -> None:
        super().__init__()
        self.register(descriptor("net", weights=OWN))


class FakeExport:
    """Writes nothing, when it is let through."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.go = threading.Event()
        self.calls: list[tuple[Any, ...]] = []
        self.options: dict[str, Any] = {}
        self.thread = 0

    def __call__(
        self, registry: Any, name: str, path: Path, kind: ExchangeFormat, *, say: Callable[[str], None], **options: Any
    ) -> Exported:
        self.calls.append((name, path, kind))
        self.options, self.thread = options, threading.get_ident()
        say("Writing the graph …")
        assert self.go.wait(30)
        say("Checking it …")
        if self.error is not None:
            raise self.error
        return Exported(path, Agreement(1e-4, 1e-6, 2))


MakeExporting = Callable[..., RestoreWidget]


@pytest.fixture
def make_exporting(make_panel: MakePanel, viewer: ViewerModel) -> MakeExporting:
    """Make a panel with an image, a network chosen, and a file that is answered."""
    viewer.add_image(np.ones((16, 12)), name="cells")

    def make(export: Any = None, path: str = "/tmp/net.zip", **options: Any) -> RestoreWidget:
        given = {"registry": Models(), "ask_file": lambda _parent, _name: (path, True), **options}
        panel = make_panel(FakeRestore(gated=True), **given, **({} if export is None else {"export": export}))
        panel.state.model = "net"
        return panel

    return make


def said(panel: RestoreWidget) -> str:
    return panel.advanced.export.message.text()


def is_done(panel: RestoreWidget) -> Callable[[], bool]:
    return lambda: not panel.exports.busy


class TestButton:
    def test_the_model_is_written_in_a_thread_and_the_row_says_how_it_goes(
        self, make_exporting: MakeExporting, qtbot: QtBot
    ):
        fake = FakeExport()
        panel = make_exporting(fake)
        panel.state.weights, panel.state.intensity_range = "own.safetensors", (0.0, 255.0)
        button = panel.advanced.export.button
        assert "NET" in button.toolTip()
        button.click()
        assert said(panel) == "Loading the model …"
        assert not button.isEnabled()
        assert "Wait until" in button.toolTip()
        wait(qtbot, lambda: said(panel) == "Writing the graph …")
        button.click()
        fake.go.set()
        wait(qtbot, is_done(panel))
        assert said(panel).startswith("Saved net.zip. Checked: ")
        assert fake.calls == [("net", Path("/tmp/net.zip"), ExchangeFormat.BIOIMAGEIO)]
        assert fake.options == {"weights": "own.safetensors", "intensity_range": (0.0, 255.0), "overwrite": True}
        assert fake.thread != threading.get_ident()
        assert button.isEnabled()
        panel.state.model = None
        assert said(panel) == ""

    @pytest.mark.parametrize("suffix", [".onnx", ".ONNX"])
    def test_the_name_says_what_is_written(self, make_exporting: MakeExporting, qtbot: QtBot, suffix: str):
        fake = FakeExport()
        fake.go.set()
        panel = make_exporting(fake, f"/tmp/net{suffix}")
        panel.advanced.export.button.click()
        wait(qtbot, is_done(panel))
        assert fake.calls[0][2] is ExchangeFormat.ONNX

    def test_no_file_is_no_export(self, make_exporting: MakeExporting):
        fake = FakeExport()
        panel = make_exporting(fake, "")
        panel.advanced.export.button.click()
        assert not panel.exports.busy
        assert (fake.calls, said(panel)) == ([], "")

    def test_a_file_of_another_kind_is_refused(self, make_exporting: MakeExporting):
        fake = FakeExport()
        panel = make_exporting(fake, "/tmp/net.pt")
        panel.advanced.export.button.click()
        assert said(panel) == "net.pt must end in .zip or .onnx. Choose another name."
        assert fake.calls == []

    def test_what_is_no_network_cannot_be_exported(self, make_exporting: MakeExporting):
        panel = make_exporting(FakeExport())
        panel.state.model = "any"
        assert not panel.advanced.export.button.isEnabled()
        assert "method without trained weights" in panel.advanced.export.button.toolTip()

    def test_not_while_images_are_restored(self, make_exporting: MakeExporting, qtbot: QtBot):
        panel = make_exporting(FakeExport())
        panel.run()
        assert not panel.advanced.export.button.isEnabled()
        panel.runner.cancel()
        wait(qtbot, lambda: not panel.runner.status.busy)
        assert panel.advanced.export.button.isEnabled()

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (OutputError("net.zip could not be written: disk full."), "net.zip could not be written: disk full."),
            (KeyError("odd"), "The model could not be exported: 'odd'. Napari's log has the details."),
        ],
    )
    def test_what_goes_wrong_is_said(self, make_exporting: MakeExporting, qtbot: QtBot, error: Exception, words: str):
        fake = FakeExport(error)
        fake.go.set()
        panel = make_exporting(fake)
        panel.advanced.export.button.click()
        wait(qtbot, is_done(panel))
        assert said(panel) == words
        assert panel.advanced.export.button.isEnabled()

    def test_what_is_not_installed_is_said_with_the_way_to_install_it(
        self, make_exporting: MakeExporting, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setitem(extras._NEEDED, "bioimageio", ("not_there_at_all",))
        panel = make_exporting()
        panel.advanced.export.button.click()
        wait(qtbot, is_done(panel))
        assert 'pip install "napari-w2s[bioimageio]"' in said(panel)

    def test_closing_the_panel_ends_it(self, make_exporting: MakeExporting, qtbot: QtBot):
        fake = FakeExport()
        panel = make_exporting(fake)
        panel.advanced.export.button.click()
        wait(qtbot, lambda: bool(fake.calls))
        fake.go.set()
        panel.close_down()
        assert not panel.exports.busy
        assert not said(panel).startswith("Saved")


class TestDialog:
    @pytest.mark.parametrize(
        ("chosen", "kind", "expected"),
        [
            ("/tmp/a.zip", 0, ("/tmp/a.zip", True)),
            ("/tmp/a.onnx", 0, ("/tmp/a.onnx", True)),
            ("/tmp/a.v2", 1, ("/tmp/a.v2.onnx", False)),
            ("", 0, ("", False)),
        ],
    )
    def test_the_name_has_a_suffix_and_is_replaced_only_if_that_was_asked(
        self, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, chosen: str, kind: int, expected: tuple[str, bool]
    ):
        parent = QWidget()
        qtbot.addWidget(parent)
        suffixes = []

        def execute(dialog: QFileDialog) -> int:
            assert len(dialog.nameFilters()) == 2
            assert dialog.selectedFiles()[0].endswith("net.zip")
            dialog.selectNameFilter(dialog.nameFilters()[kind])
            dialog.filterSelected.emit(dialog.nameFilters()[kind])
            suffixes.append(dialog.defaultSuffix())
            return bool(chosen)

        monkeypatch.setattr(QFileDialog, "exec", execute)
        real = QFileDialog.selectedFiles
        monkeypatch.setattr(QFileDialog, "selectedFiles", lambda dialog: [chosen] if suffixes else real(dialog))
        assert ask_for_file(parent, "net") == expected
        assert suffixes == [("zip", "onnx")[kind]]


def test_a_trained_network_is_really_written(
    make_exporting: MakeExporting, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NAPARI_W2S_MODELS", str(tmp_path / "models"))
    install(save_small(tmp_path / "runs"))
    registry = default_registry()
    panel = make_exporting(path=str(tmp_path / "mine.onnx"), registry=registry)
    panel.state.model = "mine"
    panel.advanced.export.button.click()
    qtbot.waitUntil(is_done(panel), timeout=120_000)
    assert said(panel).startswith("Saved mine.onnx. Checked: largest difference on 2 images")
    result = run_onnx((tmp_path / "mine.onnx").read_bytes(), frame())
    expected = predict(registry.load("mine"), frame(), device="cpu")
    np.testing.assert_allclose(result, expected, atol=1e-3 * np.ptp(expected))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.onnx", "models", "runs"]
