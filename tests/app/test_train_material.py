"""Which images of open layers show one place."""

from __future__ import annotations

from typing import Any

import pytest
from w2s_train import layer, w2s_layers

from napari_w2s.app.training.material import Ref, pair, suggest_noisy
from napari_w2s.app.training.state import MATCHED, NO_LAYER


def test_w2s_layers_are_paired_by_what_their_metadata_say():
    layers = w2s_layers(fovs=(1, 2, 3), channels=(0, 2), levels=("avg1", "avg4", "avg400", "sim"))
    noisy = suggest_noisy(layers)
    assert noisy == ("ch0 avg1", "ch0 avg4", "ch2 avg1", "ch2 avg4")
    pairing = pair(layers, noisy, MATCHED, MATCHED)
    assert pairing.count() == "3 fields × 2 channels"
    assert pairing.with_clean
    assert pairing.with_sim
    assert pairing.groups == 3
    assert pairing.levels == ("avg1", "avg4")
    second = next(scene for scene in pairing.scenes if scene.name == "002 ch2")
    assert second.inputs == {"avg1": Ref("ch2 avg1", (1,)), "avg4": Ref("ch2 avg4", (1,))}
    assert (second.clean, second.sim) == (Ref("ch2 avg400", (1,)), Ref("ch2 sim", (1,)))
    assert (second.fov, second.group) == (2, "W2S field of view 002")


def test_stacks_that_begin_at_another_field_are_paired_by_field():
    (avg1,) = w2s_layers(fovs=(1, 2, 3), levels=("avg1",))
    (clean,) = w2s_layers(fovs=(2, 3, 4), levels=("avg400",))
    pairing = pair((avg1, clean), (avg1.id,), MATCHED, MATCHED)
    assert [scene.clean for scene in pairing.scenes] == [None, Ref(clean.id, (0,)), Ref(clean.id, (1,))]
    assert not pairing.with_clean


def test_a_field_without_a_file_is_left_out():
    (avg1,) = w2s_layers(fovs=(1, 2, 3), levels=("avg1",), missing_fovs=[2])
    assert [scene.fov for scene in pair((avg1,), (avg1.id,), MATCHED, MATCHED).scenes] == [1, 3]


def test_single_images_of_the_benchmark_are_paired_too():
    images = [layer(i, known={"release": "8-bit", "fov": 5, "channel": 1, "level": i}) for i in ("avg1", "avg400")]
    (scene,) = pair(images, ("avg1",), MATCHED, MATCHED).scenes
    assert (scene.name, scene.clean, scene.sim) == ("005 ch1", Ref("avg400", ()), None)


def test_own_layers_are_paired_index_by_index():
    noisy = layer("noisy", (2, 4, 16, 16), axes=("c", "z", "y", "x"))
    clean = layer("clean", (2, 4, 16, 16), axes=("c", "z", "y", "x"))
    sim = layer("sim", (2, 4, 32, 32), axes=("c", "z", "y", "x"))
    pairing = pair((noisy, clean, sim), ("noisy",), "clean", "sim")
    assert pairing.count() == "8 images"
    assert all(s.clean is not None and s.clean.index == s.inputs["noisy"].index for s in pairing.scenes)
    # The channels of one place are not split between training and validation.
    assert pairing.groups == 4


def test_one_clean_image_may_serve_for_all():
    pairing = pair((layer("noisy", (5, 16, 16)), layer("clean")), ("noisy",), "clean", NO_LAYER)
    assert {scene.clean for scene in pairing.scenes} == {Ref("clean", ())}
    assert pairing.groups == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (layer("target", (16, 18)), "target has 16 × 18 pixels; as the clean image of noisy it needs 16 × 16"),
        (layer("target", (3, 16, 16)), "target has 3 images, and noisy has 5 images"),
        (layer("target", problem="target is an RGB image."), "target is an RGB image."),
    ],
    ids=["size", "number", "unusable"],
)
def test_what_does_not_fit_says_why(target: Any, words: str):
    pairing = pair((layer("noisy", (5, 16, 16)), target), ("noisy",), "target", NO_LAYER)
    assert words in pairing.problem
    assert pairing.scenes == ()


def test_nothing_is_guessed_for_layers_from_elsewhere():
    layers = (layer("noisy"), layer("clean"))
    assert suggest_noisy(layers) == ()
    (scene,) = pair(layers, ("noisy",), MATCHED, MATCHED).scenes
    assert (scene.clean, scene.sim) == (None, None)


def test_a_restored_image_is_not_called_noisy():
    (avg1,) = w2s_layers(fovs=(1,), levels=("avg1",))
    restored = layer("restored", known={**avg1.known, "restoration": {}})
    assert suggest_noisy((avg1, restored)) == (avg1.id,)


def test_frames_are_found():
    assert layer("a", (9, 16, 16), axes=("t", "y", "x")).frame_axis == 0
    assert layer("b", (3, 9, 16, 16), axes=("fov", "t", "y", "x"), known={"level": "burst"}).is_burst
    assert layer("c", (9, 16, 16), axes=("axis0", "y", "x")).is_burst
    assert not layer("d", (9, 16, 16), axes=("z", "y", "x")).is_burst
    assert layer("e", (1, 16, 16), axes=("t", "y", "x")).frame_axis is None
    assert layer("f").frame_axis is None


def test_the_frames_of_a_burst_are_images_of_their_own():
    known = {"release": "raw", "fov": 3, "channel": 1, "level": "burst"}
    pairing = pair([layer("burst", (4, 16, 16), axes=("t", "y", "x"), known=known)], ["burst"], NO_LAYER, NO_LAYER)
    assert [scene.name for scene in pairing.scenes] == [f"003 ch1 [{i}]" for i in range(4)]
    assert pairing.count() == "4 images"
    assert pairing.groups == 1


def test_test_fields_are_noticed():
    layers = w2s_layers(fovs=(79, 81, 120), levels=("avg1", "avg400"))
    assert pair(layers, suggest_noisy(layers), MATCHED, MATCHED).test_fovs == (81, 120)
