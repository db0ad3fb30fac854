from __future__ import annotations

import errno
import os
from pathlib import Path
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_w2s._types import Cancelled, InputError, OutputError, Progress
from napari_w2s.data import omeplan, ometiff
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.omeplan import needs_bigtiff, plan
from napari_w2s.data.ometiff import read_ome_tiff, write_ome_tiff
from napari_w2s.data.stacks import open_images


def noise(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 20, shape).astype(dtype)


def make(data: object, name: str = "cells", **changes: object) -> Image:
    ndim = data.ndim
    given = {
        "axes": ("fov", "t", "z", "y", "x")[-ndim:] if ndim != 3 else ("t", "y", "x"),
        "scale": (1.0,) * (ndim - 2) + (0.032, 0.032),
        "units": ("pixel",) * (ndim - 2) + ("um", "um"),
        "translate": (0.0,) * (ndim - 2) + (-0.016, -0.016),
        "colormap": "magenta",
        "contrast_limits": (10.0, 180.5),
        "metadata": {METADATA_KEY: {"release": "8bit", "channel": 2, "excitation_nm": 640.0, "source": "/data/a.png"}},
    }
    return Image(data=data, name=name, **(given | changes))


def assert_same(back: Image, image: Image, path: Path) -> None:
    np.testing.assert_array_equal(np.asarray(back.data), np.asarray(image.data))
    for what in ("name", "axes", "scale", "units", "translate", "colormap", "contrast_limits"):
        assert getattr(back, what) == getattr(image, what), what
    expected = dict(image.w2s)
    if "source" in expected:
        expected["origin"] = expected["source"]
    assert back.w2s == expected | {"source": str(path)}


def leftovers(folder: Path, *expected: str) -> list[str]:
    return sorted(set(os.listdir(folder)) - set(expected))


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 5, 7), (1, 5, 7), (4, 1, 1), (2, 3, 5, 4), (2, 1, 3, 4, 5)])
def test_what_is_written_opens_as_it_was(tmp_path, shape):
    image = make(noise(shape))
    path = write_ome_tiff([image], tmp_path / "a.ome.tif")
    (back,) = read_ome_tiff(path)
    assert_same(back, image, path)
    assert isinstance(back.data, np.memmap)
    assert leftovers(tmp_path) == ["a.ome.tif"]


def test_provenance_survives(tmp_path):
    restoration = {
        "models": [{"name": "dncnn-avg1", "sha256": "0" * 64}],
        "command": 'napari-w2s restore "a & b.png" -m dncnn-avg1',
        "when": "2024-01-01",
        "text": "<µ> \x00 \ud800 日本",
    }
    image = make(noise((4, 4)), metadata={METADATA_KEY: {"source": "a.png", "restoration": restoration}})
    (back,) = read_ome_tiff(write_ome_tiff([image], tmp_path / "a.ome.tif"))
    assert back.w2s["restoration"] == restoration


def test_values_that_json_does_not_know_are_written_plainly(tmp_path):
    known = {"path": Path("a.png"), "size": np.float32(0.5), "ids": np.arange(2), "frames": range(3)}
    image = make(noise((4, 4)), metadata={METADATA_KEY: known})
    (back,) = read_ome_tiff(write_ome_tiff([image], tmp_path / "a.ome.tif"))
    assert back.w2s == {"path": "a.png", "size": 0.5, "ids": [0, 1], "frames": [0, 1, 2], "source": back.w2s["source"]}


def test_images_of_one_frame_are_channels_and_others_images_in_order(tmp_path):
    images = [
        make(noise((3, 5, 7), seed=1), "a"),
        make(noise((10, 14), seed=2), "b", scale=(0.016, 0.016)),
        make(noise((3, 5, 7), seed=3), "c"),
        make(noise((3, 5, 7), seed=4), "moved", translate=(0.0, 1.0, 1.0)),
        make(noise((3, 5, 7), "uint8", seed=5), "other type"),
    ]
    path = write_ome_tiff(images, tmp_path / "many.ome.tif")
    with tifffile.TiffFile(path) as tif:
        assert [series.axes for series in tif.series] == ["CTYX", "YX", "TYX", "TYX"]
    back = read_ome_tiff(path)
    assert len(back) == len(images)
    for one, other in zip(back, images, strict=True):
        assert_same(one, other, path)


