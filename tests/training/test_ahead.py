"""Batches that a thread reads ahead are those of the loader, in order, and so are its errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from w2s_training import TRAIN, VALIDATION, toy_config

from napari_w2s._types import UnreadableFileError
from napari_w2s.training import fit as fit_module
from napari_w2s.training.ahead import Ahead
from napari_w2s.training.checkpoints import load
from napari_w2s.training.fit import fit


class Numbers:
    """Numbers, and how many were asked for; after `fail` of them, an error."""

    def __init__(self, count: int, fail: int | None = None) -> None:
        self.count, self.fail, self.asked = count, fail, 0
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.threads.add(threading.current_thread().name)
            if number == self.fail:
                raise UnreadableFileError("x.tif is truncated.")
            self.asked += 1
            yield number


def test_all_come_in_order_from_another_thread() -> None:
    numbers = Numbers(20)
    ahead = Ahead(numbers, 3)
    assert len(ahead) == 20
    assert list(ahead) == list(range(20))
    assert list(ahead) == list(range(20))
    assert numbers.threads == {"patches"}


def test_an_error_comes_where_it_belongs() -> None:
    found = []
    with pytest.raises(UnreadableFileError, match="truncated"):
        found.extend(Ahead(Numbers(9, fail=4)))
    batches = iter(Ahead(Numbers(9, fail=4)))
    assert [next(batches) for _ in range(4)] == [0, 1, 2, 3]


def test_who_stops_early_leaves_no_thread_behind() -> None:
    numbers = Numbers(1000)
    batches = iter(Ahead(numbers, 3))
    assert [next(batches), next(batches)] == [0, 1]
    batches.close()  # type: ignore[attr-defined]
    assert numbers.asked <= 2 + 3 + 2
    assert not [thread for thread in threading.enumerate() if thread.name == "patches"]


def test_a_run_is_the_same_with_it(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Always:
        """Any number that is set is 2."""

        def __set__(self, owner: object, value: int) -> None:
            """Forget it."""

        def __get__(self, owner: object, kind: type | None = None) -> int:
            return self.count

        count = 0

    always = Always()
    monkeypatch.setattr(fit_module.PatchData, "ahead", always, raising=False)
    given = {"train": TRAIN, "validation": VALIDATION, "preview_every": 0, "accelerator": "cpu", "devices": 1}
    fit(toy_config(), tmp_path / "a", **given)
    always.count = 2
    fit(toy_config(), tmp_path / "b", **given)
    a, b = ((load(tmp_path / name / "last.ckpt")["state_dict"]) for name in "ab")
    assert all(bool((value == b[key]).all()) for key, value in a.items())
    assert not [thread for thread in threading.enumerate() if thread.name == "patches"]
