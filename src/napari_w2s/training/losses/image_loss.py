"""What all losses have in common: their call, and that they compute in float32."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from napari_w2s._types import InputError


class ImageLoss(nn.Module):
    """A loss between an image and the one that it should be, one number per patch.

    Subclasses implement `compare`. They are called in float32 (or float64 if both images are), whatever the precision
    around them, and the target gets no gradient.

    Attributes
    ----------
    per_pixel : bool
        True if single pixels can be left out of it, which is what a mask asks for.
    """

    per_pixel: ClassVar[bool] = False

    def forward(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Compare images.

        Parameters
        ----------
        prediction, target : torch.Tensor
            ``(N, C, H, W)``, in units of the intensity range.
        mask : torch.Tensor, optional
            Weights of the pixels, of the same shape or with one channel.

        Returns
        -------
        torch.Tensor
            ``(N,)``

        Raises
        ------
        InputError
            If there is a mask, and the loss compares more than single pixels.
        """
        if mask is not None and not self.per_pixel:
            raise InputError(
                f"The loss {type(self).__name__} compares more than single pixels, and cannot leave out those that "
                "learning from noisy images alone leaves out. Use l1, mse or charbonnier."
            )
        with torch.autocast(prediction.device.type, enabled=False):
            answer, goal = as_float(prediction), as_float(target.detach())
            return self.compare(answer, goal, None if mask is None else as_float(mask).expand_as(answer))

    def compare(self, prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the loss of each patch ``(N,)``."""
        raise NotImplementedError


def as_float(image: torch.Tensor) -> torch.Tensor:
    """Return an image in float32, or as it is if it has more digits."""
    return image.to(torch.promote_types(image.dtype, torch.float32))


def require(condition: bool, option: str, must_be: str, given: object) -> None:
    """Raise an InputError unless an option of a loss is what it must be."""
    if not condition:
        raise InputError(f"The option {option!r} of a loss must be {must_be}; it is {given!r}.")
