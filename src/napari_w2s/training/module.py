"""The Lightning module: one step of training, and what validation measures."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s._types import InputError
from napari_w2s.models.architectures import architecture
from napari_w2s.training.average import WeightAverage
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.losses.base import make_terms, match_brightness
from napari_w2s.training.schedule import factor

Batch = dict[str, torch.Tensor]


def restore(network: nn.Module, noisy: torch.Tensor, outputs: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return a network's answer per output: a network without named outputs answers for the only one."""
    every: Any = getattr(network, "restore", None)
    if every is not None:
        answers: dict[str, torch.Tensor] = every(noisy)
        return {name: answers[name] for name in outputs}
    return {outputs[0]: network(noisy)}


def every_answer(
    network: nn.Module, noisy: torch.Tensor, outputs: tuple[str, ...]
) -> tuple[dict[str, torch.Tensor], ...]:
    """Return what a network learns from per output: all answers of one that answers at several steps, the last last."""
    at_every_step: Any = getattr(network, "answers", None)
    if at_every_step is None:
        return (restore(network, noisy, outputs),)
    return tuple({outputs[0]: answer} for answer in at_every_step(noisy))


def make_network(config: TrainingConfig) -> nn.Module:
    """Make a network with random weights, in training mode.

    Raises
    ------
    InputError
        If its options do not describe one.
    """
    method = architecture(config.network.architecture)
    if not method.has_weights:
        raise InputError(f"{method.title} has nothing to train. Choose a network.")
    options = dict(config.network.options)
    if method.outputs:
        options.setdefault("outputs", [name for name in method.outputs if name in config.outputs])
    try:
        network: nn.Module = method.create(**options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{method.title} cannot be made with {options}: {error}.") from error
    return network


class TrainingModule(pl.LightningModule):
    """A network, its losses and its optimiser.

    Parameters
    ----------
    config : TrainingConfig
    network : torch.nn.Module, optional
        Made from the config if left out.

    Attributes
    ----------
    network : torch.nn.Module
        What learns.
    average : WeightAverage or None
        The running average of its weights.
    parts : dict of str to torch.Tensor
        Losses of the last step by name: ``loss`` is all of it.
    first_step : int
        Steps that were done before this trainer took over, by the run that is resumed.
    """

    def __init__(self, config: TrainingConfig, network: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.network = (network or make_network(config)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = WeightAverage(self.network, config.average) if config.average else None
        self.terms = nn.ModuleDict({name: make_terms(config.losses[name]) for name in config.outputs})  # type: ignore[index]
        self.first_step = 0
        self.parts: dict[str, torch.Tensor] = {}
        self._measured: dict[str, list[torch.Tensor]] = {}

    @property
    def steps_done(self) -> int:
        """Optimiser steps of the network, over the whole run."""
        return self.first_step + self.trainer.global_step

    @property
    def judged(self) -> nn.Module:
        """The network that is validated, shown and saved: the averaged one if there is one."""
        return self.network if self.average is None else self.average.network

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        del index
        total, _ = self.losses(batch)
        self.parts["loss"] = total.detach()
        return total

    def losses(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the weighted losses of all outputs, and the network's answers; `parts` keeps each loss.

        Of a network that answers at several steps, the mean over them, and the last answers.
        """
        noisy = batch["noisy"].contiguous(memory_format=torch.channels_last)
        steps = every_answer(self.network, noisy, self.config.outputs)
        total = torch.zeros((), device=self.device)
        with torch.autocast(self.device.type, enabled=False):
            for answers in steps:
                for name, answer in answers.items():
                    loss = self.loss(name, answer, batch)
                    total = total + loss / len(steps)
                    self.parts[name] = loss.detach()
        return total, steps[-1]

    def loss(self, name: str, answer: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the weighted losses of one output."""
        prediction = on_scale(answer, batch[f"{name}_map"])
        total = torch.zeros((), device=prediction.device)
        terms = self.terms[name]
        assert isinstance(terms, nn.ModuleList)
        for term in terms:
            total = total + term(prediction, batch[name], mask_of(batch, name))
        return total

    def on_validation_epoch_start(self) -> None:
        """Forget what was measured before."""
        self._measured = {}

    def validation_step(self, batch: Batch, index: int, dataloader_idx: int = 0) -> None:
        """Measure PSNR (range 1) per output and level; ``sim`` is matched affinely per image."""
        del index
        level = self.trainer.datamodule.validation_levels[dataloader_idx]  # type: ignore[attr-defined]
        noisy = batch["noisy"].contiguous(memory_format=torch.channels_last)
        for name, answer in restore(self.judged, noisy, self.config.outputs).items():
            prediction = on_scale(answer, batch[f"{name}_map"])
            if name == "sim":
                prediction = match_brightness(prediction, batch[name])
            counts = mask_of(batch, name)
            weights = torch.ones_like(prediction) if counts is None else counts
            error = ((prediction - batch[name]).square() * weights).sum((-3, -2, -1)) / weights.sum((-3, -2, -1))
            psnr = -10 * torch.log10(error.clamp_min(1e-12))
            self._measured.setdefault(f"{name}_{level}", []).extend(psnr.unbind())

    def measured(self) -> dict[str, float]:
        """Return the last validation's PSNR in dB by output and level, e.g. ``{"denoised_avg1": 38.4}``."""
        return {name: float(torch.stack(values).mean()) for name, values in self._measured.items()}

    def score(self) -> float:
        """Return the mean of what was measured in dB, by which the best model is chosen."""
        # What is made of the clean image itself says nothing, unless there is nothing else.
        counted = [v for name, v in self.measured().items() if name != "denoised_avg400"] or [*self.measured().values()]
        return sum(counted) / len(counted)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the norm of the gradients that an optimiser is about to use: with float16 they are unscaled by now."""
        if self.config.optimizer.gradient_clip:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.config.optimizer.gradient_clip)

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule, stepped with every step."""
        return self.optimizer_of(self.network, self.config.optimizer.learning_rate)

    def optimizer_of(self, network: nn.Module, learning_rate: float, after: int = 0) -> dict[str, Any]:
        """Return an optimiser and its schedule for one network, which learns from step `after` on."""
        chosen = self.config.optimizer
        kind: Any = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[chosen.name]
        optimizer = kind(
            network.parameters(),
            lr=learning_rate,
            betas=chosen.betas,
            weight_decay=chosen.weight_decay,
            # With float16 a fused optimiser unscales gradients itself, after they should have been clipped.
            fused=self.device.type in ("cpu", "cuda") and self.config.precision != "float16",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: factor(self.config.schedule, after + step, self.config.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def mask_of(batch: Batch, name: str) -> torch.Tensor | None:
    """Return where an output's pixels count, on its target's grid; None if all do."""
    mask, target = batch.get("mask"), batch[name]
    if mask is None or mask.shape[-2:] == target.shape[-2:]:
        return mask
    return F.interpolate(mask, size=target.shape[-2:], mode="nearest")


def on_scale(answer: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """Map a network's answer to the scale of its target, in units of the intensity range."""
    gain, offset = affine[:, 0], affine[:, 1]
    return answer.float() * gain[:, None, None, None] + offset[:, None, None, None]
