"""What an image looks like, which model suits it, and what a panel makes of both."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from w2s_panel import FakeRegistry, descriptor, fake_report

from napari_w2s._types import InputError, Level, Task
from napari_w2s.app.resolve import Candidate, RestorePlan, resolve
from napari_w2s.app.state import RestoreState
from napari_w2s.app.suggest import ImageReport, describe_image, describe_size, suggest_model
from napari_w2s.data.image import Image
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.models.builtin import BUILTIN, packaged_unet
from napari_w2s.models.descriptor import WeightsSource

WEIGHTS = WeightsSource(path="net.safetensors", sha256="0" * 64, licence="none")
ALL_HERE = {"any": "built in", "net-avg1": "here", "net-avg4": "here", "twice": "built in"}


def image(data: Any, axes: tuple[str, ...] | None = None, **metadata: Any) -> Image:
    axes = axes or ("t", "c", "z", "y", "x")[-data.ndim :]
    unit = ("pixel",) * data.ndim
    return Image(data=data, name="cells", axes=axes, scale=(1.0,) * data.ndim, units=unit, metadata=metadata)


class TestReports:
    @pytest.mark.parametrize(
        ("shape", "axes", "text"),
        [
            ((4, 6), ("y", "x"), "4 × 6, 1 channel"),
            ((3, 4, 6), ("c", "y", "x"), "4 × 6, 3 channels"),
            ((5, 3, 4, 6), ("t", "channel", "y", "x"), "4 × 6, 3 channels, 5 frames"),
            ((7, 1, 4, 6), ("t", "z", "y", "x"), "4 × 6, 1 channel, 7 × 1 frames"),
            ((1, 4, 6), ("t", "y", "x"), "4 × 6, 1 channel, 1 frame"),
        ],
    )
    def test_sizes_in_words(self, shape: tuple[int, ...], axes: tuple[str, ...], text: str):
        assert describe_size(image(np.zeros(shape), axes)) == text

    def test_noise_is_named_and_measured(self):
        fov = simulate_fov(seed=3, size=256)
        report = describe_image(image(fov.average(Level.AVG1)))
        assert report.level is Level.AVG1
        assert not report.known
        assert report.noise is not None
        assert report.text == f"256 × 256, 1 channel, looks like avg1 ({report.noise.describe()})"

    def test_a_known_level_is_not_guessed(self):
        data = simulate_fov(seed=3, size=128).average(Level.AVG1)
        report = describe_image(image(data, w2s={"level": "avg8"}))
        assert (report.level, report.known) == (Level.AVG8, True)
        assert ", avg8 of W2S (" in report.text

    def test_a_restored_image_has_lost_the_noise_of_its_source(self):
        data = simulate_fov(seed=3, size=128).average(Level.AVG400)
        report = describe_image(image(data, w2s={"level": "avg1", "restoration": {}}))
        assert not report.known

    @pytest.mark.parametrize("data", [np.zeros((1, 1)), np.zeros((64, 64)), np.full((32, 32), np.nan)])
    def test_nothing_to_measure_gives_no_level(self, data: Any):
        report = describe_image(image(data))
        assert report.level is None
        assert report.text == describe_size(image(data))

    def test_one_frame_of_a_stack_is_read(self):
        read: list[Any] = []

        def frame(block_info: Any = None) -> Any:
            read.append(block_info[None]["chunk-location"])
            return np.random.default_rng(0).poisson(50, (1, 64, 64)).astype(float)

        stack = da.map_blocks(frame, chunks=((1,) * 400, (64,), (64,)), dtype=float, meta=np.zeros((0, 0, 0)))
        describe_image(image(stack))
        assert len(read) == 1

    def test_complex_images_are_refused(self):
        with pytest.raises(InputError):
            describe_image(image(np.zeros((8, 8), complex)))


class TestSuggestions:
    @pytest.mark.parametrize(
        ("level", "expected"),
        [
            (None, "any"),
            (Level.AVG1, "net-avg1"),
            (Level.AVG4, "net-avg4"),
            # A model for any noise does better than one for other noise.
            (Level.AVG16, "any"),
            (Level.AVG400, "any"),
        ],
    )
    def test_the_level_decides(self, level: Level | None, expected: str):
        assert suggest_model(FakeRegistry(), Task.DENOISE, level, ALL_HERE) == expected

    @pytest.mark.parametrize("level", [Level.AVG400, Level.SIM])
    def test_a_reference_is_not_taken_for_the_cleanest_noisy_level(self, level: Level):
        models = [descriptor("net", level=Level.AVG16), descriptor("any")]
        assert suggest_model(models, Task.DENOISE, level, {}) == "any"

    def test_the_nearest_level_is_next_best(self):
        models = [descriptor("a", level=Level.AVG1), descriptor("b", level=Level.AVG8)]
        assert suggest_model(models, Task.DENOISE, Level.AVG400, {}) == "b"

    def test_of_equals_one_that_is_here_then_the_first(self):
        models = [descriptor(name, level=Level.AVG1) for name in ("a", "b", "c")]
        places = {"a": "on demand", "b": "here", "c": "here"}
        assert suggest_model(models, Task.DENOISE, Level.AVG1, places) == "b"

    @pytest.mark.parametrize("level", [None, Level.AVG1, Level.AVG400])
    def test_a_network_that_learned_all_levels_is_for_any(self, level: Level | None):
        models = [
            descriptor("method"),
            descriptor("net-avg1", level=Level.AVG1, weights=WEIGHTS),
            descriptor("net", weights=WEIGHTS),
        ]
        places = {"method": "built in", "net-avg1": "here", "net": "built in"}
        assert suggest_model(models, Task.DENOISE, level, places) == "net"
        # One for the very level is as good, if it is nearer at hand.
        places["net"] = "on demand"
        assert suggest_model(models, Task.DENOISE, Level.AVG1, places) == "net-avg1"

    def test_a_model_is_suggested_for_every_task_that_it_serves(self):
        models = [descriptor("both", Task.JDSR, tasks=(Task.SR,), scale=2), *FakeRegistry()]
        assert suggest_model(models, Task.SR, Level.AVG1, {}) == "both"
        assert suggest_model(models, Task.JDSR, Level.AVG1, {}) == "both"
        assert suggest_model(models, Task.DENOISE, None, {}) == "any"

    @pytest.mark.parametrize("level", [None, *Level])
    def test_of_the_packages_models_its_own_network_comes_first(self, level: Level | None):
        packaged = packaged_unet("0" * 64)
        models = [*packaged, *(d for d in BUILTIN if d.name not in {p.name for p in packaged})]
        places = {d.name: "here" if d.level is not None else "built in" for d in models}
        suggested = [suggest_model(models, task, level, places) for task in Task]
        assert suggested == ["w2s-denoise", "w2s-jdsr", "w2s-jdsr"]

    def test_no_model_for_a_task(self):
        assert suggest_model(FakeRegistry(), Task.JDSR, None, {}) is None


def plan_of(state: RestoreState | None = None, *candidates: Candidate, **places: str) -> RestorePlan:
    return resolve(state or RestoreState(), candidates, FakeRegistry(), {**ALL_HERE, **places})


def candidate(identity: str = "1", level: Level | None = Level.AVG1, **facts: Any) -> Candidate:
    report = None if level is None else fake_report(image(np.zeros((8, 8))), level)
    return Candidate(**{"id": identity, "name": f"layer {identity}", "report": report, **facts})


class TestResolve:
    def test_nothing_is_changed_and_the_answer_is_frozen(self):
        state = RestoreState(layers=("1", "gone"), task=Task.JDSR, model="unknown", denoiser="unknown")
        before = RestoreState(**{f: getattr(state, f) for f in ("layers", "task", "model", "denoiser")})
        plan = plan_of(state, candidate())
        assert state == before
        assert plan == plan_of(state, candidate())
        with pytest.raises(AttributeError):
            plan.action = ""  # type: ignore[misc]

    def test_what_the_button_says(self):
        state = RestoreState(layers=("1", "2", "3"))
        assert plan_of(state).action == "Restore layers with ANY"
        assert plan_of(state, candidate()).action == "Restore 1 layer with NET-AVG1"
        assert plan_of(state, *map(candidate, "123")).action == "Restore 3 layers with NET-AVG1"

    def test_what_is_missing(self):
        bad = candidate("2", None, problem="layer 2 is RGB. Split it.")
        state = RestoreState(layers=("1", "2"))
        assert "no image layer" in plan_of(state).missing
        assert plan_of(state, bad).missing == "layer 2 is RGB. Split it."
        assert plan_of(state, bad, candidate()).missing == ""
        assert "Tick" in plan_of(RestoreState(), bad, candidate()).missing
        nothing = resolve(state, [candidate()], [], {})
        assert "no model" in nothing.missing
        assert nothing.settings is None

    def test_an_unusable_layer_is_never_chosen(self):
        bad = candidate("2", None, problem="no")
        plan = plan_of(RestoreState(layers=("2", "1")), bad, candidate())
        assert plan.chosen == ("1",)
        assert [(row.checked, row.problem) for row in plan.layers] == [(False, "no"), (True, None)]

    def test_a_chain_needs_the_surroundings_of_all_its_models(self):
        state = RestoreState(layers=("1",), task=Task.SR, denoise_first=True)
        plan = plan_of(state, candidate())
        assert plan.settings is not None
        assert plan.settings.models == ("net-avg1", "twice")
        assert plan.title == "NET-AVG1 → TWICE"
        assert (plan.scale, plan.halo) == (2, 6)

    def test_a_denoiser_goes_before_super_resolution_only(self):
        plan = plan_of(RestoreState(layers=("1",), denoise_first=True), candidate())
        assert not plan.offers_denoiser
        assert not plan.denoise_first
        assert plan.settings is not None
        assert plan.settings.models == ("net-avg1",)

    def test_a_model_that_denoises_itself_needs_no_denoiser_before(self):
        both = descriptor("both", Task.JDSR, tasks=(Task.SR,), scale=2)
        state = RestoreState(layers=("1",), task=Task.SR, denoise_first=True)
        plan = resolve(state, [candidate()], [both, *FakeRegistry()], {**ALL_HERE, "both": "built in"})
        assert plan.tasks == tuple(Task)
        assert [choice.name for choice in plan.models] == ["both", "twice"]
        assert plan.settings is not None
        assert (plan.settings.models, plan.offers_denoiser) == (("both",), False)
        state.model = "twice"
        plan = resolve(state, [candidate()], [both, *FakeRegistry()], {**ALL_HERE, "both": "built in"})
        assert plan.settings is not None
        assert (plan.settings.models, plan.offers_denoiser) == (("net-avg1", "twice"), True)

    def test_settings_are_passed_on(self):
        state = RestoreState(
            layers=("1",),
            device="cpu",
            precision="float32",
            tile=64,
            flips=True,
            intensity_range=(1.0, 2.0),
            non_finite="fill",
        )
        settings = plan_of(state, candidate()).settings
        assert settings is not None
        assert (settings.device, settings.precision, settings.tile) == ("cpu", "float32", 64)
        assert (settings.intensity_range, settings.non_finite, settings.flips) == ((1.0, 2.0), "fill", True)

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            ("built in", "★ suggested · for avg1 · built in"),
            ("here", "★ suggested · for avg1 · weights are here"),
            ("on demand", "★ suggested · for avg1 · downloads its weights on first use"),
            ("missing", "for avg1 · its weights file is gone"),
        ],
    )
    def test_the_card(self, place: str, words: str):
        state = RestoreState(layers=("1",), model="net-avg1")
        card = plan_of(state, candidate(), **{"net-avg1": place}).card.splitlines()
        assert card == ["Is net-avg1.", words, "Licence: BSD-3-Clause"]

    def test_the_card_warns_of_another_level(self):
        state = RestoreState(layers=("1", "2"))
        card = plan_of(state, candidate("1"), candidate("2", Level.AVG16)).card
        assert card.endswith("Made for avg1, but layer 2 looks like avg16.")

    def test_several_layers_are_summed_up(self):
        state = RestoreState(layers=("1", "2"))
        assert plan_of(state, candidate("1"), candidate("2", Level.AVG4)).report == "2 layers: avg1, avg4"
        assert plan_of(state, candidate("1", None), candidate("2", None)).report == "2 layers"
        assert plan_of(RestoreState(), candidate()).report == ""


def test_a_report_without_noise_says_only_the_size():
    assert ImageReport("4 × 4, 1 channel").text == "4 × 4, 1 channel"
