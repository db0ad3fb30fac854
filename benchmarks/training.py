"""Compare training with a bare PyTorch loop over batches that are in memory already.

Both do the same sums: the same network, losses, batch, precision and optimiser. What differs is what a user gets for
it: patches cut anew for every step, the averaged weights, reports, wishes that are asked for, logs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.timing import Row
from napari_w2s._types import Task
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.data import PatchData
from napari_w2s.training.fields import Field
from napari_w2s.training.fit import fit
from napari_w2s.training.module import TrainingModule, restore
from napari_w2s.training.presets import make_training_config
from napari_w2s.training.report import Wish
from napari_w2s.training.start import begin

_EDGE = 256
_STEPS = 25
_WARM = 5
_ROUNDS = 5


def fields(count: int) -> list[Field]:
    """Return fields of random pixels: how long a step takes does not depend on them."""
    rng = np.random.default_rng(0)

    def image(edge: int) -> np.ndarray:
        return rng.integers(0, 256, (edge, edge), np.uint8)

    levels = ("avg1", "avg2", "avg4")
    return [
        Field(
            name=f"field {number}",
            group=str(number),
            inputs={level: image(_EDGE) for level in levels},
            denoised=image(_EDGE),
            sim=image(2 * _EDGE),
        )
        for number in range(count)
    ]


def with_fit(config: TrainingConfig, train: list[Field]) -> float:
    """Return the seconds of a step of `fit`, from one time that it asks for a wish to the next."""
    times: list[float] = []

    def wish() -> Wish:
        times.append(time.perf_counter())
        return Wish.GO

    with tempfile.TemporaryDirectory() as folder:
        fit(
            config,
            folder,
            train=train,
            validation=train[:1],
            wish=wish,
            accelerator=_accelerator(),
            devices=1,
            preview_every=0,
        )
    steps = np.diff(times[: config.steps + 1])
    return float(steps[_WARM:].mean())


def bare(config: TrainingConfig, batches: list[dict[str, torch.Tensor]]) -> float:
    """Return the seconds of a step of a loop written out."""
    device = torch.device(_accelerator())
    module = TrainingModule(config, begin(config)).to(device)
    chosen = config.optimizer
    optimizer = torch.optim.AdamW(
        module.network.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True
    )
    lower = config.precision == "bfloat16"
    start = 0.0
    for step in range(config.steps):
        if step == _WARM:
            _wait(device)
            start = time.perf_counter()
        batch = batches[step % len(batches)]
        with torch.autocast(device.type, torch.bfloat16, enabled=lower):
            noisy = batch["noisy"].contiguous(memory_format=torch.channels_last)
            answers = restore(module.network, noisy, config.outputs)
        loss = torch.stack([module.loss(name, answer, batch) for name, answer in answers.items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        if chosen.gradient_clip:
            torch.nn.utils.clip_grad_norm_(module.network.parameters(), chosen.gradient_clip)
        optimizer.step()
    _wait(device)
    return (time.perf_counter() - start) / (config.steps - _WARM)


def throughput() -> list[Row]:
    """Let both take turns, and compare each with the other that ran next to it."""
    whole = {"steps": _STEPS, "validate_every": _STEPS}
    configs = (
        (make_training_config(Task.JDSR, name="benchmark", size="large", patch=112, **whole), "at least 0.95"),
        (make_training_config(Task.JDSR, name="benchmark", size="small", **whole), "-"),
    )
    return [_compare(config, target) for config, target in configs]


def _compare(config: TrainingConfig, target: str) -> Row:
    train = fields(6)
    data = PatchData(config, train, train[:1])
    device = torch.device(_accelerator())
    batches = [{key: value.to(device) for key, value in batch.items()} for batch in _first(data, 8)]
    ratio = _turns({"bare": partial(bare, config, batches), "fit": partial(with_fit, config, train)})
    weights = sum(parameter.numel() for parameter in begin(config).parameters())
    what = f"{weights / 1e6:.1f} million weights, {config.batch} patches of {config.patch} x {config.patch}"
    return f"Steps per second of training / of a bare PyTorch loop ({what}, {config.precision})", ratio, target


def _turns(alternatives: Mapping[str, Callable[[], float]]) -> float:
    """Return how fast the second is, relative to the first: the median over rounds of neighbours."""
    ratios = []
    for number in range(_ROUNDS):
        order = list(alternatives) if number % 2 else list(reversed(alternatives))
        seconds = {name: alternatives[name]() for name in order}
        ratios.append(seconds["bare"] / seconds["fit"])
    return median(ratios)


def _first(data: PatchData, count: int) -> list[dict[str, Any]]:
    batches = iter(data.train_dataloader())
    return [next(batches) for _ in range(count)]


def _accelerator() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
