"""Files to learn from, and configs that name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import tifffile
import w2s_fields
from w2s_fields import textured

from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import Field
from napari_w2s.training.sources import Loaded


def source_config(kind: str, validation: dict[str, Any] | None = None, **entries: Any) -> TrainingConfig:
    """Return a config with one source; paths are entries, others go into the config."""
    paths = {key: texts(entries.pop(key)) for key in ("noisy", "denoised", "sim", "root") if key in entries}
    source = {"kind": kind, "paths": paths, **({"axis": entries.pop("axis")} if "axis" in entries else {})}
    given = [{"kind": kind, "paths": {k: texts(v) for k, v in validation.items()}}] if validation else []
    return w2s_fields.config(train=[source], validation=given, **entries)


def texts(paths: Any) -> list[str]:
    return [str(path) for path in (paths if isinstance(paths, list) else [paths])]


def all_fields(loaded: Loaded) -> list[Field]:
    return sorted((*loaded.train, *loaded.validation), key=lambda one: one.name)


def pixels(image: Any) -> np.ndarray:
    return FrameCache().read(image)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, image)
    elif path.suffix == ".png":
        iio.imwrite(path, image)
    else:
        tifffile.imwrite(path, image, photometric="minisblack")
    return path


def pairs(folder: Path, names: str = "abcd", edge: int = 24) -> dict[str, np.ndarray]:
    """Write pairs as noisy/NAME.tif and clean/NAME.npy."""
    images = {name: textured(ord(name), edge, np.uint8) for name in names}
    for name, image in images.items():
        save(folder / "noisy" / f"{name}.tif", image)
        save(folder / "clean" / f"{name}.npy", 255 - image)
    return images
