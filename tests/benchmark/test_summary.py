"""Means, intervals, differences and ranks, with the field of view as the unit."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_w2s._types import Task
from napari_w2s.benchmark.cases import Case
from napari_w2s.benchmark.published import find_published, published_table
from napari_w2s.benchmark.statistics import bootstrap_interval, ranks, spread
from napari_w2s.benchmark.summary import Summary, summarise, write_summary
from napari_w2s.benchmark.table import Row

Scores = Mapping[tuple[str, int], float]


def rows(system: str, scores: Scores, *, task: Task = Task.SR, level: str = "avg2", metric: str = "psnr") -> list[Row]:
    chain = tuple(system.replace("{level}", level).split("+"))
    return [
        Row(
            system=system,
            chain=chain,
            task=task,
            case=Case(field=field, channel=channel, level=level, source=None),
            values={} if np.isnan(value) else {metric: value},
            error="it failed" if np.isnan(value) else "",
        )
        for (field, channel), value in scores.items()
    ]


def by_system(summaries: list[Summary]) -> dict[str, Summary]:
    return {one.system: one for one in summaries}


def test_the_field_is_the_unit() -> None:
    scores = {("001", 0): 20.0, ("001", 1): 30.0, ("002", 0): 31.0}
    (one,) = summarise(rows("bicubic", scores), ["psnr"], protocol="float")
    assert (one.fovs, one.images, one.failed) == (2, 3, 0)
    assert one.mean == 28.0
    assert one.std == pytest.approx(np.std([25, 31], ddof=1))
    assert one.interval == bootstrap_interval([25, 31])


def test_differences_are_paired_by_image() -> None:
    base = {(f"{n:03d}", c): 20.0 + 3 * n + c for n in range(1, 7) for c in (0, 1)}
    better = {place: value + (0.4 if place[1] else 0.6) for place, value in base.items()}
    better["002", 0] = float("nan")
    made = by_system(
        summarise([*rows("bicubic", base), *rows("rcan", better)], ["psnr"], protocol="float", baseline="bicubic")
    )
    assert made["bicubic"].difference is None
    assert made["bicubic"].baseline == ""
    rcan = made["rcan"]
    assert (rcan.baseline, rcan.failed) == ("bicubic", 1)
    assert rcan.difference == pytest.approx((5 * 0.5 + 0.4) / 6)
    assert rcan.difference_interval is not None
    low, high = rcan.difference_interval
    assert 0.4 < low < rcan.difference < high < 0.51
    spread_of_means = made["bicubic"].interval
    assert spread_of_means is not None
    assert spread_of_means[1] - spread_of_means[0] > 10 * (high - low)


def test_a_pipeline_of_another_level_takes_no_part_in_ranks() -> None:
    scores = {("001", 0): 1.0, ("002", 0): 2.0}
    table = [*rows("a", scores), *rows("b", scores), *rows("c", scores, level="avg1")]
    made = by_system([one for one in summarise(table, ["psnr"], protocol="float") if one.level == "avg2"])
    assert {name: one.rank for name, one in made.items()} == {"a": 1.5, "b": 1.5}


def test_ranks_count_fields_that_all_have() -> None:
    first = {("001", 0): 1.0, ("002", 0): 9.0, ("003", 0): 9.0}
    second = {("001", 0): 2.0, ("002", 0): 2.0, ("003", 0): float("nan")}
    third = {("001", 0): 2.0, ("002", 0): 1.0, ("003", 0): 1.0}
    table = [*rows("a", first), *rows("b", second), *rows("c", third)]
    made = by_system(summarise(table, ["psnr"], protocol="float"))
    assert (made["a"].rank, made["b"].rank, made["c"].rank) == (2.0, 1.75, 2.25)
    lower = [
        *rows("a", {("1", 0): 1.0}, metric="rmse"),
        *rows("b", {("1", 0): 2.0}, metric="rmse"),
    ]
    made = by_system(summarise(lower, ["rmse"], protocol="float"))
    assert (made["a"].rank, made["b"].rank) == (1.0, 2.0)


def test_denoising_and_super_resolution_are_not_compared() -> None:
    table = [
        *rows("noisy", {("1", 0): 1.0}, task=Task.DENOISE),
        *rows("blur", {("1", 0): 2.0}, task=Task.DENOISE),
        *rows("bicubic", {("1", 0): 3.0}),
        *rows("rcan", {("1", 0): 5.0}),
    ]
    made = by_system(summarise(table, ["psnr"], protocol="float", baseline="rcan"))
    assert (made["blur"].baseline, made["blur"].difference) == ("noisy", 1.0)
    assert (made["bicubic"].baseline, made["bicubic"].difference) == ("rcan", -2.0)
    assert made["blur"].rank == 1.0


def test_equal_infinite_scores_do_not_differ() -> None:
    infinite = {("1", 0): float("inf"), ("2", 0): 30.0}
    made = by_system(summarise([*rows("a", infinite), *rows("b", infinite)], ["psnr"], protocol="float"))
    assert made["b"].difference == 0
    assert made["b"].std is None
    assert made["b"].interval is None


def test_a_pipeline_that_always_fails_has_no_numbers() -> None:
    table = [*rows("a", {("1", 0): float("nan")}), *rows("b", {("1", 0): 30.0})]
    made = by_system(summarise(table, ["psnr"], protocol="float"))
    assert (made["a"].mean, made["a"].failed, made["b"].difference, made["b"].rank) == (None, 1, None, None)


def test_published_figures_stand_beside_the_same_system_only() -> None:
    assert len(published_table()) == 4 * 6 * 6
    scores = {("1", 0): 25.0}
    table = [row for name in ("dncnn-{level}+rcan", "dncnn-{level}+rcan-light") for row in rows(name, scores)]
    made = by_system(summarise(table, ["psnr"], protocol="w2s-8bit"))
    assert made["dncnn-{level}+rcan"].published == published_table()["avg2", "DnCNN", "RCAN"].psnr
    assert made["dncnn-{level}+rcan-light"].published is None
    assert summarise(table, ["psnr"], protocol="float")[0].published is None
    assert find_published(("dncnn-avg1", "rcan"), "avg2") is None
    assert find_published(("vst-bm3d", "epsr"), "avg16") is not None


def test_the_file_has_a_line_per_metric() -> None:
    scores = {("1", 0): 25.0, ("2", 0): 26.0}
    table = rows("dncnn-{level}+rcan", scores)
    (line,) = csv.DictReader(io.StringIO(write_summary(summarise(table, ["psnr"], protocol="w2s-8bit"), "w2s-8bit")))
    assert (line["metric"], line["mean"], line["fovs"], line["protocol"]) == ("psnr", "25.500000", "2", "w2s-8bit")
    published = published_table()["avg2", "DnCNN", "RCAN"].psnr
    assert float(line["published_difference"]) == pytest.approx(25.5 - published)


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        interval = bootstrap_interval(random.normal(3, 2, 30).tolist())
        assert interval is not None
        hits += interval[0] < 3 < interval[1]
    assert 0.88 < hits / 200 < 0.98


def test_one_field_tells_nothing_about_spread() -> None:
    assert spread([1.0]) is None
    assert bootstrap_interval([1.0]) is None
    assert bootstrap_interval([1.0, float("inf")]) is None


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.booleans())
def test_ranks_are_places_shared_by_equals(values: list[int], higher: bool) -> None:
    places = ranks([float(value) for value in values], higher_is_better=higher)
    assert sum(places) == pytest.approx(len(values) * (len(values) + 1) / 2)
    for a, place_a in zip(values, places, strict=True):
        for b, place_b in zip(values, places, strict=True):
            assert (place_a < place_b) == ((a > b) if higher else (a < b))