def test_other_programs_find_the_physical_size_and_channels(tmp_path):
    images = [
        make(noise((2, 5, 7), seed=i), name, axes=("z", "y", "x"), scale=(0.2, 0.1, 0.05), units=("um",) * 3)
        for i, name in enumerate(("actin & <co>", "dna"))
    ]
    path = write_ome_tiff(images, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    ome = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
    root = ElementTree.fromstring(xml)
    pixels = root.find(".//ome:Pixels", ome)
    assert [float(pixels.get(f"PhysicalSize{axis}")) for axis in "XYZ"] == [0.05, 0.1, 0.2]
    assert {pixels.get(f"PhysicalSize{axis}Unit") for axis in "XYZ"} == {"µm"}
    channels = root.findall(".//ome:Channel", ome)
    assert [channel.get("Name") for channel in channels] == ["actin & <co>", "dna"]
    assert [float(channel.get("ExcitationWavelength")) for channel in channels] == [640, 640]
    assert -(2**31) <= int(channels[0].get("Color")) < 2**31
    assert root.get("Creator").startswith("napari-w2s")


def test_images_without_a_physical_size_claim_none(tmp_path):
    image = make(noise((4, 4)), scale=(2.0, 2.0), units=("pixel", "pixel"))
    path = write_ome_tiff([image], tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tif:
        assert "PhysicalSize" not in tif.ome_metadata
    assert_same(read_ome_tiff(path)[0], image, path)


def test_a_time_step_is_an_increment(tmp_path):
    image = make(noise((3, 4, 4)), scale=(0.005, 1, 1), units=("s", "um", "um"))
    path = write_ome_tiff([image], tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tif:
        assert 'TimeIncrement="0.005"' in tif.ome_metadata


@pytest.mark.parametrize(
    "axes", [("fov", "t", "y", "x"), ("t", "z", "c", "y", "x"), ("p", "q", "r", "s", "y", "x"), ("c", "y", "x")]
)
@pytest.mark.parametrize("count", [1, 2])
def test_axes_that_ome_does_not_know_come_back(tmp_path, axes, count):
    shape = (2, 3, 2, 3, 4, 5)[-len(axes) :]
    ones = (1.0,) * len(axes)
    images = [
        make(noise(shape, seed=i), f"{i}", axes=axes, scale=ones, units=("pixel",) * len(axes), translate=ones)
        for i in range(count)
    ]
    path = write_ome_tiff(images, tmp_path / "a.ome.tif")
    for back, image in zip(read_ome_tiff(path), images, strict=True):
        assert_same(back, image, path)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("?", "uint8"), ("<f2", "float32"), (">u2", "uint16"), (">f8", "float64"), ("i8", "int32"), ("u8", "uint32")],
)
def test_types_that_ome_does_not_know_keep_their_values(tmp_path, dtype, stored):
    data = (noise((3, 5, 7)) > 100).astype(dtype) if dtype == "?" else noise((3, 5, 7)).round().astype(dtype)
    (back,) = read_ome_tiff(write_ome_tiff([make(data)], tmp_path / "a.ome.tif"))
    assert back.data.dtype == stored
    np.testing.assert_array_equal(back.data, data)


def test_integers_that_do_not_fit_are_refused(tmp_path):
    image = make(np.full((3, 3), 2**40, np.int64), "big numbers")
    with pytest.raises(InputError, match="'big numbers' has values outside the int32 range"):
        write_ome_tiff([image], tmp_path / "a.ome.tif")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("view", [np.s_[::-1, ::-1], np.s_[:, ::2], np.s_[::-2]])
def test_strides_of_any_kind(tmp_path, view):
    for data in (noise((9, 8))[view], np.asfortranarray(noise((9, 8)))[view]):
        path = write_ome_tiff([make(data)], tmp_path / "a.ome.tif", overwrite=True)
        np.testing.assert_array_equal(read_ome_tiff(path)[0].data, data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((0, 4, 4)), "no image to write"),
        (np.zeros((4, 4), complex), "takes real numbers"),
        (np.zeros((4, 4), object), "takes real numbers"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, data, message):
    with pytest.raises(InputError, match=f"'odd'.*{message}"):
        write_ome_tiff([make(data, "odd")], tmp_path / "a.ome.tif")
    with pytest.raises(InputError, match="no image to write"):
        write_ome_tiff([], tmp_path / "a.ome.tif")
    assert leftovers(tmp_path) == []


def lazy(
    shape: tuple[int, ...], chunks: tuple[int, ...], computed: list[tuple[int, ...]]
) -> tuple[da.Array, np.ndarray]:
    data = noise(shape)

    def block(part: np.ndarray, block_id: tuple[int, ...]) -> np.ndarray:
        computed.append(block_id)
        return part

    meta = np.empty((0,) * len(shape), data.dtype)
    return da.from_array(data, chunks=chunks).map_blocks(block, dtype=data.dtype, meta=meta), data


@pytest.mark.parametrize("slab", [10**9, 2 * 9 * 8 * 4, 1])
@pytest.mark.parametrize("chunks", [(1, 1, 9, 8), (1, 3, 9, 8), (2, 2, 4, 8), (4, 3, 9, 8)])
def test_dask_is_streamed_and_nothing_is_computed_twice_unless_it_is_large(tmp_path, monkeypatch, chunks, slab):
    monkeypatch.setattr(omeplan, "_SLAB_BYTES", slab)
    computed: list[tuple[int, ...]] = []
    array, data = lazy((4, 3, 9, 8), chunks, computed)
    path = write_ome_tiff([make(array, axes=("fov", "t", "y", "x"))], tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(read_ome_tiff(path)[0].data, data)
    if slab == 10**9 or chunks == (1, 1, 9, 8):
        assert len(computed) == len(set(computed))


@pytest.mark.parametrize("rows", [1, 3, 4, 100])
def test_large_planes_are_written_in_strips(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(omeplan, "_STRIP_BYTES", rows * 8 * 4)
    monkeypatch.setattr(omeplan, "_SLAB_BYTES", 1)
    computed: list[tuple[int, ...]] = []
    array, data = lazy((9, 8), (2, 8), computed)
    (back,) = read_ome_tiff(write_ome_tiff([make(array)], tmp_path / "a.ome.tif"))
    np.testing.assert_array_equal(back.data, data)
    if rows != 3:
        assert len(computed) <= 9


def test_a_new_file_is_memory_mapped_although_it_has_strips(tmp_path, monkeypatch):
    monkeypatch.setattr(omeplan, "_STRIP_BYTES", 3 * 8 * 4)
    (back,) = read_ome_tiff(write_ome_tiff([make(noise((2, 9, 8)))], tmp_path / "a.ome.tif"))
    assert isinstance(back.data, np.memmap)


def test_progress_counts_every_pixel(tmp_path):
    seen: list[Progress] = []
    images = [make(noise((3, 5, 7)), "a"), make(noise((4, 4)), "b")]
    write_ome_tiff(images, tmp_path / "a.ome.tif", progress=seen.append)
    assert [progress.total for progress in seen] == [3 * 35 + 16] * 4
    assert [progress.done for progress in seen] == [35, 70, 105, 121]


def test_stopping_leaves_nothing_behind(tmp_path):
    polled = []

    def stop() -> bool:
        polled.append(len(polled))
        return len(polled) > 2

    with pytest.raises(Cancelled, match=r"a\.ome\.tif was cancelled"):
        write_ome_tiff([make(noise((5, 4, 4)))], tmp_path / "a.ome.tif", should_stop=stop)
    assert polled == [0, 1, 2]
    assert leftovers(tmp_path) == []


def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    path = write_ome_tiff([make(noise((4, 4), seed=1))], tmp_path / "a.ome.tif")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_ome_tiff([make(noise((4, 4), seed=2))], path)
    assert path.read_bytes() == before
    write_ome_tiff([make(noise((4, 4), seed=2))], path, overwrite=True)
    np.testing.assert_array_equal(read_ome_tiff(path)[0].data, noise((4, 4), seed=2))


def test_a_file_can_be_saved_over_the_one_it_is_read_from(tmp_path):
    path = write_ome_tiff([make(noise((3, 4, 4)))], tmp_path / "a.ome.tif")
    (back,) = read_ome_tiff(path)
    write_ome_tiff([back.replace(name="again")], path, overwrite=True)
    (again,) = read_ome_tiff(path)
    assert again.name == "again"
    np.testing.assert_array_equal(again.data, noise((3, 4, 4)))


@pytest.mark.parametrize(("code", "message"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only")])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_or_read_only_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, code, message, overwrite):
    path = tmp_path / "a.ome.tif"
    if overwrite:
        path.write_bytes(b"what was there")
    written = []

    def strips(*_: object) -> object:
        written.append(True)
        yield noise((4, 4)).tobytes(), 16
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(ometiff, "iter_strips", strips)
    with pytest.raises(OutputError, match=rf"a\.ome\.tif was not written: .*{message}.*[Cc]hoose"):
        write_ome_tiff([make(noise((3, 4, 4)))], path, overwrite=overwrite)
    assert written == [True]
    assert leftovers(tmp_path) == (["a.ome.tif"] if overwrite else [])
    if overwrite:
        assert path.read_bytes() == b"what was there"


def test_a_disk_that_is_full_when_the_file_is_closed(tmp_path, monkeypatch):
    def close(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "close", close)
    with pytest.raises(OutputError, match="disk is full"):
        write_ome_tiff([make(noise((4, 4)))], tmp_path / "a.ome.tif")
    assert leftovers(tmp_path) == []


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(OutputError, match=r"the folder .*out does not exist"):
        write_ome_tiff([make(noise((4, 4)))], tmp_path / "out" / "a.ome.tif")


def test_a_read_only_folder(tmp_path, monkeypatch):
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    # Simulated, because an administrator may write to any folder.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OutputError, match="folder is read-only"):
        write_ome_tiff([make(noise((4, 4)))], tmp_path / "a.ome.tif")
    assert leftovers(tmp_path) == []


def test_places_that_do_not_exist(tmp_path):
    with pytest.raises(OutputError, match="nowhere does not exist"):
        write_ome_tiff([make(noise((4, 4)))], tmp_path / "nowhere" / "a.ome.tif")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_ome_tiff([make(noise((4, 4)))], tmp_path / "folder.tif", overwrite=True)
    assert leftovers(tmp_path) == ["folder.tif"]


def test_pixels_that_cannot_be_read_leave_nothing_behind(tmp_path):
    def broken(_: np.ndarray) -> np.ndarray:
        raise InputError("frame 3 is damaged")

    array = da.zeros((3, 4, 4), chunks=(1, 4, 4)).map_blocks(broken, meta=np.empty((0, 0, 0)))
    with pytest.raises(InputError, match="frame 3"):
        write_ome_tiff([make(array)], tmp_path / "a.ome.tif")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "expected"), [("a", "a.ome.tif"), ("a.tif", "a.tif"), ("a.TIFF", "a.TIFF"), ("a.b", "a.b.ome.tif")]
)
def test_endings(tmp_path, given, expected):
    assert write_ome_tiff([make(noise((4, 4)))], tmp_path / given) == tmp_path / expected
    (back,) = read_ome_tiff(tmp_path / expected)
    assert back.scale == (0.032, 0.032)


def test_bigtiff_is_used_when_offsets_need_it(tmp_path, monkeypatch):
    assert not needs_bigtiff(512 * 512 * 2, 1)
    assert not needs_bigtiff(3 * 2**30, 400)
    assert needs_bigtiff(2**32, 1)
    assert needs_bigtiff(2**32 - 2**24, 1)
    # A file of many tiny pages is mostly pages.
    assert needs_bigtiff(10**7, 10**7)
    for big in (False, True):
        monkeypatch.setattr(ometiff, "needs_bigtiff", lambda *_, big=big: big)
        path = write_ome_tiff([make(noise((3, 4, 4)))], tmp_path / "a.ome.tif", overwrite=True)
        with tifffile.TiffFile(path) as tif:
            assert tif.is_bigtiff is big
        np.testing.assert_array_equal(read_ome_tiff(path)[0].data, noise((3, 4, 4)))


def test_the_size_that_is_planned_is_that_of_the_stored_pixels():
    images = [make(noise((3, 5, 7), "float16"), name) for name in "ab"]
    (group,) = plan(images)
    assert group.nbytes == 2 * 3 * 5 * 7 * 4
    assert group.planes == 6


@pytest.mark.parametrize(
    "edit",
    [
        ('"shape": [3, 5, 7]', '"shape": [9, 5, 7]'),
        ('"channels": [', '"channels" : ['),
        ('"channels": [', '"channels": {['),
    ],
)
def test_a_note_that_another_program_spoilt_is_left_aside(tmp_path, edit):
    path = write_ome_tiff([make(noise((3, 5, 7)))], tmp_path / "a.ome.tif")
    content = path.read_bytes()
    # Writers of XML may leave quotation marks in a text as they are, or not.
    quote = "&quot;" if b"&quot;" in content else '"'
    old, new = (text.replace('"', quote).encode() for text in edit)
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new.ljust(len(old))) if len(new) <= len(old) else _grow(content, old, new))
    (back,) = read_ome_tiff(path)
    np.testing.assert_array_equal(back.data, noise((3, 5, 7)))
    np.testing.assert_allclose(back.scale[-2:], (0.032, 0.032))
    assert back.axes == ("t", "y", "x")


def _grow(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace in place, taking the room from the letters that follow, so that no offset moves."""
    start = content.index(old)
    return content[:start] + new + content[start + len(new) :]


def test_open_images_opens_them_too(tmp_path):
    path = write_ome_tiff([make(noise((3, 5, 7))), make(noise((4, 4)), "b")], tmp_path / "a.ome.tif")
    assert [image.name for image in open_images(path)] == ["cells", "b"]


def test_a_real_image_round_trips(tmp_path, w2s_root):
    folder = w2s_root / "data" / "train"
    images = open_images([folder / level / f"001_{c}.png" for level in ("avg1", "sim") for c in range(3)])
    path = write_ome_tiff(images, tmp_path / "001.ome.tif")
    for back, image in zip(read_ome_tiff(path), images, strict=True):
        assert_same(back, image, path)
