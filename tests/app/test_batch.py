"""Many files: going on after a bad one, never twice, never half."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_w2s._types import InputError, Level, Progress, WeightsError
from napari_w2s.app import restore
from napari_w2s.app.batch import BatchCallbacks, JobResult, run_batch
from napari_w2s.app.batch_job import Outcome
from napari_w2s.app.plan import Job, plan_batch
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.ometiff import read_ome_tiff

BICUBIC = RestoreSettings(models=("bicubic",))


def write_tiff(path: Path, shape: tuple[int, ...] = (24, 20), seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(90, 600, shape, np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, imagej=True, resolution=(10.0, 10.0), metadata={"unit": "um"})
    return path


def jobs_for(paths: list[Path], out: Path, settings: RestoreSettings = BICUBIC) -> tuple[Job, ...]:
    plan = plan_batch(paths, out, model=settings.model)
    assert plan.problems == ()
    return plan.jobs


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_results_are_written_beside_one_another(tmp_path: Path) -> None:
    sources = [write_tiff(tmp_path / "in" / name) for name in ("a.tif", "b.tif")]
    result = run_batch(jobs_for(sources, tmp_path / "out"), BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.DONE, Outcome.DONE]
    assert files_in(tmp_path / "out") == ["a_bicubic.ome.tif", "b_bicubic.ome.tif"]
    (image,) = read_ome_tiff(tmp_path / "out" / "a_bicubic.ome.tif")
    assert image.data.shape == (48, 40)
    assert image.scale == pytest.approx((0.05, 0.05))


def test_a_result_tells_the_command_that_makes_it(tmp_path: Path) -> None:
    source = write_tiff(tmp_path / "my cells.tif")
    (job,) = jobs_for([source], tmp_path / "out")
    run_batch([job], BICUBIC)
    (image,) = read_ome_tiff(job.output)
    words = shlex.split(image.w2s["restoration"]["command"])
    assert words == ["napari-w2s", "restore", str(source), "-m", "bicubic", "-o", str(tmp_path / "out")]


def test_a_burst_is_averaged_and_the_command_says_so(tmp_path: Path) -> None:
    burst = np.random.default_rng(0).integers(90, 600, (5, 16, 16), np.uint16)
    source = tmp_path / "Image001" / "wf_channel0.npy"
    source.parent.mkdir()
    np.save(source, burst)
    plan = plan_batch([source], tmp_path / "out", model="bicubic", levels=(Level.AVG4,))
    run_batch(plan.jobs, BICUBIC)
    mean = tmp_path / "mean.tif"
    tifffile.imwrite(mean, burst[:4].mean(axis=0).astype(np.float32))
    run_batch(jobs_for([mean], tmp_path / "out"), BICUBIC)
    (averaged,) = read_ome_tiff(plan.jobs[0].output)
    (expected,) = read_ome_tiff(tmp_path / "out" / "mean_bicubic.ome.tif")
    np.testing.assert_allclose(np.asarray(averaged.data), np.asarray(expected.data), rtol=1e-5)
    assert averaged.w2s["level"] == "avg4"
    assert averaged.w2s["restoration"]["command"].endswith("--level avg4")


def test_a_bad_file_does_not_end_the_batch(tmp_path: Path) -> None:
    sources = [write_tiff(tmp_path / "a.tif"), tmp_path / "b.tif", write_tiff(tmp_path / "c.tif")]
    sources[1].write_bytes(b"II*\0 and nothing that follows")
    told: list[tuple[int, JobResult]] = []
    result = run_batch(
        jobs_for(sources, tmp_path / "out"),
        BICUBIC,
        callbacks=BatchCallbacks(finished=lambda index, r: told.append((index, r))),
    )
    assert [r.outcome for r in result.results] == [Outcome.DONE, Outcome.FAILED, Outcome.DONE]
    assert "b.tif" in result.of(Outcome.FAILED)[0].message
    assert told == list(enumerate(result.results))
    assert files_in(tmp_path / "out") == ["a_bicubic.ome.tif", "c_bicubic.ome.tif"]


def test_a_defect_does_not_end_the_batch_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("nobody expected this")

    jobs = jobs_for([write_tiff(tmp_path / "a.tif"), write_tiff(tmp_path / "b.tif")], tmp_path / "out")
    monkeypatch.setattr(restore, "restore_image", defect)
    with caplog.at_level("INFO", "napari_w2s"):
        result = run_batch(jobs, BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.FAILED, Outcome.FAILED]
    assert "nobody expected this" in result.results[0].message
    assert "Traceback" in caplog.text


def test_what_is_done_is_skipped_without_loading_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = jobs_for([write_tiff(tmp_path / "a.tif")], tmp_path / "out")
    run_batch(jobs, BICUBIC)
    before = jobs[0].output.stat().st_mtime_ns
    monkeypatch.setattr(restore, "load_pipeline", None)
    result = run_batch(jobs, BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.SKIPPED]
    assert jobs[0].output.stat().st_mtime_ns == before


def test_a_change_of_what_only_decides_the_speed_is_still_done(tmp_path: Path) -> None:
    jobs = jobs_for([write_tiff(tmp_path / "a.tif")], tmp_path / "out")
    run_batch(jobs, BICUBIC)
    result = run_batch(jobs, RestoreSettings(models=("bicubic",), tile=16, device="cpu"))
    assert [r.outcome for r in result.results] == [Outcome.SKIPPED]


def test_overwrite_makes_it_again(tmp_path: Path) -> None:
    source = write_tiff(tmp_path / "a.tif", seed=0)
    jobs = jobs_for([source], tmp_path / "out")
    run_batch(jobs, BICUBIC)
    before = jobs[0].output.read_bytes()
    write_tiff(source, seed=1)
    result = run_batch(jobs, BICUBIC, overwrite=True)
    assert [r.outcome for r in result.results] == [Outcome.DONE]
    assert jobs[0].output.read_bytes() != before


def test_the_result_of_another_file_is_not_taken_for_done(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (job,) = jobs_for([write_tiff(tmp_path / folder / "a.tif")], tmp_path / "out")
        result = run_batch([job], BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.FAILED]
    assert str(tmp_path / "x" / "a.tif") in result.results[0].message
    assert "--overwrite" in result.results[0].message


def test_a_result_of_other_settings_is_not_taken_for_done(tmp_path: Path) -> None:
    jobs = jobs_for([write_tiff(tmp_path / "a.tif")], tmp_path / "out")
    run_batch(jobs, BICUBIC)
    result = run_batch(jobs, RestoreSettings(models=("bicubic",), intensity_range=(0, 100)))
    assert [r.outcome for r in result.results] == [Outcome.FAILED]
    assert "intensity_range" in result.results[0].message


@pytest.mark.parametrize("content", ["image", "junk"])
def test_a_foreign_file_in_the_way_is_left_alone(tmp_path: Path, content: str) -> None:
    (job,) = jobs_for([write_tiff(tmp_path / "a.tif")], tmp_path / "out")
    job.output.parent.mkdir()
    if content == "image":
        write_tiff(job.output, seed=5)
    else:
        job.output.write_bytes(b"not an image")
    before = job.output.read_bytes()
    result = run_batch([job], BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.FAILED]
    assert "in the way" in result.results[0].message
    assert job.output.read_bytes() == before


def test_a_stop_leaves_what_is_finished_and_nothing_half(tmp_path: Path) -> None:
    jobs = jobs_for([write_tiff(tmp_path / f"{n}.tif", (64, 64)) for n in "abc"], tmp_path / "out")
    settings = RestoreSettings(models=("bicubic",), tile=16)
    seen: list[tuple[int, Progress]] = []
    result = run_batch(
        jobs,
        settings,
        callbacks=BatchCallbacks(progressed=lambda index, p: seen.append((index, p))),
        should_stop=lambda: any(index == 1 for index, _ in seen),
    )
    assert [r.outcome for r in result.results] == [Outcome.DONE, Outcome.CANCELLED]
    assert result.cancelled
    assert seen[-1][1].fraction < 1
    assert files_in(tmp_path / "out") == ["a_bicubic.ome.tif"]


def test_a_batch_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    jobs = jobs_for([write_tiff(tmp_path / f"{n}.tif") for n in "ab"], tmp_path / "out")
    begun: list[int] = []
    run_batch(
        jobs,
        BICUBIC,
        callbacks=BatchCallbacks(started=lambda index, _job: begun.append(index)),
        should_stop=lambda: len(begun) > 1,
    )
    result = run_batch(jobs, BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.SKIPPED, Outcome.DONE]


def test_an_output_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    result = run_batch(jobs_for([write_tiff(tmp_path / "a.tif")], tmp_path / "out"), BICUBIC)
    assert [r.outcome for r in result.results] == [Outcome.FAILED]
    assert "cannot be made" in result.results[0].message


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (RestoreSettings(models=("no-such-model",)), InputError),
        (RestoreSettings(models=("bicubic",), device="cuda:99"), InputError),
        (RestoreSettings(models=("dncnn-avg1",), weights="/no/such/weights.pth"), WeightsError),
    ],
)
def test_what_no_file_can_do_without_is_checked_first(
    tmp_path: Path, settings: RestoreSettings, error: type[Exception]
) -> None:
    begun: list[int] = []
    jobs = jobs_for([write_tiff(tmp_path / "a.tif")], tmp_path / "out", settings)
    with pytest.raises(error):
        run_batch(jobs, settings, callbacks=BatchCallbacks(started=lambda index, _job: begun.append(index)))
    assert begun == []


def test_nothing_to_do_is_done() -> None:
    assert run_batch([], BICUBIC).results == ()


def test_what_the_engine_refuses_is_reported_with_the_name_of_the_file(tmp_path: Path) -> None:
    source = tmp_path / "holes.npy"
    np.save(source, np.full((4, 4), np.nan))
    settings = RestoreSettings(models=("bicubic",), non_finite="raise")
    (result,) = run_batch(jobs_for([source], tmp_path / "out", settings), settings).results
    assert result.outcome is Outcome.FAILED
    assert str(source) in result.message
    assert not (tmp_path / "out").exists()


def test_intensities_beyond_float32_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "huge.npy"
    np.save(source, np.array([[1e300, 2e300]]))
    (result,) = run_batch(jobs_for([source], tmp_path / "out"), BICUBIC).results
    assert result.outcome is Outcome.FAILED
    assert "float32" in result.message
