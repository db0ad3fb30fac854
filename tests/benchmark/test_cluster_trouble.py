"""Tasks that kill their workers, and workers that come late or lack something, cost no row of any other."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from w2s_benchmark import benchmark, make_tree
from w2s_trained import save_small
from w2s_workers import ON_WORKERS, processes

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark import evaluate, fitness
from napari_w2s.benchmark.cases import find_cases
from napari_w2s.benchmark.fitness import Needs, lacks, package_version, restore_there, score_there
from napari_w2s.benchmark.loading import WeightsFrom
from napari_w2s.benchmark.stages import Computing
from napari_w2s.benchmark.work import Job, Made, Scored, Settings

distributed = pytest.importorskip("distributed")

pytestmark = [*ON_WORKERS, pytest.mark.usefixtures("own_models")]

INNOCENT = ("mine", "mine+bicubic", "bicubic")
OTHERS_WAIT = "others wait"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_small(folder, "deadly", seed=1)
    return save_small(folder).parent


@pytest.fixture(scope="module")
def process(models: Path) -> Iterator[Any]:
    """A cluster of one worker process."""
    with processes(1, models) as running:
        yield running


@pytest.fixture
def in_here() -> Iterator[Any]:
    """A cluster of one worker that is a thread of this process."""
    before = torch.get_num_threads()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as running:
        yield running
    torch.set_num_threads(before)


class Deadly:
    """Kills the worker that has a certain model do a certain field, once others wait there too."""

    idempotent = True

    def setup(self, worker: Any) -> None:
        del worker
        fitness.restore, fitness.score = map(_deadly, (fitness.restore, fitness.score))


def _deadly(work: Callable[..., Any]) -> Callable[..., Any]:
    def die(what: Any, *arguments: Any) -> Any:
        case, chain = (what.case, what.chain) if isinstance(what, Job) else (what, arguments[0])
        if case.field == "001" and chain[:1] == ("deadly",):
            distributed.Event(OTHERS_WAIT).wait()
            os.kill(os.getpid(), signal.SIGKILL)
        return work(what, *arguments)

    return die


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_task_that_kills_its_workers_costs_only_its_own_rows(
    tmp_path: Path, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(tmp_path / "w2s")
    deadly = ("deadly", "deadly+bicubic")
    monkeypatch.setattr(process.scheduler, "allowed_failures", 0)
    blamed: list[str] = []

    class Plugin(Deadly, distributed.WorkerPlugin):  # type: ignore[name-defined,misc]
        pass

    class Watch(distributed.SchedulerPlugin):  # type: ignore[name-defined,misc]
        def transition(self, key: str, start: str, finish: str, *_arguments: Any, **_about: Any) -> None:
            if (start, finish) == ("processing", "erred"):
                blamed.append(key)

    with distributed.Client(process, set_as_default=False) as client:
        client.register_plugin(Plugin(), name="deadly")
        process.scheduler.add_plugin(Watch(), name="watch")
        others_wait = distributed.Event(OTHERS_WAIT, client=client)

        def watch() -> bool:
            if sum(len(worker.processing) for worker in process.scheduler.workers.values()) > 1:
                others_wait.set()
            return False

        config = benchmark(root, *deadly, *INNOCENT, levels=["avg1"])
        result = evaluate(config, tmp_path / "out", scheduler=process.scheduler_address, should_stop=watch)
        client.unregister_worker_plugin("deadly")
        process.scheduler.remove_plugin(name="watch")
    assert {(row.system, row.case.field) for row in result.failed} == {(name, "001") for name in deadly}
    assert all("The processes that tried this died" in row.error for row in result.failed)
    assert (len(result.rows), result.measured) == (10, 10)
    assert len(blamed) > 3, "what waited beside was blamed too"
    without = benchmark(root, *INNOCENT, levels=["avg1"])
    evaluate(without, tmp_path / "without")
    assert evaluate(without, tmp_path / "out").measured == 0
    for name in ("rows.csv", "summary.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_a_worker_process_that_joins_later_works_as_the_first(tmp_path: Path, process: Any) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1, 2, 3))
    config = benchmark(root, *INNOCENT, levels=["avg1", "avg4"])
    with distributed.Client(process, set_as_default=False) as client:
        first = set(client.nthreads())

        def relieve(done: int, _all: int) -> None:
            if done == 2:
                process.scale(len(process.workers) + 1)
                client.wait_for_workers(len(first) + 1)
                (late,) = client.nthreads().keys() - first
                client.run(torch.set_num_threads, 2, workers=[late])
                client.retire_workers(list(first))

        result = evaluate(config, tmp_path / "out", scheduler=process.scheduler_address, progress=relieve)
        (threads,) = client.run(torch.get_num_threads).values()
        assert first.isdisjoint(client.nthreads()), "the late one did the rest"
    assert (result.measured, result.failed, threads) == (18, (), 1)
    evaluate(config, tmp_path / "alone")
    assert (tmp_path / "out" / "rows.csv").read_bytes() == (tmp_path / "alone" / "rows.csv").read_bytes()


def test_all_workers_compute_on_what_the_first_ones_do(
    tmp_path: Path, in_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, devices = fitness.score, []

    def seen(job: Job, settings: Settings, *arguments: Any) -> Scored:
        devices.append(settings.computing.device)
        return score(job, settings, *arguments)

    monkeypatch.setattr(fitness, "score", seen)
    config = benchmark(make_tree(tmp_path / "w2s"), "bicubic", levels=["avg1"])
    result = evaluate(config, tmp_path / "out", scheduler=in_here.scheduler_address)
    assert result.config.device == "auto"
    assert devices == [device_here()] * 2


def device_here() -> str:
    from napari_w2s.engine.device import choose_device

    return choose_device().type


def unfit(monkeypatch: pytest.MonkeyPatch, *names: int) -> None:
    """Have workers lack something, by name."""

    def lacking(_needs: Needs) -> str:
        return "node7 has no images." if distributed.get_worker().name in names else ""

    monkeypatch.setattr(fitness, "lacks", lacking)


def test_a_late_worker_that_lacks_something_gets_no_row(
    tmp_path: Path, in_here: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = benchmark(make_tree(tmp_path / "w2s", fovs=range(1, 9)), "noisy", "bicubic", levels=["avg1", "avg4"])
    unfit(monkeypatch, 1)
    with distributed.Client(in_here, set_as_default=False) as client:

        def join(done: int, _all: int) -> None:
            if done == 2:
                in_here.scale(2)
                client.wait_for_workers(2)

        result = evaluate(config, tmp_path / "out", scheduler=in_here.scheduler_address, progress=join)
    assert (result.measured, result.failed) == (32, ())
    assert caplog.text.count("gets no work. node7 has no images.") == 1


def test_rows_for_workers_that_went_are_done_by_those_that_come(
    tmp_path: Path, in_here: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = benchmark(make_tree(tmp_path / "w2s", fovs=range(1, 9)), "noisy", "bicubic", levels=["avg1", "avg4"])
    unfit(monkeypatch, 1)
    went: list[str] = []
    polls: list[str] = []
    with distributed.Client(in_here, set_as_default=False) as client:
        (first,) = client.nthreads()

        def change(done: int, _all: int) -> None:
            if done == 2:
                in_here.scale(2)
                client.wait_for_workers(2)
            elif not went and "gets no work" in caplog.text:
                in_here.sync(in_here.scheduler.remove_worker, first, stimulus_id="it left", expected=True)
                went.append(first)

        def relieve() -> bool:
            polls.extend(went)
            if len(polls) > 2:
                in_here.scale(3)
            return False

        result = evaluate(
            config,
            tmp_path / "out",
            scheduler=in_here.scheduler_address,
            progress=change,
            should_stop=relieve,
        )
    assert (result.measured, result.failed) == (32, ())
    assert went


def test_if_all_workers_lack_something_the_run_ends_and_says_what(
    tmp_path: Path, in_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = benchmark(make_tree(tmp_path / "w2s"), "noisy", levels=["avg1"])
    unfit(monkeypatch, 0)
    with pytest.raises(InputError, match=r"No worker can do this: node7 has no images\."):
        evaluate(config, tmp_path / "out", scheduler=in_here.scheduler_address)


def test_what_a_worker_lacks_is_said_with_its_machine(tmp_path: Path) -> None:
    here, own = socket.gethostname(), package_version()
    assert lacks(Needs(own, "cpu", (str(tmp_path),))) == ""
    for needs, said in (
        (Needs("0.0.1", "cpu"), f"{here} has napari-w2s {own}, not 0.0.1. Install the same version"),
        (Needs(own, "tpu"), f"{here}: There is no device 'tpu' here"),
        (Needs(own, "cpu", (str(tmp_path), str(tmp_path / "none"))), f"{tmp_path / 'none'} is not there on {here}."),
    ):
        assert lacks(needs).startswith(said)


def test_what_is_needed_are_the_folders_and_weights(tmp_path: Path, models: Path) -> None:
    root, weights = make_tree(tmp_path / "w2s"), models / "mine.safetensors"
    config = benchmark(root, "mine", weights={"mine": str(weights)}, net_data=str(models))
    assert Needs.of(config, "cuda") == Needs(package_version(), "cuda", (str(root), str(models), str(weights)))
    named = benchmark(root, "mine", device="cuda:1")
    assert Needs.of(named, "cuda").device == "cuda:1"


def test_an_image_that_a_machine_does_not_have_is_named_with_it(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "w2s", fovs=(1,))
    config = benchmark(root, "bicubic", levels=["avg1"])
    (case,) = find_cases(config).cases
    needs = Needs.of(config, "cpu")
    settings = Settings(
        protocol=config.protocol, metrics=config.measured, computing=Computing("cpu"), weights=WeightsFrom()
    )
    gone = root / "data/train/avg1/001_0.png"
    gone.unlink()
    job = Job(key="k", case=case, chain=("bicubic",), task=Task.SR)
    said = f"{gone} is not there on {socket.gethostname()}. The machines of a cluster need the same files"
    scored = score_there(job, settings, needs)
    assert isinstance(scored, Scored)
    assert scored.error.startswith(said)
    made = restore_there(case, ("mine",), settings, needs)
    assert isinstance(made, Made)
    assert made.error.startswith(said)
