"""The same work on worker processes: the same tables, whatever dies."""

from __future__ import annotations

import os
import platform
import signal
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from w2s_benchmark import benchmark, make_tree
from w2s_workers import ON_WORKERS, pids

from napari_w2s._types import Cancelled, InputError
from napari_w2s.benchmark import cluster as cluster_module
from napari_w2s.benchmark import evaluate
from napari_w2s.benchmark.cluster import device_of
from napari_w2s.benchmark.plan import Group, group
from napari_w2s.benchmark.work import Job
from napari_w2s.engine import cluster as engine_cluster
from napari_w2s.engine.cluster import ClusterLost, connect, default_workers

distributed = pytest.importorskip("distributed")

pytestmark = [*ON_WORKERS, pytest.mark.usefixtures("own_models")]

PIPELINES = ("mine", "mine+bicubic", "bicubic")


def test_two_workers_make_the_table_that_one_makes(tmp_path: Path, workers: Any) -> None:
    root = make_tree(tmp_path / "w2s")
    config = benchmark(root, *PIPELINES, levels=["avg1", "avg4"])
    alone = evaluate(config, tmp_path / "alone")
    told: list[tuple[int, int]] = []
    shared = evaluate(
        config,
        tmp_path / "shared",
        scheduler=workers.scheduler_address,
        progress=lambda *done: told.append(done),
    )
    assert (alone.measured, shared.measured, alone.failed) == (12, 12, ())
    assert told == [(done, 12) for done in range(13)]
    for name in ("rows.csv", "summary.csv"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "shared" / name).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_costs_only_what_it_was_doing(tmp_path: Path, workers: Any) -> None:
    root = make_tree(tmp_path / "w2s", fovs=range(1, 6))
    config = benchmark(root, *PIPELINES, levels=["avg1", "avg4"])
    before = pids(workers)

    def kill(done: int, _all: int) -> None:
        if done == 4:
            os.kill(before[0], signal.SIGKILL)

    result = evaluate(config, tmp_path / "killed", scheduler=workers.scheduler_address, progress=kill)
    assert (result.measured, result.failed) == (30, ())
    assert before[0] not in pids(workers)
    keys = [line.split('"')[3] for line in (tmp_path / "killed" / "journal.jsonl").read_text().splitlines()]
    assert sorted(keys) == sorted({row.key for row in result.rows})
    evaluate(config, tmp_path / "whole")
    assert (tmp_path / "killed" / "rows.csv").read_bytes() == (tmp_path / "whole" / "rows.csv").read_bytes()


def test_errors_come_back_as_rows(tmp_path: Path, workers: Any) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1, 2))
    damaged = root / "data/train/avg1/002_0.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    config = benchmark(root, *PIPELINES, levels=["avg1"])
    result = evaluate(config, tmp_path / "out", scheduler=workers.scheduler_address)
    assert [row.case.field for row in result.failed] == ["002"] * 3
    assert all("002_0.png cannot be read as a PNG image" in row.error for row in result.failed)


def test_only_a_few_images_are_under_way(tmp_path: Path, workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree(tmp_path / "w2s", fovs=range(1, 7), channels=(0, 1))
    config = benchmark(root, "noisy", "bicubic", levels=["avg1"])
    submit, result_of = cluster_module._Work._submit, cluster_module.result_of
    begun: list[str] = []
    finished: list[str] = []
    most: list[int] = []

    def counted(work: Any, client: Any, one: Group) -> Any:
        begun.extend(job.key for job in one.jobs)
        most.append(len(begun) - len(finished))
        return submit(work, client, one)

    def counting(future: Any) -> Any:
        finished.append(future.key)
        return result_of(future)

    monkeypatch.setattr(cluster_module._Work, "_submit", counted)
    monkeypatch.setattr(cluster_module, "result_of", counting)
    assert evaluate(config, tmp_path / "out", scheduler=workers.scheduler_address).measured == 24
    assert max(most) == 4


def test_a_stop_ends_the_work(tmp_path: Path, workers: Any) -> None:
    root = make_tree(tmp_path / "w2s", fovs=range(1, 6))
    config = benchmark(root, *PIPELINES, levels=["avg1"])
    done: list[int] = []
    with pytest.raises(Cancelled, match="of 15 rows are there"):
        evaluate(
            config,
            tmp_path / "out",
            scheduler=workers.scheduler_address,
            progress=lambda now, _all: done.append(now),
            should_stop=lambda: len(done) > 3,
        )
    rest = evaluate(config, tmp_path / "out", scheduler=workers.scheduler_address)
    assert rest.failed == ()
    assert 0 < rest.measured < 15


def test_a_scheduler_that_goes_away_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine_cluster, "CONNECT_SECONDS", 0.5)
    root = make_tree(tmp_path / "w2s", fovs=range(1, 6))
    config = benchmark(root, "noisy", "bicubic", levels=["avg1", "avg4"])
    running = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0")

    def leave(done: int, _all: int) -> None:
        if done == 3:
            running.close()

    with pytest.raises(ClusterLost, match=r"What was done is kept.*run the same command to go on"):
        evaluate(config, tmp_path / "out", scheduler=running.scheduler_address, progress=leave)
    kept = len((tmp_path / "out" / "journal.jsonl").read_text().splitlines())
    assert kept >= 3
    assert "Traceback" not in capfd.readouterr().err
    assert evaluate(config, tmp_path / "out").measured == 20 - kept


