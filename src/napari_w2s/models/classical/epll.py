"""EPLL on variance-stabilised intensities: the image whose patches are likely, and that is close to what was seen.

D. Zoran, Y. Weiss, "From Learning Models of Natural Image Patches to Whole Image Restoration", ICCV 2011.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_w2s.data.noise import estimate_noise
from napari_w2s.data.noise_fit import measured_frame
from napari_w2s.models.classical.gmm_prior import PATCH_SIZE, PatchPrior, load_prior
from napari_w2s.models.classical.haar import extend
from napari_w2s.models.classical.vst import GeneralizedAnscombe

BETAS = (1.0, 4.0, 16.0, 32.0, 64.0)
"""How firmly patches are held to the prior, step by step, over the noise's variance."""

STRIDE = 2
"""Patches start at every second pixel; steps take turns, so that all places are used."""

CHUNK = 4096
"""Patches that are worked on at once."""

CONTRASTS: tuple[float, ...] = tuple(2.0 ** (k / 2) for k in range(-8, 17))
"""Contrasts that a frame may have, in units of the noise's standard deviation: 1/16 to 256."""

_TURNS = ((0, 0), (1, 1), (0, 1), (1, 0))
_SAMPLED = 2048


@dataclass(frozen=True, slots=True)
class Stabilised:
    """What EPLL found out about a frame.

    Attributes
    ----------
    transform : GeneralizedAnscombe
        Makes its noise white, of standard deviation 1.
    contrast : float
        Root mean square of its clean patches about their means, after that transform; one of `CONTRASTS`.
    """

    transform: GeneralizedAnscombe
    contrast: float


