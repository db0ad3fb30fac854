"""The report says what was measured, in three formats, and nothing in it is taken for mark-up."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from w2s_benchmark import TOYS, Blur, CountingRegistry, Twice, benchmark, describe, make_tree

from napari_w2s._types import OutputError
from napari_w2s.benchmark import evaluate, write_report
from napari_w2s.benchmark.published import published_table
from napari_w2s.benchmark.report import content, make_report, plots
from napari_w2s.benchmark.report.html import as_html
from napari_w2s.benchmark.report.latex import as_latex, escape
from napari_w2s.benchmark.report.markdown import as_markdown
from napari_w2s.benchmark.report.tables import Block, Cell, Line, Report, Table
from napari_w2s.benchmark.report.words import value
from napari_w2s.benchmark.run import BenchmarkResult

BAD = "<script>alert('x')</script> 50 % of a_b & {c} | d"


class Page(HTMLParser):
    """Collects the cells, and what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def registry() -> CountingRegistry:
    networks = [describe("pure-let", Blur), describe("rcan", Twice, scale=2), describe("rcan-light", Twice, scale=2)]
    return CountingRegistry([*TOYS, *networks])


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, registry: CountingRegistry) -> BenchmarkResult:
    folder = tmp_path_factory.mktemp("report")
    root = make_tree(folder / "w2s", fovs=(1, 2, 3), levels=("avg1", "avg2", "avg400", "sim"))
    pipelines = ("noisy", "blur", "twice", "rcan", "blur+twice", "pure-let+rcan", "fails")
    return evaluate(benchmark(root, *pipelines), folder / "out", registry=registry)


def tables(result: BenchmarkResult) -> dict[str, Table]:
    return {table.title: table for table in content.tables(result)}


def test_super_resolution_is_laid_out_as_in_the_paper(result: BenchmarkResult) -> None:
    table = tables(result)["Against SIM: PSNR in dB / SSIM"]
    assert table.heads == ("twice", "rcan")
    assert [block.title for block in table.blocks] == ["avg1 (3 fields, 3 images)", "avg2 (3 fields, 3 images)"]
    lines = {line.head: [cell.text for cell in line.cells] for line in table.blocks[0].lines}
    assert list(lines) == ["none", "blur", "pure-let"]
    assert lines["blur"][1] == lines["pure-let"][0] == "–"
    means = {(one.system, one.level, one.metric): one.mean for one in result.summaries}
    psnr, ssim = (means["blur+twice", "avg1", name] for name in ("psnr", "ssim"))
    assert lines["blur"][0] == f"{psnr:.2f} / {ssim:.3f}"
    best = [cell.text for line in table.blocks[0].lines for cell in line.cells if cell.best]
    assert best
    assert max(text.split()[0] for line in lines.values() for text in line if text != "–") == best[0].split()[0]


def test_every_table_states_its_protocol(result: BenchmarkResult) -> None:
    found = tables(result)
    assert len(found) == 8
    assert all("rotocol w2s-8bit" in table.caption for table in found.values())
    assert sum("Matched: after the affine" in table.caption for table in found.values()) == 2


def test_published_figures_stand_beside_ours(result: BenchmarkResult) -> None:
    table = tables(result)["Published: PSNR in dB / SSIM"]
    assert [block.title for block in table.blocks] == ["avg2"]
    lines = {line.head: dict(zip(table.heads, line.cells, strict=True)) for line in table.blocks[0].lines}
    theirs = published_table()["avg2", "PURE-LET", "RCAN"]
    (ours,) = (one.mean for one in result.summaries if (one.system, one.level, one.metric) == WANTED)
    assert ours is not None
    assert lines["PURE-LET"]["RCAN"].text.startswith(
        f"{theirs.psnr:.2f} / {theirs.ssim:.2f} ({ours - theirs.psnr:+.2f}"
    )
    assert lines["DnCNN"]["RCAN"].text == "{:.2f} / {:.2f}".format(
        published_table()["avg2", "DnCNN", "RCAN"].psnr, published_table()["avg2", "DnCNN", "RCAN"].ssim
    )
    assert "arXiv:2003.05961" in table.caption


