"""A training from what was chosen: images, recipe, doubts, and the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from w2s_panel import FakeRegistry
from w2s_train import FakeFit, w2s_known
from w2s_tree import make_8bit

from napari_w2s._types import Cancelled, InputError, Level, Task
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.control import Control
from napari_w2s.app.training.data import read_fields
from napari_w2s.app.training.material import Material, pair, suggest_noisy
from napari_w2s.app.training.pace import seconds_of
from napari_w2s.app.training.recipe import folder_of, hardware, recipe
from napari_w2s.app.training.run import Begun, Doubts, TrainTask, explain_training
from napari_w2s.app.training.state import MATCHED, NO_LAYER, Learn
from napari_w2s.data.image import Image
from napari_w2s.training.report import FinishReason, NoteReport, StepReport, TrainingResult, Wish

EDGE = 32


def image(name: str, data: Any, axes: tuple[str, ...] = ("fov", "y", "x"), **known: Any) -> Image:
    own = axes[-data.ndim :]
    facts = {"w2s": known} if known else {}
    return Image(data=data, name=name, axes=own, scale=(1.0,) * data.ndim, units=("pixel",) * data.ndim, metadata=facts)


def structure(seed: int, count: int, zoom: int = 1) -> np.ndarray:
    """Return images of blobs, the same places at any zoom."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: EDGE * zoom, : EDGE * zoom] / zoom
    images = []
    for _ in range(count):
        blobs = rng.random((12, 2)) * EDGE
        images.append(sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 8) for a, b in blobs))
    return (200 * np.array(images) / np.max(images)).astype(np.uint8)


def w2s_images(fovs: tuple[int, ...] = (1, 2, 3), lazy: bool = False) -> dict[str, Image]:
    count = len(fovs)
    noise = np.random.default_rng(1).integers(0, 20, (count, EDGE, EDGE)).astype(np.uint8)
    clean = structure(0, count)
    data: dict[str, Any] = {"avg1": clean + noise, "avg400": clean, "sim": structure(0, count, 2)}
    if lazy:
        data = {level: da.from_array(values, chunks=(1, -1, -1)) for level, values in data.items()}
    return {
        level: image(level, values, **w2s_known(0, level, fovs, intensity_range=[0.0, 255.0]))
        for level, values in data.items()
    }


def of_layers(images: dict[str, Image], task: Task = Task.JDSR, **options: Any) -> TrainChoice:
    materials = [Material(name, name, one.data.shape, one.axes, one.w2s) for name, one in images.items()]
    pairing = pair(materials, suggest_noisy(materials) or [materials[0].id], MATCHED, MATCHED)
    given = {"learn": Learn.LAYERS, "device": "cpu", **options}
    return TrainChoice(task=task, name="mine", scenes=pairing.scenes, **given)


def task(choice: TrainChoice, images: dict[str, Image], fit: FakeFit, **options: Any) -> TrainTask:
    return TrainTask(choice, images, options.pop("control", Control()), FakeRegistry(), fit=fit, **options)


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep runs out of the folder of whoever runs the tests."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")


def never() -> bool:
    return False


