"""Losses that compare structure: local means and variances, and spatial frequencies."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from napari_w2s.training.losses.image_loss import ImageLoss, require

_K1, _K2 = 0.01, 0.03


class SSIM(ImageLoss):
    """One minus the structural similarity, in Gaussian windows that lie inside the patch, for a data range of 1.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE TIP 13, 2004. Variances are those of the window's weights (no sample correction).

    Parameters
    ----------
    window : int
        Edge of the windows, an odd number. In a patch that is smaller the window is the largest odd edge that fits,
        and `sigma` shrinks with it.
    sigma : float
        Standard deviation of the windows' weights in pixels.
    """

    def __init__(self, window: int = 11, sigma: float = 1.5) -> None:
        super().__init__()
        require(window > 0 and window % 2 == 1, "window", "an odd number", window)
        require(sigma > 0, "sigma", "above 0", sigma)
        self.window, self.sigma = window, sigma

    def compare(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return ``1 - SSIM`` of each patch ``(N,)``."""
        del mask
        kinds = (prediction, target, prediction.square(), target.square(), prediction * target)
        x, y, xx, yy, xy = self._average(torch.cat(kinds, dim=1)).chunk(len(kinds), dim=1)
        brightness = (2 * x * y + _K1**2) / (x.square() + y.square() + _K1**2)
        contrast = (2 * (xy - x * y) + _K2**2) / (xx - x.square() + yy - y.square() + _K2**2)
        similarity: torch.Tensor = (brightness * contrast).flatten(1).mean(1)
        return 1 - similarity

    def _average(self, images: torch.Tensor) -> torch.Tensor:
        """Return the weighted means ``(N, M, h, w)`` of all windows inside images ``(N, M, H, W)``."""
        fits = min(self.window, *images.shape[-2:])
        edge = fits - (fits + 1) % 2
        places = torch.arange(edge, device=images.device, dtype=images.dtype) - edge // 2
        weights = torch.exp(-0.5 * (places * self.window / (self.sigma * edge)).square())
        weights = weights / weights.sum()
        each = images.shape[1]
        rows = F.conv2d(images, weights.view(1, 1, -1, 1).expand(each, -1, -1, -1), groups=each)
        return F.conv2d(rows, weights.view(1, 1, 1, -1).expand(each, -1, -1, -1), groups=each)


class Fourier(ImageLoss):
    """Mean absolute difference of the orthonormal two-dimensional Fourier transforms.

    Parameters
    ----------
    high : float
        What higher frequencies count more: the weight of a frequency ``f``, in cycles a pixel, is ``1 + high * |f| /
        0.5``, where 0.5 is the highest that an axis has.
    """

    def __init__(self, high: float = 0.0) -> None:
        super().__init__()
        require(high >= 0, "high", "at least 0", high)
        self.high = high

    def compare(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the weighted mean of each patch ``(N,)``."""
        del mask
        spectrum: torch.Tensor = torch.fft.fft2(prediction - target, norm="ortho").abs()
        if self.high:
            rows, columns = (
                torch.fft.fftfreq(n, device=spectrum.device, dtype=spectrum.dtype) for n in spectrum.shape[-2:]
            )
            spectrum = spectrum * (1 + self.high * torch.hypot(rows[:, None], columns[None]) / 0.5)
        return spectrum.flatten(1).mean(1)
