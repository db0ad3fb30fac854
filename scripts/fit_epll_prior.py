"""Fit the prior of VST + EPLL to clean widefield patches, and put it into the package.

``python scripts/fit_epll_prior.py W2S_ROOT`` takes the avg400 images of fields 001-046, stabilises them as the noise of
their avg1 images asks for, divides each by its contrast, and fits a Gaussian mixture to patches of 8 x 8 pixels by
expectation maximisation. The contrast is the root mean square of an image's patches about their own means: so the
prior holds for any intensity unit and any level of noise. Images so dim that noise is a good part of what is left of
them are passed over. The prior is stored with a card that says how it was made, and its hash is pinned in
``models/classical/gmm_prior.py``. A few minutes on one core.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from imageio.v3 import imread

from napari_w2s.data.noise import estimate_noise
from napari_w2s.models.checkpoint import load_state_dict, save
from napari_w2s.models.classical import gmm_prior
from napari_w2s.models.classical.gmm_prior import PATCH_SIZE, PatchPrior
from napari_w2s.models.classical.vst import GeneralizedAnscombe

FIELDS = range(1, 47)
PER_IMAGE = 1500
COMPONENTS = 64
RANK = 16
ROUNDS = 20
SEED = 0

_PIXELS = PATCH_SIZE**2
_SPACE = 32
"""Principal directions of all patches that the mixture is fitted in; beyond them there is but noise."""

_QUIET = slice(1, 10)
"""The least variances of patches, the constant one's excepted: what noise avg400 still has."""

_MOST_NOISE = 0.2
"""Variance of that noise over the variance of the signal, beyond which an image is passed over."""


def gather(root: Path, per_image: int, generator: np.random.Generator) -> torch.Tensor:
    """Draw patches from all images, in 8 orientations: ``(n, 64)``, of mean 0, in units of their image's contrast."""
    folder = root / "data" / "train"
    chosen = []
    for path in sorted((folder / "avg400").glob("*.png")):
        if int(path.name[:3]) not in FIELDS:
            continue
        transform = GeneralizedAnscombe.of(estimate_noise(imread(folder / "avg1" / path.name)))
        if transform is None:
            raise SystemExit(f"no noise was found in {path.name} of avg1")
        stable = transform.forward(imread(path))
        windows = np.lib.stride_tricks.sliding_window_view(stable, (PATCH_SIZE, PATCH_SIZE))
        every = centred(windows[::3, ::3])
        noise = np.linalg.eigvalsh(every.T @ every / len(every))[_QUIET].mean()
        signal = every.var() - noise
        if noise > _MOST_NOISE * signal:
            continue
        rows, columns = (generator.integers(0, n, per_image) for n in windows.shape[:2])
        patches = windows[rows, columns] / np.sqrt(signal)
        turned = [turn(part, k) for k, part in enumerate(np.array_split(patches, 8))]
        chosen.append(centred(np.concatenate(turned)))
    if not chosen:
        raise SystemExit(f"{folder} holds no images of the fields {FIELDS.start} to {FIELDS.stop - 1}")
    together = np.concatenate(chosen)
    return torch.from_numpy(together[generator.permutation(len(together))].astype(np.float32))


def turn(patches: npt.NDArray[np.float64], orientation: int) -> npt.NDArray[np.float64]:
    turned = np.rot90(patches, orientation % 4, (1, 2))
    return turned[..., ::-1] if orientation > 3 else turned


