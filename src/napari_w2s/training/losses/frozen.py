"""A network that a loss looks through, and that is neither learned nor saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn


class Frozen(nn.Module):
    """Holds a network out of sight: it has no part in parameters, state dict or training mode, but moves along.

    Parameters
    ----------
    network : torch.nn.Module
        Put in eval mode, without gradients for its weights.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # Inside a tuple it is no submodule.
        self._held = (network.eval().requires_grad_(requires_grad=False),)

    @property
    def network(self) -> nn.Module:
        """The network."""
        return self._held[0]

    def maps(self, image: torch.Tensor, reference: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of images.

        Parameters
        ----------
        image, reference : torch.Tensor
            ``(N, 1, H, W)`` in units of the intensity range. The second is what the first should be; both are brought
            to the network's scale alike.

        Returns
        -------
        list of torch.Tensor
            ``(N, C, h, w)`` each, from the shallowest to the deepest.
        """
        raise NotImplementedError

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.network._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
