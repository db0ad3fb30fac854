"""Restore an image with its frame of reference: the use case behind the widget's button and the command line."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_w2s._types import InputError, ProgressFn, StopFn, W2SError
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import METADATA_KEY, Image

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_w2s.engine.frames import Intensities
    from napari_w2s.engine.pipeline import Pipeline
    from napari_w2s.models.registry import Registry

_WITHOUT_WEIGHTS = ("train your own", "missing")
_VERSIONED = ("napari-w2s", "torch", "numpy", "scikit-image", "scipy")


def check_image(image: Image) -> None:
    """Refuse an image that no model can restore.

    Raises
    ------
    InputError
        Naming the image, the reason and the next step.
    """
    data = image.data
    if data.dtype.kind not in "buif":
        raise InputError(
            f"{image.name} holds {data.dtype} values; a model takes real numbers. Convert the layer first."
        )
    if data.ndim < 2:
        raise InputError(f"{image.name} has the shape {tuple(data.shape)}; a model needs the axes y and x.")
    if prod(data.shape) == 0:
        raise InputError(f"{image.name} is empty (shape {tuple(data.shape)}). There is nothing to restore.")


def result_geometry(image: Image, scale: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scale and translate of a result that has `scale` pixels per pixel of `image` along y and x.

    Coordinates are those of pixel centres, so the first pixel's centre moves towards the image's corner while the
    corner itself stays where it is.
    """
    steps, origin = list(image.scale), list(image.translate)
    for axis in (-2, -1):
        fine = steps[axis] / scale
        origin[axis] -= (steps[axis] - fine) / 2
        steps[axis] = fine
    return tuple(steps), tuple(origin)


def result_shape(image: Image, scale: int) -> tuple[int, ...]:
    """Return the shape of a result with `scale` pixels per pixel of `image` along y and x."""
    *lead, height, width = image.data.shape
    return *lead, height * scale, width * scale


def result_name(image: Image, title: str, scale: int) -> str:
    """Return a result's name, which says so where the result holds more pixels than were measured."""
    return f"{image.name} | {title}" + (f" ({scale}x estimate)" if scale > 1 else "")


