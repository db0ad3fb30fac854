"""Fields whose pixels say where they are from, and the way back from a sample to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import w2s_training

from napari_w2s._types import Task
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import Field
from napari_w2s.training.patches import Sample

EDGE = 48
BOTH = {"denoised": [{"name": "l1"}], "sim": [{"name": "l1"}]}
PLAIN = {"flips": False, "scale": 0.0, "offset": 0.0, "own_statistics": 0.0}


def config(**changes: Any) -> TrainingConfig:
    """Return a config for patches of 16 pixels, without augmentation."""
    return w2s_training.toy_config(**{"foreground": 0.0, "augmentation": PLAIN, **changes})


def both(**changes: Any) -> TrainingConfig:
    """Return a config with both outputs."""
    return config(**{"task": Task.JDSR, "losses": BOTH, **changes})


def unsupervised(way: str, **changes: Any) -> TrainingConfig:
    return config(self_supervised=way, **changes)


def coordinates(edge: int = EDGE, zoom: int = 1) -> np.ndarray:
    """Return an image of which each pixel is its row times 1000 plus its column."""
    rows, columns = np.indices((zoom * edge, zoom * edge))
    return (1000 * rows + columns).astype(np.float32)


def places(image: np.ndarray) -> np.ndarray:
    """Return row and column (2, H, W) that an image of coordinates came from."""
    return np.stack(np.divmod(np.rint(image).astype(int), 1000))


def place_field(name: str = "places", edge: int = EDGE, **changes: Any) -> Field:
    """Return a field of coordinates, in all its images."""
    grid = coordinates(edge)
    images = {"group": name, "inputs": {"avg1": grid}, "denoised": grid.copy(), "sim": coordinates(edge, 2)}
    return Field(name=name, **{**images, **changes})


def textured(seed: int, edge: int = EDGE, dtype: Any = np.float32) -> np.ndarray:
    """Return an image of blobs, the same for the same number."""
    from scipy import ndimage

    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((edge, edge)), 2)
    return (40 + 180 * (image - image.min()) / np.ptp(image)).astype(dtype)


def own(sample: Sample, name: str, image: np.ndarray) -> np.ndarray:
    """Return one of a sample's images ``(H, W)`` in the intensities of the image that it was cut from.

    The noisy one is brought to the scale of ``denoised`` first, as the answer of a network would be.
    """
    pixels = sample[name][0].astype(np.float64)
    if name == "noisy":
        gain, offset = sample["denoised_map"].astype(np.float64)
        pixels = pixels * gain + offset
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    return pixels * ((high - low) or 1.0) + low
