"""Weights that a user brings: what a panel says of a model without any, and which model of a chain a file is for."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from w2s_panel import descriptor

from napari_w2s._types import Level, Task, WeightsError
from napari_w2s.app.resolve import Candidate, RestorePlan, resolve
from napari_w2s.app.restore import load_pipeline
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import PERSISTENT, RestoreState
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.builtin import BUILTIN, default_registry
from napari_w2s.models.descriptor import RestorationModel, WeightsPlace, WeightsSource
from napari_w2s.models.registry import Registry

OWN = WeightsSource(path="net_data/own", sha256=None, licence="theirs", place=WeightsPlace.OWN)
MODELS = (
    descriptor("raw", weights=OWN),
    descriptor("smooth"),
    descriptor("rcan-light", Task.SR, scale=2, weights=OWN, receptive_field=9),
    descriptor("paper", Task.SR, scale=2, weights=OWN, receptive_field=99),
    descriptor("plain", Task.SR, scale=2, receptive_field=5),
    descriptor("gone", Task.SR, scale=2, weights=OWN),
    descriptor("mine", Task.SR, scale=2, weights=OWN, level=Level.AVG400),
)
PLACES = {
    "raw": "train your own",
    "smooth": "built in",
    "rcan-light": "train your own",
    "paper": "train your own",
    "plain": "built in",
    "gone": "missing",
    "mine": "here",
}


def plan_of(task: Task = Task.SR, **fields: Any) -> RestorePlan:
    state = RestoreState(layers=("1",), task=task, **fields)
    return resolve(state, [Candidate("1", "cells", source="cells.tif")], MODELS, PLACES)


class TestModelsWithoutWeights:
    def test_they_come_last_are_marked_and_never_suggested(self):
        plan = plan_of()
        assert [choice.text for choice in plan.models] == [
            "★ PLAIN",
            "MINE",
            "RCAN-LIGHT – no weights yet",
            "PAPER – no weights yet",
            "GONE – weights file is gone",
        ]
        assert [choice.text for choice in plan.denoisers] == ["★ SMOOTH", "RAW – no weights yet"]
        assert (plan.model, plan.missing) == ("plain", "")

    @pytest.mark.parametrize(
        ("model", "words"),
        [
            (
                "rcan-light",
                "RCAN-LIGHT has no weights yet: train it in the Train panel, or choose a file of weights under "
                "Advanced.",
            ),
            # The Train panel has the light networks only.
            (
                "paper",
                "PAPER has no weights yet: train it (napari-w2s train paper), or choose a file of weights under "
                "Advanced.",
            ),
            (
                "gone",
                "The weights file of GONE is gone: put it back, or choose a file of weights under Advanced.",
            ),
            ("mine", ""),
        ],
    )
    def test_what_is_missing(self, model: str, words: str):
        assert plan_of(model=model).missing == words

    def test_the_first_thing_that_is_missing_is_said_first(self):
        state = RestoreState(task=Task.SR, model="rcan-light")
        assert "Tick a layer" in resolve(state, [Candidate("1", "cells")], MODELS, PLACES).missing

    def test_the_card_promises_nothing(self):
        card = plan_of(model="rcan-light").card.splitlines()
        assert card[1] == "for what it will learn · no weights yet: train it, or choose a file of weights"

    def test_a_denoiser_without_weights_is_missing_too(self):
        plan = plan_of(denoise_first=True, denoiser="raw")
        assert plan.missing.startswith("RAW has no weights yet: train it")
        assert plan.missing.endswith("or choose another denoiser.")
        assert plan_of(denoise_first=False, denoiser="raw").missing == ""


class TestGivenWeights:
    def test_they_make_the_button_work_and_go_into_settings_and_command(self):
        plan = plan_of(model="rcan-light", weights="/my data/best.pth")
        assert plan.missing == ""
        assert plan.settings is not None
        assert plan.settings.weights == "/my data/best.pth"
        words = shlex.split(plan.settings.command(["cells.tif"]))
        assert words[words.index("--weights") + 1] == "/my data/best.pth"
        assert [choice.text for choice in plan.models if choice.name == "rcan-light"] == ["RCAN-LIGHT"]

    def test_the_card_says_where_they_come_from_and_claims_nothing_else(self):
        card = plan_of(model="mine", weights="/my data/best.pth").card.splitlines()
        assert card == [
            "Is mine.",
            "weights from best.pth · for what they learned",
            "Licence: that of the weights",
        ]

    def test_a_model_that_takes_none_is_given_none(self):
        plan = plan_of(model="plain", weights="best.pth")
        assert plan.weights_refusal == "PLAIN takes no weights."
        assert plan.settings is not None
        assert plan.settings.weights is None
        assert "best.pth" not in plan.card
        assert plan_of(model="mine").weights_refusal == ""

    @pytest.mark.parametrize(
        ("model", "words"), [("plain", "None needed"), ("rcan-light", "None yet"), ("mine", "The model's own")]
    )
    def test_what_is_taken_without_them_is_said(self, model: str, words: str):
        assert plan_of(model=model).weights_default == words

    def test_a_file_is_not_the_denoisers_but_a_folder_is_for_both(self):
        chain = {"model": "rcan-light", "denoise_first": True, "denoiser": "raw"}
        assert plan_of(**chain).missing.startswith("RCAN-LIGHT has no weights")
        assert plan_of(**chain, weights="best.pth").missing.startswith("RAW has no weights")
        assert plan_of(**chain, weights="/authors/net_data").missing == ""

    def test_a_preview_looks_far_enough_whatever_their_size(self):
        assert plan_of(model="rcan-light").halo == 4
        assert plan_of(model="rcan-light", weights="best.pth").halo == 32
        assert plan_of(model="paper", weights="best.pth").halo == 49

    def test_they_do_not_outlive_the_session(self):
        assert "weights" not in PERSISTENT
        state = RestoreState(weights="best.pth")
        again = RestoreState()
        again.recall({**state.persistent(), "weights": "best.pth"})
        assert again.weights is None


class Recording(Registry):
    """The models that come with the package, of which none is loaded."""

    def __init__(self, places: dict[str, str]) -> None:
        super().__init__(BUILTIN)
        self.places = places
        self.given: list[tuple[str, Path | str | None]] = []

    def available(self, name: str) -> str:
        return self.places.get(name, super().available(name))

    def load(self, name: str, *, weights: Path | str | None = None, **_: Any) -> RestorationModel:
        self.given.append((name, weights))
        model = self.descriptor(name)
        return RestorationModel(model, torch.nn.Identity())


class TestLoading:
    @pytest.mark.parametrize(
        ("models", "places", "served"),
        [
            (("w2s-denoise", "rdn-light"), {}, "rdn-light"),
            (("ridnet-light", "rdn-light"), {}, "rdn-light"),
            (("dncnn-avg1", "rdn-light"), {}, "rdn-light"),
            # Whoever cannot do without it comes first.
            (("ridnet-light", "rdn-light"), {"rdn-light": "here"}, "ridnet-light"),
            (("dncnn-avg1", "rdn-light"), {"rdn-light": "here"}, "rdn-light"),
            (("dncnn-avg1", "bicubic"), {}, "dncnn-avg1"),
            (("bicubic",), {}, None),
        ],
    )
    def test_a_file_is_for_one_model(
        self, tmp_path: Path, models: tuple[str, ...], places: dict[str, str], served: str | None
    ):
        registry, file = Recording(places), tmp_path / "best.pth"
        load_pipeline(RestoreSettings(models=models, weights=str(file)), registry)
        assert registry.given == [(name, file if name == served else None) for name in models]

    def test_a_folder_is_for_all_that_take_weights(self, tmp_path: Path):
        registry = Recording({})
        load_pipeline(RestoreSettings(models=("dncnn-avg1", "rdn-light"), weights=str(tmp_path)), registry)
        load_pipeline(RestoreSettings(models=("vst-nlm", "rdn-light"), weights=str(tmp_path)), registry)
        assert [weights for _, weights in registry.given] == [tmp_path, tmp_path, None, tmp_path]

    def test_without_weights_nothing_is_given(self):
        registry = Recording({})
        load_pipeline(RestoreSettings(models=("dncnn-avg1", "rdn-light")), registry)
        assert [weights for _, weights in registry.given] == [None, None]

    def test_a_chain_runs_with_a_file_for_its_second_model(self, tmp_path: Path):
        rdn = ARCHITECTURES["rdn"]
        file = tmp_path / "rdn.pth"
        torch.save(rdn.create(**rdn.light).state_dict(), file)
        settings = RestoreSettings(models=("w2s-denoise", "rdn-light"), weights=str(file))
        denoiser, network = load_pipeline(settings, default_registry()).stages
        assert network.weights_path == file
        assert denoiser.weights_path != file
        assert network.network(torch.zeros(1, 1, 5, 7)).shape == (1, 1, 10, 14)

    def test_without_it_there_is_a_message(self):
        with pytest.raises(WeightsError, match="rdn-light has no weights yet"):
            load_pipeline(RestoreSettings(models=("rdn-light",)), default_registry())

    def test_a_method_alone_takes_no_notice_of_it(self, tmp_path: Path):
        pipeline = load_pipeline(RestoreSettings(models=("bicubic",), weights=str(tmp_path / "x.pth")))
        assert pipeline.stages[0].weights_path is None
