"""A Gaussian mixture as a prior of image patches: how likely a patch is, and what it was before noise came on.

D. Zoran, Y. Weiss, "From Learning Models of Natural Image Patches to Whole Image Restoration", ICCV 2011. Here every
covariance is a few principal directions and one variance for all others, so that a likelihood costs a projection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import torch

from napari_w2s._types import WeightsError
from napari_w2s.models.checkpoint import load_state_dict

PATCH_SIZE = 8
"""Width of a patch in pixels."""

_PIXELS = PATCH_SIZE**2
_KEYS = ("weights", "basis", "variances", "rest")
_AGAIN = "Fit it again with scripts/fit_epll_prior.py, or install the package again."

PRIOR_FILE = "models/weights/epll-prior.safetensors"
"""Path inside this package."""

PRIOR_SHA256 = "2d0075fa8ad6704f28d41a6b9364c241b679f1257bfe6c69960c6bb5a5e4fb8d"
"""Hash of the packaged prior, put here by ``scripts/fit_epll_prior.py``."""


@dataclass(frozen=True, slots=True)
class PatchPrior:
    """A mixture of zero-mean Gaussians over patches of 8 x 8 pixels whose own mean was subtracted.

    The unit is the contrast of the frame that a patch is from, the root mean square of such patches over the frame. All
    tensors are float64 on the CPU.

    Attributes
    ----------
    weights : torch.Tensor, (K,)
        Shares of the components; they add up to 1.
    basis : torch.Tensor, (K, 64, R)
        Principal directions of each component, orthonormal, and each adding up to 0 over a patch.
    variances : torch.Tensor, (K, R)
        Along these directions.
    rest : torch.Tensor, (K,)
        Variance along each of the other 63 - R directions.
    """

    weights: torch.Tensor
    basis: torch.Tensor
    variances: torch.Tensor
    rest: torch.Tensor

    @classmethod
    def of_covariances(cls, weights: torch.Tensor, covariances: torch.Tensor, rank: int) -> PatchPrior:
        """Make a prior of whole covariances.

        Parameters
        ----------
        weights : torch.Tensor, (K,)
        covariances : torch.Tensor, (K, 64, 64)
            Variance along the constant patch is ignored.
        rank : int
            Principal directions to keep, 1 to 63.

        Returns
        -------
        PatchPrior
        """
        centring = torch.eye(_PIXELS, dtype=torch.float64) - 1.0 / _PIXELS
        values, vectors = torch.linalg.eigh(centring @ covariances.double() @ centring)
        # The least of the 64 belongs to the constant patch.
        values, vectors = values[:, 1:].flip(1).clamp(min=0.0), vectors[:, :, 1:].flip(2)
        others = values[:, rank:]
        rest = others.mean(1) if others.shape[1] else torch.zeros(len(values), dtype=torch.float64)
        return cls(weights.double(), vectors[:, :, :rank].contiguous(), values[:, :rank], rest)

    def scaled(self, contrast: float) -> PatchPrior:
        """Return the prior of patches of a frame of that contrast."""
        return replace(self, variances=self.variances * contrast**2, rest=self.rest * contrast**2)

    def log_likelihood(self, patches: torch.Tensor, variance: float) -> torch.Tensor:
        """Return how likely noisy patches are under each component.

        Parameters
        ----------
        patches : torch.Tensor, (64, n)
            Of mean 0, on any device.
        variance : float
            Of the white noise that is on them, greater than 0.

        Returns
        -------
        torch.Tensor, (K, n)
            Natural logarithm of weight times density, but for a constant that is the same for all.
        """
        count, pixels, rank = self.basis.shape
        noisy, others = self.variances + variance, self.rest + variance
        # What a direction's projection takes off the squared distance that it would have at the variance of the rest.
        saved = (1.0 / others[:, None] - 1.0 / noisy).clamp(min=0.0)
        rows = (self.basis * saved.sqrt()[:, None]).mT.reshape(count * rank, pixels).to(patches)
        volume = noisy.log().sum(1) + (pixels - 1 - rank) * others.log()
        offset, slope = ((self.weights.log() - 0.5 * volume)[:, None], (-0.5 / others)[:, None])
        result = (rows @ patches).square_().view(count, rank, -1).sum(1).mul_(0.5).add_(offset.to(patches))
        return result.addmm_(slope.to(patches), patches.square().sum(0, keepdim=True))

    def estimate(self, patches: torch.Tensor, variance: float) -> torch.Tensor:
        """Remove noise: the likeliest component of each patch is chosen, and its Wiener filter applied.

        Parameters
        ----------
        patches : torch.Tensor, (64, n)
            Of mean 0, on any device.
        variance : float
            Of the white noise that is on them, greater than 0.

        Returns
        -------
        torch.Tensor, (64, n)
        """
        chosen, order = self.log_likelihood(patches, variance).argmax(0).sort(stable=True)
        kept = self.rest / (self.rest + variance)
        shrink = (self.variances / (self.variances + variance) - kept[:, None])[:, None].to(patches)
        basis, kept = self.basis.to(patches), kept.to(patches)
        of_rank = patches.t()[order]
        result = of_rank * kept[chosen, None]
        edges = torch.searchsorted(chosen, torch.arange(len(basis) + 1, device=chosen.device)).tolist()
        for k, (start, stop) in enumerate(pairwise(edges)):
            if stop > start:
                part = slice(start, stop)
                result[part].addmm_((of_rank[part] @ basis[k]).mul_(shrink[k]), basis[k].t())
        return torch.empty_like(result).index_copy_(0, order, result).t().contiguous()


def load_prior(path: Path | str | None = None, sha256: str | None = None) -> PatchPrior:
    """Read a prior from a safetensors file.

    Parameters
    ----------
    path : Path or str, optional
        By default the packaged one, whose hash is known.
    sha256 : str, optional
        Hash that the file must have.

    Raises
    ------
    WeightsError
        If there is no such file, its hash is another, or it does not hold a prior.
    """
    if path is None:
        path, sha256 = Path(str(files("napari_w2s"))) / PRIOR_FILE, PRIOR_SHA256
    state = load_state_dict(path, sha256=sha256).state
    if set(state) != set(_KEYS):
        raise WeightsError(f"{path} holds no patch prior: it has {', '.join(sorted(state)[:4])}. {_AGAIN}")
    prior = PatchPrior(**{key: state[key].double() for key in _KEYS})
    rank = prior.basis.shape[-1]
    count = len(prior.weights.reshape(-1))
    shapes = ((count,), (count, _PIXELS, rank), (count, rank), (count,))
    if tuple(tuple(state[key].shape) for key in _KEYS) != shapes or not 1 <= rank < _PIXELS:
        raise WeightsError(f"{path} holds no patch prior: its tensors do not fit together. {_AGAIN}")
    if not all(bool(torch.isfinite(state[key]).all()) for key in _KEYS) or not _is_valid(prior):
        raise WeightsError(f"{path} holds no patch prior: its numbers are no variances and shares. {_AGAIN}")
    return prior


def _is_valid(prior: PatchPrior) -> bool:
    positive = all(bool((t >= 0).all()) for t in (prior.weights, prior.variances, prior.rest))
    return positive and bool((prior.weights > 0).all()) and abs(float(prior.weights.sum()) - 1.0) < 1e-3
