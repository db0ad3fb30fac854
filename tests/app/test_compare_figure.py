"""Figures and plots of comparisons, and the function that makes them from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from matplotlib.figure import Figure

import napari_w2s
from napari_w2s._types import Cancelled, InputError, Level, OutputError
from napari_w2s.app.compare import Compared, compare
from napari_w2s.app.comparing.comparison import Box, Comparison, Contrast, Tile
from napari_w2s.app.comparing.curves import profiles, spectra
from napari_w2s.app.comparing.figure import draw_comparison
from napari_w2s.app.comparing.numbers import measure
from napari_w2s.app.comparing.plots import draw_profiles, draw_spectra, draw_worth
from napari_w2s.data.image import Image

LEVELS = tuple(Level)


def image(data: npt.ArrayLike, name: str = "cells", step: float = 0.1, unit: str = "um", **known: Any) -> Image:
    """Make an image whose upper left corner is the world's origin."""
    pixels = np.asarray(data)
    lead = ("t", "z")[: pixels.ndim - 2]
    return Image(
        data=pixels,
        name=name,
        axes=(*lead, "y", "x"),
        scale=(*(1.0,) * len(lead), step, step),
        units=(*("pixel",) * len(lead), unit, unit),
        translate=(*(0.0,) * len(lead), step / 2, step / 2),
        colormap="cyan",
        metadata={"w2s": known} if known else {},
    )


def scene(size: int = 48) -> npt.NDArray[np.float64]:
    """Return spots on a dark ground."""
    y, x = np.mgrid[:size, :size] / size
    spots = [(0.3, 0.3, 0.05), (0.6, 0.7, 0.08), (0.7, 0.25, 0.04)]
    return np.asarray(10 + sum(150 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * s**2)) for a, b, s in spots))


def noisy(frames: int, size: int = 48) -> npt.NDArray[np.float64]:
    return scene(size) + np.random.default_rng(frames).normal(0, 12 / np.sqrt(frames), (size, size))


def w2s(level: Level, **known: Any) -> Image:
    """Make an image of a level of one simulated field of view."""
    size, step = (96, 0.05) if level is Level.SIM else (48, 0.1)
    data = noisy(level.frames or 1000, size)
    place = {"release": "normalized", "fov": 50, "channel": 0, "level": str(level), "pixel_size_assumed": True}
    return image(data, str(level), step, **place, **known)


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def ranges(figure: Figure) -> list[tuple[float, float]]:
    return [axes.get_images()[0].get_clim() for axes in figure.axes]


@pytest.fixture(scope="module")
def levels() -> Compared:
    made = {"models": [{"name": "some-sr"}], "is_estimate": True, "scale": 2, "source": "avg1.npy"}
    images = [w2s(level) for level in LEVELS]
    return compare([*images, w2s(Level.SIM, restoration=made).replace(name="some-sr")])


# The figure


def test_each_tile_has_its_title_and_its_numbers(levels: Compared) -> None:
    text = words(draw_comparison(levels.comparison, levels.numbers))
    assert {*map(str, LEVELS[:-1]), "SIM", "some-sr of SIM (estimate)"} <= set(text.splitlines())
    assert "reference" in text
    numbers = levels.numbers.tiles[1]
    assert f"PSNR {numbers.psnr:.1f} dB · SSIM {numbers.ssim:.3f}" in text
    assert "worth 2 frames" in text
    assert "Field of view 050, channel 0" in text


def test_notes_say_what_the_numbers_and_the_picture_rest_on(levels: Compared) -> None:
    text = words(draw_comparison(levels.comparison, levels.numbers)).replace("\n", " ")
    for note in ("48 × 48 px", "against avg400", "One contrast for all", "An estimate shows", "pixel size is assumed"):
        assert note in text
    matched = levels.comparison.replace(contrast=Contrast.MATCHED)
    assert "Contrast matched to avg400." in words(draw_comparison(matched, levels.numbers)).replace("\n", " ")
    assert "no value" not in text


