"""From an intent and what is there to what a Train panel shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from w2s_panel import descriptor
from w2s_train import layer, w2s_layers
from w2s_tree import make_8bit, make_raw

from napari_w2s._types import Level, Task
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.folder import FolderReport, format_numbers, look_at_folder
from napari_w2s.app.training.material import Material
from napari_w2s.app.training.names import free_name, problem_of_name
from napari_w2s.app.training.plan import TrainPlan, network_entry, parse_network
from napari_w2s.app.training.resolve import format_about, resolve_training
from napari_w2s.app.training.state import NO_LAYER, Learn, TrainState
from napari_w2s.training.presets import NETWORK_SIZES

ALL = ("avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "sim")


def plan(state: TrainState | None = None, layers: tuple[Material, ...] = (), **options: Any) -> TrainPlan:
    given = {"folder": None, "descriptors": (), "available": {}, **options}
    return resolve_training(state or TrainState(), layers, **given)


def folder(fovs: range = range(1, 4), levels: tuple[str, ...] = ALL, root: str = "/w2s") -> FolderReport:
    return FolderReport(root, {(fov, channel): frozenset(levels) for fov in fovs for channel in range(3)})


def of_folder(report: FolderReport | None = None, **fields: Any) -> TrainPlan:
    state = TrainState(learn=Learn.W2S, root="/w2s")
    for name, value in fields.items():
        setattr(state, name, value)
    return plan(state, folder=report or folder())


class TestSource:
    def test_an_empty_viewer_asks_for_the_folder(self):
        shown = plan()
        assert shown.learn is Learn.W2S
        assert shown.missing == "Choose the folder of the W2S benchmark, or another source."
        assert (shown.action, shown.choice, shown.tasks) == ("Train", None, ())

    @pytest.mark.parametrize(
        ("layers", "learn"),
        [
            (w2s_layers(), Learn.LAYERS),
            (w2s_layers(levels=("avg1", "sim")), Learn.LAYERS),
            ((layer("burst", (9, 16, 16), axes=("t", "y", "x")),), Learn.BURST),
            ((layer("one"),), Learn.IMAGES),
            ((layer("one"), layer("two")), Learn.LAYERS),
            ((layer("photo", problem="photo is an RGB image."),), Learn.W2S),
        ],
        ids=["w2s", "w2s-sim", "burst", "one", "two", "unusable"],
    )
    def test_the_layers_suggest_what_to_learn_from(self, layers: tuple[Material, ...], learn: Learn):
        assert plan(layers=layers).learn is learn

    def test_what_the_user_chooses_stays(self):
        assert plan(TrainState(learn=Learn.IMAGES), w2s_layers()).learn is Learn.IMAGES


class TestLayers:
    def test_w2s_layers_need_no_choice_at_all(self):
        shown = plan(layers=w2s_layers(channels=(0, 1, 2)), seconds=lambda _: 120.0)
        assert shown.missing == ""
        assert shown.action == "Train on 3 fields × 3 channels, about 2 min"
        assert shown.report == "3 fields × 3 channels: avg1, with clean and SIM images."
        assert shown.tasks == (Task.DENOISE, Task.SR, Task.JDSR)
        assert shown.task is Task.JDSR
        assert shown.task_note == ""
        assert [row.name for row in shown.noisy if row.checked] == ["ch0 avg1", "ch1 avg1", "ch2 avg1"]
        assert shown.choice is not None
        assert len(shown.choice.scenes) == 9
        assert set(shown.choice.layers) == {f"ch{c} {level}" for c in range(3) for level in ("avg1", "avg400", "sim")}

    def test_layers_from_elsewhere_are_asked_for_one_after_the_other(self):
        layers = (layer("clean"), layer("noisy"))
        state = TrainState()
        assert plan(state, layers).missing == "Tick the layers to learn from. Open images first if there are none."
        state.noisy = ("noisy",)
        shown = plan(state, layers)
        assert shown.missing.startswith("Choose a layer with clean or with SIM images")
        assert [name for name, _ in shown.cleans] == ["matched", "none", "clean"]
        state.clean = "clean"
        shown = plan(state, layers)
        assert (shown.missing, shown.task, shown.action) == ("", Task.DENOISE, "Train on 1 image")
        assert shown.task_note.splitlines() == [
            "Not offered: Super-resolve, Denoise + super-resolve. It is learned from SIM images of the same places."
        ]

    def test_what_does_not_fit_is_said_where_the_button_is(self):
        state = TrainState(noisy=("noisy",), sim="clean")
        assert "as the SIM image of noisy it needs 32 × 32" in plan(state, (layer("clean"), layer("noisy"))).missing

    def test_a_target_that_is_gone_is_none(self):
        state = TrainState(noisy=("a",), clean="gone", sim=NO_LAYER)
        assert plan(state, (layer("a"), layer("b"))).missing.startswith("Choose a layer")

    def test_a_layer_that_cannot_be_used_says_why(self):
        rows = plan(layers=(layer("photo", problem="photo is an RGB image."), layer("a"))).noisy
        assert [(row.name, row.problem) for row in rows] == [("photo", "photo is an RGB image."), ("a", None)]

    def test_without_clean_images_there_is_no_denoising(self):
        shown = plan(layers=w2s_layers(levels=("avg1", "sim")))
        assert shown.tasks == (Task.JDSR,)
        needs_clean = "It is learned from clean images of the same places."
        assert shown.task_note == f"Not offered: Denoise, Super-resolve. {needs_clean}"

    def test_test_fields_are_left_out_unless_allowed(self):
        layers = w2s_layers(fovs=(79, 80, 81))
        shown = plan(layers=layers)
        assert shown.action == "Train on 2 fields"
        assert shown.warnings == ("Fields of view 81 are left out: they are test images of the benchmark.",)
        allowed = plan(TrainState(allow_test_fovs=True), layers)
        assert allowed.action == "Train on 3 fields"
        assert "cannot be compared" in allowed.warnings[0]
        assert "test images of the benchmark" in plan(layers=w2s_layers(fovs=(90,))).missing


class TestOwnLearning:
    def test_a_burst_teaches_denoising_alone(self):
        shown = plan(layers=(layer("burst", (9, 16, 16), axes=("t", "y", "x")),))
        assert (shown.burst, shown.axis) == ("burst", 0)
        assert shown.tasks == (Task.DENOISE,)
        assert "resolution" in shown.task_note
        assert shown.action == "Train on 9 frames"
        assert shown.choice is not None
        # Of 9 frames an average of 16 cannot be had, nor one of all 400.
        assert list(shown.choice.levels) == [Level.AVG1, Level.AVG2, Level.AVG4, Level.AVG8]
        assert shown.choice.learn.self_supervised == "noise2noise"

    def test_the_axis_of_the_frames_can_be_chosen(self):
        layers = (layer("stack", (5, 9, 16, 16), axes=("z", "pos", "y", "x")),)
        state = TrainState(learn=Learn.BURST, burst="stack")
        assert plan(state, layers).axis == 1
        state.axis = 0
        shown = plan(state, layers)
        assert shown.burst_axes == (("0", "z (5)"), ("1", "pos (9)"))
        assert shown.action == "Train on 5 frames of 9 places"

    def test_without_frames_it_says_so(self):
        assert plan(TrainState(learn=Learn.BURST), (layer("one"),)).missing.startswith("Open a burst first")

    @pytest.mark.parametrize(
        ("layers", "words"),
        [
            ((layer("stack", (5, 9, 16, 16)),), "stack does not tell which axis its frames lie along (axis0, axis1)"),
            ((layer("deep", (9, 16, 16), axes=("z", "y", "x")),), "deep does not tell which axis its frames lie along"),
            ((layer("short", (1, 16, 16)),), "short has one frame along axis0. Open a layer with more"),
            ((layer("short", (1, 16, 16), axes=("t", "y", "x")),), "short has one frame along t. Open a layer"),
            ((*w2s_layers(), layer("stack", (5, 9, 16, 16))), "stack does not tell"),
            ((layer("photo", problem="photo is an RGB image."), layer("a")), "x.\nphoto is an RGB image."),
        ],
        ids=["4-d", "z", "one-frame", "one-frame-t", "own-first", "rgb"],
    )
    def test_a_layer_that_is_no_burst_by_itself_says_why(self, layers: tuple[Material, ...], words: str):
        shown = plan(TrainState(learn=Learn.BURST), layers)
        assert words in shown.missing
        assert shown.choice is None

    def test_one_frame_is_told_of_the_layer_that_was_chosen(self):
        layers = (layer("short", (1, 16, 16)), layer("stack", (9, 1, 16, 16)))
        state = TrainState(learn=Learn.BURST, burst="short")
        assert plan(state, layers).missing.startswith("short has one frame along axis0. Open a layer with more")
        state.burst = "stack"
        assert plan(state, layers).missing == "stack has one frame along axis1. Choose the axis of its frames."

    def test_images_alone(self):
        shown = plan(TrainState(learn=Learn.IMAGES), (layer("a"), layer("b")))
        assert (shown.tasks, shown.action) == ((Task.DENOISE,), "Train on 2 images")
        assert shown.choice is not None
        assert all(scene.clean is None for scene in shown.choice.scenes)


class TestFolder:
    def test_all_training_fields_are_taken(self):
        shown = of_folder(folder(range(1, 6)))
        assert shown.report == "5 fields × 3 channels: avg1 to avg16, with clean and SIM images."
        assert shown.fovs_offered.startswith("1-5 ")
        assert shown.choice is not None
        assert shown.choice.fovs == "1-5"

    def test_some_can_be_chosen(self):
        shown = of_folder(folder(range(1, 60)), fovs="1-3, 50", channels=(1,))
        assert shown.action == "Train on 4 fields"
        assert shown.choice is not None
        assert (shown.choice.fovs, shown.choice.channels) == ("1-3, 50", (1,))

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"fovs": "one"}, "does not name fields of view"),
            ({"fovs": "70"}, "has none of these fields of view: it has 1-3"),
            ({"channels": ()}, "Tick a channel"),
        ],
        ids=["words", "absent", "no channel"],
    )
    def test_what_is_wrong_is_said(self, fields: dict[str, Any], words: str):
        assert words in of_folder(**fields).missing

    def test_test_fields_are_refused_unless_allowed(self):
        there = folder(range(79, 84))
        assert of_folder(there).choice is not None
        assert "081" not in of_folder(there).action
        refused = of_folder(there, fovs="79-82")
        assert "81-82 are test images of the benchmark" in refused.missing
        allowed = of_folder(there, fovs="79-82", allow_test_fovs=True)
        assert allowed.missing == ""
        assert any("cannot be compared" in text for text in allowed.warnings)

    def test_one_field_cannot_judge_itself(self):
        assert any("one field of view only" in text for text in of_folder(fovs="2").warnings)
        assert of_folder().warnings == ()

    def test_it_is_looked_at_first(self):
        assert plan(TrainState(learn=Learn.W2S, root="/w2s")).missing == "Looking at /w2s …"
        stale = plan(TrainState(learn=Learn.W2S, root="/other"), folder=folder())
        assert stale.missing == "Looking at /other …"

    def test_levels_have_weights_where_there_are_several(self):
        shown = of_folder()
        assert list(shown.levels) == [Level(name) for name in ALL[:-1]]
        some = of_folder(levels="avg1 2, avg4 1")
        assert (some.levels[Level.AVG1], some.levels[Level.AVG2]) == (2.0, 0.0)
        assert some.choice is not None
        assert some.choice.levels[Level.AVG4] == 1.0
        assert of_folder(folder(levels=("avg1", "sim"))).levels == {}

    def test_levels_that_all_weigh_nothing_allow_no_training(self):
        none = of_folder(levels=", ".join(f"{name} 0" for name in ALL[:-1]))
        assert (
            none.missing
            == "All levels have the weight 0, so that none is learned. Give one of them more under Advanced."
        )
        assert set(none.levels.values()) == {0.0}
        # Weights for levels that are not there are no weights for those that are.
        assert of_folder(folder(levels=("avg1", "avg2", "sim")), levels="avg8 0").missing == ""
        # Super-resolution learns from clean images alone.
        assert of_folder(levels="avg1 0", task=Task.SR).missing == ""


MODELS = (
    descriptor("mine", Task.JDSR, title="Mine", architecture="unet", summary="It knows."),
    descriptor("theirs", architecture="dncnn"),
    descriptor("gone", Task.JDSR, architecture="unet"),
    descriptor("raw", Task.JDSR, architecture="unet"),
    descriptor("rule", Task.JDSR, architecture="nlm"),
)
AVAILABLE = {"mine": "here", "theirs": "on demand", "gone": "missing", "raw": "train your own", "rule": "built in"}


class TestNetworkAndTime:
    def shown(self, **fields: Any) -> TrainPlan:
        state = TrainState()
        for name, value in fields.items():
            setattr(state, name, value)
        given = {"descriptors": MODELS, "available": AVAILABLE, "trainable": {"unet", "dncnn"}}
        return plan(state, w2s_layers(), **given)

    @pytest.mark.parametrize(
        ("task", "networks"),
        [
            (Task.JDSR, ["rcan-light", "rdn-light", "san-light", "srfbn-light", "epsr-light", "jdsr-light"]),
            (Task.SR, ["rcan-light", "rdn-light", "san-light", "srfbn-light", "epsr-light", "esrgan-light"]),
            (Task.DENOISE, ["ridnet-light", "dncnn-light", "memnet-light"]),
        ],
    )
    def test_networks_for_the_task_are_offered_the_u_nets_first(self, task: Task, networks: list[str]):
        offered = [value for value, _ in self.shown(task=task).networks if not value.startswith("from:")]
        assert offered == ["small", "medium", "large", *networks]
        shown = self.shown(task=task, size=networks[0])
        assert shown.network == networks[0]
        assert "million weights" in shown.network_note
        assert "is not for" not in shown.network_note
        assert shown.choice is not None
        assert shown.choice.size == networks[0]

    @pytest.mark.parametrize(
        ("size", "task", "words"),
        [
            ("ridnet-light", Task.SR, "RIDNet light is not for this task (super-resolve): a small U-Net takes its"),
            ("rcan-light", Task.DENOISE, "RCAN light is not for this task (denoise): a small U-Net takes its place."),
        ],
    )
    def test_a_network_for_another_task_gives_way_and_says_so(self, size: str, task: Task, words: str):
        state = TrainState(task=task, size=size)
        shown = plan(state, w2s_layers())
        assert shown.network == "small"
        assert shown.network_note.startswith(words)
        assert shown.choice is not None
        assert shown.choice.size == "small"
        # It is taken again as soon as it can be.
        state.task = Task.DENOISE if task is Task.SR else Task.SR
        assert plan(state, w2s_layers()).network == size

    def test_before_the_task_is_known_every_network_can_be_chosen(self):
        shown = plan(TrainState(size="memnet-light"))
        assert shown.task is None
        assert [value for value, _ in shown.networks] == list(NETWORK_SIZES)
        assert shown.network == "memnet-light"

    def test_models_for_the_task_can_be_gone_on_from(self):
        def starts(**fields: Any) -> list[str]:
            return [value for value, _ in self.shown(**fields).networks if value.startswith("from:")]

        assert starts() == ["from:mine"]
        assert starts(task=Task.DENOISE) == ["from:theirs"]
        shown = self.shown(start_from="mine")
        assert (shown.network, shown.network_note) == ("from:mine", "It knows.")
        assert shown.action == "Train Mine further on 3 fields"
        assert shown.choice is not None
        # What is made of weights is under their licence.
        assert (shown.choice.start_from, shown.choice.licence) == ("mine", "BSD-3-Clause")

    def test_a_model_for_another_task_is_not_gone_on_from(self):
        shown = self.shown(start_from="theirs", size="large")
        assert shown.network == "large"
        assert shown.choice is not None
        assert shown.choice.start_from is None

    def test_entries_are_told_apart(self):
        assert parse_network(network_entry("large")) == (None, "large")
        assert parse_network("large") == ("large", None)

    def test_times_are_told_where_they_are_known(self):
        def seconds(choice: TrainChoice) -> float:
            return {"quick": 100.0, "normal": 1500.0, "long": 40_000.0}[choice.preset]

        shown = plan(layers=w2s_layers(), seconds=seconds)
        assert [text for _, text in shown.times] == [
            "Quick look, about 2 min",
            "Normal, about 25 min",
            "Long, about 11 hours",
        ]
        assert [text for _, text in plan(layers=w2s_layers()).times] == ["Quick look", "Normal", "Long"]

    def test_the_advanced_settings_reach_the_choice(self):
        fields = {"patch": 48, "batch": 2, "learning_rate": 0.01, "loss": "mse", "validation_percent": 40}
        choice = self.shown(**fields, device="cpu").choice
        assert choice is not None
        assert (choice.patch, choice.batch, choice.learning_rate, choice.loss) == (48, 2, 0.01, "mse")
        assert (choice.validation_share, choice.device) == (0.4, "cpu")


def test_durations_are_as_rough_as_they_are_known():
    assert [format_about(s) for s in (5, 100, 400, 1000, 3000, 5400, 200_000)] == [
        *("1 min", "2 min", "7 min", "15 min", "50 min", "2 hours", "2 days")
    ]


def test_names_are_valid_and_free():
    taken = ("my-model-1", "other-denoise")
    assert free_name("my-model", taken) == "my-model-2"
    assert problem_of_name("good_name-2.1", taken) == ""
    assert "Give the model a name" in problem_of_name("", taken)
    assert "cannot name a model" in problem_of_name("My Model", taken)
    assert "too long" in problem_of_name("a" * 61, taken)
    assert "There is a model named my-model-1 already" in problem_of_name("my-model-1", taken)
    assert "other-denoise already" in problem_of_name("other", taken)


class TestLookingAtAFolder:
    def test_of_several_releases_the_first_counts(self, tmp_path: Path):
        make_8bit(tmp_path / "train", (1, 2), (0, 2), ("avg1", "sim"))
        report = look_at_folder(str(tmp_path))
        assert (report.fovs, report.channels, report.training_fovs) == ((1, 2), (0, 2), "1-2")
        assert report.levels[1, 0] == {"avg1", "sim"}

    def test_a_burst_has_every_level(self, tmp_path: Path):
        make_raw(tmp_path, (3,))
        assert {"avg1", "avg400", "sim"} <= look_at_folder(str(tmp_path)).levels[3, 0]

    def test_what_is_not_there_or_not_w2s_is_said(self, tmp_path: Path):
        assert "does not exist" in look_at_folder(str(tmp_path / "nowhere")).problem
        assert "has no images of the W2S benchmark" in look_at_folder(str(tmp_path)).problem

    def test_numbers_are_written_briefly(self):
        assert format_numbers((1, 2, 3, 7, 9, 10)) == "1-3, 7, 9-10"
        assert format_numbers(()) == ""
