"""Patches turned by any angle and magnified: more views of few fields than flips give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

AnyArray = npt.NDArray[np.generic]

_MARGIN = 2
"""Pixels around what is seen that the interpolation reads."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A view of a scene: turned about its middle, then magnified.

    Attributes
    ----------
    angle : float
        In radians.
    magnification : float
        1 keeps the size.
    """

    angle: float
    magnification: float

    def around(self, edge: int) -> int:
        """Return the edge, in pixels and even, of the square that a view of `edge` pixels is taken from."""
        reach = edge / self.magnification * (abs(math.cos(self.angle)) + abs(math.sin(self.angle)))
        return 2 * math.ceil(reach / 2 + _MARGIN)

    def seen(self, scene: AnyArray, edge: int) -> npt.NDArray[np.float32]:
        """Return the view's pixels, by cubic interpolation.

        Parameters
        ----------
        scene : numpy.ndarray, (H, H)
            Not smaller than `around` says. What an interpolated pixel is made of is NaN if any of it is.
        edge : int
            Of the view, in pixels of the scene.

        Returns
        -------
        numpy.ndarray, (edge, edge)
            Of the same middle. Two images of one scene at different pixel sizes stay aligned.
        """
        share = edge / scene.shape[0] / self.magnification
        cos, sin = math.cos(self.angle) * share, math.sin(self.angle) * share
        affine = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]])
        grid = F.affine_grid(affine, [1, 1, edge, edge], align_corners=False)
        pixels = torch.from_numpy(np.ascontiguousarray(scene, np.float32))[None, None]
        view = F.grid_sample(pixels, grid, mode="bicubic", padding_mode="border", align_corners=False)
        seen: npt.NDArray[np.float32] = view[0, 0].numpy()
        return seen


def draw_turn(zoom: float, rng: np.random.Generator) -> Turn:
    """Draw any angle, and a magnification whose logarithm has the standard deviation `zoom`."""
    return Turn(float(rng.uniform(0, 2 * np.pi)), float(np.exp(np.clip(zoom * rng.standard_normal(), -0.5, 0.5))))
