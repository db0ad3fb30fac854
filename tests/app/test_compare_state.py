"""What a user wants compared, what it comes to, titles that fit, and bursts averaged step by step."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_w2s._types import Cancelled, InputError, Level
from napari_w2s.app.comparing.burst import RunningMean
from napari_w2s.app.comparing.comparison import Box, Comparison, Contrast, Tile
from napari_w2s.app.comparing.numbers import METRICS, OPTIONAL, Numbers, TileNumbers
from napari_w2s.app.comparing.plan import Candidate, bursts_of, compare, resolve, results_of, ticked
from napari_w2s.app.comparing.state import Area, Columns, CompareState, Line, Map, View
from napari_w2s.app.comparing.title import contrast_note, fit_titles, numbers_of
from napari_w2s.app.comparing.worth import AveragingCurve
from napari_w2s.app.comparing.worth_text import worth_sentences
from napari_w2s.data.image import Image

PIXELS = np.zeros((8, 8), np.float32)


def image(name: str = "mine", data: Any = PIXELS, axes: tuple[str, ...] = (), **known: Any) -> Image:
    axes = axes or (*(f"axis{i}" for i in range(data.ndim - 2)), "y", "x")
    metadata = {"w2s": known} if known else {}
    return Image(
        data=data, name=name, axes=axes, scale=(1.0,) * data.ndim, units=("pixel",) * data.ndim, metadata=metadata
    )


def of_w2s(level: str, fov: int = 3, data: Any = PIXELS, axes: tuple[str, ...] = (), **more: Any) -> Image:
    return image(level, data, axes, release="rgb", fov=fov, channel=0, level=level, **more)


def restored(level: str, name: str = "net", fov: int = 3) -> Image:
    made = {"models": [{"name": name}], "scale": 1, "date": "2025"}
    return of_w2s(level, fov, restoration=made)


def candidates(**images: Image | None) -> list[Candidate]:
    """Describe images from the bottom to the top."""
    made = [Candidate(key, key, one, None if one is not None else f"{key} is odd.") for key, one in images.items()]
    return made[::-1]


class TestState:
    def test_settings_come_back(self):
        state = CompareState(contrast=Contrast.MATCHED, columns=Columns.ALONE, threshold="half-bit", normalised=True)
        state.width_um, state.width_px = 0.25, 3.0
        again = CompareState()
        again.recall(state.persistent())
        assert again == state
        assert all(isinstance(value, str | float | bool) for value in state.persistent().values())

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"contrast": "loud", "columns": 3, "threshold": "1/8", "normalised": "yes", "other": 1},
            {"width_um": -1, "width_px": "3"},
            {"width_um": float("nan"), "width_px": float("inf")},
            {"width_um": True, "width_px": None},
        ],
    )
    def test_settings_that_make_no_sense_are_left_out(self, values: dict[str, Any]):
        state = CompareState()
        state.recall(values)
        assert state == CompareState()

    def test_a_change_is_told(self):
        state = CompareState()
        told: list[str] = []
        state.events.connect(lambda info: told.append(info.signal.name))
        state.view = View.CURTAIN
        state.view = View.CURTAIN
        assert told == ["view"]

    def test_other_images_begin_anew(self):
        state = CompareState(
            layers=("a", "b"),
            view=View.BLINK,
            pair=("a", "b"),
            area=Area.BOX,
            box=Box(0, 0, 1, 1),
            line=Line((0, 0), (1, 1)),
            map=Map.SSIM,
            frames={"a": 3},
            contrast=Contrast.PER_TILE,
        )
        state.begin(("c", "d"), "d")
        assert state == CompareState(layers=("c", "d"), reference="d", contrast=Contrast.PER_TILE)

    def test_the_pair(self):
        state = CompareState(layers=("a", "b", "c"))
        assert state.chosen_pair() == ("a", "c")
        state.pair = ("b", "a")
        assert state.chosen_pair() == ("b", "a")
        state.layers = ("b", "c")
        assert state.chosen_pair() == ("b", "c")
        state.pair = ("b", "b")
        assert state.chosen_pair() == ("b", "c")
        state.layers = ("b",)
        assert state.chosen_pair() is None

    def test_numbers_are_of_the_box_only_if_it_is_asked_for(self):
        state = CompareState(box=Box(0, 0, 1, 1))
        assert state.measured_box() is None
        state.area = Area.BOX
        assert state.measured_box() == Box(0, 0, 1, 1)

    def test_every_number_has_a_column(self):
        assert {key for columns in Columns for key in columns.keys} == {*METRICS, *OPTIONAL}


class TestPlan:
    def test_nothing_is_open(self):
        plan = resolve(CompareState(), [])
        assert "There is no image layer" in plan.missing
        assert (plan.levels, plan.last, plan.references) == (None, None, ())
        assert plan.no_levels
        assert plan.no_last

    def test_only_odd_images_are_open(self):
        plan = resolve(CompareState(), candidates(photo=None))
        assert plan.missing == "photo is odd."
        assert [(row.id, row.problem) for row in plan.layers] == [("photo", "photo is odd.")]

    @pytest.mark.parametrize(("count", "words"), [(0, "two layers"), (1, "two layers"), (2, ""), (31, "at most 30")])
    def test_how_many(self, count: int, words: str):
        images = {f"i{n}": image() for n in range(40)}
        plan = resolve(CompareState(layers=tuple(images)[:count]), candidates(**images))
        assert words in plan.missing
        assert bool(plan.missing) == bool(words)

    def test_layers_are_listed_from_the_top_and_those_that_went_are_not_counted(self):
        plan = resolve(CompareState(layers=("a", "gone")), candidates(a=image(), b=image()))
        assert [(row.id, row.checked) for row in plan.layers] == [("b", False), ("a", True)]
        assert "two layers" in plan.missing

    def test_the_buttons_know_what_they_would_show(self):
        given = candidates(a=of_w2s("avg1"), b=of_w2s("avg400"), r=restored("avg1"))
        plan = resolve(CompareState(layers=("a", "b")), given, "a")
        assert [tile.key for tile in plan.levels.tiles] == ["a", "b", "r"]
        assert [tile.key for tile in plan.last.tiles] == ["a", "r", "b"]
        assert plan.reference == "b"
        assert plan.action == "Compare 2 images"

    def test_levels_are_those_of_the_selected_layer_if_it_has_any(self):
        given = candidates(a=of_w2s("avg1"), b=of_w2s("avg2"), c=of_w2s("avg1", 4), d=of_w2s("avg2", 4), m=image())
        assert [t.key for t in resolve(CompareState(), given, "d").levels.tiles] == ["c", "d"]
        assert [t.key for t in resolve(CompareState(), given, "m").levels.tiles] == ["a", "b"]
        assert [t.key for t in resolve(CompareState(), given, "gone").levels.tiles] == ["a", "b"]

    def test_the_reference_is_the_obvious_one_or_the_chosen_one_or_none(self):
        given = candidates(a=of_w2s("avg1"), b=of_w2s("avg400"))
        for chosen, comes_to in ((None, "b"), ("a", "a"), ("", None), ("gone", "b")):
            state = CompareState(layers=("a", "b"), reference=chosen)
            assert resolve(state, given).reference == comes_to

    @given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
    def test_ticks_keep_the_order(self, before: list[str], now: list[str]):
        after = ticked(before, now)
        assert set(after) == set(now)
        kept = [key for key in before if key in now]
        assert list(after[: len(kept)]) == kept
        assert list(after[len(kept) :]) == [key for key in reversed(now) if key not in before]


class TestCompare:
    def test_levels_that_are_not_chosen_serve_the_averaging_curve(self):
        images = {"a": of_w2s("avg1"), "b": of_w2s("avg2"), "s": of_w2s("sim"), "c": of_w2s("avg400"), "x": image()}
        made = compare(images, ("c", "a"), None)
        assert [tile.key for tile in made.tiles] == ["c", "a"]
        assert [tile.key for tile in made.averages] == ["b"]
        assert made.reference == "c"

    def test_a_burst_is_shown_if_it_is_asked_for(self):
        burst = of_w2s("burst", data=np.zeros((5, 8, 8), np.float32), axes=("t", "y", "x"))
        images = {"a": of_w2s("avg1"), "b": burst}
        hidden, shown = compare(images, ("b", "a"), None), compare(images, ("b", "a"), None, bursts=("b",))
        assert [tile.key for tile in hidden.tiles] == ["a"]
        assert [tile.key for tile in shown.tiles] == ["a", "b"]
        assert "b" in {tile.key for tile in hidden.averages}

    def test_nothing(self):
        with pytest.raises(InputError, match="choose images"):
            compare({"a": image()}, ("gone",), None)

    def test_which_can_be_averaged_step_by_step(self):
        stack = np.zeros((4, 8, 8), np.float32)
        images = {
            "frames": image(data=stack, axes=("t", "y", "x")),
            "planes": image(data=stack, axes=("z", "y", "x")),
            "fields": image(data=stack, axes=("fov", "y", "x")),
            "one": image(data=stack[:1], axes=("t", "y", "x")),
            "flat": image(),
        }
        assert bursts_of(compare(images, tuple(images), None), images) == ("frames",)

    def test_restorations(self):
        images = {"a": of_w2s("avg1"), "r": restored("avg1")}
        assert [tile.key for tile in results_of(compare(images, ("a", "r"), None))] == ["r"]


def numbers(**values: Any) -> Numbers:
    curve = AveragingCurve(frames=(1, 400), errors=(20.0, 1.0), measured=400, total=400, source="levels")
    tiles = (
        TileNumbers(key="a", title="avg1", **values),
        TileNumbers(key="r", title="avg400", is_reference=True, worth=float("inf")),
    )
    return Numbers(
        tiles=tiles,
        reference="r",
        data_range=255,
        range_source="8-bit images",
        unit="nm",
        threshold="1/7",
        area="whole image",
        curve=curve,
    )


class TestTitles:
    @pytest.mark.parametrize(
        ("values", "parts"),
        [
            ({"psnr": 24.23, "ssim": 0.451}, ("24.2 dB", "SSIM 0.45")),
            (
                {"psnr": 24.23, "psnr_matched": 30, "ssim_matched": 0.9, "shares_scale": False},
                ("30.0 dB matched", "SSIM 0.90"),
            ),
            ({"psnr": float("inf"), "ssim": 1.0}, ("∞ dB", "SSIM 1.00")),
            ({"psnr": float("nan")}, ()),
            ({}, ()),
        ],
    )
    def test_numbers_behind_a_title(self, values: dict[str, Any], parts: tuple[str, ...]):
        assert numbers_of(numbers(**values), "a") == parts

    def test_the_reference_has_none(self):
        assert numbers_of(numbers(psnr=3), "r") == ("reference",)
        assert numbers_of(None, "a") == numbers_of(numbers(), "gone") == ()

    @given(st.integers(0, 2000))
    def test_what_fits_is_shown_and_the_title_always(self, width: int):
        titles = {"a": "avg1", "b": "w2s-jdsr of avg1 (estimate)"}
        fitted = fit_titles(titles, {"a": ("24.2 dB", "SSIM 0.45"), "b": ("30.2 dB", "SSIM 0.85")}, width)
        assert all(fitted.texts[key].startswith(title) for key, title in titles.items())
        more = fit_titles(titles, {"a": ("24.2 dB", "SSIM 0.45"), "b": ("30.2 dB", "SSIM 0.85")}, width + 50)
        assert all(len(more.texts[key]) >= len(fitted.texts[key]) for key in titles)
        assert more.size >= fitted.size
        if width > 700:
            assert fitted.texts["b"] == "w2s-jdsr of avg1 (estimate) · 30.2 dB · SSIM 0.85"

    def test_the_contrast_is_told(self):
        tiles = (Tile(key="a", image=image(), title="a"), Tile(key="b", image=image(), title="b"))
        matched = Comparison(tiles=tiles, reference="b", contrast=Contrast.MATCHED)
        assert contrast_note(matched, 9, 900) == "contrast matched to b"
        assert contrast_note(matched, 9, 130) == "matched to b"
        assert contrast_note(matched, 9, 100) == "matched"
        assert contrast_note(matched, 9, 40) == ""
        assert contrast_note(matched, 9, 900, maps=True) == "images: contrast matched to b"
        assert contrast_note(matched.replace(contrast=Contrast.PER_TILE), 9, 900) == "own contrast"
        assert contrast_note(matched.replace(contrast=Contrast.SHARED), 9, 120) == "one contrast"
        assert contrast_note(Comparison(tiles=()), 9, 900) == ""

    def test_a_map_is_explained_in_as_many_words_as_there_is_room_for(self):
        tiles = (Tile(key="a", image=image(), title="a"),)
        legend = (("orange: erased, blue: invented", "orange erased"), ("beyond 4 σ of the noise of avg1",))
        text = contrast_note(Comparison(tiles=tiles), 9, 900, maps=True, legend=legend)
        assert text.splitlines() == ["images: one contrast for all", legend[0][0], legend[1][0]]
        text = contrast_note(Comparison(tiles=tiles), 9, 140, maps=True, legend=legend)
        assert text.splitlines() == ["one contrast", "orange erased"]

    def test_what_restorations_are_worth(self):
        known = numbers(worth=23.4)
        assert worth_sentences(known, ("a",)) == ["avg1 is worth 23 frames."]
        assert worth_sentences(known, ()) == []
        assert worth_sentences(numbers(), ("a",)) == []


class TestRunningMean:
    FRAMES = np.random.default_rng(0).integers(90, 400, (9, 5, 6)).astype(np.uint16)

    @given(st.lists(st.integers(-3, 14), min_size=1, max_size=8))
    def test_it_is_the_mean_of_the_first_frames(self, steps: list[int]):
        running = RunningMean(image(data=self.FRAMES, axes=("t", "y", "x")))
        for step in steps:
            count = min(max(step, 1), 9)
            np.testing.assert_allclose(running.mean(step).data, self.FRAMES[:count].mean(axis=0), rtol=1e-6)

    def test_what_is_known_of_it(self):
        running = RunningMean(of_w2s("burst", data=self.FRAMES, axes=("t", "y", "x")))
        mean = running.mean(4)
        assert (mean.w2s["level"], mean.w2s["frames"]) == (Level.AVG4, [0, 3])
        assert running.mean(5).w2s["level"] is None
        assert mean.data.dtype == np.float32
        assert mean.axes == ("y", "x")

    def test_frames_of_a_lazy_burst_are_read_once_going_up(self):
        read: list[int] = []

        def frame(block_info: Any = None) -> Any:
            start = block_info[None]["array-location"][0][0]
            read.append(start)
            return self.FRAMES[start : start + 1]

        lazy = da.map_blocks(frame, chunks=((1,) * 9, (5,), (6,)), dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16))
        running = RunningMean(image(data=lazy, axes=("t", "y", "x")))
        for count in (1, 2, 5):
            running.mean(count)
        assert sorted(n for n in read if n) == [1, 2, 3, 4]

    def test_it_can_be_stopped_and_goes_on(self):
        running = RunningMean(image(data=self.FRAMES, axes=("t", "y", "x")))
        polls = iter([False, False, True])
        with pytest.raises(Cancelled):
            running.mean(6, lambda: next(polls))
        np.testing.assert_allclose(running.mean(6).data, self.FRAMES[:6].mean(axis=0), rtol=1e-6)
