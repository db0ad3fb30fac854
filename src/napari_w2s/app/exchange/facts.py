"""What an exported model says of itself: its card, in the words and fields that other programs read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_w2s import __version__
from napari_w2s._types import WeightsError
from napari_w2s.models.descriptor import Normalization, RestorationModel, WeightsPlace

W2S_PAPER = (
    "R. Zhou et al., W2S: Microscopy Data with Joint Denoising and Super-Resolution for Widefield to SIM Mapping, "
    "ECCVW 2020"
)
W2S_DOI = "10.48550/arXiv.2003.05961"

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_OWN_AUTHOR = "the napari-w2s developers"
_UPSTREAM_AUTHOR = "the authors of W2S"
_NO_AUTHOR = "not stated"


@dataclass(frozen=True)
class Facts:
    """A model, as its package tells it.

    Attributes
    ----------
    model : RestorationModel
    intensity_range : (float, float) or None
        See `napari_w2s.engine.standalone.Standalone`.
    authors : tuple of str
    card : mapping
        Of the weights file; empty if it has none.
    """

    model: RestorationModel
    intensity_range: tuple[float, float] | None
    authors: tuple[str, ...]
    card: Mapping[str, Any]

    @property
    def citations(self) -> list[dict[str, str]]:
        """The method's paper and the benchmark's, each with a DOI."""
        own = self.model.descriptor.citation
        found = _ARXIV.search(own)
        cited = [{"text": W2S_PAPER, "doi": W2S_DOI}]
        if found and found[1] not in W2S_DOI:
            cited.insert(0, {"text": own, "doi": f"10.48550/arXiv.{found[1]}"})
        return cited

    @property
    def metadata(self) -> dict[str, str]:
        """Short texts for an ONNX file."""
        descriptor = self.model.descriptor
        return {
            "name": descriptor.name,
            "title": descriptor.title,
            "summary": descriptor.summary,
            "task": str(descriptor.task),
            "scale": str(descriptor.scale),
            "intensities": self.intensities,
            "licence": self.licence,
            "citation": descriptor.citation,
            "weights_sha256": self.model.weights_sha256 or "",
            "made_with": f"napari-w2s {__version__}",
        }

    @property
    def licence(self) -> str:
        """Of the weights, where they have one of their own."""
        source = self.model.descriptor.weights
        upstream = source is not None and source.place is WeightsPlace.UPSTREAM
        return source.licence if source is not None and upstream else self.model.descriptor.licence

    @property
    def intensities(self) -> str:
        """Which intensities it takes, and which it answers with."""
        descriptor = self.model.descriptor
        ways = {descriptor.normalization, descriptor.way_back}
        if Normalization.UNIT not in ways:
            return "Any intensities in, the same scale out; the frame's own mean and spread are normalised inside."
        if self.intensity_range is None:
            return "Any intensities in, the same scale out; the frame's own least and greatest count as 0 and 1."
        low, high = self.intensity_range
        return f"Intensities in and out on one scale, on which {low:g} and {high:g} count as 0 and 1."

    @property
    def readme(self) -> str:
        """The package's documentation, as Markdown."""
        descriptor = self.model.descriptor
        made = _how_made(self.card)
        grid = "on the same grid" if descriptor.scale == 1 else f"on a grid {descriptor.scale} times as fine"
        lines = [
            f"# {descriptor.title}",
            descriptor.summary,
            f"{descriptor.task.label}: one widefield frame of one channel in, one frame {grid} out.",
            "## Use",
            f"{self.intensities} Normalisation, padding to the network's sizes and the way back are part of the graph, "
            "so there is no pre- or postprocessing. Frames of any size from the least one on are taken, float32; NaN "
            "stays NaN.",
            "Give whole frames: statistics are those of what is given, so that tiles that are restored one by one "
            "differ in brightness and have seams. napari-w2s itself tiles exactly.",
            *(["## How it was made", *made] if made else []),
            "## Validation",
            "Compare the result with a mean of many frames of the same place, or with a reference of higher "
            "resolution. "
            + ("What it adds beyond the input's resolution is an estimate." if descriptor.scale > 1 else "")
            + " `napari-w2s compare` gives PSNR, SSIM and resolution with their definitions.",
            "## Licence and citation",
            f"{self.licence}",
            descriptor.citation,
            W2S_PAPER + f", doi:{W2S_DOI}",
            f"Made with napari-w2s {__version__}.",
        ]
        return "\n\n".join(line.strip() for line in lines) + "\n"


def _how_made(card: Mapping[str, Any]) -> list[str]:
    from napari_w2s.app.training.use import facts_of

    for left_out in ((), ("metrics",), ("metrics", "training")):  # cards of other makes have other facts
        try:
            return facts_of({key: value for key, value in card.items() if key not in left_out})
        except (AttributeError, TypeError, ValueError):
            continue
    return []


def gather(
    model: RestorationModel, intensity_range: tuple[float, float] | None, authors: tuple[str, ...] = ()
) -> Facts:
    """Collect what is known of a loaded model."""
    source = model.descriptor.weights
    card: Mapping[str, Any] = {}
    if model.weights_path is not None and model.weights_path.suffix == ".safetensors":
        from napari_w2s.models.checkpoint import read_card

        try:
            card = read_card(model.weights_path) or {}
        except WeightsError:
            card = {}
    known = {WeightsPlace.PACKAGED: _OWN_AUTHOR, WeightsPlace.UPSTREAM: _UPSTREAM_AUTHOR}
    default = _OWN_AUTHOR if source is None else known.get(source.place, _NO_AUTHOR)
    return Facts(model, intensity_range, authors or (default,), card)
