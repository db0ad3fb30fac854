"""Settings survive JSON, and say the command that repeats them."""

from __future__ import annotations

import json
import shlex

import pytest

from napari_w2s.app.settings import RestoreSettings


def test_the_command_names_only_what_differs_from_the_defaults() -> None:
    plain = RestoreSettings(models=("vst-nlm", "bicubic"))
    assert plain.command(["a.tif"], "out") == "napari-w2s restore a.tif -m vst-nlm+bicubic -o out"


def test_the_command_quotes_and_lists_every_option() -> None:
    settings = RestoreSettings(
        models=("dncnn-avg1",),
        device="cuda:0",
        precision="bfloat16",
        tile=256,
        flips=True,
        intensity_range=(94, 412.5),
        non_finite="fill",
        weights="my weights.pth",
    )
    words = shlex.split(settings.command(["my cells.tif"], "the results"))
    assert words == [
        *["napari-w2s", "restore", "my cells.tif", "-m", "dncnn-avg1", "-o", "the results", "--device", "cuda:0"],
        *["--precision", "bfloat16", "--tile", "256", "--non-finite", "fill", "--weights", "my weights.pth"],
        *["--flips", "--range", "94", "412.5"],
    ]


def test_settings_survive_json() -> None:
    settings = RestoreSettings(models=("a", "b"), intensity_range=(0, 1), tile=64, flips=True)
    again = RestoreSettings.from_dict({**json.loads(json.dumps(settings.to_dict())), "from_the_future": 1})
    assert again == settings


@pytest.mark.parametrize(
    "wrong", [{"models": ()}, {"precision": "half"}, {"non_finite": "drop"}, {"tile": 0}], ids=lambda w: str(*w)
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|at least one"):
        RestoreSettings(**{"models": ("a",), **wrong})  # type: ignore[arg-type]


def test_the_command_has_every_digit_of_the_range() -> None:
    words = shlex.split(RestoreSettings(models=("a",), intensity_range=(-0.1, 1234567.875)).command(["a.tif"]))
    assert words[-2:] == ["-0.1", "1234567.875"]
