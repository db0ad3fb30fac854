"""Which images make a comparison, told by metadata alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from w2s_averages import SIZE, burst, image_of, known_as, levels, restored, w2s_image
from w2s_tree import make_8bit, make_raw

from napari_w2s._types import InputError, Level
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.place import (
    JUDGED,
    LEARNED,
    Place,
    facts_of_training,
    is_burst,
    is_estimate,
    is_finer,
    place_of,
    was_seen,
)
from napari_w2s.app.comparing.select import gather, input_of, last_restoration, levels_of, title_of
from napari_w2s.data.image import Image
from napari_w2s.data.stacks import average_image, open_images

ORDER = ["avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "SIM"]


def titles(comparison: Comparison) -> list[str]:
    return [tile.title for tile in comparison.tiles]


def shuffled(images: dict[str, Image]) -> dict[str, Image]:
    keys = list(images)
    np.random.default_rng(1).shuffle(keys)
    return {key: images[key] for key in keys}


class TestLevels:
    def test_are_in_their_order_whatever_that_of_the_layers(self) -> None:
        found = levels_of(shuffled(levels()))
        assert titles(found) == ORDER
        assert found.reference == "avg400"

    def test_are_those_of_one_field_of_view_and_channel(self) -> None:
        images = {
            f"{fov} {ch} {key}": one
            for fov, ch in ((50, 0), (51, 0), (50, 1))
            for key, one in levels(fov=fov, channel=ch).items()
        }
        found = levels_of(images, "51 0 avg4")
        assert titles(found) == ORDER
        assert {tile.image.w2s["fov"] for tile in found.tiles} == {51}
        assert {tile.image.w2s["channel"] for tile in levels_of(images, "50 1 sim").tiles} == {1}

    def test_do_not_depend_on_names(self) -> None:
        images = {key: image.replace(name="x") for key, image in levels().items()}
        assert titles(levels_of(images)) == ORDER

    def test_are_followed_by_restorations(self) -> None:
        images = levels()
        images["r"] = restored(images["avg1"], model="w2s-jdsr", scale=2)
        images["elsewhere"] = restored(levels(fov=51)["avg1"])
        found = levels_of(shuffled(images))
        assert titles(found) == [*ORDER, "w2s-jdsr of avg1 (estimate)"]

    def test_without_avg400_are_measured_against_sim(self) -> None:
        images = levels()
        del images["avg400"]
        assert levels_of(images).reference == "sim"

    def test_of_stacks_are_those_at_the_position(self, tmp_path: Path) -> None:
        make_8bit(tmp_path / "train", (3, 5), channels=(0, 1), levels=("avg1", "avg400", "sim"))
        images = {str(i): image for i, image in enumerate(open_images(tmp_path / "train"))}
        found = levels_of(images, position=(1.0,))
        assert titles(found) == ["avg1", "avg400", "SIM"]
        assert {place_of(tile.image, found.position) for tile in found.tiles} == {Place("8bit", 5, 0)}

    def test_have_a_burst_as_their_averages(self, tmp_path: Path) -> None:
        make_raw(tmp_path, (7,), frames=20)
        images = {image.w2s["level"]: image for image in open_images(tmp_path)}
        images["avg4"] = average_image(images["burst"], Level.AVG4)
        images["avg16"] = average_image(images["burst"], Level.AVG16)
        found = levels_of(images)
        assert titles(found) == ["avg4", "avg16", "SIM"]
        assert [tile.key for tile in found.averages] == ["burst"]

    def test_refuse_images_that_are_not_of_w2s(self) -> None:
        with pytest.raises(InputError, match="No image is known"):
            levels_of({"a": image_of(np.zeros((4, 4)))})
        with pytest.raises(InputError, match="No image is known"):
            levels_of({**levels(), "a": image_of(np.zeros((4, 4)))}, "a")

    def test_refuse_one_image_alone(self) -> None:
        with pytest.raises(InputError, match="field of view 050, channel 0, only one"):
            levels_of({"a": levels()["avg1"]})


class TestLastRestoration:
    def test_is_shown_between_its_input_and_the_reference(self) -> None:
        images = levels()
        images["r"] = restored(images["avg2"])
        found = last_restoration(images)
        assert titles(found) == ["avg2", "own-net of avg2", "avg400"]
        assert found.reference == "avg400"
        assert {tile.key for tile in found.averages} == {"avg1", "avg4", "avg8", "avg16"}

    def test_is_measured_against_sim_if_it_has_more_pixels(self) -> None:
        images = levels()
        images["r"] = restored(images["avg1"], scale=2)
        assert last_restoration(images).reference == "sim"
        assert "avg400" in {tile.key for tile in last_restoration(images).averages}

    def test_is_the_latest(self) -> None:
        images = levels()
        images["old"] = restored(images["avg1"], model="old", date="2026-01-01T00:00:05+00:00")
        images["new"] = restored(images["avg4"], model="new", date="2026-01-01T00:00:07+00:00")
        assert titles(last_restoration(images))[1] == "new of avg4"
        images["same"] = restored(images["avg8"], model="same", date="2026-01-01T00:00:07+00:00")
        assert titles(last_restoration(images))[1] == "same of avg8"

    def test_of_an_image_of_the_users_own_needs_no_reference(self) -> None:
        given = image_of(np.zeros((8, 8)), "cells", pixel=None)
        found = last_restoration({"a": given, "r": restored(given)})
        assert titles(found) == ["cells", "cells | own-net"]
        assert found.reference is None

    def test_is_shown_alone_where_its_input_is_gone(self) -> None:
        given = image_of(np.zeros((8, 8)), "cells", pixel=None)
        assert titles(last_restoration({"r": restored(given)})) == ["cells | own-net"]

    def test_has_to_be_there(self) -> None:
        with pytest.raises(InputError, match="no restoration yet"):
            last_restoration(levels())


class TestInput:
    def test_is_found_by_level_and_not_by_name(self) -> None:
        images = levels()
        result = restored(images["avg4"]).replace(name="avg1")
        assert input_of({**images, "r": result}, "r") == "avg4"

    def test_is_found_by_file(self) -> None:
        one, other = (known_as(image_of(np.zeros((8, 8))), release="image", source=f"/x/{n}.tif") for n in "ab")
        images = {"a": one, "b": other, "r": restored(one)}
        assert input_of(images, "r") == "a"
        # A result that was read from its file has that file as its source.
        images["r"] = known_as(images["r"], source="/x/result.ome.tif")
        assert input_of(images, "r") == "a"
        del images["a"]
        assert input_of(images, "r") is None

    def test_is_the_nearest_below_of_equals(self) -> None:
        given = image_of(np.zeros((8, 8)))
        assert input_of({"a": given, "b": given, "r": restored(given), "c": given}, "r") == "b"

    def test_covers_the_same_area(self) -> None:
        given = image_of(np.zeros((8, 8)))
        assert input_of({"a": image_of(np.zeros((8, 9))), "r": restored(given)}, "r") is None
        away = given.replace(translate=(1.0, 0.0))
        assert input_of({"a": away, "r": restored(given)}, "r") is None


class TestTitles:
    def test_of_the_users_images_are_their_names(self) -> None:
        assert title_of(image_of(np.zeros((4, 4)), "My cells.tif")) == "My cells.tif"

    def test_of_estimates_always_say_so(self) -> None:
        given = image_of(np.zeros((4, 4)), "cells")
        result = restored(given, scale=2)
        assert title_of(result) == "cells | own-net (estimate)"
        assert title_of(result.replace(name="renamed")) == "renamed (estimate)"
        assert title_of(result.replace(name="cells | net (2x estimate)")) == "cells | net (2x estimate)"
        assert title_of(restored(levels()["avg1"], scale=2)).endswith("(estimate)")

    def test_of_means_of_some_frames_count_them(self) -> None:
        image = w2s_image(burst(), "burst")
        assert title_of(average_image(image, 37)) == "mean of 37 frames"
        assert title_of(average_image(image, Level.AVG8)) == "avg8"

    def test_tell_places_apart(self) -> None:
        images = {f"{fov}": levels(fov=fov)["avg1"] for fov in (50, 51)}
        assert titles(gather(images)) == ["050 ch0 avg1", "051 ch0 avg1"]

    def test_are_never_the_same_twice(self) -> None:
        images = levels()
        again = {"a": images["avg1"], "b": images["avg1"]} | {
            f"r{i}": restored(images["avg1"], scale=2) for i in (1, 2)
        }
        assert titles(gather(again)) == [
            "avg1 #1", "avg1 #2", "own-net of avg1 #1 (estimate)", "own-net of avg1 #2 (estimate)",
        ]  # fmt: skip


class TestGather:
    def test_keeps_the_order(self) -> None:
        images = shuffled(levels())
        assert [tile.key for tile in gather(images).tiles] == list(images)

    def test_takes_the_only_reference_there_is(self) -> None:
        assert gather(levels()).reference == "avg400"
        assert gather({"a": levels()["sim"], "b": levels()["avg1"]}).reference == "a"
        assert gather({"a": levels()["sim"], "b": levels()["sim"]}).reference is None
        assert gather(levels(), "avg8").reference == "avg8"

    def test_refuses_nothing(self) -> None:
        with pytest.raises(InputError, match="nothing to compare"):
            gather({})


class TestWhatIsKnown:
    def test_of_users_images_is_no_place(self) -> None:
        assert place_of(image_of(np.zeros((4, 4)))) is None
        assert place_of(known_as(image_of(np.zeros((4, 4))), release="image", channel=0, fov=3)) is None

    def test_bursts_estimates_and_finer_images_are_told_apart(self) -> None:
        images = levels()
        assert is_burst(w2s_image(burst(), "burst"))
        assert not is_burst(images["avg1"])
        assert [key for key, image in images.items() if is_finer(image)] == ["sim"]
        assert is_estimate(restored(images["avg1"], scale=2))
        assert not is_estimate(restored(images["avg1"]))
        assert not is_estimate(images["sim"])

    def test_the_packaged_model_learned_from_fields_1_to_46_and_was_judged_by_47_to_56(self) -> None:
        given = levels()["avg1"]

        def seen(fov: int) -> str:
            return was_seen(restored(known_as(given, fov=fov), model="w2s-denoise"))

        assert [seen(fov) for fov in (1, 46, 47, 56, 57, 80)] == [LEARNED, LEARNED, JUDGED, JUDGED, "", ""]

    def test_a_model_without_a_card_is_taken_to_have_learned_from_all_training_fields(self) -> None:
        given = levels()["avg1"]
        for model in ("dncnn-avg1", "never-heard-of"):
            assert was_seen(restored(known_as(given, fov=80), model=model)) == LEARNED
            assert was_seen(restored(known_as(given, fov=81), model=model)) == ""

    def test_a_method_without_weights_learned_from_nothing(self) -> None:
        assert was_seen(restored(levels()["avg1"], model="vst-nlm", sha256=None)) == ""
        assert was_seen(levels()["avg1"]) == ""
        assert was_seen(restored(image_of(np.zeros((SIZE, SIZE))))) == ""

    def test_cards_tell_fields_and_whether_a_model_is_generative(self) -> None:
        config = {
            "train": [{"kind": "w2s", "fovs": "1-3, 7"}, {"kind": "folder"}],
            "validation": [{"kind": "w2s", "fovs": "3-4"}],
            "adversarial": {"weight": 1},
        }
        facts = facts_of_training({"config": config, "before": [{"config": {"train": [{"kind": "w2s", "fovs": "9"}]}}]})
        assert facts.learned == {1, 2, 3, 7, 9}
        assert facts.judged == {4}
        assert facts.generative
        stated = facts_of_training({"config": config, "data": {"train": {"fovs": [5]}, "validation": {"fovs": []}}})
        assert stated.learned == {5}
        assert stated.judged == frozenset()
