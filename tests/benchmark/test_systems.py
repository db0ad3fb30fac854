"""Pipelines by name become chains of models that can run."""

from __future__ import annotations

import pytest

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark.systems import find_systems
from napari_w2s.models.builtin import BUILTIN
from napari_w2s.models.registry import Registry

REGISTRY = Registry(BUILTIN)


def test_the_place_for_the_level_is_filled_in() -> None:
    (system,) = find_systems(["dncnn-{level}+bicubic"], ["avg1", "avg16"], REGISTRY)
    assert system.name == "dncnn-{level}+bicubic"
    assert system.chains == {"avg1": ("dncnn-avg1", "bicubic"), "avg16": ("dncnn-avg16", "bicubic")}


def test_what_is_scored_follows_from_the_scale() -> None:
    systems = find_systems(["noisy", "vst-nlm", "bicubic", "w2s-jdsr", "vst-nlm+bicubic"], ["avg1"], REGISTRY)
    assert [system.task for system in systems] == [Task.DENOISE, Task.DENOISE, Task.SR, Task.SR, Task.SR]
    assert systems[0].chains == {"avg1": ()}


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("dncn-avg1", "no model named 'dncn-avg1'. Did you mean dncnn-avg1"),
        ("dncnn-{level}", r"dncnn-\{level\} at avg400: There is no model named 'dncnn-avg400'"),
        ("dncnn-{fov}", "only place that can be filled in"),
        ("bicubic+vst-nlm", "nothing comes after super-resolution"),
        ("bicubic+bicubic", "nothing comes after super-resolution"),
        ("vst-nlm+", "lacks the name of a model"),
        ("noisy+bicubic", "noisy is no model. Leave it out: bicubic"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_does(pipeline: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_systems([pipeline], ["avg1", "avg400"], REGISTRY)
