"""Numbers as a table: sorted, as CSV, as Markdown, as a line under a tile."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from w2s_averages import compare, image_of, levels, restored

from napari_w2s._types import InputError, OutputError
from napari_w2s.app.comparing.numbers import METRICS, Numbers, TileNumbers, measure
from napari_w2s.app.comparing.table import (
    NOTHING,
    cell_text,
    heading,
    save_csv,
    short_text,
    table,
    to_csv,
    to_markdown,
)


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    images = levels(128)
    images["seen"] = restored(images["avg1"], np.asarray(images["avg16"].data) + 1)
    images["sr"] = restored(images["avg1"], model="w2s-jdsr", scale=2)
    return measure(compare(images, "avg400", data_range=255.0))


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class TestTable:
    def test_has_a_row_per_tile_and_marks_the_reference_and_what_was_seen(self, numbers: Numbers) -> None:
        shown = table(numbers)
        assert [row.key for row in shown.rows] == [one.key for one in numbers.tiles]
        titles = {row.key: row.title for row in shown.rows}
        assert titles["avg400"] == "avg400 (reference)"
        assert titles["seen"] == "seen (field seen in training)"
        assert titles["avg1"] == "avg1"

    def test_has_headings_with_units(self, numbers: Numbers) -> None:
        shown = table(numbers, ("psnr", "ssim", "frc", "worth"))
        assert shown.headings == ("PSNR (dB)", "SSIM", "FRC (nm)", "Worth (frames)")
        assert heading(replace(numbers, unit="px"), "frc") == "FRC (px)"

    def test_leaves_out_columns_without_a_number(self) -> None:
        found = measure(compare({"a": image_of(np.random.default_rng(0).random((64, 64)))}), only=["noise"])
        assert table(found).columns == ("noise",)

    def test_says_what_it_rests_on(self, numbers: Numbers) -> None:
        assert table(numbers).caption == ("whole image, 128 × 128 px; against avg400; range 255 (as given); FRC at 1/7")

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("column", METRICS)
    def test_sorts_by_any_column_with_what_has_no_number_last(
        self, numbers: Numbers, column: str, descending: bool
    ) -> None:
        shown = table(numbers).sorted(column, descending=descending)
        values = [row.cells[shown.columns.index(column)].value for row in shown.rows]
        there = [value for value in values if value is not None]
        assert there == sorted(there, reverse=descending)
        assert values[: len(there)] == there

    def test_sorts_by_title(self, numbers: Numbers) -> None:
        titles = [row.title for row in table(numbers).sorted("title").rows]
        assert titles == sorted(titles)
        assert [row.title for row in table(numbers).sorted("title", descending=True).rows] == titles[::-1]

    def test_refuses_columns_that_are_not_there(self, numbers: Numbers) -> None:
        with pytest.raises(InputError, match="no column 'mos'"):
            table(numbers).sorted("mos")
        with pytest.raises(InputError, match="no number 'mos'"):
            table(numbers, ("mos",))

    def test_cells_are_written_for_a_person(self, numbers: Numbers) -> None:
        def text(column: str, value: float | None) -> str:
            return cell_text(numbers, TileNumbers(key="a", title="a", **{column: value}), column)

        assert text("psnr", 31.204) == "31.20"
        assert text("psnr", math.inf) == "∞"
        assert text("ssim", 0.91236) == "0.9124"
        assert text("rmse", 3.14159) == "3.14"
        assert text("rmse", 12345.6) == "12346"
        assert text("frc", 118.4) == "118"
        assert text("worth", 23.4) == "23"
        assert text("worth", math.inf) == "≥ 400"
        assert text("worth", 0.0) == "< 1"
        assert text("noise", None) == NOTHING


class TestCsv:
    def test_holds_every_number_in_full(self, numbers: Numbers) -> None:
        rows = parsed(to_csv(numbers))
        assert len(rows) == len(numbers.tiles)
        for row, one in zip(rows, numbers.tiles, strict=True):
            assert row["key"] == one.key
            for name in METRICS:
                value, text = getattr(one, name), row[heading(numbers, name)]
                assert text == "" if value is None else float(text) == value
        assert {row["data range"] for row in rows} == {"255.0"}
        assert [row["key"] for row in rows if row["field seen in training"] == "yes"] == ["seen", "sr"][:1] + (
            ["sr"] if numbers.of("sr").seen else []
        )

    def test_survives_titles_with_commas_quotes_and_formulas(self, numbers: Numbers) -> None:
        titles = ['a, "b"', "=1+1", "two\nlines"]
        odd = replace(numbers, tiles=tuple(TileNumbers(key=str(i), title=t) for i, t in enumerate(titles)))
        assert [row["title"] for row in parsed(to_csv(odd))] == ['a, "b"', "'=1+1", "two\nlines"]

    def test_is_written_whole(self, numbers: Numbers, tmp_path: Path) -> None:
        path = save_csv(numbers, tmp_path / "new" / "numbers.csv")
        assert path.read_text(encoding="utf-8") == to_csv(numbers)
        assert [file.name for file in path.parent.iterdir()] == ["numbers.csv"]

    def test_that_cannot_be_written_says_why(self, numbers: Numbers, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot be written"):
            save_csv(numbers, tmp_path / "file" / "numbers.csv")


class TestMarkdown:
    def test_is_a_table_with_its_caption(self, numbers: Numbers) -> None:
        lines = to_markdown(table(numbers, ("psnr", "worth"))).splitlines()
        assert lines[0] == "|  | PSNR (dB) | Worth (frames) |"
        assert lines[1] == "|---|---|---|"
        assert lines[2].startswith("| avg1 | ")
        assert lines[2].endswith(" | 1 |")
        assert lines[-1] == numbers.caption()

    def test_escapes_what_would_end_a_cell(self, numbers: Numbers) -> None:
        odd = replace(numbers, tiles=(TileNumbers(key="a", title="cells | net", noise=1.0),), reference=None)
        assert "cells \\| net" in to_markdown(table(odd))


class TestShortText:
    def test_is_what_matters_of_a_tile(self, numbers: Numbers) -> None:
        one = numbers.of("avg4")
        assert short_text(numbers, "avg4") == f"PSNR {one.psnr:.1f} dB · SSIM {one.ssim:.3f} · worth 4 frames"

    def test_is_matched_where_intensities_share_no_scale(self, numbers: Numbers) -> None:
        one = numbers.of("sim")
        assert short_text(numbers, "sim") == (
            f"PSNR {one.psnr_matched:.1f} dB matched · SSIM {one.ssim_matched:.3f} matched"
        )

    def test_names_the_reference_and_what_was_seen(self, numbers: Numbers) -> None:
        assert short_text(numbers, "avg400") == "reference"
        assert short_text(numbers, "seen").endswith(" · field seen in training")

    def test_without_a_reference_is_of_the_image_alone(self) -> None:
        found = measure(compare({"a": image_of(levels(128)["avg4"].data)}))
        assert short_text(found, "a") == f"FRC {found.of('a').frc:.0f} nm · Noise {found.of('a').noise:.3g}"

    def test_shows_the_columns_that_are_asked_for(self, numbers: Numbers) -> None:
        assert short_text(numbers, "avg4", ["rmse"]) == f"RMSE {numbers.of('avg4').rmse:.3g}"
        with pytest.raises(InputError):
            short_text(numbers, "avg4", ["mos"])


def test_microssim_is_measured_and_shown_where_it_is_asked_for() -> None:
    images = levels()
    plain = measure(compare(images, "avg400"), only=["psnr"])
    found = measure(compare(images, "avg400"), only=["microssim"])
    assert plain.of("avg1").microssim is None
    assert found.of("avg1").microssim < found.of("avg16").microssim <= 1  # type: ignore[operator]
    assert table(found, ("microssim",)).headings == ("MicroSSIM",)
    assert "MicroSSIM" in to_csv(found)
    assert "MicroSSIM" not in to_csv(plain)