def centred(patches: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    flat = patches.reshape(-1, _PIXELS)
    centred: npt.NDArray[np.float64] = flat - flat.mean(1, keepdims=True)
    return centred


def fit_mixture(x: torch.Tensor, count: int, rounds: int, floor: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit a mixture of zero-mean Gaussians by expectation maximisation.

    Parameters
    ----------
    x : torch.Tensor, (n, d)
    count, rounds : int
        Components; passes over the data.
    floor : float
        Least variance along any direction.
    seed : int

    Returns
    -------
    weights : torch.Tensor, (count,)
    covariances : torch.Tensor, (count, d, d)
    """
    n, d = x.shape
    eye = torch.eye(d)
    # Components start about single patches, strong ones more often: most patches are all but flat.
    generator = torch.Generator().manual_seed(seed)
    starts = x[torch.multinomial(x.norm(dim=1) + 1e-3, count, generator=generator)]
    overall = x.T @ x / n
    power = starts.square().sum(1)[:, None, None]
    covariances = 0.5 * starts[:, :, None] * starts[:, None] + 0.5 * power * overall / overall.trace() + floor * eye
    weights = torch.full((count,), 1.0 / count)
    for _ in range(rounds):
        factors = torch.linalg.cholesky(covariances.double())
        whiten = torch.linalg.solve_triangular(factors, torch.eye(d).double().expand_as(factors), upper=False)
        offset = weights.log() - factors.diagonal(dim1=1, dim2=2).log().sum(1).float()
        rows = whiten.float().reshape(count * d, d)
        shares, sums = torch.zeros(count), torch.zeros(count, d, d)
        for part in x.split(2048):
            distances = (rows @ part.T).square_().view(count, d, -1).sum(1)
            belongs = (offset[:, None] - 0.5 * distances).softmax(0)
            shares += belongs.sum(1)
            for k, share in enumerate(belongs):
                members = (share > 1e-3).nonzero()[:, 0]
                own = part[members]
                sums[k].addmm_(own.T * share[members], own)
        weights = (shares / n).clamp(min=1e-6)
        weights = weights / weights.sum()
        covariances = (sums + d * floor * eye) / (shares[:, None, None] + d) + floor * eye
    return weights, covariances


def fit_prior(x: torch.Tensor, count: int, rank: int, rounds: int, seed: int) -> PatchPrior:
    """Fit a prior to clean patches ``(n, 64)``, and take off it the noise that is still on them."""
    values, vectors = torch.linalg.eigh((x.T @ x / len(x)).double())
    noise = float(values[_QUIET].mean())
    space = vectors[:, -_SPACE:]
    weights, inner = fit_mixture(x @ space.float(), count, rounds, 0.3 * noise, seed)
    covariances = space @ (inner.double() - noise * torch.eye(_SPACE, dtype=torch.float64)) @ space.T
    return PatchPrior.of_covariances(weights / weights.sum(), covariances, rank)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with data/train")
    parser.add_argument("--components", type=int, default=COMPONENTS)
    parser.add_argument("--rank", type=int, default=RANK)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, help="write it here, and leave the package as it is")
    arguments = parser.parse_args()
    patches = gather(arguments.root, PER_IMAGE, np.random.default_rng(arguments.seed))
    prior = fit_prior(patches, arguments.components, arguments.rank, ROUNDS, arguments.seed)
    target = arguments.output or Path(gmm_prior.__file__).parents[2] / gmm_prior.PRIOR_FILE
    state = {key: getattr(prior, key).float() for key in ("weights", "basis", "variances", "rest")}
    card = {
        "what": "Gaussian mixture prior of clean widefield patches, 8 x 8 pixels, for VST + EPLL",
        "made_by": "scripts/fit_epll_prior.py",
        "data": f"W2S 8-bit release, avg400, fields {FIELDS.start:03d}-{FIELDS.stop - 1:03d}, three channels",
        "patches": len(patches),
        "components": arguments.components,
        "rank": arguments.rank,
        "rounds": ROUNDS,
        "seed": arguments.seed,
    }
    save(target, state, card)
    sha256 = load_state_dict(target).sha256
    print(f"{target} ({target.stat().st_size / 2**10:.0f} KiB), SHA-256 {sha256}")
    if arguments.output is None:
        pin(Path(gmm_prior.__file__), sha256)


def pin(source: Path, sha256: str) -> None:
    text, count = re.subn(
        r'^PRIOR_SHA256 = ".*"', f'PRIOR_SHA256 = "{sha256}"', source.read_text(), count=1, flags=re.MULTILINE
    )
    if not count:
        raise SystemExit(f"{source} has no PRIOR_SHA256 to set to {sha256}")
    source.write_text(text)


if __name__ == "__main__":
    main()
