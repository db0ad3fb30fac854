"""The benchmark's networks whose weights a user trains, or brings: described without importing torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_w2s._types import Task
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.descriptor import ModelDescriptor, WeightsPlace, WeightsSource

_LICENCE = "The network here is BSD-3-Clause; for weights the licence of whoever trained them applies."
_WEIGHTS_LICENCE = "The licence of whoever trained them applies."
_LIGHT = "-light"


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """A network as the benchmark uses it, in two sizes.

    Attributes
    ----------
    name, title : str
    architecture : str
    task : Task
    words : str
        What it is and when to choose it, for a sentence that is completed by the size.
    folder : str
        Where the authors' repository keeps checkpoints of it.
    reach, light_reach : int or None
        Receptive field in input pixels; None for the whole frame.
    options : mapping
        How the usual size differs from the architecture's own.
    citation : str
        Where it is not the architecture's.
    """

    name: str
    title: str
    architecture: str
    task: Task
    words: str
    folder: str
    reach: int | None = None
    light_reach: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    citation: str = ""


_SYSTEMS = (
    _System(
        name="ridnet",
        title="RIDNet",
        architecture="ridnet",
        task=Task.DENOISE,
        words="Dilated convolutions and channel attention: a denoiser for one noise level at a time.",
        folder="trained_denoisers",
    ),
    _System(
        name="rcan",
        title="RCAN",
        architecture="rcan",
        task=Task.SR,
        words="Residual groups that weigh their channels by the whole frame.",
        folder="trained_srs/RCAN",
    ),
    _System(
        name="rdn",
        title="RDN",
        architecture="rdn",
        task=Task.SR,
        words="Dense blocks fused once: the best chains of the published table end with it.",
        folder="trained_srs/RDN",
        reach=267,
        light_reach=59,
    ),
    _System(
        name="san",
        title="SAN",
        architecture="san",
        task=Task.SR,
        words="Second-order channel attention between two looks at the whole frame: slow.",
        folder="trained_srs/SAN",
    ),
    _System(
        name="srfbn",
        title="SRFBN",
        architecture="srfbn",
        task=Task.SR,
        words="One block run several times over its own answer: few weights for its work.",
        folder="trained_srs/SRFBN",
        reach=103,
        light_reach=31,
    ),
    _System(
        name="epsr",
        title="EPSR",
        architecture="edsr",
        task=Task.SR,
        words="EDSR trained against a discriminator: sharp, and some of its details are made up.",
        folder="trained_srs/EPSR",
        reach=137,
        light_reach=57,
        citation="S. Vasu, N. T. Madam, A. N. Rajagopalan, Analyzing Perception-Distortion Tradeoff using Enhanced "
        "Perceptual Super-resolution Network, ECCVW 2018, arXiv:1811.00344",
    ),
    _System(
        name="esrgan",
        title="ESRGAN",
        architecture="rrdb",
        task=Task.SR,
        words="RRDB trained against a discriminator: sharp, and some of its details are made up.",
        folder="trained_srs/ESRGAN",
        reach=699,
        light_reach=129,
        options={"blocks": 23},
    ),
    _System(
        name="jdsr",
        title="JDSR",
        architecture="rrdb",
        task=Task.JDSR,
        words="RRDB from noisy images straight to SIM, with a texture loss: the benchmark's own proposal.",
        folder="trained_srs/JDSR",
        reach=489,
        light_reach=129,
        citation="R. Zhou et al., W2S: Microscopy Data with Joint Denoising and Super-Resolution for Widefield to SIM "
        "Mapping, ECCVW 2020, arXiv:2003.05961",
    ),
)


def trainable() -> Iterator[ModelDescriptor]:
    """Describe every such network at the paper's size and at a light one."""
    for system in _SYSTEMS:
        yield _describe(system, "", system.title, "At the paper's size, for a GPU.", system.options, system.reach)
        light = ARCHITECTURES[system.architecture].light
        yield _describe(system, _LIGHT, f"{system.title} light", "Light enough for a CPU.", light, system.light_reach)


def _describe(
    system: _System, suffix: str, title: str, size: str, options: Mapping[str, Any], reach: int | None
) -> ModelDescriptor:
    method = ARCHITECTURES[system.architecture]
    return ModelDescriptor(
        name=system.name + suffix,
        title=title,
        task=system.task,
        summary=f"{system.words} {size}",
        architecture=method.name,
        build=method.build,
        licence=_LICENCE,
        origin="https://arxiv.org/abs/2003.05961",
        citation=system.citation or method.citation,
        scale=1 if system.task is Task.DENOISE else 2,
        receptive_field=reach,
        blended_tile=method.blended_tile,
        options=dict(options),
        weights=WeightsSource(
            path=f"net_data/{system.folder}", sha256=None, licence=_WEIGHTS_LICENCE, place=WeightsPlace.OWN
        ),
    )
