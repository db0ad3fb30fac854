"""How the learning rate runs."""

from __future__ import annotations

from math import cos, pi, sqrt

from napari_w2s.training.config import Schedule


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """Return what the learning rate is multiplied by at a step.

    Parameters
    ----------
    schedule : Schedule
    step : int
        Steps done so far.
    steps : int
        Steps of the whole run.
    """
    done = step / steps
    warmup, decay = (_count(part, steps) for part in (schedule.warmup, schedule.decay))
    if schedule.kind == "steps":
        return float(schedule.factor ** sum(done >= milestone for milestone in schedule.milestones))
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.kind == "one-cycle":
        return 0.5 * (1 + cos(pi * min(1.0, (step - warmup) / max(1.0, steps - warmup))))
    left = steps - step
    return 1.0 if left >= decay else max(0.0, 1 - sqrt(1 - left / decay))


def _count(part: float, steps: int) -> float:
    """Return a number of steps: what is below 1 is a share of them."""
    return part * steps if part < 1 else part
