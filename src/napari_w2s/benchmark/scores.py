"""Score a result against its reference as a protocol says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark.protocol import Protocol
from napari_w2s.metrics.affine import PLAIN, fit_affine
from napari_w2s.metrics.reference import psnr_of, rmses, ssims

Float64Array = npt.NDArray[np.float64]

_MATCHED = "_matched"


def measure(
    reference: Float64Array, image: Float64Array, task: Task, protocol: Protocol, metrics: Sequence[str]
) -> dict[str, float]:
    """Score an image.

    Parameters
    ----------
    reference, image : numpy.ndarray, (H, W)
        Intensities as shares of the range.
    task : Task
    protocol : Protocol
    metrics : sequence of str
        Of `napari_w2s.benchmark.protocol.METRICS`.

    Returns
    -------
    dict
        By metric. RMSE is a share of the range.

    Raises
    ------
    InputError
        If the two differ in shape, or the image has NaN or infinite pixels.
    """
    if reference.shape != image.shape:
        raise InputError(
            f"The result has {_size(image)} pixels, and its reference {_size(reference)}. Give images of one field, "
            "cropped alike."
        )
    if not np.isfinite(image).all() or not np.isfinite(reference).all():
        what = "reference" if np.isfinite(image).all() else "result"
        raise InputError(f"The {what} has NaN or infinite pixels, which cannot be scored.")
    if protocol.clip:
        image = np.clip(image, 0, 1)
    suffixes = sorted({_MATCHED if name.endswith(_MATCHED) else "" for name in metrics})
    fits = [fit_affine(image, reference) if suffix else PLAIN for suffix in suffixes]
    kinds = {name.removesuffix(_MATCHED) for name in metrics}
    found: dict[str, float] = {}
    if kinds & {"psnr", "rmse"}:
        for suffix, error in zip(suffixes, rmses(reference, image, fits), strict=True):
            found |= {f"rmse{suffix}": error, f"psnr{suffix}": psnr_of(error, data_range=1)}
    if "ssim" in kinds:
        similar = ssims(reference, image, fits, data_range=protocol.ssim_range[task])
        found |= {f"ssim{suffix}": value for suffix, value in zip(suffixes, similar, strict=True)}
    return {name: found[name] for name in metrics}


def _size(image: Float64Array) -> str:
    return " x ".join(str(n) for n in image.shape)
