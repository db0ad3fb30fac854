"""Which process leads, and how many there may be."""

from __future__ import annotations

from typing import Any

import pytest

from napari_w2s._types import InputError
from napari_w2s.training import processes
from napari_w2s.training.processes import check_processes, leads

LAUNCHERS = ("RANK", "SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "default_workers", lambda: 4)
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("devices", [1, 4, "auto", "4", [0, 1]])
def test_a_process_for_each_core_is_allowed(devices: Any) -> None:
    check_processes(devices)


@pytest.mark.parametrize("devices", [5, "5", [0] * 5])
def test_more_are_refused_with_what_would_do(devices: Any) -> None:
    with pytest.raises(InputError, match=r"5 processes are too many.*4 cores.*at most --devices 4.*--num-nodes"):
        check_processes(devices)


def test_one_core_is_said_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "default_workers", lambda: 1)
    with pytest.raises(InputError, match="has 1 core:"):
        check_processes(2)


@pytest.mark.parametrize("name", ["LOCAL_RANK", "SLURM_PROCID"])
def test_a_launcher_is_trusted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0")
    check_processes(5)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_first_process_leads(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert leads()
    monkeypatch.setenv(name, "0")
    assert leads()
    monkeypatch.setenv(name, "1")
    assert not leads()
