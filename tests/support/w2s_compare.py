"""Layers as the reader and the Restore panel make them, and a measurement that stops where a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from napari_w2s._types import Cancelled, Level, StopFn
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.numbers import Numbers, TileNumbers

if TYPE_CHECKING:
    from napari_w2s.gui.comparing.widget import CompareWidget

MakeCompare = Callable[..., "CompareWidget"]
SIZE = 32
TIMEOUT_S = 30


def key(layer: Layer) -> str:
    return str(layer.unique_id)


def keys(*layers: Layer) -> tuple[str, ...]:
    return tuple(key(layer) for layer in layers)


def scene(size: int = SIZE) -> Any:
    """Return a smooth scene from 20 to 220."""
    y, x = np.mgrid[:size, :size] / size
    return 120 + 60 * np.sin(9 * x + 3 * y) + 40 * np.cos(14 * y * x)


def known_as(level: str | Level, fov: int = 50, channel: int = 0, **more: Any) -> dict[str, Any]:
    """Return metadata of an image of W2S."""
    return {"w2s": {"release": "rgb", "split": "train", "fov": fov, "channel": channel, "level": str(level), **more}}


def add_level(viewer: ViewerModel, level: Level, size: int = SIZE, **options: Any) -> ImageLayer:
    """Add an averaging level of a scene, or its SIM image with twice the pixels."""
    fine = 2 if level is Level.SIM else 1
    generator = np.random.default_rng(len(level) + 7 * (level.frames or 0))
    noise = 0.0 if level.frames is None else 20 / np.sqrt(level.frames)
    clean = scene(size * fine)
    data = np.clip(clean + noise * generator.normal(size=clean.shape), 0, 255).astype(np.uint8)
    step = 0.1 / fine
    return viewer.add_image(
        data,
        name=f"050 ch0 {level}",
        scale=(step, step),
        translate=(-(0.1 - step) / 2,) * 2,
        units=("um", "um"),
        metadata=known_as(level, **options.pop("known", {})),
        **options,
    )


def add_levels(viewer: ViewerModel, size: int = SIZE) -> dict[Level, ImageLayer]:
    """Add all levels of a field of view."""
    return {level: add_level(viewer, level, size) for level in Level}


def add_result(viewer: ViewerModel, given: ImageLayer, scale: int = 1, name: str = "w2s-denoise") -> ImageLayer:
    """Add a restoration of a layer, as the Restore panel does."""
    clean = scene(given.data.shape[-1] * scale)
    data = (clean + np.random.default_rng(1).normal(size=clean.shape)).astype(np.float32)
    step = np.array(given.scale) / scale
    restoration = {
        "models": [{"name": name, "title": name, "scale": scale, "weights_sha256": None}],
        "scale": scale,
        "is_estimate": scale > 1,
        "settings": {"models": [name]},
        "date": "2025-01-01T00:00:00+00:00",
    }
    known = {**given.metadata["w2s"], "restoration": restoration}
    return viewer.add_image(
        data,
        name=f"{given.name} | {name}",
        scale=step,
        translate=np.array(given.translate) - (np.array(given.scale) - step) / 2,
        units=("um", "um"),
        metadata={"w2s": known},
    )


def score(comparison: Comparison, psnr: float = 30.0) -> Numbers:
    """Return numbers that nobody measured."""
    tiles = tuple(
        TileNumbers(
            key=tile.key,
            title=tile.title,
            is_reference=tile.key == comparison.reference,
            psnr=None if tile.key == comparison.reference else psnr + i,
            ssim=None if tile.key == comparison.reference else 0.5 + i / 100,
            frc=250.0 - i,
        )
        for i, tile in enumerate(comparison.tiles)
    )
    return Numbers(
        tiles=tiles,
        reference=comparison.reference,
        data_range=255.0,
        range_source="8-bit images",
        unit="nm",
        threshold="1/7",
        area="box" if comparison.box else "whole image",
    )


class FakeMeasure:
    """Measures nothing, when it is let through.

    Parameters
    ----------
    gated : bool
        Wait for `allow` before every answer.
    fail : Exception, optional
        What to raise instead.
    """

    def __init__(self, *, gated: bool = False, fail: Exception | None = None) -> None:
        self.gated, self.fail = gated, fail
        self.permits = threading.Semaphore(0)
        self.asked: list[Comparison] = []
        self.running = threading.Event()
        self.threads: set[int] = set()
        self.only: Collection[str] = ()

    def allow(self) -> None:
        """Let one more through."""
        self.permits.release()

    def __call__(self, comparison: Comparison, *, threshold: str, only: Collection[str], stop: StopFn) -> Numbers:
        self.asked.append(comparison)
        self.only = only
        self.threads.add(threading.get_ident())
        self.running.set()
        waited = 0.0
        while self.gated and not self.permits.acquire(timeout=0.01):
            waited += 0.01
            assert waited < TIMEOUT_S, "nobody let it through"
            if stop():
                raise Cancelled("stopped")
        if self.fail is not None:
            raise self.fail
        return score(comparison, 30.0 + len(self.asked))
