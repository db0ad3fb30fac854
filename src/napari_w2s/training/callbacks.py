"""What happens around Lightning's steps: averaging, reporting, keeping, and ending early."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import lightning.pytorch as pl
import torch

from napari_w2s._types import OutputError
from napari_w2s.engine.device import is_out_of_memory
from napari_w2s.training.checkpoints import KEY, AtomicCheckpointIO, facts
from napari_w2s.training.module import TrainingModule
from napari_w2s.training.report import FinishReason, StepReport, ValidationReport, Wish
from napari_w2s.training.run import LAST, Best, Ended, Run

REPORT_EVERY = 0.25
"""Seconds between reports of steps."""
_POLL = 0.05
_STEPS_TO_TELL = 3


class Verdict(IntEnum):
    """What is to be done after a step; of what several processes say, the greatest counts."""

    GO_ON = 0
    SAVE = 1
    STOP = 2
    DISK_FULL = 3
    DIVERGED = 4


class Averaging(pl.Callback):
    """Takes the weights into their average after each step."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Update the average."""
        del trainer
        module = _module(pl_module)
        if module.average is not None:
            module.average.update(module.network, module.steps_done)


class OwnSignals(pl.Callback):
    """Gives a signal's handler that was there before back its signal: Lightning's ends a run without keeping it."""

    def __init__(self) -> None:
        self._before = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the handler back."""
        del trainer, pl_module
        if callable(self._before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)


class Conductor(pl.Callback):
    """Reports the steps, serves the wishes, keeps the models, and ends a run that cannot go on.

    Parameters
    ----------
    run : Run
    io : AtomicCheckpointIO
    save_every : float
        Seconds between checkpoints; one is written after each validation too.
    export : callable
        Saves the model that a module is judged by.

    Attributes
    ----------
    undone : bool
        True if memory ran out in a step, and what was there before it was saved.
    """

    def __init__(
        self, run: Run, io: AtomicCheckpointIO, save_every: float, export: Callable[[TrainingModule], None]
    ) -> None:
        self.run, self.io, self.save_every, self.export = run, io, save_every, export
        self.undone = False
        self._losses = _Mean()
        self._reported = self._saved = run.clock.here
        self._first: tuple[int, float] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the learning rate follow the present number of steps; wait, or end at once, if that is wished."""
        for entry in trainer.lr_scheduler_configs:
            schedule: Any = entry.scheduler
            lambdas = zip(schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True)
            for group, base, factor in lambdas:
                group["lr"] = base * factor(schedule.last_epoch)
        if _agreed(trainer, self._wished()) is Verdict.STOP:
            self._stop(trainer, _module(pl_module))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the loss, report it now and then, and do what is wished."""
        del batch, batch_idx
        module = _module(pl_module)
        self.run.step = module.steps_done
        self._losses.add(outputs["loss"] if outputs else module.parts["loss"])
        if self._first is None:
            self._first = module.steps_done, self.run.clock.here
        verdict = self._wished()
        now = self.run.clock.here
        # A checkpoint at the end of a stretch is written after the validation, so that none is lost.
        if now - self._saved >= self.save_every and not trainer.is_last_batch:
            verdict = max(verdict, Verdict.SAVE)
        if now - self._reported >= REPORT_EVERY or trainer.is_last_batch or verdict:
            verdict = max(verdict, self._report(trainer, module))
        verdict = _agreed(trainer, verdict)
        if verdict is Verdict.DIVERGED or (verdict and not _is_finite(module)):
            raise self._ended(Verdict.DIVERGED, module)
        if verdict is Verdict.SAVE:
            self.save(trainer)
            if (verdict := _agreed(trainer, self._failed())) is Verdict.DISK_FULL:
                raise self._ended(verdict, module)
        elif verdict is Verdict.STOP:
            self._stop(trainer, module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report what was measured, save the model if it is the best, and write a checkpoint."""
        module, run = _module(pl_module), self.run
        metrics = module.measured()
        score = module.score()
        if not math.isfinite(score):
            raise self._ended(Verdict.DIVERGED, module)
        is_best = run.best is None or score > run.best.score
        failed = Verdict.GO_ON
        if is_best:
            run.best = Best(run.step, score, metrics)
            if trainer.is_global_zero:
                failed = self._export(module)
        if trainer.is_global_zero:
            run.report(ValidationReport(run.step, metrics, score, is_best))
        self.save(trainer)
        verdict = _agreed(trainer, max(failed, self._failed(), self._wished()))
        if verdict is Verdict.DISK_FULL:
            raise self._ended(verdict, module)
        if verdict is Verdict.STOP:
            self._stop(trainer, module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what the run must know when it is resumed."""
        del trainer
        checkpoint[KEY] = facts(self.run, _module(pl_module).steps_done)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Keep the weights if memory ran out in a step: the run goes on from there with a smaller batch."""
        if is_out_of_memory(exception) and trainer.training and trainer.world_size == 1:
            self.save(trainer)
            self.undone = self.run.resumed = True
            if self._failed():
                self._ended(Verdict.DISK_FULL, _module(pl_module))

    def save(self, trainer: pl.Trainer) -> None:
        """Write a checkpoint. Of several processes, all have to call this."""
        trainer.save_checkpoint(self.run.folder / LAST)
        self._saved = self.run.clock.here

    def _wished(self) -> Verdict:
        """Return what is wished, after the pause if that is what it is."""
        wish = self.run.wish()
        if wish is Wish.PAUSE:
            start = self.run.clock.here
            while (wish := self.run.wish()) is Wish.PAUSE:
                rest()
            self.run.clock.leave_out(self.run.clock.here - start)
        return Verdict.STOP if wish is Wish.STOP else Verdict.GO_ON

    def _report(self, trainer: pl.Trainer, module: TrainingModule) -> Verdict:
        run, step = self.run, module.steps_done
        loss = self._losses.take()
        self._reported = self.run.clock.here
        if not math.isfinite(loss):
            return Verdict.DIVERGED
        if trainer.is_global_zero:
            rate = float(trainer.optimizers[0].param_groups[0]["lr"])
            run.report(StepReport(step, run.config.steps, loss, rate, run.clock.seconds, self._seconds_left(step)))
        return Verdict.GO_ON

    def _seconds_left(self, step: int) -> float | None:
        """Return the time left at the mean pace since the first step, which took longer than others."""
        if self._first is None or step - self._first[0] < _STEPS_TO_TELL:
            return None
        pace = (self.run.clock.here - self._first[1]) / (step - self._first[0])
        return pace * (self.run.config.steps - step)

    def _stop(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        trainer.should_stop = True
        self.run.end(FinishReason.STOPPED, f"Stopped after {module.steps_done} of {self.run.config.steps} steps.")

    def _export(self, module: TrainingModule) -> Verdict:
        try:
            self.export(module)
        except OutputError as error:
            self.run.end(FinishReason.DISK_FULL, str(error))
            return Verdict.DISK_FULL
        return Verdict.GO_ON

    def _failed(self) -> Verdict:
        return Verdict.GO_ON if self.io.failure is None else Verdict.DISK_FULL

    def _ended(self, verdict: Verdict, module: TrainingModule) -> Ended:
        step = module.steps_done
        if verdict is Verdict.DIVERGED:
            self.run.end(
                FinishReason.DIVERGED,
                f"The loss was no longer a number after {step} steps. Train with a lower learning rate.",
            )
        else:
            reason = self.io.failure.strerror if self.io.failure is not None else "no room"
            self.run.end(
                FinishReason.DISK_FULL,
                f"The checkpoint after {step} steps could not be written to {self.run.folder}: {reason}. "
                "Free space, and resume.",
            )
        return Ended()


def rest() -> None:
    """Let some time pass in a pause."""
    threading.Event().wait(_POLL)


class _Mean:
    """A mean of losses that stays on their device until it is asked for."""

    def __init__(self) -> None:
        self._sum: torch.Tensor | None = None
        self._count = 0

    def add(self, loss: torch.Tensor) -> None:
        self._sum = loss.float() if self._sum is None else self._sum + loss
        self._count += 1

    def take(self) -> float:
        """Return the mean and begin anew."""
        mean = float(self._sum) / self._count if self._sum is not None else 0.0
        self._sum, self._count = None, 0
        return mean


def _agreed(trainer: pl.Trainer, verdict: Verdict) -> Verdict:
    """Return the greatest of all processes' verdicts."""
    if trainer.world_size == 1:
        return verdict
    said = torch.tensor(int(verdict), device=trainer.strategy.root_device)
    return Verdict(int(trainer.strategy.reduce(said, reduce_op="max")))


def _module(module: pl.LightningModule) -> TrainingModule:
    assert isinstance(module, TrainingModule)
    return module


def _is_finite(module: TrainingModule) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in module.network.parameters())
