"""Sample data in a viewer: the simulated field at once, real ones through a download that never blocks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import imageio.v3 as iio
import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils import progress
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from w2s_server import FileServer, serving

from napari_w2s._types import Cancelled, DownloadError, InputError, Level, Progress
from napari_w2s.data import download, upstream
from napari_w2s.gui import samples
from napari_w2s.gui.samples import PLACEHOLDER_KEY, SampleDownload, real_fov, simulated_burst, simulated_fov


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(download.ROOT_VARIABLE, raising=False)
    monkeypatch.setenv(download.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> ViewerModel:
    """A viewer without a window, the current one as far as samples can tell."""
    model = ViewerModel()
    monkeypatch.setattr(napari, "current_viewer", lambda: model)
    return model


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What a user was told."""
    seen: list[str] = []

    def keep(notification: Any) -> None:
        seen.append(notification.message)

    notification_manager.notification_ready.connect(keep)
    yield seen
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Every file of FOV 001, in small, and a registry that names them."""
    files: dict[str, bytes] = {}
    for (channel, level), path in upstream.fov_paths(1).items():
        side = 32 if level is Level.SIM else 16
        pixels = np.random.default_rng(channel).integers(0, 255, (side, side), np.uint8)
        files[path] = iio.imwrite("<bytes>", pixels, extension=".png")
    hashes = MappingProxyType({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    monkeypatch.setattr(upstream, "registry", lambda: hashes)
    with serving() as running:
        running.files = files
        fetch_many = download.fetch_many
        monkeypatch.setattr(samples, "fetch_many", lambda paths, **how: fetch_many(paths, base_url=running.url, **how))
        yield running


def open_in(viewer: ViewerModel, data: list[Any]) -> list[Layer]:
    """Add layer data as napari does with what a sample returns."""
    layers = [Layer.create(*each) for each in data]
    viewer.layers.extend(layers)
    return layers


def start(viewer: ViewerModel, fetch_files: Callable[..., list[Path]]) -> SampleDownload:
    sample = SampleDownload(viewer, "W2S FOV 001", ["some/path"], fetch_files)
    sample.start()
    open_in(viewer, [sample.placeholder()])
    return sample


def has_ended(viewer: ViewerModel) -> bool:
    return not SampleDownload._running and not any(PLACEHOLDER_KEY in layer.metadata for layer in viewer.layers)


def test_simulated_field_makes_layers_that_overlay():
    data = simulated_fov()
    assert all(layer_type == "image" for _, _, layer_type in data)
    shown = [attributes["metadata"]["w2s"] for _, attributes, _ in data if attributes["visible"]]
    assert [(known["channel"], known["level"]) for known in shown] == [(0, "avg1"), (1, "avg1"), (2, "avg1")]
    levels = [attributes["metadata"]["w2s"]["level"] for _, attributes, _ in data]
    assert levels == ["sim"] * 3 + ["avg400"] * 3 + ["avg1"] * 3
    wide, sim = (Layer.create(*data[levels.index(level)]) for level in ("avg1", "sim"))
    assert (wide.data.shape, sim.data.shape) == ((512, 512), (1024, 1024))
    assert [str(unit) for unit in wide.units] == ["micrometer", "micrometer"]
    corners = [[layer.data_to_world((end, end)) for end in (-0.5, layer.data.shape[0] - 0.5)] for layer in (wide, sim)]
    np.testing.assert_allclose(corners[0], corners[1])


def test_a_simulated_burst_makes_frames_when_they_are_looked_at():
    ((data, attributes, _),) = simulated_burst()
    assert data.shape == (400, 512, 512)
    assert attributes["visible"]
    assert np.ptp(np.asarray(data[399])) > 0


@pytest.mark.usefixtures("viewer")
def test_files_that_are_here_open_at_once(server: FileServer):
    download.fetch_many(server.files, base_url=server.url)
    asked = len(server.requests)
    data = real_fov(1)
    assert len(data) == 21
    assert len(server.requests) == asked
    assert all(PLACEHOLDER_KEY not in attributes["metadata"] for _, attributes, _ in data)


def test_a_field_of_view_arrives_in_place_of_its_placeholder(
    server: FileServer, viewer: ViewerModel, qtbot: QtBot, messages: list[str]
):
    server.hold = threading.Event()
    data = real_fov(1)
    placeholder = open_in(viewer, data)[0]
    assert len(data) == 1
    assert placeholder in viewer.layers
    assert any("W2S FOV 001" in bar.desc for bar in progress._all_instances)
    server.hold.set()
    qtbot.waitUntil(lambda: has_ended(viewer), timeout=20_000)
    assert placeholder not in viewer.layers
    levels = [layer.metadata["w2s"]["level"] for layer in viewer.layers]
    assert sorted(levels) == sorted([*Level] * 3)
    assert not progress._all_instances
    assert messages == []


def test_removing_the_placeholder_cancels(server: FileServer, viewer: ViewerModel, qtbot: QtBot, messages: list[str]):
    server.hold = threading.Event()
    placeholder = open_in(viewer, real_fov(1))[0]
    qtbot.waitUntil(lambda: bool(server.requests), timeout=10_000)
    viewer.layers.remove(placeholder)
    server.hold.set()
    qtbot.waitUntil(lambda: has_ended(viewer), timeout=20_000)
    assert len(viewer.layers) == 0
    assert len(server.requests) < 21
    assert any("cancelled" in message for message in messages)
    assert not progress._all_instances


def test_removing_another_layer_does_not(viewer: ViewerModel, qtbot: QtBot):
    go_on = threading.Event()
    stopped: list[bool] = []

    def fetch_files(_paths: list[str], *, should_stop: Callable[[], bool], **_: Any) -> list[Path]:
        go_on.wait(20)
        stopped.append(should_stop())
        raise Cancelled("enough")

    start(viewer, fetch_files)
    other = viewer.add_image(np.zeros((4, 4)))
    viewer.layers.remove(other)
    go_on.set()
    qtbot.waitUntil(lambda: has_ended(viewer), timeout=10_000)
    assert stopped == [False]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DownloadError("no connection to example.org; check the network"), "no connection to example.org"),
        (RuntimeError("something odd"), "could not be opened: something odd"),
        (MemoryError("too big"), "could not be opened: too big"),
    ],
    ids=["network", "runtime", "memory"],
)
def test_failures_are_told_and_leave_nothing_behind(
    viewer: ViewerModel, qtbot: QtBot, messages: list[str], error: Exception, told: str
):
    def fetch_files(_paths: list[str], *, progress: Callable[[Progress], None], **_: Any) -> list[Path]:
        progress(Progress(1, 2))
        raise error

    start(viewer, fetch_files)
    qtbot.waitUntil(lambda: has_ended(viewer), timeout=10_000)
    assert len(viewer.layers) == 0
    assert any(told in message for message in messages)
    assert not progress._all_instances


@pytest.mark.usefixtures("server")
def test_no_network_is_told(viewer: ViewerModel, qtbot: QtBot, messages: list[str], monkeypatch: pytest.MonkeyPatch):
    fetch_many = download.fetch_many
    with serving() as gone:
        address = gone.url
    monkeypatch.setattr(samples, "fetch_many", lambda paths, **how: fetch_many(paths, base_url=address, **how))
    open_in(viewer, real_fov(1))
    qtbot.waitUntil(lambda: has_ended(viewer), timeout=10_000)
    assert any("no connection to 127.0.0.1" in message and "W2S_ROOT" in message for message in messages)


@pytest.mark.usefixtures("server")
def test_without_a_viewer_files_are_fetched_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    assert len(real_fov(1)) == 21


@pytest.mark.usefixtures("viewer")
def test_a_field_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="no FOV 500"):
        real_fov(500)
    assert not SampleDownload._running


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize(("sample", "fov"), [(samples.real_fov_001, 1), (samples.real_fov_050, 50)])
def test_real_samples_from_a_local_copy(
    sample: Callable[[], list[Any]], fov: int, w2s_root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(download.ROOT_VARIABLE, str(w2s_root))
    data = sample()
    assert len(data) == 21
    assert {attributes["metadata"]["w2s"]["fov"] for _, attributes, _ in data} == {fov}
