"""The figure maker: where everything stands, what is drawn of the pixels, and the files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_w2s._types import InputError, OutputError
from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.figure import Panel, draw_panels
from napari_w2s.app.figure_colours import NO_VALUE
from napari_w2s.app.figure_file import DPI, FIGURE_SUFFIXES, save_figure
from napari_w2s.app.figure_layout import Layout, Place, Zoom, lay_out
from napari_w2s.app.figure_scale import bar_label, bar_length
from napari_w2s.app.figure_text import fit, text_width

WHOLE = Box(0.0, 0.0, 10.0, 10.0)


def panel(pixels: npt.ArrayLike, title: str = "a", place: Box = WHOLE, **more: object) -> Panel:
    return Panel(pixels=np.asarray(pixels), place=place, title=title, **more)  # type: ignore[arg-type]


def picture(path: Path) -> npt.NDArray[np.uint8]:
    from skimage.io import imread

    return np.asarray(imread(path))[..., :3]


def shown(path: Path, place: Place) -> npt.NDArray[np.float64]:
    """Return the part of a picture that lies in a place on the sheet, in grey."""
    top, left = round(place.top * DPI), round(place.left * DPI)
    part = picture(path)[top : top + round(place.height * DPI), left : left + round(place.width * DPI)]
    return part.mean(axis=-1)


def layout_of(count: int, enlarge: Box | None = None, zoom: Zoom = Zoom.AUTO, area: Box = WHOLE) -> Layout:
    return lay_out(["a"] * count, [[]] * count, area=area, enlarge=enlarge, zoom=zoom)


# Pixels


def test_pixels_are_drawn_where_they_lie(tmp_path: Path) -> None:
    pixels = np.arange(25.0).reshape(5, 5)
    path = save_figure(draw_panels([panel(pixels, limits=(0, 24))], area=WHOLE), tmp_path / "x.png")
    found = shown(path, layout_of(1).cells[0].image)
    side = found.shape[0]
    centres = ((np.arange(5) + 0.5) / 5 * side).astype(int)
    np.testing.assert_allclose(found[np.ix_(centres, centres)], pixels / 24 * 255, atol=1.5)


def test_images_of_other_pixel_sizes_lie_on_one_another(tmp_path: Path) -> None:
    coarse, fine = np.zeros((20, 20)), np.zeros((80, 60))
    coarse[4:6, 10:12] = 1
    fine[16:24, 30:36] = 1
    path = save_figure(draw_panels([panel(coarse), panel(fine)], area=WHOLE), tmp_path / "x.png")
    masks = [shown(path, cell.image) > 128 for cell in layout_of(2).cells]
    assert masks[0].any()
    assert np.mean(masks[0] != masks[1]) < 0.003


def test_only_the_common_area_is_drawn(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20))
    pixels[:10] = 1
    area = Box(5.0, 0.0, 10.0, 10.0)
    figure = draw_panels([panel(pixels, limits=(0, 1))], area=area)
    path = save_figure(figure, tmp_path / "x.png")
    assert shown(path, layout_of(1, area=area).cells[0].image)[5:-5].max() < 5
    (image,) = figure.axes[0].get_images()
    assert image.get_size() == (10, 20)


def test_an_enlarged_part_is_the_part_that_is_outlined(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40))
    pixels[8:12, 8:12] = 100
    part = Box(2.0, 2.0, 3.0, 3.0)
    for zoom in (Zoom.CORNER, Zoom.BELOW):
        path = save_figure(draw_panels([panel(pixels)], area=WHOLE, enlarge=part, zoom=zoom), tmp_path / "x.png")
        place = layout_of(1, part, zoom).cells[0].part
        assert place is not None
        assert shown(path, place)[8:-8, 8:-8].min() > 250


def test_what_is_no_number_has_a_colour_of_its_own(tmp_path: Path) -> None:
    pixels = np.zeros((10, 10), np.float32)
    pixels[:5] = np.nan
    path = save_figure(draw_panels([panel(pixels)], area=WHOLE), tmp_path / "x.png")
    place = layout_of(1).cells[0].image
    y, x = round((place.top + 0.2) * DPI), round((place.left + 0.2) * DPI)
    np.testing.assert_allclose(picture(path)[y, x], np.array(NO_VALUE) * 255, atol=1.5)


@pytest.mark.parametrize("value", [0, 3.0, -1e30, np.nan, np.inf])
def test_a_constant_image_can_be_drawn(tmp_path: Path, value: float) -> None:
    path = save_figure(draw_panels([panel(np.full((8, 9), value))], area=WHOLE), tmp_path / "x.png")
    assert path.is_file()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.float16, np.float64])
def test_any_data_type_can_be_drawn(tmp_path: Path, dtype: type) -> None:
    pixels = (np.arange(64).reshape(8, 8) % 2).astype(dtype)
    path = save_figure(draw_panels([panel(pixels)], area=WHOLE), tmp_path / "x.png")
    assert np.ptp(shown(path, layout_of(1).cells[0].image)) > 200


@pytest.mark.parametrize(
    ("name", "colour"), [("cyan", (0, 255, 255)), ("bop orange", (247, 173, 31)), (None, (255,) * 3)]
)
def test_images_are_grey_or_in_the_colour_of_their_layer(
    tmp_path: Path, name: str | None, colour: tuple[int, int, int]
) -> None:
    figure = draw_panels([panel(np.ones((4, 4)), limits=(0, 1), colormap=name)], area=WHOLE)
    place = layout_of(1).cells[0].image
    y, x = round((place.top + 1) * DPI), round((place.left + 1) * DPI)
    np.testing.assert_allclose(picture(save_figure(figure, tmp_path / "x.png"))[y, x], colour, atol=1.5)


# Words and scale bars


def test_scale_bars_are_drawn_only_where_a_pixel_size_is_known() -> None:
    with_bars = draw_panels([panel(np.eye(9))] * 3, area=WHOLE, unit="um", enlarge=Box(1, 1, 3, 3))
    labels = [text.get_text() for axes in with_bars.axes for text in axes.texts]
    assert labels == ["2 µm", "500 nm"] * 3
    without = draw_panels([panel(np.eye(9))] * 3, area=WHOLE, unit="pixel", enlarge=Box(1, 1, 3, 3))
    assert not [text for axes in without.axes for text in axes.texts]


def test_a_scale_bar_is_as_long_as_it_says() -> None:
    from matplotlib.patches import Rectangle

    (axes,) = draw_panels([panel(np.eye(9))], area=Box(0, 0, 10, 40), unit="um").axes
    (bar,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (bar.get_width(), axes.texts[0].get_text()) == (10.0, "10 µm")
    assert axes.get_xlim() == (0, 40)


@given(st.floats(1e-4, 1e7))
def test_scale_bars_have_round_lengths_that_fit(width: float) -> None:
    length = bar_length(width)
    assert f"{length:.6e}"[0] in "125"
    assert float(f"{length:.0e}") == pytest.approx(length)
    assert 0.1 < length / width < 0.4


@pytest.mark.parametrize(
    ("length", "words"), [(0.05, "50 nm"), (0.5, "500 nm"), (1, "1 µm"), (200, "200 µm"), (5000, "5 mm")]
)
def test_scale_bars_are_labelled_in_the_unit_that_suits(length: float, words: str) -> None:
    assert bar_label(length) == words


def test_words_are_drawn_as_they_are(tmp_path: Path) -> None:
    words = "$x_1$ {a} 細胞 \\frac"
    figure = draw_panels([panel(np.eye(4), title=words, lines=(words,))], area=WHOLE, heading=words, notes=words)
    save_figure(figure, tmp_path / "x.svg")
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").count("$x_1$ {a} 細胞 \\frac") == 4


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("ab WM.,-é·"), max_size=80), st.floats(0.3, 3.0))
def test_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    lines = fit(text, width, 7.0)
    assert all(text_width(line, 7.0) <= width or len(line) == 1 for line in lines)
    assert re.sub("[ ·]", "", "".join(lines)) == re.sub("[ ·]", "", text)


def test_lines_break_between_parts_and_end_with_an_ellipsis_where_there_is_no_room() -> None:
    assert fit("PSNR\xa031.2\xa0dB · SSIM\xa00.914", 1.0, 7.0) == ["PSNR 31.2 dB", "SSIM 0.914"]
    lines = fit("a title that goes on and on and on and on", 0.8, 7.0, 2)
    assert len(lines) == 2
    assert lines[1].endswith(" …")
    assert text_width(lines[1], 7.0) <= 0.8


# Layout

boxes = st.builds(
    lambda top, left, height, width: Box(top, left, top + height, left + width),
    st.floats(0, 5),
    st.floats(0, 5),
    st.floats(0.5, 5),
    st.floats(0.5, 5),
)


def overlap(one: Place, other: Place) -> bool:
    wide = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    high = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return wide > 1e-9 and high > 1e-9


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 31),
    st.sampled_from([(1.0, 1.0), (3.0, 1.0), (1.0, 3.0), (40.0, 1.0)]),
    st.none() | boxes,
    st.sampled_from(list(Zoom)),
)
def test_nothing_covers_anything_and_all_is_on_the_sheet(
    count: int, aspect: tuple[float, float], enlarge: Box | None, zoom: Zoom
) -> None:
    down, across = aspect
    area = Box(0, 0, 10 * down, 10 * across)
    layout = lay_out(["a title"] * count, [["PSNR 31.2 dB"]] * count, area=area, enlarge=enlarge, zoom=zoom)
    places = [cell.image for cell in layout.cells]
    for cell in layout.cells:
        if cell.part is None:
            continue
        inside = cell.part.top + cell.part.height <= cell.image.top + cell.image.height + 1e-9
        if not inside:
            places.append(cell.part)
    assert not any(overlap(one, other) for i, one in enumerate(places) for other in places[:i])
    for place in [*places, *(cell.part for cell in layout.cells if cell.part)]:
        assert place.left >= 0
        assert place.top >= 0
        assert place.left + place.width <= layout.width + 1e-9
        assert place.top + place.height <= layout.height + 1e-9
    assert layout.cells[0].image.height / layout.cells[0].image.width == pytest.approx(down / across)
    assert layout.width <= 7.2


def test_many_panels_stand_in_rows_on_a_page() -> None:
    for count, rows in ((1, 1), (4, 1), (7, 2), (9, 3), (12, 3), (30, 5)):
        layout = layout_of(count)
        assert len({round(cell.image.top, 6) for cell in layout.cells}) == rows
        assert layout.height < 10
    assert layout_of(9, Box(1, 1, 9, 9)).height < 10


def test_an_inset_stands_where_it_hides_the_least_of_the_part() -> None:
    for part in (Box(0, 7, 2, 10), Box(8, 8, 10, 10), Box(4, 4, 6, 6)):
        cell = layout_of(1, part, Zoom.CORNER).cells[0]
        assert cell.part is not None
        per_unit = cell.image.width / 10
        outlined = Place(
            cell.image.left + part.left * per_unit,
            cell.image.top + part.top * per_unit,
            (part.right - part.left) * per_unit,
            (part.bottom - part.top) * per_unit,
        )
        covered = overlap(cell.part, outlined)
        assert covered == (part == Box(4, 4, 6, 6))


def test_a_large_part_is_enlarged_below() -> None:
    small, large = (layout_of(1, box).cells[0] for box in (Box(1, 1, 2, 2), Box(1, 1, 9, 9)))
    assert small.part is not None
    assert large.part is not None
    assert overlap(small.image, small.part)
    assert not overlap(large.image, large.part)


# Files


@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_the_same_figure_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    def save(name: str) -> bytes:
        figure = draw_panels([panel(np.eye(9), "tïtle")], area=WHOLE, unit="um", enlarge=Box(1, 1, 2, 2))
        return save_figure(figure, tmp_path / f"{name}{suffix}").read_bytes()

    assert save("a") == save("b")
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


def test_files_are_what_they_are_called(tmp_path: Path) -> None:
    from skimage.io import imread

    figure = draw_panels([panel(np.eye(30), "a title")], area=WHOLE)
    for suffix in (".png", ".SVG", ".pdf"):
        save_figure(figure, tmp_path / f"x{suffix}")
    wide, high = figure.get_size_inches()
    assert imread(tmp_path / "x.png").shape[:2] == (pytest.approx(high * 300, abs=1), pytest.approx(wide * 300, abs=1))
    svg = (tmp_path / "x.SVG").read_text(encoding="utf-8")
    assert svg.startswith("<?xml")
    assert ">a title</text>" in svg
    pdf = (tmp_path / "x.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf


def test_vector_files_keep_pixels_as_they_are(tmp_path: Path) -> None:
    import base64
    import io

    from skimage.io import imread

    pixels = np.arange(35.0).reshape(5, 7)
    figure = draw_panels([panel(pixels, limits=(0, 34))], area=WHOLE)
    svg = save_figure(figure, tmp_path / "x.svg").read_text(encoding="utf-8")
    (coded,) = re.findall(r"data:image/png;base64,\s*([^\"]+)", svg)
    found = imread(io.BytesIO(base64.b64decode(coded)))[..., 0].astype(float)
    np.testing.assert_allclose(found if found[0, 0] < found[-1, 0] else found[::-1], pixels / 34 * 255, atol=1.5)


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.png.txt", ".png"])
def test_an_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    figure = draw_panels([panel(np.eye(4))], area=WHOLE)
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
        save_figure(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_figure_that_cannot_be_written_is_reported_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = draw_panels([panel(np.eye(4))], area=WHOLE)
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "x.png", tmp_path / "folder.png"):
        with pytest.raises(OutputError, match="cannot be written"):
            save_figure(figure, path)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        save_figure(figure, tmp_path / "x.png")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_figure_needs_images() -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        draw_panels([], area=WHOLE)
