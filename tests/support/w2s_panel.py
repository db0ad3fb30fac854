"""A registry without networks and a restoration without torch, for tests of the panel and what is around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_w2s._types import Cancelled, Level, Progress, StopFn, Task
from napari_w2s.app.restore import result_shape
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.suggest import ImageReport, describe_size
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.noise import estimate_noise
from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.models.registry import Registry

if TYPE_CHECKING:
    from napari_w2s.gui.restore_widget import RestoreWidget

MakePanel = Callable[..., "RestoreWidget"]
TIMEOUT_S = 30


def _never_built(state: Mapping[str, Any] | None) -> Any:
    raise AssertionError(f"a panel must not build networks, got {state}")


def descriptor(name: str, task: Task = Task.DENOISE, **facts: Any) -> ModelDescriptor:
    """Describe a model that is never built."""
    given = {
        "title": name.upper(),
        "summary": f"Is {name}.",
        "architecture": "fake",
        "licence": "BSD-3-Clause",
        "origin": "here",
        "citation": "nobody",
        "receptive_field": 9,
        **facts,
    }
    return ModelDescriptor(name=name, task=task, build=_never_built, **given)


class FakeRegistry(Registry):
    """A denoiser for any noise, one for each of two levels, and a super-resolution model."""

    def __init__(self, places: Mapping[str, str] | None = None) -> None:
        super().__init__(
            [
                descriptor("any"),
                descriptor("net-avg1", level=Level.AVG1),
                descriptor("net-avg4", level=Level.AVG4),
                descriptor("twice", Task.SR, scale=2, receptive_field=5),
            ]
        )
        self.places = dict(places or {})

    def available(self, name: str) -> str:
        return self.places.get(name, "built in")


def fake_report(image: Image, level: Level = Level.AVG1) -> ImageReport:
    """Report without looking."""
    noise = replace(estimate_noise(np.zeros((8, 8))), gain=0.04, offset_variance=1.21, blocks=9)
    return ImageReport(describe_size(image), noise, level)


class FakeRestore:
    """Doubles intensities, a row of tiles at a time, each when it is let through.

    Parameters
    ----------
    scale : int
        Output pixels per input pixel.
    gated : bool
        Wait for `allow` before every row.
    fail : callable
        Called with the image before anything is done; may raise.
    """

    ROWS = 4

    def __init__(self, scale: int = 1, *, gated: bool = False, fail: Callable[[Image], None] = lambda _: None) -> None:
        self.scale, self.gated, self.fail = scale, gated, fail
        self.permits = threading.Semaphore(0)
        self.calls: list[tuple[Image, RestoreSettings]] = []
        self.options: list[dict[str, Any]] = []
        self.running = threading.Event()
        self.left = threading.Event()
        self.threads: set[int] = set()

    def allow(self, rows: int = 1_000_000) -> None:
        """Let so many more rows through."""
        for _ in range(min(rows, 1000)):
            self.permits.release()

    def __call__(
        self,
        image: Image,
        settings: RestoreSettings,
        *,
        progress: Callable[[Progress], None],
        should_stop: StopFn,
        out: np.ndarray[Any, Any] | None,
        **options: Any,
    ) -> Image:
        self.calls.append((image, settings))
        self.options.append(options)
        self.threads.add(threading.get_ident())
        self.left.clear()
        self.running.set()
        try:
            self.fail(image)
            out = np.empty(result_shape(image, self.scale), np.float32) if out is None else out
            self._fill(image, out, progress, should_stop)
        finally:
            self.left.set()
        known = {**image.w2s, "restoration": {"models": list(settings.models)}}
        return image.replace(data=out, metadata={**image.metadata, METADATA_KEY: known})

    def _fill(self, image: Image, out: Any, progress: Callable[[Progress], None], should_stop: StopFn) -> None:
        values = np.asarray(image.data).astype(np.float32) * 2
        values = values.repeat(self.scale, axis=-2).repeat(self.scale, axis=-1)
        height = out.shape[-2]
        for start in range(0, height, self.ROWS):
            self._wait(should_stop)
            rows = slice(start, min(height, start + self.ROWS))
            out[..., rows, :] = values[..., rows, :]
            region = (*(slice(0, n) for n in out.shape[:-2]), rows, slice(0, out.shape[-1]))
            progress(Progress(rows.stop, height, region))

    def _wait(self, should_stop: StopFn) -> None:
        waited = 0.0
        while True:
            if should_stop():
                raise Cancelled("stopped")
            if not self.gated or self.permits.acquire(timeout=0.01):
                return
            waited += 0.01
            assert waited < TIMEOUT_S, "nobody let the next row through"


def no_load(settings: RestoreSettings, **_: Any) -> dict[str, Any]:
    """Load nothing."""
    assert settings.models
    return {}


class MemoryStore:
    """A store that forgets with the test."""

    def __init__(self, **values: Any) -> None:
        self.values: dict[str, Any] = values

    def load(self) -> dict[str, Any]:
        return dict(self.values)

    def save(self, values: Mapping[str, Any]) -> None:
        self.values.update(values)