def test_a_restoration_has_no_single_image_resolution() -> None:
    given = image(noisy(1, 96), step=0.1)
    made = given.replace(name="result", metadata={"w2s": {"restoration": {"models": [{"name": "a"}]}}})
    compared = compare([given, made])
    assert compared.numbers.tiles[0].frc is not None
    text = words(draw_comparison(compared.comparison, compared.numbers))
    assert text.count("FRC") == 2  # of the input, and in the notes


def test_contrast_is_shared_or_of_each_or_matched(levels: Compared) -> None:
    shared = ranges(draw_comparison(levels.comparison))
    assert len(set(shared)) == 1
    bright = image(5 * scene(), "bright")
    two = Comparison(tiles=(Tile(key="a", image=image(scene()), title="a"), Tile(key="b", image=bright, title="b")))
    low, high = ranges(draw_comparison(two.replace(contrast=Contrast.PER_TILE)))
    assert high[1] == pytest.approx(5 * low[1])
    matched = ranges(draw_comparison(two.replace(contrast=Contrast.MATCHED, reference="a")))
    np.testing.assert_allclose(matched[1], 5 * np.array(matched[0]), rtol=1e-6)


def test_colours_are_those_of_the_layers_only_on_request(levels: Compared) -> None:
    def brightest(figure: Figure) -> tuple[float, ...]:
        (one, *_) = figure.axes[0].get_images()
        return tuple(one.get_cmap()(1.0))

    assert brightest(draw_comparison(levels.comparison)) == (1, 1, 1, 1)
    assert brightest(draw_comparison(levels.comparison, colours=True)) == (0, 1, 1, 1)


def test_the_box_is_enlarged_unless_another_part_is_asked_for(levels: Compared) -> None:
    box, part = Box(0.5, 0.5, 1.5, 1.5), Box(2.0, 2.0, 3.0, 4.0)
    comparison = levels.comparison.replace(box=box)
    for given, expected in ((None, box), (part, part)):
        figure = draw_comparison(comparison, enlarge=given)
        assert len(figure.axes) == 16
        np.testing.assert_allclose(figure.axes[1].get_xlim(), (expected.left, expected.right))
    assert len(draw_comparison(levels.comparison).axes) == 8
    whole = Box(-1, -1, 99, 99)
    assert len(draw_comparison(levels.comparison, enlarge=whole).axes) == 8
    with pytest.raises(InputError, match="outside"):
        draw_comparison(levels.comparison, enlarge=Box(90, 90, 91, 91))


def test_without_a_pixel_size_there_is_no_scale_bar() -> None:
    known, unknown = (compare([image(scene(), step=s, unit=u)]) for s, u in ((0.1, "um"), (1.0, "pixel")))
    assert [t.get_text() for t in draw_comparison(known.comparison).axes[0].texts] == ["1 µm"]
    assert not draw_comparison(unknown.comparison).axes[0].texts


def test_tiles_that_cannot_be_shown_are_named() -> None:
    tiles = [
        Tile(key="a", image=image(scene()), title="good"),
        Tile(key="b", image=image(np.zeros((4, 4), np.complex64)), title="complex one"),
    ]
    comparison = Comparison(tiles=tuple(tiles))
    figure = draw_comparison(comparison, measure(comparison))
    assert len(figure.axes) == 1
    assert "complex one" in words(figure)
    with pytest.raises(InputError, match="complex one"):
        draw_comparison(Comparison(tiles=(tiles[1],)))
    with pytest.raises(InputError, match="nothing to compare"):
        draw_comparison(Comparison(tiles=()))


def test_hard_images_make_a_figure(tmp_path: Path) -> None:
    holes = scene().astype(np.float32)
    holes[:20] = np.nan
    flat = np.zeros((48, 48), np.uint8)
    stack = np.stack([scene(), 2 * scene()])
    images = [image(holes, "holes"), image(flat, "flat"), image(stack, "stack")] + [
        image(noisy(i), f"more {i}") for i in range(1, 28)
    ]
    compared = compare(images, reference=images[1], contrast="matched")
    path = compared.save_figure(tmp_path / "new" / "x.png", enlarge=(2, 2, 8, 8))
    assert path.stat().st_size > 10_000
    assert "Blue-grey: no value." in words(draw_comparison(compared.comparison, compared.numbers)).replace("\n", " ")