class TestFields:
    def test_layers_become_fields_split_by_field_of_view(self):
        images = w2s_images(lazy=True)
        choice = of_layers(images)
        data = read_fields(choice, recipe(choice, images), images)
        assert (len(data.train), len(data.validation)) == (2, 1)
        field = next(one for one in data.train if one.fov is not None)
        index = int(field.fov or 0) - 1
        np.testing.assert_array_equal(np.asarray(field.inputs["avg1"]), np.asarray(images["avg1"].data)[index])
        np.testing.assert_array_equal(np.asarray(field.sim), np.asarray(images["sim"].data)[index])
        assert field.intensity_range == (0.0, 255.0)
        assert data.doubts == ()

    def test_a_single_place_is_named_as_the_layer_is(self):
        data = {"4f1c-a": structure(0, 2)[0], "9b2d-b": structure(0, 2)[1]}
        images = {key: image("cells", pixels) for key, pixels in data.items()}
        materials = [Material(key, "cells", one.data.shape, one.axes) for key, one in images.items()]
        pairing = pair(materials, list(data), NO_LAYER, NO_LAYER)
        # Two layers of one name are two groups.
        assert pairing.groups == 2
        choice = TrainChoice(
            learn=Learn.IMAGES, task=Task.DENOISE, name="mine", scenes=pairing.scenes[:1], device="cpu"
        )
        read = read_fields(choice, recipe(choice, images), images)
        (text,) = (text for text in read.notes + read.doubts if "The validation set" in text)
        assert "The validation set is the training set (cells for one)" in text
        assert "4f1c-a" not in text

    def test_super_resolution_is_given_the_clean_image(self):
        images = w2s_images()
        choice = of_layers(images, Task.SR)
        (field, *_) = read_fields(choice, recipe(choice, images), images).train
        assert list(field.inputs) == ["avg400"]
        assert field.inputs["avg400"] is not None
        np.testing.assert_array_equal(field.inputs["avg400"], field.denoised)

    def test_images_that_do_not_lie_on_each_other_are_doubted(self):
        images = w2s_images()
        shifted = np.roll(images["sim"].data, 8, axis=-1)
        images["sim"] = images["sim"].replace(data=shifted)
        choice = of_layers(images)
        data = read_fields(choice, recipe(choice, images), images)
        assert any("shifted against each other" in text for text in data.doubts)

    def test_a_burst_is_learned_from_along_its_own_axis(self):
        frames = np.random.default_rng(0).integers(0, 99, (2, EDGE, 6, EDGE)).transpose(2, 0, 1, 3)
        images = {"b": image("b", np.ascontiguousarray(frames), ("t", "z", "y", "x"))}
        choice = TrainChoice(
            learn=Learn.BURST, task=Task.DENOISE, name="mine", burst="b", axis=0, device="cpu", levels={Level.AVG1: 1}
        )
        config = recipe(choice, images)
        assert config.self_supervised == "noise2noise"
        data = read_fields(choice, config, images)
        # One place is learned from, the other one is judged by.
        assert [len(data.train), len(data.validation)] == [1, 1]
        assert data.train[0].name != data.validation[0].name

    def test_single_images_need_nothing_else(self):
        images = {"a": image("a", structure(3, 3))}
        materials = [Material("a", "a", (3, EDGE, EDGE), ("z", "y", "x"))]
        scenes = pair(materials, ["a"], NO_LAYER, NO_LAYER).scenes
        choice = TrainChoice(learn=Learn.IMAGES, task=Task.DENOISE, name="mine", scenes=scenes, device="cpu")
        config = recipe(choice, images)
        assert config.self_supervised == "noise2void"
        assert len(read_fields(choice, config, images).train) == 2

    def test_a_folder_is_read_as_the_command_line_would(self, tmp_path: Path):
        make_8bit(tmp_path, (1, 2, 3), (0,))
        choice = TrainChoice(
            learn=Learn.W2S, task=Task.DENOISE, name="mine", root=str(tmp_path), fovs="1-2", channels=(0,), patch=16
        )
        config = recipe(choice, {})
        assert (config.train[0].paths, config.train[0].fovs) == ({"root": (str(tmp_path),)}, "1-2")
        data = read_fields(choice, config, {})
        assert {one.name for one in (*data.train, *data.validation)} == {"001 ch0", "002 ch0"}


class TestRecipe:
    def test_settings_that_were_given_replace_those_of_the_preset(self):
        images = w2s_images()
        usual = recipe(of_layers(images), images)
        choice = of_layers(images, patch=16, batch=3, learning_rate=0.02, loss="mse", levels={Level.AVG1: 1.0})
        changed = recipe(choice, images)
        assert (changed.patch, changed.batch, changed.optimizer.learning_rate) == (16, 3, 0.02)
        assert [term.name for term in changed.losses["sim"]] == ["mse"]
        assert changed.levels == {Level.AVG1: 1.0}
        further = recipe(of_layers(images, start_from="dncnn-avg1", licence="Ask."), images)
        assert (further.network.start_from, further.licence) == ("dncnn-avg1", "Ask.")
        assert further.optimizer.learning_rate < usual.optimizer.learning_rate
        # Patches are no larger than the images.
        assert usual.patch == EDGE
        assert usual.name == "mine"

    def test_a_run_has_a_folder_of_its_own(self, tmp_path: Path):
        choice = TrainChoice(learn=Learn.W2S, task=Task.JDSR, name="mine", folder=str(tmp_path))
        now = datetime(2024, 5, 6, 7, 8, 9)
        first = folder_of(choice, now)
        assert (first.parent, first.name) == (tmp_path, "2024-05-06 07.08.09 mine")
        first.mkdir()
        assert folder_of(choice, now).name == "2024-05-06 07.08.09 mine (2)"
        assert folder_of(replace(choice, folder=""), now).parent == tmp_path / "data" / "runs"

    def test_variables_in_its_path_are_put_in(self, tmp_path: Path, monkeypatch):
        monkeypatch.setenv("RUNS_HERE", str(tmp_path))
        choice = TrainChoice(learn=Learn.W2S, task=Task.JDSR, name="mine", folder="$RUNS_HERE/runs")
        folder = folder_of(choice, datetime.now())
        assert folder.parent == tmp_path / "runs"

    def test_devices_are_said_as_lightning_does(self):
        assert hardware("cpu") == {"accelerator": "cpu", "devices": 1}
        assert hardware("cuda:1") == {"accelerator": "gpu", "devices": [1]}
        assert hardware("auto") == {"accelerator": "auto", "devices": 1}

    def test_more_work_takes_longer(self):
        choice = TrainChoice(learn=Learn.W2S, task=Task.JDSR, name="mine")

        def seconds(devices: tuple[str, ...] = ("cpu",), **changes: Any) -> float:
            known = seconds_of(replace(choice, **changes), devices)
            assert known is not None
            return known

        assert seconds_of(choice, ()) is None
        assert seconds() < seconds(size="medium") < seconds(size="large") == seconds(start_from="w2s-jdsr")
        assert seconds() < seconds(preset="normal") < seconds(preset="long")
        assert seconds(batch=16) == pytest.approx(2 * seconds())
        assert seconds(("cuda:0", "cpu"), preset="long") < seconds(preset="long")
        assert seconds(("cuda:0", "cpu"), device="cpu") == seconds()


