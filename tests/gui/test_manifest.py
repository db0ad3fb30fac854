"""The manifest: complete, importable, and at one with the code that it names."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

import napari_w2s
from napari_w2s._types import Task
from napari_w2s.app.comparing.state import CompareState
from napari_w2s.app.settings import NON_FINITE_POLICIES, PRECISIONS
from napari_w2s.app.state import PERSISTENT, RestoreState
from napari_w2s.app.training import state as train_state
from napari_w2s.app.training.state import TrainState
from napari_w2s.gui.settings import PluginStore
from napari_w2s.training.presets import NETWORK_SIZES, PRESETS

PATH = Path(napari_w2s.__file__).with_name("napari.yaml")


@pytest.fixture
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PATH)


@pytest.fixture
def registered(plugin_settings: None, npe2pm: Any, manifest: PluginManifest) -> None:
    """Napari knows this plugin and no other, and keeps settings in the test's own folder."""
    npe2pm.register(manifest)


def test_every_command_can_be_imported(manifest: PluginManifest):
    manifest.validate_imports()
    commands = manifest.contributions.commands or []
    assert {c.id for c in commands} == {c.id for c in commands if c.python_name}


def test_every_command_is_used_and_every_use_has_a_command(manifest: PluginManifest):
    given = manifest.contributions
    used = [c.command for c in (*given.readers, *given.writers, *given.widgets, *given.sample_data)]
    assert sorted(used) == sorted(c.id for c in given.commands)
    assert {item.command for items in given.menus.values() for item in items} <= set(used)


def test_restore_and_train_are_in_the_filter_menu(manifest: PluginManifest):
    items = [item.command for item in manifest.contributions.menus["napari/layers/filter"]]
    assert items == ["napari-w2s.restore", "napari-w2s.train"]


def test_readers_claim_folders_and_no_more_files_than_they_know(manifest: PluginManifest):
    (reader,) = manifest.contributions.readers
    assert reader.accepts_directories
    claimed = ["W2S/001_0.png", "avg1/120_2.npy", "Image001/wf_channel0.npy", "sim_128_64.h5", "a.tif", "b.ome.tiff"]
    foreign = ["photo.png", "array.npy", "notes.txt", "movie.mp4", "1_0.png"]
    matched = [name for name in claimed + foreign if any(fnmatch(name, p) for p in reader.filename_patterns)]
    assert matched == claimed


@pytest.mark.parametrize("module", ["reader", "writer", "samples"])
def test_commands_cost_no_torch(module: str):
    code = f"import sys, napari_w2s.gui.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_opening_the_panel_costs_no_torch():
    code = "import sys, napari_w2s.gui.restore_widget; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_opening_the_train_panel_costs_no_torch():
    code = "import sys, napari_w2s.gui.training.widget; print({'torch', 'lightning'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_configured_defaults_of_training_are_those_of_the_code(manifest: PluginManifest):
    properties = manifest.contributions.configurations["train"].properties
    assert {name: p.default for name, p in properties.items()} == TrainState().persistent()
    assert set(properties) == set(train_state.PERSISTENT)
    assert tuple(properties["size"].enum) == tuple(NETWORK_SIZES)
    assert tuple(properties["preset"].enum) == tuple(PRESETS)
    assert tuple(properties["loss"].enum) == train_state.LOSSES
    edges = TrainState()
    for name in ("patch", "batch", "validation_percent"):
        for value in (properties[name].minimum, properties[name].maximum):
            edges.recall({name: value})
            assert getattr(edges, name) == value


def test_configured_defaults_are_those_of_the_code(manifest: PluginManifest):
    properties = manifest.contributions.configurations["restore"].properties
    assert {name: p.default for name, p in properties.items()} == RestoreState().persistent()
    assert set(properties) == set(PERSISTENT)
    assert properties["task"].enum == [str(task) for task in Task]
    assert tuple(properties["precision"].enum) == PRECISIONS
    assert tuple(properties["non_finite"].enum) == NON_FINITE_POLICIES


@pytest.mark.usefixtures("registered")
def test_settings_outlive_the_session(tmp_path: Path):
    state = RestoreState()
    state.device, state.tile, state.show_advanced = "cpu", 128, True
    PluginStore("restore").save(state.persistent())
    saved = (tmp_path / "napari-w2s.yaml").read_text()
    assert "tile: 128" in saved
    get_plugin_settings().clear()  # As a new session would begin.
    again = RestoreState()
    again.recall(PluginStore("restore").load())
    assert again == state


@pytest.mark.usefixtures("registered")
def test_a_width_that_is_no_whole_number_outlives_the_session():
    state = CompareState(width_um=0.25)
    PluginStore("compare").save(state.persistent())
    get_plugin_settings().clear()
    again = CompareState()
    again.recall(PluginStore("compare").load())
    assert again == state


@pytest.mark.usefixtures("registered")
def test_settings_follow_the_preferences_dialog():
    get_plugin_settings("napari-w2s").restore.device = "mps"
    assert PluginStore("restore").load()["device"] == "mps"


@pytest.mark.usefixtures("plugin_settings")
def test_without_a_registered_plugin_settings_last_for_the_session():
    store = PluginStore("restore")
    assert store.load() == {}
    store.save({"tile": 3})
    assert store.load() == {"tile": 3}


def test_python_names_point_into_the_gui(manifest: PluginManifest):
    for command in manifest.contributions.commands or []:
        module, _, name = str(command.python_name).partition(":")
        assert module.startswith("napari_w2s.gui.")
        assert callable(getattr(import_module(module), name))
