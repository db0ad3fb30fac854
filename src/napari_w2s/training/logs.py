"""Logs of a run as files: CSV for any program, events for TensorBoard."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from napari_w2s.training.module import TrainingModule
from napari_w2s.training.run import Run

logger = logging.getLogger(__name__)

STEPS = "log/steps.csv"
VALIDATION = "log/validation.csv"
EVENTS = "tensorboard"
_EVERY = 50


class Logs(pl.Callback):
    """Writes losses every so many steps, and what validation measures.

    Parameters
    ----------
    run : Run
    every : int
        Steps between rows.
    """

    def __init__(self, run: Run, every: int = _EVERY) -> None:
        self.run = run
        self.every = max(1, min(every, run.config.validate_every))
        self._tables: dict[str, Table] = {}
        self._events: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on behind the rows of the steps that were done."""
        if not trainer.is_global_zero:
            return
        from torch.utils.tensorboard import SummaryWriter

        assert isinstance(pl_module, TrainingModule)
        done = pl_module.steps_done
        try:
            self._events = SummaryWriter(str(self.run.folder / EVENTS), purge_step=done + 1)
            self._tables = {name: Table(self.run.folder / name, done) for name in (STEPS, VALIDATION)}
        except OSError as error:
            self._give_up(error)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Write a row of losses."""
        assert isinstance(pl_module, TrainingModule)
        step = pl_module.steps_done
        if step % self.every and not trainer.is_last_batch:
            return
        losses = {f"train/{name}": float(loss) for name, loss in pl_module.parts.items()}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self._write(STEPS, step, {**losses, "learning_rate": rate, "seconds": round(self.run.clock.seconds, 3)})

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a row of what was measured."""
        del trainer
        assert isinstance(pl_module, TrainingModule)
        metrics = {f"val/{name}": value for name, value in pl_module.measured().items()}
        self._write(VALIDATION, pl_module.steps_done, {**metrics, "val/score": pl_module.score()}, flush=True)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the files."""
        del trainer, pl_module, stage
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the files."""
        del trainer, pl_module, exception
        self._close()

    def _write(self, name: str, step: int, values: Mapping[str, float], *, flush: bool = False) -> None:
        """Write values everywhere; a log that cannot be written does not end a run, the checkpoints do."""
        if name not in self._tables:
            return
        try:
            self._tables[name].write({"step": step, **values})
            for key, value in values.items():
                self._events.add_scalar(key, value, step)
            if flush:
                self._events.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._tables = {}
        self.run.note(f"The logs in {self.run.folder} cannot be written: {error.strerror}.")

    def _close(self) -> None:
        events, self._events, self._tables = self._events, None, {}
        if events is not None:
            try:
                events.close()
            except OSError as error:
                logger.warning("the events of %s are not complete: %s", self.run.folder, error)


class Table:
    """A CSV file that grows by rows.

    Parameters
    ----------
    path : Path
    step : int
        Rows of later steps are left out of what is there: these steps are done again.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if step and path.is_file():
            with path.open(encoding="utf-8", newline="") as stream:
                self.rows = [row for row in csv.DictReader(stream) if int(row["step"]) <= step]
        self._columns: list[str] = list(self.rows[0]) if self.rows else []
        self._started = False

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row; the first one, and one with a new column, write the file anew."""
        new = [key for key in row if key not in self._columns]
        self.rows.append(dict(row))
        if not new and self._started:
            with self.path.open("a", encoding="utf-8", newline="") as stream:
                csv.DictWriter(stream, self._columns).writerow(row)
            return
        self._columns += new
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, self._columns)
            writer.writeheader()
            writer.writerows(self.rows)
        self._started = True