class TestTask:
    def test_it_reports_where_it_is_and_hands_over_the_fields(self, tmp_path: Path):
        images, fit = w2s_images(), FakeFit()
        reports: list[Any] = []
        result = task(of_layers(images, folder=str(tmp_path)), images, fit)(reports.append, never)
        assert (result.reason, result.message) == (FinishReason.COMPLETED, "All steps were done.")
        (begun,) = [report for report in reports if isinstance(report, Begun)]
        ((config, folder, options),) = fit.calls
        assert begun.folder == folder
        assert folder.parent == tmp_path
        assert config.outputs == ("sim",)
        assert [len(options[name]) for name in ("train", "validation")] == [2, 1]
        assert options["accelerator"] == "cpu"
        assert [r.step for r in reports if isinstance(r, StepReport)] == [1, 2, 3, 4]

    def doubted(self, **options: Any) -> tuple[TrainTask, FakeFit, Control]:
        images, fit, control = w2s_images(), FakeFit(), Control()
        images["sim"] = images["sim"].replace(data=np.roll(images["sim"].data, 8, axis=-1))
        return task(of_layers(images), images, fit, control=control, **options), fit, control

    @pytest.mark.parametrize("answer", [Control.go, Control.stop], ids=["go on", "stop"])
    def test_it_waits_for_an_answer_to_doubts(self, answer: Callable[[Control], None]):
        work, fit, control = self.doubted()
        asked, reports = threading.Event(), []

        def report(what: Any) -> None:
            reports.append(what)
            if isinstance(what, Doubts):
                asked.set()

        errors: list[BaseException] = []

        def run() -> None:
            try:
                work(report, never)
            except Cancelled as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert asked.wait(30)
        assert fit.calls == []
        assert any(isinstance(r, NoteReport) and "shifted" in r.text for r in reports)
        answer(control)
        thread.join(30)
        assert (len(fit.calls), len(errors)) == ((1, 0) if answer is Control.go else (0, 1))

    def test_what_was_accepted_before_is_not_asked_again(self):
        work, _, _ = self.doubted()
        choice, images = work.choice, dict(work.images)
        known = read_fields(choice, recipe(choice, images), images).doubts
        assert known
        again, fit, _ = self.doubted(accepted=known)
        reports: list[Any] = []
        again(reports.append, never)
        assert len(fit.calls) == 1
        assert not any(isinstance(r, Doubts) for r in reports)

    def test_a_stop_before_the_first_step_ends_it(self):
        images, fit = w2s_images(), FakeFit()
        with pytest.raises(Cancelled):
            task(of_layers(images), images, fit)([].append, lambda: True)
        assert fit.calls == []

    def test_a_panel_that_is_gone_stops_the_run(self):
        images = w2s_images()
        gone = threading.Event()
        fit = FakeFit(steps=1000)

        def report(what: Any) -> None:
            if isinstance(what, StepReport):
                gone.set()

        result = task(of_layers(images), images, fit)(report, gone.is_set)
        assert result.reason is FinishReason.STOPPED
        assert fit.done < 1000

    def test_wishes_reach_the_run(self):
        images, control = w2s_images(), Control()
        wishes: list[Wish] = []

        def fit(config: Any, folder: Path, *, wish: Any, **_: Any) -> TrainingResult:
            wishes.append(wish())
            control.pause()
            wishes.append(wish())
            return TrainingResult(FinishReason.STOPPED, 0, 1, None)

        task(of_layers(images), images, fit, control=control)([].append, never)  # type: ignore[arg-type]
        assert wishes == [Wish.GO, Wish.PAUSE]


def test_every_error_has_words():
    assert explain_training(InputError("Too small. Take more.")) == "Too small. Take more."
    assert "no model to keep" in explain_training(Cancelled("x"))
    assert "Memory ran out" in explain_training(RuntimeError("CUDA out of memory. Tried …"))
    assert "Memory ran out" in explain_training(MemoryError())
    assert "needs a package" in explain_training(ModuleNotFoundError("No module named 'lightning'"))
    assert explain_training(RuntimeError("it broke\nhere")).startswith("The training failed: it broke. ")
    assert "ZeroDivisionError" in explain_training(ZeroDivisionError())