def test_drawing_can_be_stopped(levels: Compared) -> None:
    with pytest.raises(Cancelled):
        draw_comparison(levels.comparison, levels.numbers, stop=lambda: True)


# Curves


def gaussian(sigma: float, step: float = 0.1) -> Image:
    y, x = np.mgrid[:64, :64] * step
    return image(100 * np.exp(-((y - 3.2) ** 2 + (x - 3.2) ** 2) / (2 * sigma**2)) + 5, f"{sigma}", step)


def test_profiles_follow_a_line_across_all_tiles() -> None:
    comparison = compare([gaussian(0.4), gaussian(0.6)]).comparison
    line = ((3.25, 0.25), (3.25, 6.25))
    first, second = profiles(comparison, *line)
    assert first.unit == "um"
    assert first.distance[-1] == pytest.approx(6.0)
    assert first.values.max() == pytest.approx(105, abs=1)
    assert first.width is not None
    assert second.width is not None
    assert second.width / first.width == pytest.approx(1.5, rel=0.03)
    stretched = profiles(comparison, *line, normalised=True)
    assert [(one.values.min(), one.values.max()) for one in stretched] == [(0, 1), (0, 1)]
    assert stretched[0].width == first.width


def test_a_band_is_as_wide_in_tiles_of_any_pixel_size() -> None:
    pixels = np.random.default_rng(0).normal(100, 20, (32, 32))
    coarse = gaussian(0.4).replace(data=pixels, scale=(0.2, 0.2), translate=(0.05, 0.05))
    fine = gaussian(0.4).replace(data=np.kron(pixels, np.ones((2, 2))), scale=(0.1, 0.1), translate=(0.0, 0.0))
    one, other = profiles(compare([coarse, fine]).comparison, (3.25, 0.25), (3.25, 5.25), width=1.0)
    at = np.round(one.distance[::2] / 0.1).astype(int)
    assert len(other.distance) > len(one.distance)
    assert np.abs(one.values[::2] - other.values[at]).max() < 12
    assert one.values.std() < 15


def test_a_line_needs_a_length_and_an_image() -> None:
    comparison = compare([gaussian(0.4)]).comparison
    with pytest.raises(InputError, match="no length"):
        profiles(comparison, (1, 1), (1, 1))
    with pytest.raises(InputError, match="outside"):
        profiles(comparison, (91, 91), (93, 93))
    with pytest.raises(Cancelled):
        profiles(comparison, (1, 1), (1, 2), stop=lambda: True)
    flat = compare([image(np.full((20, 20), 7.0))]).comparison
    (one,) = profiles(flat, (0.5, 0.5), (0.5, 1.5), normalised=True)
    assert (one.values == 0).all()
    assert one.width is None


def test_spectra_show_where_noise_begins() -> None:
    generator = np.random.default_rng(0)
    white = image(generator.normal(100, 5, (64, 64)), "white")
    holes = image(np.where(np.eye(64) > 0, np.nan, 1.0), "holes")
    comparison = compare([gaussian(0.4), white, holes]).comparison
    smooth, flat = spectra(comparison)
    assert [smooth.title, flat.title] == ["0.4", "white"]
    assert smooth.frequency.max() == pytest.approx(5, rel=0.1)
    assert smooth.power[-1] < 1e-6 < flat.power[5:].min()
    boxed = spectra(comparison.replace(box=Box(0, 0, 3.2, 3.2)))
    assert len(boxed[0].power) < len(smooth.power)
    with pytest.raises(Cancelled):
        spectra(comparison, stop=lambda: True)


