"""Keep Lightning quiet: what it says is for who wrote the loop, not for who trains a model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
_HARMLESS = (
    # Patches are cut where they are fastest: in this process on a CPU, which has better things to do than to copy them.
    (r"The '\w+' does not have many workers", UserWarning),
    # The averaged weights and the fixed parts of losses are in eval mode, as they should be.
    (r"Found \d+ module\(s\) in eval mode at the start of training", UserWarning),
    # Half precision scales the loss by trial, so the first step may be skipped.
    (r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`", UserWarning),
    # Weights lie in memory channels last, their gradients not always: a matter of speed, here of none.
    (r"Grad strides do not match bucket view strides", UserWarning),
    # How a single value is told from a tree of them inside PyTorch and Lightning.
    (r".*LeafSpec.* is deprecated", FutureWarning),
    (r"The `srun` command is available on your system but is not used", UserWarning),
    (r"GPU available but not used", UserWarning),
)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's log while the body runs, and for good those of its warnings that are known to be harmless.

    Filters of warnings belong to the process and not to a thread, so they are not taken back.
    """
    for message, category in _HARMLESS:
        warnings.filterwarnings("ignore", message, category)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
