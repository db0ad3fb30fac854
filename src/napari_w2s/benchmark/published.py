"""The authors' own figures, to put beside those of a benchmark.

Supplementary Table 1 of R. Zhou et al., "W2S: Microscopy Data with Joint Denoising and Super-Resolution for Widefield
to SIM Mapping", ECCV Workshops 2020, arXiv:2003.05961: six denoisers, then six super-resolution networks, on the 120
images of each level of the 8-bit test set.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

SOURCE = (
    "R. Zhou et al., W2S: Microscopy Data with Joint Denoising and Super-Resolution for Widefield to SIM Mapping, "
    "ECCVW 2020, arXiv:2003.05961, supplementary Table 1 (fields of view 081-120)"
)
PROTOCOL = "w2s-8bit"
"""The protocol that they were measured by."""

DENOISERS: Mapping[str, str] = MappingProxyType(
    {
        "pure-let": "PURE-LET",
        "vst-epll": "VST+EPLL",
        "vst-bm3d": "VST+BM3D",
        "dncnn-{level}": "DnCNN",
        "memnet-{level}": "MemNet",
        "ridnet": "RIDNet",
    }
)
"""Published name by the name here."""

NETWORKS: Mapping[str, str] = MappingProxyType(
    {"rcan": "RCAN", "rdn": "RDN", "san": "SAN", "srfbn": "SRFBN", "epsr": "EPSR", "esrgan": "ESRGAN"}
)
"""Published name of a super-resolution network by the name here."""


@dataclass(frozen=True, slots=True)
class Published:
    """One cell of the table.

    Attributes
    ----------
    psnr : float
        In dB.
    ssim : float
    """

    psnr: float
    ssim: float

    def value(self, metric: str) -> float | None:
        """Return the figure of a metric; None if there is none."""
        return {"psnr": self.psnr, "ssim": self.ssim}.get(metric)


def find_published(chain: Sequence[str], level: str) -> Published | None:
    """Return what was published for a chain of models at a level; None if nothing was.

    Networks that were trained for another level than `level`, and light sizes, are other systems than the published.
    """
    if len(chain) != 2:
        return None
    denoisers = {name.replace("{level}", level): title for name, title in DENOISERS.items()}
    denoiser, network = denoisers.get(chain[0]), NETWORKS.get(chain[1])
    return None if denoiser is None or network is None else published_table().get((level, denoiser, network))


@cache
def published_table() -> Mapping[tuple[str, str, str], Published]:
    """Return the table by level, denoiser and super-resolution network."""
    text = (files("napari_w2s") / "benchmark" / "published_pipelines.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return MappingProxyType(
        {
            (row["level"], row["denoiser"], row["sr"]): Published(float(row["psnr_db"]), float(row["ssim"]))
            for row in csv.DictReader(lines)
        }
    )