WANTED = ("pure-let+rcan", "avg2", "psnr")


def test_light_networks_stand_beside_the_published_full_ones(
    tmp_path: Path, registry: CountingRegistry, result: BenchmarkResult
) -> None:
    assert not any(title.startswith("Light networks") for title in tables(result))
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg2", "sim"))
    light = evaluate(benchmark(root, "pure-let+rcan-light"), tmp_path / "out", registry=registry)
    table = tables(light)["Light networks beside the published full ones: PSNR in dB / SSIM"]
    (block,) = table.blocks
    (line,) = block.lines
    assert (block.title, line.head, len(line.cells)) == ("avg2", "PURE-LET", 6)
    theirs = published_table()["avg2", "PURE-LET", "RCAN"]
    ours = {one.metric: one.mean for one in light.summaries if one.level == "avg2"}
    psnr, ssim = ours["psnr"], ours["ssim"]
    assert psnr is not None
    assert ssim is not None
    assert line.cells[0].text == (f"{psnr:.2f} / {ssim:.3f} ({psnr - theirs.psnr:+.2f} / {ssim - theirs.ssim:+.2f})")
    assert [cell.text for cell in line.cells[1:]] == ["–"] * 5
    assert "no reproduction" in table.caption


def test_a_long_table_goes_over_several_pages_of_latex() -> None:
    blocks = tuple(
        Block(level, tuple(Line(f"{level}-{n}", (Cell("1"),)) for n in range(count)))
        for level, count in (("one", 30), ("two", 3), ("three", 70))
    )
    table = Table(title="All", caption="Of all.", corner="line", heads=("a",), blocks=blocks)
    text = as_latex(Report(title="", facts=(), notes=(), tables=(table,)))
    pages = text.split(r"\begin{table}")[1:]
    assert max(page.count(" & 1 ") for page in pages) <= 32
    heads = re.findall(r"((?:one|two|three)-\d+) & 1", text)
    assert heads == [line.head for block in blocks for line in block.lines]
    assert r"\caption{All. Of all.}" in pages[0]
    assert all(r"\caption{All (continued)}" in page for page in pages[1:])


@pytest.mark.parametrize("seconds", [(0.14, 1.9), (0.02, 90.0), (3.0, 3.1)])
def test_times_are_plain_numbers_that_do_not_run_into_each_other(seconds: tuple[float, float]) -> None:
    figure = Figure(figsize=(3.1, 3))
    panel = figure.subplots()
    panel.plot(seconds, (1, 2))
    panel.set_xscale("log")
    plots._plain_ticks(panel)
    figure.draw_without_rendering()
    labels = [label for label in panel.get_xticklabels(which="both") if label.get_text()]
    assert not any("$" in label.get_text() for label in labels)
    low, high = panel.get_xlim()
    boxes = sorted(label.get_window_extent().x0 for label in labels if low <= label.get_position()[0] <= high)
    assert all(after - before > 20 for before, after in pairwise(boxes))


def test_differences_are_to_the_first_of_a_task(result: BenchmarkResult) -> None:
    table = tables(result)["Denoising: PSNR in dB, matched, differences to noisy"]
    first, second, third = table.blocks[0].lines
    assert (first.head, first.cells[3].text) == ("noisy", "baseline")
    assert re.fullmatch(r"[+-]\d+\.\d\d", second.cells[3].text)
    assert re.fullmatch(r"[+-]\d+\.\d\d to [+-]\d+\.\d\d", second.cells[4].text)
    assert (third.head, third.cells[0].text, third.cells[6].text) == ("fails", "–", "3")


def test_errors_are_listed(result: BenchmarkResult) -> None:
    lines = tables(result)["Errors"].blocks[0].lines
    assert len(lines) == 6
    assert lines[0].head == "fails"
    assert [cell.text for cell in lines[0].cells] == ["avg1", "001, channel 0", "RuntimeError: it never works"]


