"""A running average of a network's weights, which is steadier than they are: it is what is judged and saved."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Self

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage(nn.Module):
    """An exponential average of weights and, alike, of batch norms' statistics: both are of the same stretch of steps.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied.
    decay : float
        Share of the average that a step keeps. In the first steps it is less, so that a short run forgets the random
        weights that it began with.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.network = deepcopy(network).requires_grad_(False)
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: an average is never trained."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights that a network has after a step (counted from 1)."""
        if not self._pairs:
            # Found at the first step, when both are where they stay.
            self._pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        fractions = [(mine, theirs) for mine, theirs in self._pairs if mine.is_floating_point()]
        blend: Any = get_ema_multi_avg_fn(min(self.decay, step / (step + 9)))  # type: ignore[no-untyped-call]
        blend([mine for mine, _ in fractions], [theirs for _, theirs in fractions], None)
        for mine, theirs in self._pairs:
            if not mine.is_floating_point():
                mine.copy_(theirs)


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
