"""What the network makes of one patch, seen again and again while it learns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch

from napari_w2s._types import Level
from napari_w2s.engine.device import is_out_of_memory
from napari_w2s.training.data import PatchData
from napari_w2s.training.module import TrainingModule, restore
from napari_w2s.training.report import PreviewReport
from napari_w2s.training.run import Run
from napari_w2s.training.standardise import Frames

EDGE = 128
"""Of the patch, in input pixels."""
_SHARE = 0.05

Float = npt.NDArray[np.float32]


class Preview(pl.Callback):
    """Reports what the judged network makes of the centre of the first validation field at its noisiest level.

    Parameters
    ----------
    run : Run
    data : PatchData
    every : float
        Seconds between previews, at least; more where they would take more than a twentieth of the time.
    """

    def __init__(self, run: Run, data: PatchData, every: float) -> None:
        self.run, self.every = run, every
        self._wait = 0.0
        self._shown = -float("inf")
        level = noisiest(data.validation_levels)
        field = data.validation_at(level)[0]
        maker = data.validation_maker
        self.name = f"{field.name} {level}"
        self.sample = maker.centre(field, level, EDGE)
        frame = maker.cache.read(field.inputs[level])
        self.range = Frames(maker.cache).of(field, field.inputs[level]).range
        height, width = self.sample["noisy"].shape[-2:]
        top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
        self.noisy = frame[top : top + height, left : left + width].astype(np.float32)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the patch as it is before the first step."""
        self._show(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Show the patch if it is time to."""
        if time.monotonic() - self._shown >= max(self.every, self._wait):
            self._show(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show what came of it."""
        self._show(trainer, pl_module)

    def _show(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or not self._wait < float("inf"):
            return
        assert isinstance(pl_module, TrainingModule)
        start = time.monotonic()
        try:
            answers = self._answers(trainer, pl_module)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._wait = float("inf")
            self.run.note("There is too little memory to show a preview while training.")
            return
        targets = {name: self._own(self.sample[name][0]) for name in answers if name in self.sample}
        self.run.report(PreviewReport(pl_module.steps_done, self.name, self.noisy, answers, targets))
        self._shown = time.monotonic()
        self._wait = (self._shown - start) / _SHARE

    @torch.no_grad()
    def _answers(self, trainer: pl.Trainer, module: TrainingModule) -> dict[str, Float]:
        noisy = torch.from_numpy(self.sample["noisy"])[None].to(module.device)
        network = module.judged
        was_training = network.training
        network.eval()
        try:
            with trainer.precision_plugin.forward_context():
                made = restore(network, noisy, module.config.outputs)
        finally:
            network.train(was_training)
        answers = {}
        for name, answer in made.items():
            gain, offset = self.sample[f"{name}_map"]
            answers[name] = self._own(answer[0, 0].float().cpu().numpy() * gain + offset)
        return answers

    def _own(self, unit: Float) -> Float:
        """Map shares of the noisy frame's intensity range to its own intensities."""
        return np.asarray(unit * self.range.span + self.range.low, np.float32)


def noisiest(levels: Sequence[str]) -> str:
    """Return the level of the fewest frames, or the first one if they are not averaging levels."""
    order = {level.value: place for place, level in enumerate(Level)}
    return min(levels, key=lambda level: order.get(level, 0))
