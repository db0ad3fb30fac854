"""Images to compare: a small field of view whose levels are means of one burst, as those of the benchmark are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_w2s._types import Level
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import FRAME_INDICES

SIZE = 64
FRAMES = 400
NOISE = 20.0
PIXEL = 0.064


@lru_cache(maxsize=4)
def truth(size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Return the scene on the SIM grid, (2 * size, 2 * size), from 20 to 220."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.standard_normal((2 * size, 2 * size)), 3.0, mode="wrap")
    return 20 + 200 * (blobs - blobs.min()) / np.ptp(blobs)


def halved(image: np.ndarray) -> np.ndarray:
    return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean(axis=(1, 3))


@lru_cache(maxsize=4)
def burst(size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Return 400 frames of the scene with independent noise, float32."""
    noise = np.random.default_rng(seed + 1).standard_normal((FRAMES, size, size), np.float32)
    return (halved(truth(size, seed)) + NOISE * noise).astype(np.float32)


def image_of(data: Any, name: str = "image", *, pixel: float | None = PIXEL, **known: Any) -> Image:
    """Make an image; `known` is what this package knows of it."""
    lead = data.ndim - 2
    first = 0.0 if pixel is None else (pixel - PIXEL) / 2
    return Image(
        data=data,
        name=name,
        axes=(*("fov", "t")[2 - lead :], "y", "x"),
        scale=(1.0,) * lead + ((1.0 if pixel is None else pixel),) * 2,
        units=("pixel",) * lead + (("pixel" if pixel is None else "um"),) * 2,
        translate=(0.0,) * lead + (first,) * 2,
        metadata={"w2s": known} if known else {},
    )


def w2s_image(data: Any, level: str, *, fov: int | None = 50, channel: int = 0, **known: Any) -> Image:
    """Make an image of the benchmark, in float."""
    pixel = PIXEL / 2 if level == Level.SIM else PIXEL
    known = {"release": "8bit", "split": "train", "fov": fov, "channel": channel, "level": level, **known}
    return image_of(data, f"{fov} ch{channel} {level}", pixel=pixel, **known)


def levels(size: int = SIZE, seed: int = 0, fov: int = 50, channel: int = 0) -> dict[str, Image]:
    """Return the seven images of a field of view by level, noisiest first."""
    frames = burst(size, seed)
    images = {
        str(level): w2s_image(
            frames[list(indices)].mean(axis=0, dtype=np.float64).astype(np.float32), level, fov=fov, channel=channel
        )
        for level, indices in FRAME_INDICES.items()
    }
    sim = 3.0 * truth(size, seed).astype(np.float32) + 7
    images[str(Level.SIM)] = w2s_image(sim, Level.SIM, fov=fov, channel=channel)
    return images


def known_as(image: Image, **changes: Any) -> Image:
    """Return an image of which something else is known."""
    return image.replace(metadata={**image.metadata, "w2s": {**image.w2s, **changes}})


def restored(
    given: Image,
    data: np.ndarray | None = None,
    *,
    model: str = "own-net",
    scale: int = 1,
    sha256: str | None = "0" * 64,
    date: str = "2026-01-01T00:00:00+00:00",
    **made: Any,
) -> Image:
    """Return a restoration of an image as this package describes it; by default a slightly smoothed one."""
    if data is None:
        data = gaussian_filter(np.asarray(given.data, np.float32), 1.2)
        data = data if scale == 1 else np.kron(data, np.ones((scale, scale), np.float32))
    steps = tuple(step / scale for step in given.scale[-2:])
    first = tuple(place - (given.scale[-1] - steps[-1]) / 2 for place in given.translate[-2:])
    stage = {"name": model, "title": model.title(), "task": "denoise", "scale": scale, "weights_sha256": sha256}
    provenance = {
        "models": [stage],
        "scale": scale,
        "is_estimate": scale > 1,
        "settings": {"models": [model]},
        "source": given.w2s.get("source"),
        "date": date,
        **made,
    }
    placed = given.replace(
        data=data,
        name=f"{given.name} | {model}",
        scale=(*given.scale[:-2], *steps),
        translate=(*given.translate[:-2], *first),
    )
    return known_as(placed, restoration=provenance)


def tiles(images: Mapping[str, Image]) -> tuple[Tile, ...]:
    return tuple(Tile(key=key, image=image, title=key) for key, image in images.items())


def compare(images: Mapping[str, Image], reference: str | None = None, **options: Any) -> Comparison:
    return Comparison(tiles=tiles(images), reference=reference, **options)
