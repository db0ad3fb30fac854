"""Images that are read when they are looked at: once, in parts where that pays, and from a file again elsewhere."""

from __future__ import annotations

import gc
import pickle
import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from napari_w2s._types import UnreadableFileError
from napari_w2s.training.cache import ByIdentity, FrameCache
from napari_w2s.training.fields import Field
from napari_w2s.training.lazy_images import Lazy, Mean, Plane, Row, Stack, plane, planes, portable, restored


class Counted(Lazy):
    """An image that counts how often it is read, and waits for a sign before it is."""

    def __init__(self, value: int = 1, *, edge: int = 16, wait: threading.Event | None = None) -> None:
        self.shape, self.dtype = (edge, edge), np.dtype(np.uint8)
        self.value, self.wait, self.reads = value, wait, 0

    def read(self) -> np.ndarray:
        self.reads += 1
        if self.wait is not None:
            assert self.wait.wait(20)
        return np.full(self.shape, self.value, self.dtype)


def test_an_image_is_read_once_by_however_many_threads_at_a_time() -> None:
    go = threading.Event()
    image, cache = Counted(7, wait=go), FrameCache()
    got: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: got.append(cache.read(image))) for _ in range(6)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(20)
    assert image.reads == 1
    assert len(got) == 6
    assert all(pixels is got[0] for pixels in got)


def test_an_error_comes_to_all_and_the_image_is_tried_again() -> None:
    class Broken(Counted):
        def read(self) -> np.ndarray:
            super().read()
            raise UnreadableFileError("a.png is damaged.")

    image, cache = Broken(), FrameCache()
    for reads in (1, 2):
        with pytest.raises(UnreadableFileError, match=r"a\.png"):
            cache.read(image)
        assert image.reads == reads


def test_what_was_not_asked_for_the_longest_makes_way() -> None:
    images = [Counted(i) for i in range(4)]
    cache = FrameCache(3 * 256)
    for image in (images[0], images[1], images[2], images[0], images[3]):
        assert (cache.read(image) == image.value).all()
    for image in images:
        cache.read(image)
    # 1 was dropped for 3, and its return dropped others; 0 was read once until then.
    assert [image.reads for image in images][1] == 2
    assert images[0].reads == 1


def test_an_image_larger_than_the_cache_is_read_nevertheless() -> None:
    image, cache = Counted(3), FrameCache(10)
    assert (cache.read(image) == 3).all()
    assert (cache.read(image) == 3).all()
    assert image.reads == 1


def test_means_of_few_frames_make_way_first_and_are_then_read_in_parts() -> None:
    stack = Stack(np.arange(4 * 32 * 32, dtype=np.uint16).reshape(4, 32, 32))
    few, dear = Mean(stack, [0, 1]), Counted(edge=32)
    cache = FrameCache(4 * 32 * 32 + 100)
    cache.read(dear)
    cache.read(few)
    part = (slice(3, 5), slice(6, 9))
    assert np.array_equal(cache.part(few, *part), few.read()[part])
    cache.read(dear)
    assert dear.reads == 1


def test_a_new_image_never_gets_what_was_kept_for_one_that_is_gone() -> None:
    cache, facts = FrameCache(), ByIdentity[int]()
    for value in range(200):
        image = Counted(value)
        assert cache.read(image)[0, 0] == value
        del image
        gc.collect(0)
    for value in range(200):
        image = Counted(value)
        assert facts.get(lambda value=value: value, image) == value  # type: ignore[misc]
        del image
        gc.collect(0)


def test_dask_images_are_computed_once() -> None:
    calls = []

    def load(block_id: tuple[int, ...]) -> np.ndarray:
        calls.append(block_id)
        return np.full((1, 8, 8), block_id[0])

    stack = da.map_blocks(load, chunks=((1, 1), (8,), (8,)), dtype=int, meta=np.empty((0, 0, 0), int))
    image, cache = plane(stack, (1,)), FrameCache()
    assert isinstance(image, Plane)
    for _ in range(3):
        assert (cache.part(image, slice(2), slice(2)) == 1).all()
    assert calls == [(1, 0, 0)]
    assert [one.shape for one in planes(stack)] == [(8, 8)] * 2
    assert (np.asarray(image) == 1).all()


def test_what_was_kept_does_not_travel() -> None:
    image, cache, facts = Counted(5), FrameCache(), ByIdentity[int]()
    cache.read(image)
    facts.get(lambda: 5, image)
    cache, facts = pickle.loads(pickle.dumps((cache, facts)))
    assert (cache.read(Counted(6)) == 6).all()
    assert facts.get(lambda: 6, image) == 6


@pytest.mark.parametrize(
    "view",
    [np.s_[:], np.s_[1], np.s_[1:, 3:7, ::2], np.s_[::-1], np.s_[0, 1:2]],
    ids=["all", "one", "part", "back", "row"],
)
def test_a_memory_map_travels_as_its_place_in_the_file(tmp_path: Path, view: object) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 60000, (30, 40, 50)).astype(np.uint16))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")[view]  # type: ignore[index]
    for _ in range(2):
        sent = pickle.dumps(portable(mapped))
        assert len(sent) < 1000
        back = restored(pickle.loads(sent))
        assert isinstance(back, np.memmap)
        assert np.array_equal(back, mapped)
        mapped = back


def test_a_field_of_memory_maps_travels_without_its_pixels(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 60000, (30, 64, 64)).astype(np.uint16)
    np.save(tmp_path / "a.npy", frames)
    burst = Stack(np.load(tmp_path / "a.npy", mmap_mode="r"))
    one = Field("a", "g", {"avg2": Mean(burst, [0, 1])}, denoised=burst.frame(3), sim=np.zeros((128, 128)), burst=burst)
    sent = pickle.dumps(one)
    assert len(sent) < 128 * 128 * 8 + 5000
    back = pickle.loads(sent)
    assert np.array_equal(back.inputs["avg2"].read(), frames[:2].mean(0).astype(np.float32))
    assert np.array_equal(back.denoised, frames[3])
    assert back.inputs["avg2"].stack is back.burst


def test_a_row_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(UnreadableFileError, match=r"broken\.h5"):
        FrameCache().read(Row(tmp_path / "broken.h5", "data", 0, (4, 4), np.dtype(np.float32)))