def test_plots_have_a_line_and_a_name_for_each_tile(tmp_path: Path) -> None:
    compared = compare([gaussian(0.4), gaussian(0.6).replace(name="_hidden $x$")])
    for normalised in (False, True):
        figure = draw_profiles(
            profiles(compared.comparison, (3.25, 0.25), (3.25, 6.25), normalised=normalised), normalised=normalised
        )
        labels = [text.get_text().lstrip("\u200b") for text in figure.legends[0].get_texts()]
        assert [label.partition(",")[0] for label in labels] == ["0.4", "_hidden $x$"]
        assert "FWHM 9" in labels[0]
        assert len(figure.axes[0].lines) == 2
        assert figure.axes[0].get_xlabel() == "Distance (µm)"
        assert ("from 0 to 1" in figure.axes[0].get_ylabel()) == normalised
    figure = draw_spectra(spectra(compared.comparison))
    assert "cycles per µm" in figure.axes[0].get_xlabel()
    for suffix in ("png", "svg", "pdf"):
        assert compared.save_spectrum(tmp_path / f"s.{suffix}").stat().st_size > 3000
        assert compared.save_profile(tmp_path / f"p.{suffix}", (32, 2), (32, 60)).stat().st_size > 3000
    with pytest.raises(InputError, match="nothing to plot"):
        draw_spectra([])


def test_many_curves_differ_in_more_than_colour() -> None:
    comparison = compare([image(noisy(i), f"{i}") for i in range(1, 16)]).comparison
    lines = draw_spectra(spectra(comparison)).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 15


def test_the_averaging_curve_has_a_mark_for_each_tile(levels: Compared, tmp_path: Path) -> None:
    figure = draw_worth(levels.numbers)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "mean of N frames"
    assert labels[2:7] == ["avg1: 1 frame", *(f"avg{n}: {n} frames" for n in (2, 4, 8, 16))]
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in marks], [1, 2, 4, 8, 16], rtol=1e-6)
    curve = levels.numbers.curve
    assert curve is not None
    np.testing.assert_allclose([line.get_ydata()[0] for line in marks], curve.errors[:5], rtol=1e-6)
    assert levels.save_worth(tmp_path / "w.png").is_file()


def test_without_averages_there_is_no_averaging_curve(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="avg400"):
        compare([image(scene())]).save_worth(tmp_path / "w.png")
    assert not list(tmp_path.iterdir())


# From files


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {"clean": scene(), "noisy": noisy(1), "better": noisy(16), "stack": np.stack([noisy(i) for i in (1, 2, 3)])}
    for name, data in made.items():
        np.save(tmp_path / f"{name}.npy", data)
    return {name: tmp_path / f"{name}.npy" for name in made}


def test_it_is_a_public_function(files: dict[str, Path]) -> None:
    compared = napari_w2s.compare([files["noisy"], str(files["better"])], reference=files["clean"])
    titles = [tile.title for tile in compared.numbers.tiles]
    assert titles == ["noisy", "better", "clean"]
    first, second, third = compared.numbers.tiles
    assert third.is_reference
    assert first.psnr is not None
    assert second.psnr is not None
    assert second.psnr > first.psnr + 8
    assert "| clean (reference) |" in compared.to_markdown()


def test_one_image_alone_can_be_looked_at(files: dict[str, Path]) -> None:
    (numbers,) = compare(files["noisy"]).numbers.tiles
    assert numbers.psnr is None
    assert numbers.noise == pytest.approx(12, rel=0.25)
    assert compare(image(scene())).comparison.tiles[0].title == "cells"


def test_the_reference_may_be_one_of_the_images(files: dict[str, Path]) -> None:
    by_path = compare([files["clean"], files["noisy"]], reference=files["clean"])
    assert [tile.is_reference for tile in by_path.numbers.tiles] == [True, False]
    images = [image(scene()), image(noisy(2))]
    by_image = compare(images, reference=images[1])
    assert [tile.is_reference for tile in by_image.numbers.tiles] == [False, True]
    assert len(compare(images, reference=image(noisy(3))).numbers.tiles) == 3


def test_levels_stand_in_their_order_whatever_the_order_of_the_files() -> None:
    extra = image(scene(), "own")
    images = [w2s(level) for level in reversed(LEVELS)]
    compared = compare([extra, *images])
    assert [tile.title for tile in compared.comparison.tiles] == [
        *("avg1", "avg2", "avg4", "avg8", "avg16", "avg400", "SIM", "own"),
    ]


