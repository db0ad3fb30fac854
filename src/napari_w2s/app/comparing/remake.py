"""Restorations that are in no file, made again when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, WeightsError
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import METADATA_KEY, Image


def remake(given: Image, made: Mapping[str, Any]) -> Image:
    """Return the restoration of an image as a lazy one: a frame is restored when it is looked at.

    Parameters
    ----------
    given : Image
        What was restored.
    made : mapping
        How, as `napari_w2s.app.restore.provenance` wrote it down.

    Raises
    ------
    InputError
        If `made` does not say how, or names a model that is not known here.
    """
    from napari_w2s.app.restore import check_image, result_geometry, result_name, result_shape
    from napari_w2s.data.lazy import lazy_blocks
    from napari_w2s.models.builtin import default_registry

    try:
        settings = RestoreSettings.from_dict(made["settings"])
        stages = [stage["weights_sha256"] for stage in made["models"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"It is not known how {given.name} was restored. Restore it again.") from error
    check_image(given)
    registry = default_registry()
    descriptors = [registry.descriptor(name) for name in settings.models]
    scale = int(np.prod([one.scale for one in descriptors]))
    *lead, height, width = result_shape(given, scale)
    chunks = (*((1,) * int(size) for size in lead), (height,), (width,))
    steps, origin = result_geometry(given, scale)
    return given.replace(
        data=lazy_blocks(
            _restored, chunks, np.dtype(np.float32), given=given, settings=settings, weights=tuple(stages)
        ),
        name=result_name(given, " → ".join(one.title for one in descriptors), scale),
        scale=steps,
        translate=origin,
        contrast_limits=None,
        metadata={**given.metadata, METADATA_KEY: {**given.w2s, "restoration": dict(made)}},
    )


def _restored(
    *, block_id: tuple[int, ...], given: Image, settings: RestoreSettings, weights: tuple[str | None, ...]
) -> npt.NDArray[np.float32]:
    from napari_w2s.app.restore import known_range, load_pipeline
    from napari_w2s.engine.predict import predict

    models = load_pipeline(settings)
    if tuple(stage.weights_sha256 for stage in models.stages) != weights:
        raise WeightsError(
            f"{models.name} has other weights than when {given.name} was restored with it. Restore it again."
        )
    index = block_id[:-2]
    frame: npt.NDArray[np.float32] = predict(
        models,
        np.asarray(given.data[index]),
        device=settings.device,
        precision=settings.precision,
        tile=settings.tile,
        flips=settings.flips,
        intensity_range=settings.intensity_range or known_range(given),
        non_finite=settings.non_finite,
    )
    return frame.reshape((1,) * len(index) + frame.shape)
