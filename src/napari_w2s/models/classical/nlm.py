"""Non-local means on variance-stabilised intensities.

A. Buades, B. Coll, J.-M. Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005, in the form of J. Darbon et
al., "Fast nonlocal filtering applied to electron cryomicroscopy", ISBI 2008, as scikit-image has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_w2s.data.noise import estimate_noise
from napari_w2s.models.classical.vst import GeneralizedAnscombe

PATCH_SIZE = 7
PATCH_DISTANCE = 11
FILTER_STRENGTH = 0.6
"""In units of the noise's standard deviation; the best of 0.4 to 0.9 on training images of W2S, avg1 to avg16."""


class VSTNonLocalMeans(nn.Module):
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

    def frame_context(self, frame: npt.ArrayLike) -> GeneralizedAnscombe | None:
        """Find the transform that suits a frame's noise.

        Parameters
        ----------
        frame : array_like, (H, W)
            The whole frame in its own intensities.

        Returns
        -------
        GeneralizedAnscombe or None
            None if the frame has no noise, or is too small to tell.
        """
        return GeneralizedAnscombe.of(estimate_noise(frame))

    def forward(self, x: torch.Tensor, transform: GeneralizedAnscombe | None) -> torch.Tensor:
        """Denoise.

        Parameters
        ----------
        x : torch.Tensor, (N, 1, H, W)
            Parts of one frame in its own intensities.
        transform : GeneralizedAnscombe or None
            What `frame_context` returned for the whole frame. None leaves the pixels as they are.

        Returns
        -------
        torch.Tensor, (N, 1, H, W)
        """
        if transform is None or x.numel() == 0:
            return x.clone()
        out = torch.empty_like(x)
        for source, target in zip(x[:, 0], out[:, 0], strict=True):
            target.copy_(torch.from_numpy(self._denoise(source.cpu().double().numpy(), transform)))
        return out

    def _denoise(self, pixels: npt.NDArray[np.float64], transform: GeneralizedAnscombe) -> npt.NDArray[np.float64]:
        from skimage.restoration import denoise_nl_means

        # scikit-image pads by reflection, as far as the patches reach, which the halo of a tile covers as well.
        smooth = denoise_nl_means(
            transform.forward(pixels),
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.strength,
            sigma=1.0,
            fast_mode=True,
            preserve_range=True,
        )
        return transform.inverse(np.reshape(smooth, pixels.shape))


def build(state: Mapping[str, Any] | None) -> VSTNonLocalMeans:
    """Make the method; it has no weights."""
    if state:
        raise ValueError("non-local means takes no weights")
    return VSTNonLocalMeans().eval()
