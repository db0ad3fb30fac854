"""Losses that compare pixel by pixel."""

from __future__ import annotations

import torch

from napari_w2s.training.losses.image_loss import ImageLoss, require


class _PixelLoss(ImageLoss):
    """A mean over pixels, or one weighted by a mask; 0 where the mask has no pixel."""

    per_pixel = True

    def compare(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the mean of the pixels' losses, per patch ``(N,)``."""
        values = self.values(prediction - target).flatten(1)
        if mask is None:
            return values.mean(1)
        weights = mask.flatten(1)
        return (values * weights).sum(1) / weights.sum(1).clamp_min(torch.finfo(weights.dtype).tiny)

    def values(self, error: torch.Tensor) -> torch.Tensor:
        """Return the loss of each pixel from its error."""
        raise NotImplementedError


class L1(_PixelLoss):
    """Mean absolute error."""

    def values(self, error: torch.Tensor) -> torch.Tensor:
        """Return the absolute errors."""
        return error.abs()


class MSE(_PixelLoss):
    """Mean squared error."""

    def values(self, error: torch.Tensor) -> torch.Tensor:
        """Return the squared errors."""
        return error.square()


class Charbonnier(_PixelLoss):
    """A mean absolute error that is smooth at zero.

    P. Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP 1994.

    Parameters
    ----------
    epsilon : float
        Error, in units of the intensity range, below which it is quadratic.
    """

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        require(epsilon > 0, "epsilon", "above 0", epsilon)
        self.epsilon = epsilon

    def values(self, error: torch.Tensor) -> torch.Tensor:
        """Return ``sqrt(error² + epsilon²)``."""
        return (error.square() + self.epsilon**2).sqrt()
