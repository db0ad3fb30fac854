"""A trained model among the user's: its name, its card in words, and the registry that all panels share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from w2s_panel import FakeRegistry, descriptor

from napari_w2s._types import InputError, Task, WeightsError
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.app.training.use import card_text, how_made, install_model, renamed
from napari_w2s.models.architectures import architecture
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import save
from napari_w2s.models.trained import models_folder

FACTS: dict[str, Any] = {
    "training": {
        "data": {
            "train": {"fields": 6, "groups": 2, "fovs": [2, 3]},
            "validation": {"fields": 3, "groups": 1, "fovs": [1]},
        },
        "step": 400,
        "seconds": 83.0,
        "device": "cpu",
    },
    "metrics": {"denoised_avg1": 38.0, "denoised_avg4": 39.0},
    "date": "2024-05-06",
    "versions": {"torch": "2.9"},
}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Save a tiny denoiser as training does."""
    method = architecture("dncnn")
    network = method.create(depth=3, width=4).eval()
    made = replace(descriptor("run", title="run", architecture="dncnn", receptive_field=7), build=method.build)
    return save(tmp_path / "best.safetensors", network.state_dict(), make_card(made, **FACTS))


def test_a_model_gets_its_place_and_the_name_that_was_chosen(trained: Path):
    installed = install_model(trained, "cells-1", Task.DENOISE)
    assert [d.name for d in installed.descriptors] == [installed.wanted] == ["cells-1"]
    assert [path.name for path in models_folder().iterdir()] == ["cells-1.safetensors"]
    registry = default_registry()
    assert registry.descriptor("cells-1").title == "cells-1"
    assert registry.available("cells-1") == "here"
    assert registry.load("cells-1").network is not None
    assert installed.card.startswith("cells-1\nLearned from 6 images (W2S 2-3), judged by 3 images (W2S 1).")
    assert how_made(registry.descriptor("cells-1")).splitlines() == installed.card.splitlines()[1:-1]
    # What was trained is as it was.
    assert default_registry().register_trained(trained)[0].name == "run"


def test_a_name_that_is_taken_is_refused(trained: Path):
    with pytest.raises(InputError, match="dncnn-avg1"):
        install_model(trained, "dncnn-avg1", Task.DENOISE)
    assert not models_folder().exists() or not list(models_folder().iterdir())


def test_weights_that_say_nothing_of_themselves_are_refused(tmp_path: Path):
    network = architecture("dncnn").create(depth=3, width=4)
    path = save(tmp_path / "bare.safetensors", network.state_dict(), {})
    with pytest.raises(WeightsError, match="no card"):
        install_model(path, "bare", Task.DENOISE)


def test_of_several_models_the_names_begin_alike():
    models = [{"name": f"run-{task}", "title": f"run ({task})"} for task in ("denoise", "jdsr")]
    card = renamed({"models": models, "date": "today"}, "cells")
    assert [entries["name"] for entries in card["models"]] == ["cells-denoise", "cells-jdsr"]
    assert [entries["title"] for entries in card["models"]] == ["cells (denoise)", "cells (jdsr)"]
    assert card["date"] == "today"
    # A title of its own is not that of another model's any more.
    assert renamed({"models": [{"name": "run", "title": "Lovely"}]}, "cells")["models"][0]["title"] == "cells"


def test_a_card_says_how_a_model_was_made():
    card = make_card(descriptor("run", title="Run"), **FACTS)
    assert card_text(card).splitlines() == [
        "Run",
        "Learned from 6 images (W2S 2-3), judged by 3 images (W2S 1).",
        "400 steps in 1:23 on cpu.",
        "Validation: denoised 38.5 dB.",
        "Made 2024-05-06 with torch 2.9.",
        "Licence: BSD-3-Clause",
    ]
    assert card_text(make_card(descriptor("run", title="Run"))) == "Run\nLicence: BSD-3-Clause"


def test_models_from_elsewhere_have_no_such_facts(trained: Path):
    assert how_made(descriptor("any")) == ""
    installed = install_model(trained, "cells-1", Task.DENOISE).descriptors[0]
    assert installed.weights is not None
    gone = replace(installed, weights=replace(installed.weights, path="/nowhere.safetensors"))
    assert how_made(gone) == ""


class TestSharedModels:
    def test_all_hear_of_a_new_model_and_of_one_to_use(self):
        models = SharedModels(FakeRegistry())
        heard: list[Any] = []
        models.changed.connect(lambda: heard.append(len(models.registry)))
        models.wanted.connect(heard.append)
        models.add([descriptor("mine")])
        models.use("mine")
        assert heard == [5, "mine"]
        with pytest.raises(InputError, match="already"):
            models.add([descriptor("mine")])
        with pytest.raises(InputError, match="no model"):
            models.use("yours")
        assert heard == [5, "mine"]

    def test_those_that_are_known_are_not_added_again(self):
        models = SharedModels(FakeRegistry())
        heard: list[int] = []
        models.changed.connect(lambda: heard.append(len(models.registry)))
        models.add_new([*FakeRegistry(), descriptor("mine")])
        models.add_new([descriptor("mine")])
        assert heard == [5]
