"""What a training step asks of a network."""

from __future__ import annotations

import pytest
import torch
import w2s_training
from torch import nn

from napari_w2s._types import Task
from napari_w2s.training.module import TrainingModule


class Feedback(nn.Module):
    """A network that answers twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.tensor(value)) for value in (1.0, 2.0))

    def answers(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.first * x, self.second * x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second * x


def test_every_answer_of_a_feedback_network_is_learned_from() -> None:
    config = w2s_training.toy_config(
        task=Task.DENOISE, losses={"denoised": [{"name": "l1", "weight": 1}]}, average=None
    )
    module = TrainingModule(config, Feedback())
    ones = torch.ones(2, 1, 4, 4)
    batch = {"noisy": ones, "denoised": torch.zeros_like(ones), "denoised_map": torch.tensor([[1.0, 0.0]]).repeat(2, 1)}
    total, answers = module.losses(batch)
    assert total.detach() == pytest.approx((1 + 2) / 2)
    assert torch.equal(answers["denoised"], 2 * ones)
    total.backward()
    assert module.network.first.grad is not None
    assert float(module.parts["denoised"]) == pytest.approx(2)
