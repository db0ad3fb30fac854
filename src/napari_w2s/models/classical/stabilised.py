"""What all methods have in common that expect noise of standard deviation 1: make it so, smooth, go back."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_w2s.data.noise import estimate_noise
from napari_w2s.models.classical.vst import FloatArray, GeneralizedAnscombe


class Stabilised(nn.Module):
    """A smoother for Gaussian noise of standard deviation 1, put to use on Poisson-Gaussian noise."""

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
            pixels = source.cpu().double().numpy()
            smooth = self.smooth(transform.forward(pixels))
            target.copy_(torch.from_numpy(transform.inverse(np.reshape(smooth, pixels.shape))))
        return out

    @abstractmethod
    def smooth(self, stable: FloatArray) -> FloatArray:
        """Denoise one image.

        Parameters
        ----------
        stable : numpy.ndarray, (H, W)
            At least 1 x 1, with noise of standard deviation 1. It may be changed.

        Returns
        -------
        numpy.ndarray, (H, W)
        """


def mirrored(image: FloatArray, margin: int, least: int = 1) -> FloatArray:
    """Continue an image on all sides by its mirror image.

    Parameters
    ----------
    image : numpy.ndarray, (H, W)
    margin : int
        Pixels on every side.
    least : int
        Height and width that the result has at least, by further rows below and columns to the right.

    Returns
    -------
    numpy.ndarray
        The image begins at ``(margin, margin)``.
    """
    widths = [(margin, max(margin, least - margin - n)) for n in image.shape]
    return np.pad(image, widths, mode="symmetric")
