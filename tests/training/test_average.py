"""The running average of weights, and what else goes on around a run: processes, warnings."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from torch import nn

from napari_w2s.training.average import WeightAverage
from napari_w2s.training.processes import leads
from napari_w2s.training.quiet import quiet


def network(value: float) -> nn.Sequential:
    made = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            tensor.fill_(value)
    return made


def values(module: nn.Module) -> list[float]:
    return [float(tensor.flatten()[0]) for tensor in (*module.parameters(), *module.buffers())]


def test_a_short_run_forgets_where_it_began() -> None:
    average, learning = WeightAverage(network(0), 0.999), network(1)
    average.update(learning, 1)
    *weights, seen = values(average.network)
    assert weights == pytest.approx([1 - 1 / 10] * len(weights))
    assert seen == 1
    average.update(learning, 2)
    assert values(average.network)[0] == pytest.approx(1 - 1 / 10 * 2 / 11)


def test_a_long_run_has_the_decay_that_was_asked_for() -> None:
    average = WeightAverage(network(0), 0.75)
    average.update(network(1), 10_000)
    assert values(average.network)[0] == pytest.approx(0.25)


def test_an_average_is_never_trained() -> None:
    average = WeightAverage(network(0).train(), 0.9)
    average.train()
    assert not any(module.training for module in average.modules())
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert average.network is not network


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_one_process_speaks_for_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert leads() is expected


def test_only_what_is_known_to_be_harmless_is_silenced() -> None:
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    with quiet():
        assert not logger.isEnabledFor(logging.INFO)
        assert logger.isEnabledFor(logging.WARNING)
        warnings.warn("The 'val_dataloader' does not have many workers which may be a bottleneck.", stacklevel=1)
        with pytest.raises(UserWarning, match="something else"):
            warnings.warn("something else", stacklevel=1)
    assert logger.level == before