class VSTEPLL(nn.Module):
    """Stabilise the noise, maximise the expected log likelihood of patches by half-quadratic splitting, go back.

    Parameters
    ----------
    prior : PatchPrior
    betas : sequence of float
        Weight of the splitting at each step, over the noise's variance. The noise on the patches of a step counts as
        ``1 / beta``.
    stride : int
        Distance of neighbouring patches in pixels.
    chunk : int
        Patches that are worked on at once, but at least one row of them; for speed and memory only.
    """

    def __init__(
        self, prior: PatchPrior, betas: Sequence[float] = BETAS, stride: int = STRIDE, chunk: int = CHUNK
    ) -> None:
        super().__init__()
        self.prior = prior
        self.betas = tuple(betas)
        self.stride = stride
        self.chunk = chunk

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that one output pixel depends on, for given noise model and contrast."""
        return 1 + 2 * (PATCH_SIZE - 1) * len(self.betas)

    @property
    def size_multiple(self) -> int:
        """Parts of a frame have to start at multiples of this, so that they have the patches that the frame has."""
        return self.stride

    def frame_context(self, frame: npt.ArrayLike) -> Stabilised | None:
        """Find the transform that suits a frame's noise, and the frame's contrast.

        The contrast is the one that makes the noisy patches of the frame likeliest.

        Parameters
        ----------
        frame : array_like, (H, W)
            The whole frame in its own intensities. Of a large one the central 1024 x 1024 pixels count. Pixels that are
            not finite are passed over.

        Returns
        -------
        Stabilised or None
            None if the frame has no noise, or is too small to tell.
        """
        transform = GeneralizedAnscombe.of(estimate_noise(frame))
        if transform is None:
            return None
        pixels = measured_frame(frame)
        stable = transform.forward(np.where(np.isfinite(pixels), pixels, transform.reference))
        return Stabilised(transform, find_contrast(torch.from_numpy(stable), self.prior))

    def forward(self, x: torch.Tensor, context: Stabilised | None) -> torch.Tensor:
        """Denoise.

        Parameters
        ----------
        x : torch.Tensor, (N, 1, H, W)
            Parts of one frame in its own intensities.
        context : Stabilised or None
            What `frame_context` returned for the whole frame. None leaves the pixels as they are.

        Returns
        -------
        torch.Tensor, (N, 1, H, W)
        """
        if context is None or x.numel() == 0:
            return x.clone()
        precise = torch.promote_types(x.dtype, torch.float32)
        prior = self.prior.scaled(context.contrast)
        # The transforms need float64, which not every device has.
        stable = torch.from_numpy(context.transform.forward(x.cpu().double().numpy())).to(precise).to(x.device)
        smooth = torch.stack([self.restore(image[0], prior)[None] for image in stable])
        return torch.from_numpy(context.transform.inverse(smooth.cpu().double().numpy())).to(x.dtype).to(x.device)

    def restore(self, noisy: torch.Tensor, prior: PatchPrior) -> torch.Tensor:
        """Find the image for white noise of variance 1.

        The objective is ``64 / 2 |x - noisy|^2 - sum of log p(patch of x)``: with patches ``z`` apart from the image,
        held to it by ``beta / 2 |patch of x - z|^2``, steps in turn choose ``z`` and ``x``, while beta grows.

        Parameters
        ----------
        noisy : torch.Tensor, (H, W)
        prior : PatchPrior
            For this image's contrast.

        Returns
        -------
        torch.Tensor, (H, W)
        """
        # Every pixel of the image then lies in as many patches as any other.
        seen = extend(noisy[None], PATCH_SIZE)[0]
        x = seen
        held = float(PATCH_SIZE**2)
        for step, beta in enumerate(self.betas):
            first = tuple(turn % self.stride for turn in _TURNS[step % len(_TURNS)])
            total, count = self._estimate(x, prior, 1.0 / beta, first)
            # As if there were patches everywhere.
            weight = beta * self.stride**2
            x = (held * seen + weight * total) / (held + weight * count)
        return x[PATCH_SIZE:-PATCH_SIZE, PATCH_SIZE:-PATCH_SIZE]

    def _estimate(
        self, x: torch.Tensor, prior: PatchPrior, variance: float, first: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of the denoised patches that cover a pixel, and their number."""
        total = torch.zeros_like(x)
        row, column = first
        windows = x[row:, column:].unfold(0, PATCH_SIZE, self.stride).unfold(1, PATCH_SIZE, self.stride)
        rows, columns = windows.shape[:2]
        at_once = max(1, self.chunk // columns)
        for start in range(0, rows, at_once):
            part = windows[start : start + at_once]
            patches = part.permute(2, 3, 0, 1).reshape(PATCH_SIZE**2, -1)
            means = patches.mean(0, keepdim=True)
            clean = prior.estimate(patches - means, variance) + means
            self._add(total[row + start * self.stride :, column:], clean.view(PATCH_SIZE, PATCH_SIZE, len(part), -1))
        along = [self._cover(length, n, at, x) for length, n, at in zip(x.shape, (rows, columns), first, strict=True)]
        return total, along[0][:, None] * along[1]

    def _add(self, target: torch.Tensor, patches: torch.Tensor) -> None:
        """Add patches ``(8, 8, rows, columns)`` to where they lie."""
        rows, columns = ((n - 1) * self.stride + 1 for n in patches.shape[2:])
        for i, pixels in enumerate(patches.flatten(0, 1)):
            top, left = divmod(i, PATCH_SIZE)
            target[top : top + rows : self.stride, left : left + columns : self.stride] += pixels

    def _cover(self, length: int, patches: int, first: int, like: torch.Tensor) -> torch.Tensor:
        """Return how many patches cover each pixel of an axis."""
        starts = [first + self.stride * i for i in range(patches)]
        counts = np.zeros(length)
        for start in starts:
            counts[start : start + PATCH_SIZE] += 1
        return torch.from_numpy(counts).to(like.dtype).to(like.device)


def find_contrast(noisy: torch.Tensor, prior: PatchPrior) -> float:
    """Return the contrast that makes an image's patches likeliest.

    Parameters
    ----------
    noisy : torch.Tensor, (H, W)
        With white noise of variance 1.
    prior : PatchPrior

    Returns
    -------
    float
        One of `CONTRASTS`.
    """
    image = extend(noisy.float()[None], PATCH_SIZE)[0]
    stride = max(1, round((image.numel() / _SAMPLED) ** 0.5))
    windows = image.unfold(0, PATCH_SIZE, stride).unfold(1, PATCH_SIZE, stride)
    patches = windows.permute(2, 3, 0, 1).reshape(PATCH_SIZE**2, -1)
    patches = patches - patches.mean(0)
    return max(CONTRASTS, key=lambda c: float(prior.scaled(c).log_likelihood(patches, 1.0).logsumexp(0).double().sum()))


def build(state: Mapping[str, Any] | None) -> VSTEPLL:
    """Make the method with the packaged prior.

    Raises
    ------
    ValueError
        If it is given weights: it takes none.
    WeightsError
        If the packaged prior is missing or damaged.
    """
    if state:
        raise ValueError("EPLL takes no weights: its prior comes with the package")
    return VSTEPLL(load_prior()).eval()
