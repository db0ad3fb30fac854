"""Images and their references are found by name, in any release and in folders of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from w2s_benchmark import NOISE, benchmark, burst, make_tree, scene
from w2s_tree import make_normalized, make_raw

from napari_w2s._types import InputError, Level, Task
from napari_w2s.benchmark import make_config
from napari_w2s.benchmark.cases import Picture, find_cases
from napari_w2s.benchmark.noise_floor import noise_floor_db
from napari_w2s.benchmark.pixels import Frame, as_eight_bit, read_fine, read_frame, read_picture, widefield_range
from napari_w2s.benchmark.work import no_reference


def test_every_image_goes_with_its_references(tmp_path: Path) -> None:
    root = make_tree(tmp_path, fovs=(1, 2), channels=(0, 2))
    found = find_cases(benchmark(root, "bicubic", fovs="2", levels=["avg4"]))
    assert [(case.field, case.channel, case.level) for case in found.cases] == [("002", 0, "avg4"), ("002", 2, "avg4")]
    folder = root / "data" / "train"
    case = found.cases[1]
    assert case.source == Picture(folder / "avg4" / "002_2.png")
    assert case.reference(Task.DENOISE) == (Picture(folder / "avg400" / "002_2.png"), "avg400")
    assert case.reference(Task.SR) == (Picture(folder / "sim" / "002_2.png"), "sim")
    assert (case.half, case.range_of, found.notes) == (None, None, [])


def test_all_that_is_noisy_is_taken_if_nothing_is_said(tmp_path: Path) -> None:
    found = find_cases(benchmark(make_tree(tmp_path), "bicubic"))
    assert found.levels == ("avg1", "avg4", "avg8", "avg16")
    assert len(found.cases) == 8


def test_the_test_split_is_scored_against_avg16_with_its_noise(tmp_path: Path) -> None:
    levels = ("avg1", "avg8", "avg16", "sim")
    root = make_tree(tmp_path, fovs=(3,), levels=levels, split="test", size=128)
    found = find_cases(benchmark(root, "noisy", levels=["avg1", "avg16"]))
    first, last = found.cases
    picture, name = first.reference(Task.DENOISE)
    assert name == "avg16"
    assert picture is not None
    assert first.half is not None
    assert "scored against avg16" in found.notes[0]
    assert last.reference(Task.DENOISE)[0] is None
    assert (first.cleanest, last.cleanest) == (False, True)

    reference = read_frame(picture, (0, 255))
    floor = noise_floor_db(reference, read_frame(first.half, (0, 255)))
    truth = 20 * np.log10(255 / (NOISE / 4))
    assert floor == pytest.approx(truth, abs=0.15)
    perfect = np.mean((scene(3, 0, 128) - reference.pixels) ** 2)
    assert floor == pytest.approx(10 * np.log10(255**2 / perfect), abs=0.25)


def test_no_noise_has_no_floor() -> None:
    same = Frame(np.full((8, 8), 7, np.uint8), 0, 255)
    assert noise_floor_db(same, same) is None


def test_a_missing_image_is_said_and_does_not_hide_the_others(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    (root / "data/train/avg4/002_0.png").unlink()
    (root / "data/train/sim/001_0.png").unlink()
    cases = find_cases(benchmark(root, "bicubic", fovs="1-3", levels=["avg4"])).cases
    assert [case.source is None for case in cases] == [False, True, True]
    assert cases[1].missing == f"{root} has no avg4 image of field of view 002, channel 0."
    assert cases[0].fine is None
    assert "no SIM image of 001, channel 0" in no_reference(cases[0], Task.SR)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"fovs": "7-9"}, "none of the fields of view 7-9. It has 001 to 002"),
        ({"levels": ["avg2"]}, "no images of avg2, only of avg1, avg4, avg8, avg16, avg400"),
        ({"channels": [1]}, "has the channels 0"),
        ({"release": "raw"}, "has the release 8bit, not raw"),
    ],
)
def test_what_is_not_there_at_all_is_refused(tmp_path: Path, entries: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_cases(benchmark(make_tree(tmp_path), "bicubic", **entries))


def test_a_folder_without_w2s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images of W2S"):
        find_cases(benchmark(tmp_path, "bicubic"))
    with pytest.raises(InputError, match="does not exist"):
        find_cases(benchmark(tmp_path / "none", "bicubic"))


def test_raw_bursts_are_averaged_and_scaled_by_their_noisiest_image(tmp_path: Path) -> None:
    make_raw(tmp_path, [4], frames=400)
    (case,) = find_cases(benchmark(tmp_path, "bicubic", levels=["avg2"])).cases
    assert case.source is not None
    assert case.source.average is Level.AVG2
    frames = np.load(tmp_path / "Image004" / "wf_channel0.npy").astype(float)
    np.testing.assert_allclose(read_picture(case.source), frames[:2].mean(0), rtol=1e-6)
    limits = widefield_range(case)
    assert limits == (frames[249].min(), frames[249].max())
    frame = read_frame(case.source, limits)
    assert frame.range == limits
    assert as_eight_bit(frame).pixels.dtype == np.uint8
    np.testing.assert_allclose(as_eight_bit(frame).unit, np.clip(frame.unit, 0, 1), atol=0.5 / 255 + 1e-9)


def test_the_normalised_release_is_scaled_too(tmp_path: Path) -> None:
    make_normalized(tmp_path / "data" / "normalized", [1], levels=("avg1", "sim"))
    (case,) = find_cases(benchmark(tmp_path, "bicubic")).cases
    assert case.source is not None
    assert case.fine is not None
    for frame in (read_frame(case.source, widefield_range(case)), read_fine(case.fine)):
        assert (frame.unit.min(), frame.unit.max()) == (0, 1)


def test_folders_of_ones_own_pair_by_name(tmp_path: Path) -> None:
    for folder, names in (("noisy", "abc"), ("clean", "ab"), ("fine", "a")):
        (tmp_path / folder).mkdir()
        for name in names:
            side = 64 if folder == "fine" else 32
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", scene(ord(name), 0, side).astype(np.uint16))
    pair = {"name": "low", **{role: str(tmp_path / role) for role in ("noisy", "clean", "fine")}}
    found = find_cases(make_config({"pairs": [pair], "pipelines": ["bicubic"]}))
    assert found.levels == ("low",)
    assert [(case.field, case.fine is None) for case in found.cases] == [("a", False), ("b", True)]
    assert [found.cases[0].reference(task)[1] for task in (Task.DENOISE, Task.SR)] == ["clean", "fine"]
    assert "image of twice the size" in no_reference(found.cases[1], Task.SR)
    assert found.notes == [f"1 of the images in {tmp_path / 'noisy'} have no reference, c for one."]
    own = scene(ord("a"), 0).astype(np.uint16)
    assert widefield_range(found.cases[0]) == (own.min(), own.max())


def test_pairs_need_names_in_common(tmp_path: Path) -> None:
    for folder, name in (("noisy", "a"), ("clean", "b")):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / f"{name}.npy", burst(1, 0)[0])
    pair = {"noisy": str(tmp_path / "noisy"), "clean": str(tmp_path / "clean")}
    config = make_config({"pairs": [pair], "pipelines": ["noisy"]})
    with pytest.raises(InputError, match="has the name of a reference"):
        find_cases(config)
    np.save(tmp_path / "noisy" / "b.npy", burst(1, 0)[:3])
    (case,) = find_cases(config).cases
    assert case.source is not None
    with pytest.raises(InputError, match="takes single images"):
        read_picture(case.source)
    tifffile.imwrite(tmp_path / "noisy" / "b.tif", burst(1, 0)[0].astype(np.float32))
    with pytest.raises(InputError, match="have the same name"):
        find_cases(config)


def test_one_intensity_has_no_range(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.ones((8, 8)))
    with pytest.raises(InputError, match="one intensity only"):
        read_fine(Picture(tmp_path / "flat.npy"))
    np.save(tmp_path / "nan.npy", np.full((8, 8), np.nan))
    with pytest.raises(InputError, match="NaN or infinite"):
        read_fine(Picture(tmp_path / "nan.npy"))
