"""Score a result against its reference as a protocol says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, Task
from napari_w2s.benchmark.protocol import Protocol
from napari_w2s.metrics.reference import match_affine, psnr, rmse, ssim

Float64Array = npt.NDArray[np.float64]

_PLAIN: Mapping[str, Callable[[Float64Array, Float64Array, float], float]] = {
    "psnr": lambda reference, image, _ssim_range: psnr(reference, image, data_range=1),
    "ssim": lambda reference, image, ssim_range: ssim(reference, image, data_range=ssim_range),
    "rmse": lambda reference, image, _ssim_range: rmse(reference, image),
}
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
    ssim_range = protocol.ssim_range[task]
    matched = match_affine(image, reference) if any(name.endswith(_MATCHED) for name in metrics) else image
    return {
        name: _PLAIN[name.removesuffix(_MATCHED)](reference, matched if name.endswith(_MATCHED) else image, ssim_range)
        for name in metrics
    }


def _size(image: Float64Array) -> str:
    return " x ".join(str(n) for n in image.shape)
