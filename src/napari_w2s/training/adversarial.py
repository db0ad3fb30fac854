"""Training against a discriminator: two networks, two optimisers, one step of each at a time.

I. Goodfellow et al., "Generative Adversarial Networks", NeurIPS 2014, arXiv:1406.2661; the relativistic average kind is
that of A. Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", ICLR 2019,
arXiv:1807.00734.

Every loss here is log 2 where the discriminator cannot tell the images apart: those that are the sum of two terms in
the papers are their mean, as in the code of ESRGAN, whose weights of the term are meant for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_w2s.models.networks.discriminator import create
from napari_w2s.training.config import Adversarial, TrainingConfig
from napari_w2s.training.fields import SIM_SCALE
from napari_w2s.training.module import Batch, TrainingModule, on_scale

GanLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_SCALES = MappingProxyType({"denoised": 1, "sim": SIM_SCALE})


@dataclass(frozen=True, slots=True)
class Game:
    """What both sides play for.

    Attributes
    ----------
    generator, discriminator : callable
        Loss of the network, and of the discriminator, from logits ``(N,)`` of measured and of made images.
    """

    generator: GanLoss
    discriminator: GanLoss


def relativistic(above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """Return the relativistic average loss of logits that should lie above the others' mean, and the reverse.

    Parameters
    ----------
    above, below : torch.Tensor
        ``(N,)``. The discriminator wants measured images above made ones, and the generator made above measured ones.
        The means are over the batch of one device.
    """
    return 0.5 * (F.softplus(below.mean() - above).mean() + F.softplus(below - above.mean()).mean())


def _deceive(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the loss of a generator whose images are not taken for measured ones (the non-saturating form)."""
    del real
    return F.softplus(-fake).mean()


def _tell(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy of a discriminator."""
    return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())


GAMES: Mapping[str, Game] = MappingProxyType(
    {
        "relativistic": Game(lambda real, fake: relativistic(fake, real), relativistic),
        "standard": Game(_deceive, _tell),
    }
)


class AdversarialModule(TrainingModule):
    """A network and a discriminator that learn against each other.

    In a step the network learns from its losses and from what the discriminator says of its answer, then the
    discriminator from the same answer and the target. Both have the schedule of the config.

    Parameters
    ----------
    config : TrainingConfig
        With `adversarial`.
    network : torch.nn.Module, optional
        Made from the config if left out.

    Raises
    ------
    InputError
        If the patches are too small to be judged.
    """

    def __init__(self, config: TrainingConfig, network: nn.Module | None = None) -> None:
        super().__init__(config, network)
        if config.adversarial is None:
            raise ValueError("the config has no adversarial entry")
        self.automatic_optimization = False
        self.against: Adversarial = config.adversarial
        self.game = GAMES[self.against.kind]
        self.discriminator = create(config.patch * _SCALES[self.against.output], self.against.width)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Do a step of both networks, and return the loss of the first."""
        del index
        optimizers: Any = self.optimizers()
        schedules: Any = self.lr_schedulers()
        name = self.against.output
        playing = self.steps_done >= self.against.start_after
        total, answers = self.losses(batch)
        made = on_scale(answers[name], batch[f"{name}_map"])
        if playing:
            deception = self._play(self.game.generator, batch[name], made, learns=False)
            self.parts["adversarial"] = deception.detach()
            total = total + self.against.weight * deception
        self.parts["loss"] = total.detach()
        optimizers[0].zero_grad()
        self._backward(total)
        optimizers[0].step()
        schedules[0].step()
        if playing:
            loss = self._play(self.game.discriminator, batch[name], made.detach(), learns=True)
            self.parts["discriminator"] = loss.detach()
            optimizers[1].zero_grad()
            self._backward(loss)
            # The trainer counts what is stepped through Lightning's optimisers: the network's steps alone.
            self.trainer.strategy.optimizer_step(optimizers[1].optimizer, lambda: None)
            schedules[1].step()
        return total.detach()

    def _play(self, loss: GanLoss, measured: torch.Tensor, made: torch.Tensor, *, learns: bool) -> torch.Tensor:
        """Let the discriminator judge; the logits are compared in float32."""
        self.discriminator.requires_grad_(learns)
        real, fake = self.discriminator(measured).float(), self.discriminator(made).float()
        self.discriminator.requires_grad_(requires_grad=True)
        return loss(real, fake)

    def _backward(self, loss: torch.Tensor) -> None:
        if self.trainer.world_size > 1:
            # Processes exchange gradients once every parameter has one: those of the other network are 0.
            loss = loss + 0 * sum(parameter.sum() for parameter in self.parameters() if parameter.requires_grad)
        self.manual_backward(loss)

    def configure_optimizers(self) -> Any:
        """Return both optimisers and their schedules, the network's first."""
        own = self.optimizer_of(self.network, self.config.optimizer.learning_rate)
        other = self.optimizer_of(self.discriminator, self.against.learning_rate, self.against.start_after)
        return [own, other]


def make_module(config: TrainingConfig, network: nn.Module | None = None) -> TrainingModule:
    """Make the module that trains as a config says.

    Parameters
    ----------
    config : TrainingConfig
    network : torch.nn.Module, optional
        Made from the config if left out.

    Raises
    ------
    InputError
        If the config describes no network or no loss that can be made here.
    """
    kind = AdversarialModule if config.generative else TrainingModule
    return kind(config, network)