def test_averages_are_not_shown_but_tell_what_an_image_is_worth() -> None:
    shown = [w2s(Level.AVG4), w2s(Level.AVG400)]
    hidden = [w2s(level) for level in (Level.AVG1, Level.AVG2, Level.AVG8, Level.AVG16)]
    compared = compare(shown, averages=hidden)
    assert len(compared.numbers.tiles) == 2
    assert compared.numbers.tiles[0].worth == pytest.approx(4, rel=0.15)
    assert len(compare(shown, averages=[shown[0], *hidden]).comparison.averages) == 4


def test_a_box_is_in_pixels_of_the_reference() -> None:
    coarse, fine = image(noisy(1, 48), step=0.1), image(noisy(1, 96), step=0.05)
    for reference, shape in ((coarse, "10 × 20"), (fine, "10 × 20")):
        compared = compare([coarse, fine], reference=reference, box=(4, 6, 10, 20))
        assert shape in compared.numbers.area
        step = reference.scale[-1]
        box = compared.comparison.box
        assert box is not None
        np.testing.assert_allclose(
            (box.top, box.left, box.bottom, box.right), (4 * step, 6 * step, 14 * step, 26 * step)
        )


@pytest.mark.parametrize("box", [(0, 0, 49, 10), (-1, 0, 10, 10), (10, 40, 10, 10), (0, 0, 0, 5), (100, 100, 5, 5)])
def test_a_bad_box_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="box"):
        compare([image(scene())], box=box)


def test_a_frame_of_a_stack_is_chosen(files: dict[str, Path]) -> None:
    compared = compare([files["stack"], files["noisy"]], reference=files["noisy"])
    assert compared.numbers.tiles[0].psnr == float("inf")
    other = compare([files["stack"], files["noisy"]], reference=files["noisy"], frame=(2,))
    assert other.numbers.tiles[0].psnr is not None
    assert other.numbers.tiles[0].psnr < 30
    with pytest.raises(InputError, match="0 to 2"):
        compare([files["stack"]], frame=(3,))
    with pytest.raises(InputError, match="axes"):
        compare([files["noisy"]], frame=(0,))


def test_a_channel_of_a_file_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(path, np.stack([scene(), noisy(1)]).astype(np.float32), metadata={"axes": "CYX"})
    with pytest.raises(InputError, match="channel 0 to 1"):
        compare([path])
    with pytest.raises(InputError, match="no 2"):
        compare([path], channel=2)
    np.testing.assert_allclose(compare([path], channel=1).comparison.tiles[0].image.data, noisy(1).astype(np.float32))


def test_a_saved_comparison_gives_the_same_numbers(files: dict[str, Path], tmp_path: Path) -> None:
    compared = compare(
        [files["noisy"], files["better"]], reference=files["clean"], box=(2, 3, 30, 31), contrast="matched"
    )
    assert compared.save(tmp_path / "c.json") == ()
    again = compare([tmp_path / "c.json"])
    assert again.comparison.contrast is Contrast.MATCHED
    assert again.numbers.area == compared.numbers.area
    assert [tile.psnr for tile in again.numbers.tiles] == [tile.psnr for tile in compared.numbers.tiles]
    more = compare([tmp_path / "c.json", files["stack"]], reference=files["noisy"], contrast=Contrast.SHARED)
    assert [tile.title for tile in more.comparison.tiles] == ["noisy", "better", "clean", "stack"]
    assert [tile.is_reference for tile in more.numbers.tiles] == [True, False, False, False]
    with pytest.raises(InputError, match="twice"):
        compare([tmp_path / "c.json", files["noisy"]])
    with pytest.raises(InputError, match="second"):
        compare([tmp_path / "c.json", tmp_path / "c.json"])
    with pytest.raises(InputError, match="no reference"):
        compare([files["noisy"]], reference=tmp_path / "c.json")


