"""Non-local means on variance-stabilised intensities.

A. Buades, B. Coll, J.-M. Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005, in the form of J. Darbon et
al., "Fast nonlocal filtering applied to electron cryomicroscopy", ISBI 2008, as scikit-image has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_w2s.models.classical.stabilised import Stabilised
from napari_w2s.models.classical.vst import FloatArray

PATCH_SIZE = 7
PATCH_DISTANCE = 11
FILTER_STRENGTH = 0.6
"""In units of the noise's standard deviation; the best of 0.4 to 0.9 on training images of W2S, avg1 to avg16."""


class VSTNonLocalMeans(Stabilised):
    """Stabilise the noise, average alike patches, go back.

    Parameters
    ----------
    patch_size : int
        Width of the patches that are compared, odd.
    patch_distance : int
        How far from a pixel its like is looked for, in pixels.
    strength : float
        The higher, the smoother; in units of the noise's standard deviation.
    """

    def __init__(
        self,
        patch_size: int = PATCH_SIZE,
        patch_distance: int = PATCH_DISTANCE,
        strength: float = FILTER_STRENGTH,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.patch_distance = patch_distance
        self.strength = strength

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that one output pixel depends on, for a given noise model."""
        return 2 * (self.patch_distance + self.patch_size // 2) + 1

    def smooth(self, stable: FloatArray) -> FloatArray:
        """Average alike patches of an image whose noise has the standard deviation 1."""
        from skimage.restoration import denoise_nl_means

        # scikit-image pads by reflection, as far as the patches reach, which the halo of a tile covers as well.
        smooth: FloatArray = denoise_nl_means(
            stable,
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.strength,
            sigma=1.0,
            fast_mode=True,
            preserve_range=True,
        )
        return smooth


def build(state: Mapping[str, Any] | None) -> VSTNonLocalMeans:
    """Make the method; it has no weights."""
    if state:
        raise ValueError("non-local means takes no weights")
    return VSTNonLocalMeans().eval()