def test_a_scheduler_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_cluster, "CONNECT_SECONDS", 0.2)
    config = benchmark(make_tree(tmp_path / "w2s"), "noisy", levels=["avg1"])
    for address, message in (("tcp://127.0.0.1:9", "does not answer"), ("nonsense://x", "does not answer")):
        with pytest.raises(InputError, match=message):
            evaluate(config, tmp_path / "out", scheduler=address)
    assert not (tmp_path / "out").exists()


def test_workers_may_come_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = benchmark(make_tree(tmp_path / "w2s"), "noisy", levels=["avg1"])
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as running:

        def arrive() -> bool:
            running.scale(1)
            return False

        result = evaluate(config, tmp_path / "out", scheduler=running.scheduler_address, should_stop=arrive)
    evaluate(config, tmp_path / "alone")
    assert result.measured == 2
    assert (tmp_path / "out" / "rows.csv").read_bytes() == (tmp_path / "alone" / "rows.csv").read_bytes()
    assert "has no workers yet" in caplog.text


def test_without_the_package_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'napari-w2s\[cluster\]'"), connect(2, None):
        pass


def test_a_local_cluster_is_started_and_ended(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    config = benchmark(root, *PIPELINES, levels=["avg1"])
    assert evaluate(config, tmp_path / "out", workers=2).measured == 3
    assert default_workers() >= 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_workers_keep_the_memory_of_large_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_cluster, "_ENOUGH", 0)
    with connect(1, None) as client:
        assert client.submit(_page_faults_of_a_later_array).result() < 1000


def _page_faults_of_a_later_array() -> int:
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        array = b"1" * (64 * 2**20)
        after = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        return after - before if array else 0

    faults()
    return min(faults() for _ in range(4))


def test_jobs_that_begin_alike_are_put_together(tmp_path: Path) -> None:
    def job(*chain: str) -> Job:
        return Job(key="+".join(chain), case=None, chain=chain, task=None)  # type: ignore[arg-type]

    jobs = [job("a"), job("a", "x"), job("b", "x"), job("x"), job(), job("a", "y")]
    groups = [(one.shared, [each.key for each in one.jobs]) for one in group(jobs)]
    assert groups == [
        (("a",), ["a", "a+x", "a+y"]),
        ((), ["b+x"]),
        ((), ["x"]),
        ((), [""]),
    ]


class FakeClient:
    """Workers with the devices that a test gives them; they come when they were waited for a few times."""

    status = "running"

    def __init__(self, *devices: str, waits: int = 0) -> None:
        self.devices, self.waits = devices, waits

    def wait_for_workers(self, _count: int, timeout: float) -> None:
        self.waits -= 1
        if self.waits >= 0 or not self.devices:
            raise TimeoutError(timeout)

    def run(self, _ask: Any) -> dict[str, str]:
        if "none" in self.devices:
            raise ModuleNotFoundError("No module named 'napari_w2s'")
        return {f"tcp://{place}": device for place, device in enumerate(self.devices)}


@pytest.mark.parametrize(
    ("devices", "asked", "kind"),
    [(("cpu", "cpu"), "auto", "cpu"), ((), "cpu", "cpu"), (("cpu", "cuda"), "cuda:1", "cuda")],
)
def test_the_device_is_the_one_that_workers_take(devices: tuple[str, ...], asked: str, kind: str) -> None:
    assert device_of(cast("Any", FakeClient(*devices)), asked, lambda: False) == kind


def test_the_first_worker_is_waited_for_and_its_device_taken() -> None:
    client = FakeClient("cuda", waits=3)
    assert device_of(cast("Any", client), "auto", lambda: False) == "cuda"
    assert client.waits == -1
    with pytest.raises(Cancelled, match="before there was a worker"):
        device_of(cast("Any", FakeClient()), "auto", lambda: True)
    gone = FakeClient()
    gone.status = "closed"
    with pytest.raises(ClusterLost):
        device_of(cast("Any", gone), "auto", lambda: False)


def test_workers_with_different_devices_are_refused() -> None:
    with pytest.raises(InputError, match="cpu and cuda, whose numbers would be mixed"):
        device_of(cast("Any", FakeClient("cuda", "cpu", "cuda")), "auto", lambda: False)


def test_workers_without_the_package_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot import napari-w2s: .* Install the same version"):
        device_of(cast("Any", FakeClient("none")), "auto", lambda: False)