def test_what_is_lost_of_a_saved_comparison_is_told(files: dict[str, Path], tmp_path: Path) -> None:
    compared = compare([files["noisy"], files["better"]], reference=files["clean"])
    compared.save(tmp_path / "c.json")
    files["better"].unlink()
    again = compare([tmp_path / "c.json"])
    assert len(again.numbers.tiles) == 2
    (problem,) = again.problems
    assert "better" in problem
    assert compare([image(scene())]).save(tmp_path / "d.json")
    json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))


def test_bad_input_is_refused_in_words(files: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    damaged = tmp_path / "bad.json"
    damaged.write_text("{}")
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ([], {}, "nothing to compare"),
        ([tmp_path / "gone.tif"], {}, "does not exist"),
        ([tmp_path / "gone.json"], {}, "does not exist"),
        ([tmp_path], {}, "is a folder"),
        ([bad], {}, "bad.tif"),
        ([damaged], {}, "bad.json"),
        ([files["noisy"], files["noisy"]], {}, "twice"),
        ([files["noisy"]], {"reference": tmp_path / "gone.tif"}, "does not exist"),
        ([files["noisy"]], {"contrast": "loud"}, "shared, per tile, matched"),
        ([files["noisy"]], {"threshold": "1/3"}, "1/7"),
        ([files["noisy"]], {"data_range": -1.0}, "positive"),
    ]
    for given, options, text in cases:
        with pytest.raises(InputError, match=text):
            compare(given, **options)
    other = image(np.zeros((17, 31)), "odd", 1.0, "pixel")
    with pytest.raises(InputError, match="odd"):
        compare([image(scene()), other])


def test_images_that_lie_apart_are_named() -> None:
    far = image(scene(), "far one").replace(translate=(500.0, 500.0))
    for images in ([image(scene()), image(noisy(2)), far], [far, image(noisy(2)), image(scene())]):
        compared = compare(images, reference=next(one for one in images if one.name != "far one"))
        figure = draw_comparison(compared.comparison, compared.numbers)
        assert len(figure.axes) == 2
        assert "far one has no area in common" in words(figure).replace("\n", " ")


def test_without_pixel_sizes_the_common_pixels_are_compared() -> None:
    whole, part = (image(data, step=1.0, unit="pixel") for data in (scene(), noisy(1)[:17, :31]))
    numbers = compare([whole, part], reference=whole).numbers
    assert numbers.area == "common area, 17 × 31 px"
    assert numbers.tiles[1].rmse == pytest.approx(12, rel=0.1)


def test_files_that_cannot_be_written_are_reported(files: dict[str, Path], tmp_path: Path) -> None:
    compared = compare([files["noisy"]])
    before = set(tmp_path.iterdir())
    for save in (compared.save_figure, compared.save_spectrum):
        with pytest.raises(InputError, match="ending"):
            save(tmp_path / "x.jpg")
    for save, name in ((compared.save_figure, "x.png"), (compared.save_csv, "x.csv"), (compared.save, "x.json")):
        with pytest.raises(OutputError, match="cannot be written"):
            save(files["noisy"] / name)
    assert set(tmp_path.iterdir()) == before


def test_it_can_be_stopped(files: dict[str, Path]) -> None:
    with pytest.raises(Cancelled):
        compare([files["noisy"]], stop=lambda: True)


def test_real_levels(w2s_root: Path, tmp_path: Path) -> None:
    paths = sorted((w2s_root / "data" / "train").glob("*/050_0.png"))
    compared = compare(paths, box=(200, 150, 128, 128), contrast="matched")
    assert [tile.title for tile in compared.comparison.tiles] == [*map(str, LEVELS[:-1]), "SIM"]
    assert compared.numbers.of(compared.comparison.tiles[2].key).worth == pytest.approx(4, rel=0.1)
    errors = [tile.psnr for tile in compared.numbers.tiles[:5]]
    assert errors == sorted(errors, key=lambda psnr: psnr or 0)
    assert compared.save_figure(tmp_path / "f.pdf").stat().st_size > 200_000
    assert compared.save_figure(tmp_path / "f.png").stat().st_size > 200_000
