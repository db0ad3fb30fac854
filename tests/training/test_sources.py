"""Files of patches, bursts and single images, and what each is good for."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import w2s_fields
import w2s_tree
from w2s_fields import BOTH
from w2s_sources import pixels, save, source_config

from napari_w2s._types import InputError, Task, UnreadableFileError
from napari_w2s.training.patches import PatchMaker
from napari_w2s.training.sources import load_fields

# Patches


def patch_files(folder: Path, rows: int = 80) -> dict[str, np.ndarray]:
    """Write avg1 and sim patches; rows tell their number by their first pixel."""
    rng = np.random.default_rng(0)
    made = {}
    for level, edge in (("avg1", 16), ("avg2", 16), ("sim", 32)):
        data = rng.random((rows, 1, edge, edge)).astype(np.float32)
        data[:, 0, 0, 0] = np.arange(rows) / 1000
        with h5py.File(folder / f"{level}_{edge}_8.h5", "w") as file:
            file["data"] = data
        made[level] = data[:, 0]
    return made


def test_rows_of_patches_pair(tmp_path: Path) -> None:
    made = patch_files(tmp_path)
    source = source_config(
        "patches",
        noisy=[tmp_path / "avg1_16_8.h5", tmp_path / "avg2_16_8.h5"],
        sim=tmp_path / "sim_32_8.h5",
        task=Task.JDSR,
        losses={"sim": BOTH["sim"]},
        levels={"avg1": 1, "avg2": 1},
    )
    loaded = load_fields(source)
    fields = (*loaded.train, *loaded.validation)
    assert len(fields) == 80
    for one in fields:
        row = int(one.name.removeprefix("patch "))
        assert np.array_equal(pixels(one.inputs["avg1"]), made["avg1"][row])
        assert np.array_equal(pixels(one.inputs["avg2"]), made["avg2"][row])
        assert np.array_equal(pixels(one.sim), made["sim"][row])
    assert "does not tell which field of view" in loaded.warnings[0]
    assert not {one.group for one in loaded.train} & {one.group for one in loaded.validation}
    # Neighbours are on one side: a validation block is of consecutive rows.
    held_back = sorted(int(one.name.removeprefix("patch ")) for one in loaded.validation)
    assert held_back[1] == held_back[0] + 1
    sample = PatchMaker(source, loaded.train).draw(0)
    # The files' range is [0, 1], whatever the least and the greatest pixel of a row.
    row = next(
        i for i, sim in enumerate(made["sim"]) if np.isclose(np.sort(sample["sim"].ravel()), np.sort(sim.ravel())).all()
    )
    assert any(one.name == f"patch {row}" for one in loaded.train)


def test_patches_of_unequal_number_are_refused(tmp_path: Path) -> None:
    patch_files(tmp_path)
    w2s_tree.make_patches(tmp_path / "avg400_16_8.h5", 7, 16)
    with pytest.raises(InputError, match=r"avg400_16_8\.h5 has 7 rows, but .*avg1_16_8\.h5 has 80"):
        load_fields(source_config("patches", noisy=tmp_path / "avg1_16_8.h5", denoised=tmp_path / "avg400_16_8.h5"))


def test_files_of_patches_that_are_missing_or_no_such_files_are_named(tmp_path: Path) -> None:
    patch_files(tmp_path)
    (tmp_path / "bad.h5").write_bytes(b"no file of patches")
    noisy = tmp_path / "avg1_16_8.h5"
    with pytest.raises(InputError, match="No file of denoised patches"):
        load_fields(source_config("patches", noisy=noisy))
    with pytest.raises(UnreadableFileError, match=r"bad\.h5"):
        load_fields(source_config("patches", noisy=noisy, denoised=tmp_path / "bad.h5"))
    with pytest.raises(InputError, match="its ending is none of"):
        load_fields(source_config("patches", noisy=save(tmp_path / "a.png", np.zeros((8, 8), np.uint8))))


# Bursts and single images


@pytest.mark.parametrize(("shape", "axis", "names"), [((5, 24, 20), 0, ["b"]), ((2, 5, 24, 20), 1, ["b [0]", "b [1]"])])
def test_frames_lie_along_the_axis_that_is_named(
    tmp_path: Path, shape: tuple[int, ...], axis: int, names: list[str]
) -> None:
    data = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    save(tmp_path / "b.npy", data)
    loaded = load_fields(source_config("burst", noisy=tmp_path / "b.npy", axis=axis, self_supervised="noise2noise"))
    assert [one.name for one in loaded.train] == names
    last = loaded.train[-1]
    assert len(last.burst or ()) == 5
    assert np.array_equal(pixels(last.burst.mean), data.reshape(-1, 5, 24, 20)[-1].mean(0).astype(np.float32))
    assert (
        len(PatchMaker(source_config("burst", self_supervised="noise2noise"), loaded.train).draw(0)["noisy"][0]) == 16
    )


def test_a_folder_of_single_frames_is_a_burst(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (5, 24, 20)).astype(np.uint8)
    for number, frame in enumerate(data):
        save(tmp_path / "day" / f"frame{number}.png", frame)
    source = source_config("burst", noisy=tmp_path / "day", self_supervised="noise2noise")
    one = load_fields(source).train[0]
    assert one.burst is not None
    assert len(one.burst) == 5
    assert np.array_equal(pixels(one.burst.frame(3)), data[3])
    save(tmp_path / "day" / "frame9.png", np.zeros((24, 24), np.uint8))
    with pytest.raises(InputError, match=r"frame9\.png has the shape \(24, 24\)"):
        load_fields(source)


def test_what_is_no_burst_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "single.npy", np.zeros((24, 24)))
    save(tmp_path / "one.npy", np.zeros((1, 24, 24)))
    with pytest.raises(InputError, match=r"single\.npy has the shape \(24, 24\)"):
        load_fields(source_config("burst", noisy=tmp_path / "single.npy", self_supervised="noise2noise"))
    with pytest.raises(InputError, match="one has a single frame"):
        load_fields(source_config("burst", noisy=tmp_path / "one.npy", self_supervised="noise2noise"))
    with pytest.raises(InputError, match="axis -1 is none of its axes before y and x"):
        load_fields(source_config("burst", noisy=tmp_path / "one.npy", axis=-1, self_supervised="noise2noise"))
    with pytest.raises(InputError, match="No noisy images were named"):
        load_fields(source_config("burst", noisy=[], self_supervised="noise2noise"))


def test_frames_of_a_burst_can_be_learned_from_one_by_one(tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.zeros((5, 24, 24)))
    save(tmp_path / "b.npy", np.zeros((3, 24, 24)))
    loaded = load_fields(source_config("burst", noisy=tmp_path, self_supervised="noise2void"))
    assert len(loaded.train) + len(loaded.validation) == 8
    assert len({one.group for one in loaded.train}) == len({one.group for one in loaded.validation}) == 1


@pytest.mark.parametrize(
    ("kind", "way", "message"),
    [
        (
            "burst",
            None,
            "does not learn with clean images from bursts. Set self_supervised to noise2noise or noise2void",
        ),
        ("images", None, "from noisy images alone. Set self_supervised to noise2void"),
        ("images", "noise2noise", "by Noise2Noise from noisy images alone"),
        ("folders", "noise2noise", "from folders of images. Set self_supervised to noise2void, or leave it out"),
    ],
)
def test_a_source_that_is_no_good_for_the_way_to_learn_is_refused(kind: str, way: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_fields(source_config(kind, noisy="x", self_supervised=way))


@pytest.mark.parametrize("way", ["noise2noise", "noise2void"])
def test_resolution_is_not_learned_without_sim_images(way: str) -> None:
    with pytest.raises(InputError, match="not the task 'Denoise \\+ super-resolve'"):
        load_fields(source_config("burst", noisy="x", self_supervised=way, task=Task.JDSR, losses=BOTH))


def test_no_source_is_an_error() -> None:
    with pytest.raises(InputError, match="no source of images"):
        load_fields(w2s_fields.config(train=[]))
