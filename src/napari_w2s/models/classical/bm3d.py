"""BM3D on variance-stabilised intensities: filters stacks of alike blocks together.

K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering",
IEEE TIP 16, 2007; between the transforms of M. Mäkitalo, A. Foi, "Optimal Inversion of the Generalized Anscombe
Transformation for Poisson-Gaussian Noise", IEEE TIP 22, 2013. The filter itself is its authors' package ``bm3d``, which
is free for non-commercial use only, and is therefore not installed unless asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch

from napari_w2s._types import InputError
from napari_w2s.models.classical.stabilised import Stabilised, mirrored
from napari_w2s.models.classical.vst import FloatArray

_LEAST_SIDE = 16
"""Smaller images are continued to this size: the package crashes on one of a single block, 8 x 8."""


class VSTBM3D(Stabilised):
    """Stabilise the noise, filter with BM3D, go back.

    Raises
    ------
    InputError
        If the package ``bm3d`` is not installed, or does not work on this computer.
    """

    receptive_field = None
    """The grid of blocks begins at the corner of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        _package()

    def smooth(self, stable: FloatArray) -> FloatArray:
        """Filter an image whose noise has the standard deviation 1, in as many threads as torch has."""
        bm3d = _package()
        profile = bm3d.BM3DProfile()
        profile.num_threads = torch.get_num_threads()
        height, width = stable.shape
        smooth = bm3d.bm3d(mirrored(stable, 0, _LEAST_SIDE), 1.0, profile)
        return np.asarray(smooth, np.float64)[:height, :width]


def _package() -> Any:
    """Import the package. It is not kept as an attribute, so that the method can be copied and pickled."""
    try:
        return import_module("bm3d")
    except ModuleNotFoundError as error:
        raise InputError(
            'VST + BM3D needs the package bm3d, which is not installed. Install it by pip install "napari-w2s[bm3d]" '
            "(its licence allows non-commercial use only), or choose vst-nlm."
        ) from error
    except (ImportError, OSError) as error:
        # It brings a compiled library, which there is not for every processor.
        raise InputError(f"The package bm3d does not work on this computer: {error}. Choose vst-nlm.") from error


def build(state: Mapping[str, Any] | None) -> VSTBM3D:
    """Make the method; it has no weights."""
    if state:
        raise ValueError("BM3D takes no weights")
    return VSTBM3D().eval()
