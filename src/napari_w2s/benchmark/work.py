"""What is done for one row of the table: in this process, or in any other that has the package and the files.

A failure is a value here, so that one bad file or model becomes rows that say so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from napari_w2s._types import Cancelled, InputError, Level, StopFn, Task, W2SError
from napari_w2s.benchmark.cases import Case
from napari_w2s.benchmark.examples import Crop, cut
from napari_w2s.benchmark.loading import Models, WeightsFrom, models_here
from napari_w2s.benchmark.noise_floor import noise_floor_db
from napari_w2s.benchmark.pixels import Frame, as_eight_bit, read_fine, read_frame, widefield_range
from napari_w2s.benchmark.protocol import Protocol, find_protocol
from napari_w2s.benchmark.scores import measure
from napari_w2s.benchmark.stages import Computing, hand_over, run_stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all rows of a benchmark share.

    Attributes
    ----------
    protocol : str
    metrics : tuple of str
    computing : Computing
    weights : WeightsFrom
    """

    protocol: str
    metrics: tuple[str, ...]
    computing: Computing
    weights: WeightsFrom


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row.

    Attributes
    ----------
    key : str
        Hash of all that its numbers depend on.
    case : Case
    chain : tuple of str
        Names of the models; none leaves the image as it is.
    task : Task
    """

    key: str
    case: Case
    chain: tuple[str, ...]
    task: Task


@dataclass(frozen=True, slots=True)
class Made:
    """What the first models of a chain made of an image.

    Attributes
    ----------
    frame : Frame or None
        As it comes out; None if there was an error.
    seconds : float
    error : str
    """

    frame: Frame | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The numbers of a job.

    Attributes
    ----------
    key : str
    values : dict of str to float
        By metric; empty if there was an error.
    noise_floor_db : float or None
        PSNR of the noise-free image against the reference, where that is a noisy one.
    seconds : float
        What the models took, those shared with other rows included.
    error : str
    crop : Crop or None
        A part of the result.
    """

    key: str
    values: dict[str, float] = field(default_factory=dict)
    noise_floor_db: float | None = None
    seconds: float = 0.0
    error: str = ""
    crop: Crop | None = None


def restore(
    case: Case, chain: Sequence[str], settings: Settings, models: Models | None = None, stop: StopFn | None = None
) -> Made:
    """Restore the image of a case with some models, one after the other.

    Parameters
    ----------
    case : Case
    chain : sequence of str
    settings : Settings
    models : Models, optional
        By default those of this process.
    stop : callable, optional
        Polled before every tile.

    Raises
    ------
    Cancelled
        If `stop` said so.
    """
    begin = time.perf_counter()
    try:
        models = models or models_here(settings.weights)
        frame, seconds = _run(_source(case, settings), (), chain, settings, models, stop)
    except Exception as error:
        return Made(None, time.perf_counter() - begin, explain(error, case))
    return Made(frame, seconds)


def score(
    job: Job,
    settings: Settings,
    made: Made | None = None,
    done: int = 0,
    models: Models | None = None,
    stop: StopFn | None = None,
) -> Scored:
    """Restore the image of a job, or go on with what its first models made, and score the result.

    Parameters
    ----------
    job : Job
    settings : Settings
    made : Made, optional
        What the first `done` models of the chain made.
    done : int
    models, stop
        As for `restore`.

    Raises
    ------
    Cancelled
        If `stop` said so.
    """
    if made is not None and made.frame is None:
        return Scored(key=job.key, seconds=made.seconds, error=made.error)
    seconds = 0.0 if made is None else made.seconds
    protocol = find_protocol(settings.protocol)
    try:
        models = models or models_here(settings.weights)
        before, rest = job.chain[:done], job.chain[done:]
        start = _source(job.case, settings) if made is None or made.frame is None else made.frame
        frame, took = _run(start, before, rest, settings, models, stop)
        reference, floor = _reference(job, protocol)
        values = measure(reference.unit, frame.unit, job.task, protocol, settings.metrics)
        crop = cut(frame, reference)
    except Exception as error:
        return Scored(key=job.key, seconds=seconds, error=explain(error, job.case))
    return Scored(key=job.key, values=values, noise_floor_db=floor, seconds=seconds + took, crop=crop)


def explain(error: Exception, case: Case) -> str:
    """Return what a row says of an error.

    Raises
    ------
    Cancelled
        If that is what it is.
    """
    if isinstance(error, Cancelled):
        raise error
    if isinstance(error, W2SError):
        return " ".join(str(error).split())
    logger.info("%s could not be restored", case.source and case.source.path, exc_info=error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _source(case: Case, settings: Settings) -> Frame:
    if case.source is None:
        raise InputError(case.missing)
    frame = read_frame(case.source, widefield_range(case))
    return as_eight_bit(frame) if find_protocol(settings.protocol).eight_bit else frame


def _run(
    frame: Frame, before: Sequence[str], chain: Sequence[str], settings: Settings, models: Models, stop: StopFn | None
) -> tuple[Frame, float]:
    """Run models on a frame that others have made; return the result and the time without loading."""
    protocol, computing = find_protocol(settings.protocol), settings.computing
    if chain and computing.threads is not None:
        import torch

        if torch.get_num_threads() != computing.threads:
            torch.set_num_threads(computing.threads)
    seconds = 0.0
    previous = models.load(before[-1]) if before and chain else None
    for name in chain:
        model = models.load(name, should_stop=stop)
        begin = time.perf_counter()
        if previous is not None:
            frame = hand_over(frame, previous, protocol)
        frame, previous = run_stage(model, frame, protocol, computing, stop), model
        seconds += time.perf_counter() - begin
    return frame, seconds


def _reference(job: Job, protocol: Protocol) -> tuple[Frame, float | None]:
    picture, _name = job.case.reference(job.task)
    if picture is None:
        raise InputError(no_reference(job.case, job.task))
    if job.task is not Task.DENOISE:
        fine = read_fine(picture)
        return (as_eight_bit(fine) if protocol.eight_bit else fine), None
    limits = widefield_range(job.case)
    clean = read_frame(picture, limits)
    half = None if job.case.half is None else read_frame(job.case.half, limits)
    floor = None if half is None else noise_floor_db(clean, half)
    return (as_eight_bit(clean) if protocol.eight_bit else clean), floor


def no_reference(case: Case, task: Task) -> str:
    """Return what a row says that has nothing to be scored against."""
    where = case.field if case.channel is None else f"{case.field}, channel {case.channel}"
    if task is not Task.DENOISE:
        what = "SIM image" if case.fine_name == Level.SIM else "image of twice the size"
        return f"There is no {what} of {where}, which super-resolution is scored against."
    return f"There is no clean image of {where}, which denoising is scored against."
