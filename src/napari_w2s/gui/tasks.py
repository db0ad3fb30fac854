"""What a restoration and a preview do in their thread: neither Qt nor napari comes in here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import Cancelled, InputError, Progress, StopFn, W2SError
from napari_w2s.app.restore import frame_intensities
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.state import FinishReason
from napari_w2s.data.image import Image
from napari_w2s.gui.preview import Window, crop

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

RestoreFn = Callable[..., Image]
"""``restore(image, settings, *, progress, should_stop, out, **loaded)``: see `napari_w2s.app.restore.restore_image`."""

LoadFn = Callable[..., dict[str, Any]]
"""``load(settings, *, progress, should_stop)``: fetches and loads models; what it returns is passed to `RestoreFn`."""


@dataclass(eq=False)
class Target:
    """A result in the making.

    Attributes
    ----------
    image : Image
        What is restored.
    array : numpy.ndarray
        float32, filled part by part in the thread.
    layer : str
        Identity of the layer that shows the array.
    dropped : threading.Event
        Set by the main thread when nobody wants the result any more.
    result : Image or None
        Set by the thread when it is done.
    error : InputError or None
        Set by the thread when this image, and only it, could not be restored.
    """

    image: Image
    array: FloatArray
    layer: str
    dropped: threading.Event = field(default_factory=threading.Event)
    result: Image | None = None
    error: InputError | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """Report: from now on this is being done."""

    message: str
    counts_anew: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Report: so much is done, and this result has grown."""

    progress: Progress
    target: Target | None = None


ReportFn = Callable[[Any], None]


def _load(load: LoadFn, settings: RestoreSettings, report: ReportFn, stop: StopFn) -> dict[str, Any]:
    """Load the models, and say so when that means a download."""

    def fetching(progress: Progress) -> None:
        if progress.done < progress.total:
            report(Phase(f"Fetching the weights of {settings.model} …"))
            report(Step(progress))
        else:
            report(Phase(f"Loading {settings.model} …", counts_anew=True))

    return load(settings, progress=fetching, should_stop=stop)


@dataclass(frozen=True)
class RestoreTask:
    """Restores images one after the other.

    An image that is refused (`InputError`), or whose result is not wanted any more, does not keep the others from
    being restored. Any other exception ends the task.
    """

    restore: RestoreFn
    load: LoadFn
    settings: RestoreSettings
    targets: Sequence[Target]

    def __call__(self, report: ReportFn, stop: StopFn) -> None:
        """Do it; results are left in the targets."""
        loaded = _load(self.load, self.settings, report, stop)
        sizes = [prod(t.array.shape) for t in self.targets]
        for i, target in enumerate(self.targets):
            count = f" ({i + 1} of {len(sizes)})" if len(sizes) > 1 else ""
            report(Phase(f"Restoring {target.image.name}{count} …", counts_anew=i == 0))
            try:
                target.result = self.restore(
                    target.image,
                    self.settings,
                    progress=partial(self._count, report, target, sum(sizes[:i]), sizes[i], sum(sizes)),
                    should_stop=lambda dropped=target.dropped: stop() or dropped.is_set(),
                    out=target.array,
                    **loaded,
                )
            except Cancelled:
                if not target.dropped.is_set():
                    raise
            except InputError as error:
                logger.warning("%s was not restored: %s", target.image.name, error)
                target.error = error

    @staticmethod
    def _count(report: ReportFn, target: Target, before: int, size: int, total: int, progress: Progress) -> None:
        """Report the progress of one image as that of all, by the pixels of their results."""
        done = before + round(progress.fraction * size)
        report(Step(Progress(done, total), target if progress.region is not None else None))


@dataclass(frozen=True)
class PreviewTask:
    """Restores the part of an image that is on screen."""

    restore: RestoreFn
    load: LoadFn
    settings: RestoreSettings
    image: Image
    window: Window
    scale: int

    def __call__(self, report: ReportFn, stop: StopFn) -> FloatArray:
        """Do it, and return the part without its halo."""
        loaded = _load(self.load, self.settings, report, stop)
        report(Phase(f"Previewing {self.image.name} …", counts_anew=True))
        result = self.restore(
            crop(self.image, self.window),
            self.settings,
            # The part alone may span less than the frame, and would then be scaled differently.
            intensities=frame_intensities(self.image, self.window.index, self.settings),
            progress=lambda progress: report(Step(progress)),
            should_stop=stop,
            out=None,
            **loaded,
        )
        part: FloatArray = np.asarray(result.data)[(..., *self.window.trim(self.scale))]
        return part


def outcome(
    targets: Sequence[Target], error: Exception | None, seconds: float, *, cancelled: bool
) -> tuple[FinishReason, str]:
    """Say how a restoration ended, and what came of it."""
    done = [t for t in targets if t.result is not None]
    refused = [str(t.error) for t in targets if t.error is not None]
    deleted = [t.image.name for t in targets if t.dropped.is_set()]
    count = f"{len(done)} of {len(targets)}" if len(done) < len(targets) else f"{len(done)}"
    restored = f"{count} layer{'' if len(targets) == 1 else 's'}"
    if cancelled:
        return FinishReason.CANCELLED, f"Cancelled. {f'Kept {restored}.' if done else 'Nothing was kept.'}"
    if error is not None:
        return FinishReason.FAILED, explain(error) + (f" Restored {restored} before." if done else "")
    if not done and not refused:
        return FinishReason.CANCELLED, f"Stopped, because the result of {', '.join(deleted)} was deleted."
    text = f"Restored {restored} in {seconds:.1f} s." if done else "Nothing was restored."
    return FinishReason.FAILED if refused else FinishReason.DONE, " ".join([text, *refused])


def explain(error: Exception) -> str:
    """Say what went wrong and what to do, for any exception."""
    if isinstance(error, W2SError):
        return str(error)
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "Memory ran out. Take a smaller tile or the device cpu under Advanced, or restore fewer layers at once."
    return f"The restoration failed: {text.splitlines()[0]}. Napari's log has the details."
