"""Many files on worker processes: the same results as from one, whatever dies."""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from w2s_trained import save_small
from w2s_workers import ON_WORKERS, pids

from napari_w2s._types import Cancelled, InputError, OutputError, Progress, WeightsError
from napari_w2s.app.batch import BatchCallbacks, BatchResult, run_batch
from napari_w2s.app.batch_job import Outcome
from napari_w2s.app.batch_worker import Batch, _check_shared
from napari_w2s.app.plan import Job, plan_batch
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.ometiff import read_ome_tiff
from napari_w2s.engine import cluster as engine_cluster
from napari_w2s.engine.cluster import ClusterLost

distributed = pytest.importorskip("distributed")

pytestmark = [*ON_WORKERS, pytest.mark.usefixtures("own_models")]

SETTINGS = RestoreSettings(models=("mine", "bicubic"), tile=16)
SLOW = (512, 512)
"""Size of an image that takes some seconds in small tiles."""


def write(path: Path, shape: tuple[int, ...] = (40, 36), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.random.default_rng(seed).integers(90, 600, shape, np.uint16))
    return path


def jobs_for(folder: Path, out: Path, settings: RestoreSettings = SETTINGS) -> tuple[Job, ...]:
    return plan_batch([folder], out, model=settings.model).jobs


def outcomes(result: BatchResult) -> list[Outcome]:
    return [one.outcome for one in result.results]


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def content(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the pixels of a result and all that it says of how it was made, but when and where to."""
    (image,) = read_ome_tiff(path)
    made = dict(image.w2s["restoration"])
    del made["date"], made["command"]
    return np.asarray(image.data), made


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "in" / f"{number}.tif", seed=number)
    bad = tmp_path / "in" / "bad.tif"
    bad.write_bytes(b"II*\0 and nothing that follows")
    alone = run_batch(jobs_for(tmp_path / "in", tmp_path / "alone"), SETTINGS)
    jobs = jobs_for(tmp_path / "in", tmp_path / "both")
    told: list[tuple[str, int]] = []
    both = run_batch(
        jobs,
        SETTINGS,
        workers=2,
        callbacks=BatchCallbacks(
            started=lambda index, _job: told.append(("started", index)),
            finished=lambda index, _result: told.append(("finished", index)),
        ),
    )
    assert outcomes(both) == outcomes(alone) == [*[Outcome.DONE] * 3, Outcome.FAILED]
    assert [r.message for r in both.results] == [r.message for r in alone.results]
    assert [r.job for r in both.results] == list(jobs)
    assert all(one.seconds > 0 for one in both.results)
    assert sorted(told) == sorted((what, index) for what in ("started", "finished") for index in range(4))
    assert files_in(tmp_path / "both") == files_in(tmp_path / "alone")
    for name in files_in(tmp_path / "alone"):
        (pixels, made), (expected, known) = content(tmp_path / "both" / name), content(tmp_path / "alone" / name)
        # Another number of threads adds in another order.
        np.testing.assert_allclose(pixels, expected, rtol=0, atol=1e-6 * np.ptp(expected))
        assert made == known


def test_paths_are_meant_from_here(tmp_path: Path, workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the workers are not
    write(Path("in/a.tif"))
    save_small(Path("other"), "other")
    settings = RestoreSettings(models=("mine",), weights="other/other.safetensors")
    jobs = jobs_for(Path("in"), Path("out"), settings)
    result = run_batch(jobs, settings, scheduler=workers.scheduler_address)
    assert outcomes(result) == [Outcome.DONE], result.results[0].message
    assert files_in(tmp_path / "out") == ["a_mine.ome.tif"]
    (image,) = read_ome_tiff(Path("out/a_mine.ome.tif"))
    made = image.w2s["restoration"]
    assert made["source"] == str(tmp_path / "in" / "a.tif")
    assert made["command"].startswith(f"napari-w2s restore {Path('in/a.tif')} -m mine -o out")
    assert made["settings"]["weights"] == "other/other.safetensors"
    assert run_batch(jobs, settings).results[0].outcome is Outcome.SKIPPED


def test_what_is_done_is_skipped_without_a_cluster(tmp_path: Path, workers: Any) -> None:
    write(tmp_path / "in" / "a.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    run_batch(jobs, SETTINGS)
    assert outcomes(run_batch(jobs, SETTINGS, scheduler="tcp://127.0.0.1:9")) == [Outcome.SKIPPED]
    write(tmp_path / "in" / "b.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    again = run_batch(jobs, SETTINGS, scheduler=workers.scheduler_address)
    assert outcomes(again) == [Outcome.SKIPPED, Outcome.DONE]
    before = [job.output.stat().st_mtime_ns for job in jobs]
    over = run_batch(jobs, SETTINGS, overwrite=True, scheduler=workers.scheduler_address)
    assert outcomes(over) == [Outcome.DONE] * 2
    assert all(job.output.stat().st_mtime_ns > time for job, time in zip(jobs, before, strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_workers_cost_what_they_were_doing_which_is_tried_again(tmp_path: Path, workers: Any) -> None:
    for number in range(5):
        write(tmp_path / "in" / f"{number}.tif", SLOW if number < 2 else (40, 36))
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    before = pids(workers)
    killed: list[int] = []
    jobs[0].output.parent.mkdir()
    half = jobs[0].output.with_name(f".{jobs[0].output.name}.0123abcd.tmp")
    half.touch()  # what a worker that is killed while it writes leaves
    other = half.with_name(".another.ome.tif.0123abcd.tmp")
    other.touch()

    def kill(index: int, _progress: Progress) -> None:
        if not killed and index == 0:
            for pid in before:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    result = run_batch(jobs, SETTINGS, scheduler=workers.scheduler_address, callbacks=BatchCallbacks(progressed=kill))
    assert outcomes(result) == [Outcome.DONE] * 5, [one.message for one in result.results]
    assert set(pids(workers)).isdisjoint(killed)
    assert len(killed) == 2
    other.unlink()
    assert files_in(tmp_path / "out") == [job.output.name for job in jobs]


class Poison:
    """Kills the worker that opens a certain file."""

    idempotent = True

    def setup(self, worker: Any) -> None:
        del worker
        from napari_w2s.app import batch_worker

        run_job = batch_worker.run_job

        def die(job: Job, *arguments: Any, **options: Any) -> Any:
            if job.source.stem == "poison":
                os.kill(os.getpid(), signal.SIGKILL)
            return run_job(job, *arguments, **options)

        batch_worker.run_job = die  # type: ignore[assignment]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_file_that_kills_its_workers_is_given_up_and_costs_no_other(
    tmp_path: Path, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("poison", "q", "r", "s", "t"):
        write(tmp_path / "in" / f"{name}.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    monkeypatch.setattr(workers.scheduler, "allowed_failures", 0)

    class Plugin(Poison, distributed.WorkerPlugin):  # type: ignore[name-defined,misc]
        pass

    with distributed.Client(workers, set_as_default=False) as client:
        client.register_plugin(Plugin(), name="poison")
        result = run_batch(jobs, SETTINGS, scheduler=workers.scheduler_address)
        client.unregister_worker_plugin("poison")
    assert outcomes(result) == [Outcome.FAILED, *[Outcome.DONE] * 4], [one.message for one in result.results]
    assert f"{jobs[0].source}: The processes that tried this died" in result.results[0].message
    assert files_in(tmp_path / "out") == [job.output.name for job in jobs[1:]]


def test_a_stop_leaves_nothing_half_and_the_rest_for_later(tmp_path: Path, workers: Any) -> None:
    for number in range(9):
        write(tmp_path / "in" / f"{number}.tif", (40, 36) if number < 2 else SLOW)
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    done: list[int] = []
    result = run_batch(
        jobs,
        SETTINGS,
        scheduler=workers.scheduler_address,
        callbacks=BatchCallbacks(finished=lambda index, _result: done.append(index)),
        should_stop=lambda: len(done) > 1,
    )
    assert result.cancelled
    assert 2 < len(result.results) < 9
    finished = [one.job.output.name for one in result.of(Outcome.DONE)]
    assert files_in(tmp_path / "out") == finished
    assert set(outcomes(result)) == {Outcome.DONE, Outcome.CANCELLED}


def test_a_stop_does_not_wait_for_workers_that_are_not_there(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "in" / f"{number}.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    begun: list[int] = []
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as running:
        result = run_batch(
            jobs,
            SETTINGS,
            scheduler=running.scheduler_address,
            callbacks=BatchCallbacks(started=lambda index, _job: begun.append(index)),
            should_stop=lambda: len(begun) > 1,
        )
    assert result.cancelled
    assert outcomes(result) == [Outcome.CANCELLED] * 2
    assert not (tmp_path / "out").exists()


def test_a_stop_between_two_files_is_a_stop(tmp_path: Path, workers: Any) -> None:
    for number in range(6):
        write(tmp_path / "in" / f"{number}.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    run_batch(jobs[:4], SETTINGS)
    done: list[int] = []
    result = run_batch(
        jobs,
        SETTINGS,
        scheduler=workers.scheduler_address,
        callbacks=BatchCallbacks(finished=lambda index, _result: done.append(index)),
        should_stop=lambda: len(done) > 1,
    )
    assert outcomes(result) == [Outcome.SKIPPED, Outcome.SKIPPED, Outcome.CANCELLED]


def test_a_scheduler_that_goes_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_cluster, "CONNECT_SECONDS", 0.5)
    for number in range(8):
        write(tmp_path / "in" / f"{number}.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    running = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0")
    done: list[int] = []

    def leave(index: int, _result: Any) -> None:
        done.append(index)
        if len(done) == 2:
            running.close()

    with pytest.raises(ClusterLost, match="run the same command to go on"):
        run_batch(jobs, SETTINGS, scheduler=running.scheduler_address, callbacks=BatchCallbacks(finished=leave))
    kept = len(list((tmp_path / "out").glob("*.tif")))
    assert kept >= 2
    rest = run_batch(jobs, SETTINGS)
    assert (len(rest.of(Outcome.SKIPPED)), len(rest.of(Outcome.DONE))) == (kept, 8 - kept)
    assert files_in(tmp_path / "out") == [job.output.name for job in jobs]


def test_what_no_file_can_do_without_is_checked_first(
    tmp_path: Path, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_cluster, "CONNECT_SECONDS", 0.2)
    write(tmp_path / "in" / "a.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    with pytest.raises(InputError, match="does not answer"):
        run_batch(jobs, SETTINGS, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="no device"):
        run_batch(jobs, replace(SETTINGS, device="abacus"), workers=2)
    with pytest.raises(WeightsError):
        run_batch(jobs, replace(SETTINGS, weights="/no/such/weights.pth"), scheduler=workers.scheduler_address)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        run_batch(jobs, SETTINGS, scheduler=workers.scheduler_address)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'napari-w2s\[cluster\]'"):
        run_batch(jobs, SETTINGS, workers=2)


def test_a_file_that_workers_do_not_have_is_said(tmp_path: Path, workers: Any) -> None:
    write(tmp_path / "in" / "a.tif")
    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    result = run_batch(
        jobs,
        SETTINGS,
        scheduler=workers.scheduler_address,
        callbacks=BatchCallbacks(started=lambda _index, job: job.source.unlink()),
    )
    assert outcomes(result) == [Outcome.FAILED]
    assert f"not there on {socket.gethostname()}" in result.results[0].message
    assert "same folders under the same paths" in result.results[0].message
    assert not (tmp_path / "out").exists()


def test_a_folder_that_workers_do_not_have_is_said(tmp_path: Path) -> None:
    job = Job(write(tmp_path / "a.tif"), tmp_path / "out" / "a.ome.tif")
    batch = Batch("x", SETTINGS, overwrite=False, token=tmp_path / "out" / "token")
    with pytest.raises(OutputError, match=f"{tmp_path / 'out'} is not shared with {socket.gethostname()}"):
        _check_shared(job, batch)


def test_a_stop_while_weights_are_fetched_ends_it(tmp_path: Path, workers: Any) -> None:
    write(tmp_path / "in" / "a.tif")

    class Slow:
        def load(self, *_names: Any, **_options: Any) -> Any:
            raise Cancelled("Stopped.")

        def __getattr__(self, name: str) -> Any:
            from napari_w2s.models.builtin import default_registry

            return getattr(default_registry(), name)

    jobs = jobs_for(tmp_path / "in", tmp_path / "out")
    with pytest.raises(Cancelled):
        run_batch(jobs, SETTINGS, scheduler=workers.scheduler_address, registry=Slow())  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
