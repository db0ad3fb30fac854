"""Run a training: fields in, checkpoints and a saved model out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from napari_w2s._types import InputError
from napari_w2s.engine.device import available_devices, is_out_of_memory
from napari_w2s.training.adversarial import make_module
from napari_w2s.training.callbacks import Averaging, Conductor, OwnSignals
from napari_w2s.training.checkpoints import AtomicCheckpointIO, load
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.data import PatchData
from napari_w2s.training.export import export
from napari_w2s.training.fields import Field
from napari_w2s.training.logs import Logs
from napari_w2s.training.module import TrainingModule
from napari_w2s.training.opening import match_images, open_data, open_run
from napari_w2s.training.preview import Preview
from napari_w2s.training.processes import check_processes
from napari_w2s.training.quiet import quiet
from napari_w2s.training.report import FinishReason, ReportFn, TrainingResult, WishFn, go, ignore
from napari_w2s.training.run import BEST, LAST, Ended, Run
from napari_w2s.training.start import Start, begin, network_state

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry

SAVE_EVERY = 60.0
"""Seconds between checkpoints."""

_AHEAD = 3
_PRECISIONS: dict[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


def fit(
    config: TrainingConfig,
    folder: Path | str,
    *,
    train: Sequence[Field] | None = None,
    validation: Sequence[Field] | None = None,
    resume: bool = False,
    devices: int | str | Sequence[int] = "auto",
    num_nodes: int = 1,
    accelerator: str = "auto",
    report: ReportFn = ignore,
    wish: WishFn = go,
    preview_every: float = 2.0,
    save_every: float = SAVE_EVERY,
    half: bool = False,
    registry: Registry | None = None,
) -> TrainingResult:
    """Train a model.

    Parameters
    ----------
    config : TrainingConfig
    folder : Path or str
        Of this run. Made if it is not there; gets ``recipe.yaml``, ``last.ckpt``, ``best.safetensors`` (the best model
        so far, with its card), ``log/`` (CSV) and ``tensorboard/``.
    train, validation : sequence of Field, optional
        Read from what the config names if left out.
    resume : bool
        Go on with the run in the folder, if there is one. Its recipe must be the same, but for the number of steps and
        what changes no step that was done.
    devices, num_nodes, accelerator
        As of Lightning's Trainer. Another thread than the main one always takes a single device.
    report, wish : callable
        See `napari_w2s.training.report`.
    preview_every : float
        Seconds between previews; 0 for none.
    save_every : float
        Seconds between checkpoints; one is written after each validation too.
    half : bool
        Store the model's weights as float16.
    registry : Registry, optional
        Where the model to go on from is looked up; that of the package by default.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InputError
        If settings, images, the devices or the folder cannot be used, or memory is too small for a single patch.
    WeightsError
        If the weights to go on from cannot be read.
    OutputError
        If the folder cannot be written to.
    """
    alone = threading.current_thread() is not threading.main_thread()
    if not alone and _on_cpu(_checked(accelerator)):
        check_processes(devices)
    run, start = open_run(config, Path(folder), resume=resume, registry=registry, report=report, wish=wish)
    if run.step < run.config.steps:
        data = open_data(run, train, validation)
        match_images(run, start, data, _checked(accelerator))
        hardware = {
            "accelerator": _checked(accelerator),
            "devices": _single(devices) if alone else devices,
            "num_nodes": 1 if alone else num_nodes,
        }
        with quiet(), _same_sizes():
            while not _attempt(run, start, data, hardware, preview_every, save_every, half):
                _halve(run)
    return _result(run)


@contextmanager
def _same_sizes() -> Iterator[None]:
    """Let a GPU try out what is fastest for patches that are all alike."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _attempt(
    run: Run,
    start: Start | None,
    data: PatchData,
    hardware: dict[str, Any],
    preview_every: float,
    save_every: float,
    half: bool,
) -> bool:
    """Train from where the run is; return False if memory ran out in a step, which counts as not done."""
    config, last = run.config, run.folder / LAST
    module = _module(run, start)
    data.start_at(run.step)
    data.set_batch(run.batch)
    io = AtomicCheckpointIO()
    conductor = Conductor(run, io, save_every, partial(export, run, half=half))
    shown = [Preview(run, data, preview_every)] if preview_every else []
    trainer = _trainer(run, hardware, io, [OwnSignals(), Averaging(), Logs(run), conductor, *shown])
    # A processor has better to do than to draw patches while it computes.
    data.ahead = 0 if trainer.strategy.root_device.type == "cpu" else _AHEAD
    try:
        trainer.fit(module, datamodule=data, ckpt_path=str(last) if run.resumed else None, weights_only=True)
    except (Ended, SIGTERMException):
        pass
    except SystemExit as error:
        # Lightning turns an interruption into its own end of the process.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if not conductor.undone:
            raise InputError(
                f"Memory ran out with {run.batch} patches a step on each device, or with validation images of "
                f"{config.validation_crop} x {config.validation_crop} pixels. Lower batch or validation_crop."
            ) from error
        return run.reason is not None
    return True