def load_pipeline(
    settings: RestoreSettings,
    registry: Registry | None = None,
    *,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> Pipeline:
    """Load the models that the settings name, fetching their weights where they are not here yet.

    Raises
    ------
    InputError
        For an unknown model or a chain that makes no sense.
    WeightsError, DownloadError
        If weights are not to be had, or not what they should be.
    """
    from napari_w2s.engine.pipeline import Pipeline
    from napari_w2s.models.builtin import default_registry

    models = registry or default_registry()
    stages = [
        models.load(name, weights=weights, progress=progress, should_stop=should_stop)
        for name, weights in zip(settings.models, _weights(settings, models), strict=True)
    ]
    return Pipeline(*stages)


def _weights(settings: RestoreSettings, registry: Registry) -> list[Path | None]:
    """Return for each model what is given to it of the settings' weights: all of a folder, a file to one model only."""
    local = None if settings.weights is None else Path(settings.weights).expanduser()
    takes = [registry.descriptor(name).weights is not None for name in settings.models]
    if local is None or local.is_dir():
        return [local if one else None for one in takes]
    lacks = [registry.available(name) in _WITHOUT_WEIGHTS for name in settings.models]
    fitting = [i for i, one in enumerate(lacks) if one] or [i for i, one in enumerate(takes) if one]
    return [local if i in fitting[-1:] else None for i in range(len(takes))]


def restore_image(
    image: Image,
    settings: RestoreSettings,
    *,
    registry: Registry | None = None,
    pipeline: Pipeline | None = None,
    intensities: Intensities | None = None,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
    out: npt.NDArray[np.float32] | None = None,
) -> Image:
    """Restore an image, whole, in its own intensity scale.

    Parameters
    ----------
    image : Image
        ``(..., H, W)``; a lazy one is computed frame by frame.
    settings : RestoreSettings
    registry : Registry, optional
        Where the models are looked up; the built-in one by default.
    pipeline : Pipeline, optional
        The models, if they are loaded already (see `load_pipeline`).
    intensities : Intensities, optional
        Of the frame that the image is a part of (see `frame_intensities`).
    progress, should_stop : callable, optional
        See `napari_w2s.engine.predict.predict`.
    out : numpy.ndarray, optional
        float32 array of `result_shape` to fill part by part.

    Returns
    -------
    Image
        float32, on the same place in the world, with ``metadata["w2s"]["restoration"]`` telling how it was made.

    Raises
    ------
    W2SError
        With a message for the user.
    Cancelled
        If `should_stop` returned True.
    """
    from napari_w2s.engine.predict import predict

    check_image(image)
    models = pipeline or load_pipeline(settings, registry, should_stop=should_stop)
    if out is None:
        out = allocate(image, models.scale)
    data = predict(
        models,
        image.data,
        out=out,
        device=settings.device,
        precision=settings.precision,
        tile=settings.tile,
        flips=settings.flips,
        intensity_range=settings.intensity_range or known_range(image),
        intensities=intensities,
        non_finite=settings.non_finite,
        progress=progress,
        should_stop=should_stop,
    )
    scale, translate = result_geometry(image, models.scale)
    known = {**image.w2s, "restoration": provenance(image, settings, models)}
    return image.replace(
        data=data,
        name=result_name(image, models.title, models.scale),
        scale=scale,
        translate=translate,
        metadata={**image.metadata, METADATA_KEY: known},
    )


def frame_intensities(image: Image, index: tuple[int, ...], settings: RestoreSettings) -> Intensities:
    """Measure a whole frame, so that a part of it can be restored as it would be in the whole.

    Parameters
    ----------
    image : Image
    index : tuple of int
        One for each axis but the last two.
    settings : RestoreSettings

    Raises
    ------
    InputError
        If the settings refuse such a frame.
    """
    from napari_w2s.engine.frames import measure

    limits = settings.intensity_range or known_range(image)
    return measure(np.asarray(image.data[index]), limits, settings.non_finite, spread=True)


def known_range(image: Image) -> tuple[float, float] | None:
    """Return the intensities that count as 0 and 1 where the reader knows them from the data's release, else None."""
    limits = image.w2s.get("intensity_range")
    return None if limits is None else (float(limits[0]), float(limits[1]))


def allocate(image: Image, scale: int) -> npt.NDArray[np.float32]:
    """Return room for a result.

    Raises
    ------
    W2SError
        If it does not fit into memory.
    """
    shape = result_shape(image, scale)
    try:
        return np.zeros(shape, np.float32)
    except MemoryError:
        raise W2SError(
            f"The result of {image.name} would take {prod(shape) * 4 / 2**30:.1f} GiB, more than there is. "
            "Restore a part of it, or use the command line on its files."
        ) from None


def provenance(image: Image, settings: RestoreSettings, models: Pipeline) -> dict[str, Any]:
    """Return how a result was made, as plain values that JSON can hold.

    Keys are ``models`` (name, title, task, scale, licence, weights_sha256 of each), ``settings``, ``precision`` and
    ``device`` actually used, ``versions``, ``source``, ``command`` (None if the source is not a file) and ``date``
    (UTC).
    """
    from napari_w2s.engine.device import choose_device
    from napari_w2s.engine.runner import choose_precision

    source = image.w2s.get("source")
    limits = settings.intensity_range or known_range(image)
    stages = []
    for stage in models.stages:
        about = stage.descriptor
        device = choose_device(settings.device, about.devices)
        stages.append(
            {
                "name": about.name,
                "title": about.title,
                "task": str(about.task),
                "scale": about.scale,
                "licence": about.licence,
                "weights_sha256": stage.weights_sha256,
                "device": str(device),
                "precision": str(choose_precision(stage, device, settings.precision)).removeprefix("torch."),
            }
        )
    return {
        "models": stages,
        "scale": models.scale,
        "task": str(models.task),
        "is_estimate": models.scale > 1,
        "settings": settings.to_dict(),
        "intensity_range": None if limits is None else list(limits),
        "versions": {"python": platform.python_version(), **_versions()},
        "source": source,
        "command": None if source is None else settings.command([source]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> Mapping[str, str]:
    found = {}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
