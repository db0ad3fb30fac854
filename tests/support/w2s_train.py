"""Layers without pixels and a training without a network, for tests of the Train panel and what is below it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from napari_w2s.app.training.material import Material
from napari_w2s.data.protocol import SIM_SCALE
from napari_w2s.training.report import (
    FinishReason,
    NoteReport,
    PreviewReport,
    StepReport,
    TrainingResult,
    ValidationReport,
    Wish,
)

TIMEOUT_S = 30
SIZE = 16


def layer(
    name: str,
    shape: tuple[int, ...] = (SIZE, SIZE),
    *,
    axes: tuple[str, ...] | None = None,
    known: dict[str, Any] | None = None,
    problem: str | None = None,
) -> Material:
    """Describe a layer whose identity is its name."""
    own = axes or (*(f"axis{i}" for i in range(len(shape) - 2)), "y", "x")
    return Material(name, name, shape, own, known or {}, problem)


def w2s_known(channel: int, level: str, fovs: tuple[int, ...], **facts: Any) -> dict[str, Any]:
    """Return what the reader knows of a stack over fields of view."""
    return {"release": "8-bit", "channel": channel, "level": level, "fov": None, "fovs": list(fovs), **facts}


def w2s_layers(
    fovs: tuple[int, ...] = (1, 2, 3),
    channels: Iterable[int] = (0,),
    levels: Iterable[str] = ("avg1", "avg400", "sim"),
    **facts: Any,
) -> tuple[Material, ...]:
    """Describe the layers that opening W2S files makes."""
    return tuple(
        layer(
            f"ch{channel} {level}",
            (len(fovs), *((SIZE * (SIM_SCALE if level == "sim" else 1),) * 2)),
            axes=("fov", "y", "x"),
            known=w2s_known(channel, level, fovs, **facts),
        )
        for channel in channels
        for level in levels
    )


class FakeFit:
    """Reports like a training, a validation after every other step, each step when it is let through.

    Parameters
    ----------
    steps : int
    gated : bool
        Wait for `allow` before every step.
    fail : Exception, optional
        Raised after the first step.
    ending : TrainingResult, optional
        What it comes to, instead of what follows from the steps.
    notes : tuple of str
    """

    def __init__(
        self,
        steps: int = 4,
        *,
        gated: bool = False,
        fail: Exception | None = None,
        ending: TrainingResult | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.steps, self.gated, self.fail, self.ending, self.notes = steps, gated, fail, ending, notes
        self.permits = threading.Semaphore(0)
        self.running, self.left, self.resting = threading.Event(), threading.Event(), threading.Event()
        self.calls: list[tuple[Any, Path, dict[str, Any]]] = []
        self.threads: set[int] = set()
        self.done = 0

    def allow(self, steps: int = 1000) -> None:
        """Let so many more steps through."""
        self.permits.release(steps)

    def __call__(self, config: Any, folder: Path, *, report: Any, wish: Any, **options: Any) -> TrainingResult:
        self.calls.append((config, folder, options))
        self.threads.add(threading.get_ident())
        self.done = 0
        self.left.clear()
        self.running.set()
        try:
            return self._train(config, folder, report, wish)
        finally:
            self.left.set()

    def _train(self, config: Any, folder: Path, report: Any, wish: Any) -> TrainingResult:
        for text in self.notes:
            report(NoteReport(text))
        report(fake_preview(config, 0))
        best = -1.0
        while self.done < self.steps and self._wait(wish):
            self.done += 1
            step = self.done
            report(StepReport(step, self.steps, 1.0 / step, 1e-3, float(step), float(self.steps - step)))
            if self.fail is not None:
                raise self.fail
            if step % 2 == 0:
                best = 30.0 + step
                report(ValidationReport(step, {f"{one}_avg1": best for one in config.outputs}, best, best=True))
            report(fake_preview(config, step))
        if self.ending is not None:
            return self.ending
        stopped = self.done < self.steps
        model = self._save(folder, config) if best > 0 else None
        reason = FinishReason.STOPPED if stopped else FinishReason.COMPLETED
        words = "Stopped by you." if stopped else "All steps were done."
        return TrainingResult(reason, self.done, self.steps, model, {"denoised_avg1": best}, words, self.notes)

    def _wait(self, wish: Any) -> bool:
        waited = 0.0
        while True:
            wanted = wish()
            if wanted is Wish.STOP:
                return False
            if wanted is Wish.PAUSE:
                self.resting.set()
            elif not self.gated or self.permits.acquire(timeout=0.01):
                return True
            threading.Event().wait(0.005)
            waited += 0.01
            assert waited < TIMEOUT_S, "nobody let the next step through"

    @staticmethod
    def _save(folder: Path, config: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "best.safetensors"
        path.write_text(config.name)
        return path


def fake_preview(config: Any, step: int) -> PreviewReport:
    """Report a patch in which all pixels of the answer are the step."""
    noisy = np.arange(64, dtype=np.float32).reshape(8, 8)
    answers, targets = {}, {}
    for output in config.outputs:
        zoom = SIM_SCALE if output == "sim" else 1
        answers[output] = np.full((8 * zoom, 8 * zoom), step, np.float32)
        targets[output] = np.linspace(0, 50, 64 * zoom**2, dtype=np.float32).reshape(8 * zoom, 8 * zoom)
    return PreviewReport(step, "001 ch0 avg1", noisy, answers, targets)