def _trainer(run: Run, hardware: dict[str, Any], io: AtomicCheckpointIO, callbacks: list[pl.Callback]) -> pl.Trainer:
    # What Lightning would do by itself when a cluster ends a job is done by resuming.
    slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    devices = hardware["devices"]
    several = hardware["num_nodes"] > 1 or (devices == "auto" and torch.cuda.device_count() > 1)
    several |= devices not in (1, "auto", "1") and (isinstance(devices, int | str) or len(devices) > 1)
    try:
        return pl.Trainer(
            **hardware,
            # Of two networks that take turns, each step of one leaves the other's weights unused.
            strategy="ddp_find_unused_parameters_true" if several and run.config.generative else "auto",
            precision=_precision(run, hardware["accelerator"]),
            max_epochs=_validations_left(run),
            callbacks=callbacks,
            plugins=[io, *slurm],
            default_root_dir=run.folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
        )
    except MisconfigurationException as error:
        raise InputError(f"These devices cannot train together: {' '.join(str(error).split())}") from error


def _module(run: Run, start: Start | None) -> TrainingModule:
    """Make the module that trains, with the same random weights for the same seed."""
    config = run.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if start is None:
            module = make_module(config, begin(config))
        else:
            state = network_state(load(run.folder / LAST)) if run.resumed else start.state
            module = make_module(config, begin(config, state, start.name))
    module.first_step = run.step
    return module


def _validations_left(run: Run) -> int:
    """Return how many epochs there are to come: each ends with a validation."""
    every = run.config.validate_every
    return -(-run.config.steps // every) - run.step // every


def _halve(run: Run) -> None:
    if run.batch == 1:
        raise InputError(
            f"Memory is too small for a single patch of {run.config.patch} x {run.config.patch} pixels. "
            "Choose smaller patches, a smaller network, or another device."
        )
    run.batch //= 2
    run.note(f"Memory ran out, so the batch was halved: {run.batch} patches a step from step {run.step} on.")


def _checked(accelerator: str) -> str:
    """Return the name of a kind of device that there is here."""
    accelerator = "cuda" if accelerator == "gpu" else accelerator
    kinds = ["auto", *dict.fromkeys(name.split(":")[0] for name in available_devices())]
    if accelerator not in kinds:
        raise InputError(f"There is no device {accelerator!r} here. Choose one of: {', '.join(kinds)}.")
    return accelerator


def _single(devices: int | str | Sequence[int]) -> int | list[int]:
    """Return one device: the first of those named."""
    return 1 if isinstance(devices, int | str) else list(devices[:1])


def _on_cpu(accelerator: str) -> bool:
    return accelerator == "cpu" or available_devices() == ["cpu"]


def _precision(run: Run, accelerator: str) -> Any:
    if _on_cpu(accelerator) and run.config.precision == "float16":
        run.note("A CPU does not train in float16: bfloat16 is taken.")
        return _PRECISIONS["bfloat16"]
    return _PRECISIONS[run.config.precision]


def _result(run: Run) -> TrainingResult:
    config, best = run.config, run.best
    model = run.folder / BEST
    done = run.step >= config.steps
    reason = run.reason
    if reason is None or (reason is FinishReason.STOPPED and done):
        reason, run.message = FinishReason.COMPLETED, f"All {config.steps} steps are done."
    message = run.message
    kept = best is not None and model.is_file()
    if best is not None and kept:
        message += f" The best model is that of step {best.step}, with {best.score:.2f} dB."
    elif reason is not FinishReason.COMPLETED:
        why = "none had been validated yet" if best is None else "it could not be written"
        message += f" No model was kept: {why}."
    return TrainingResult(
        reason=reason,
        step=run.step,
        steps=config.steps,
        model=model if kept else None,
        metrics={} if best is None else dict(best.metrics),
        message=message,
        notes=tuple(run.notes),
    )