def test_the_files_are_there_and_the_page_needs_no_other(result: BenchmarkResult) -> None:
    files = write_report(result)
    assert [path.name for path in files] == ["report.html", "report.md", "report.tex"]
    page = Page(files[0].read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.fetched) == 6
    assert all(source.startswith("data:image/png;base64,") for source in page.fetched)
    assert "script" not in page.tags
    pictures = sorted(path.name for path in result.folder.glob("*.png"))
    assert pictures == [
        *(f"examples-{task}-{level}.png" for task in ("denoise", "sr") for level in ("avg1", "avg2")),
        *(f"quality-cost-{task}.png" for task in ("denoise", "sr")),
    ]
    for text in (path.read_text(encoding="utf-8") for path in files[1:]):
        assert all(name in text for name in pictures)


def test_a_noisy_reference_has_its_floor_in_the_table(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", levels=("avg1", "avg8", "avg16"), split="test", size=64)
    result = evaluate(benchmark(root, "noisy", "blur", levels=["avg1"]), tmp_path / "out", registry=registry)
    table = tables(result)["Denoising, against avg16: PSNR in dB / SSIM"]
    last = table.blocks[0].lines[-1]
    assert last.head == "noise-free image"
    assert 30 < float(last.cells[0].text) < 34
    assert "noisy where there is no avg400" in table.caption


def test_a_benchmark_in_which_all_fails_has_a_report(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    result = evaluate(benchmark(root, "fails", "fails+twice", levels=["avg1"]), tmp_path / "out", registry=registry)
    report = make_report(result)
    assert report.pictures == ()
    assert "2 of 2 rows have an error" in report.notes[-1]
    assert write_report(result)


def test_examples_that_are_gone_are_left_out(tmp_path: Path, registry: CountingRegistry) -> None:
    root = make_tree(tmp_path / "w2s")
    result = evaluate(benchmark(root, "blur", levels=["avg1"]), tmp_path / "out", registry=registry)
    for path in (tmp_path / "out" / "examples").iterdir():
        path.unlink()
    assert [picture.name for picture in make_report(result).pictures] == ["quality-cost-denoise.png"]


def test_a_folder_that_is_gone_is_said(result: BenchmarkResult, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(replace(result, folder=tmp_path / "none"))


REPORT = Report(
    title="Test",
    facts=(("Images", BAD),),
    notes=(BAD,),
    tables=(
        Table(
            title=BAD,
            caption=BAD,
            corner="pipeline",
            heads=("a", "b"),
            blocks=(Block(BAD, (Line(BAD, (Cell(BAD, best=True), Cell("2"))),)),),
        ),
    ),
)


def test_nothing_is_taken_for_html() -> None:
    page = Page(as_html(REPORT))
    assert "script" not in page.tags
    assert page.cells == ["pipeline", "a", "b", BAD, BAD, BAD, "2"]


def test_nothing_is_taken_for_markdown() -> None:
    text = as_markdown(REPORT)
    assert "<script" not in text.replace("\\<", "")
    (line,) = (line for line in text.splitlines() if line.endswith(" 2 |"))
    assert len(re.findall(r"(?<!\\)\|", line)) == 4
    assert "a\\_b" in line


def test_nothing_is_taken_for_latex() -> None:
    assert escape("50 % of a_b & {c} | d") == r"50 \% of a\_b \& \{c\} \textbar{} d"
    assert escape("5 µm, é, 漢") == "5 µm, é, ?"
    text = as_latex(REPORT)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    (line,) = (line for line in text.splitlines() if line.endswith(r"2 \\"))
    assert len(re.findall(r"(?<!\\)&", line)) == 2
    assert r"\textbf{" in line


@pytest.mark.parametrize(
    ("number", "metric", "signed", "text"),
    [
        (None, "psnr", False, "–"),
        (24.916, "psnr_matched", False, "24.92"),
        (-0.004, "psnr", True, "0.00"),
        (0.004, "psnr", True, "0.00"),
        (0.12345, "ssim", True, "+0.123"),
        (0.012345, "rmse_matched", False, "0.0123"),
        (float("inf"), "psnr", False, "inf"),
    ],
)
def test_numbers_have_the_digits_that_they_deserve(number: float | None, metric: str, signed: bool, text: str) -> None:
    assert value(number, metric, sign=signed) == text
