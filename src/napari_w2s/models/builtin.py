"""The one visible list of models. Costs no torch import."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from napari_w2s._types import NOISY_LEVELS, Level, Task
from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, Stretch, WeightsPlace, WeightsSource
from napari_w2s.models.registry import Registry
from napari_w2s.models.trainable import trainable
from napari_w2s.models.trained import add_trained

_UPSTREAM = "https://github.com/IVRL/w2s/tree/929e43b3b2db609f7b89b38896e8aaf2a125d0c3"
_UPSTREAM_LICENCE = (
    "Weights of the W2S authors, whose repository states no licence for them: "
    "for research; ask the authors before any other use."
)
_OWN_LICENCE = "BSD-3-Clause"
_OWN_ORIGIN = "https://arxiv.org/abs/2003.05961"

_UNET_FILE = "models/weights/w2s-unet.safetensors"
_UNET_SHA256 = "c555e9dfb4e2c53ff97f697b35338de591979919e91bbf7cf89971946c077868"

_UNET_STRETCH = Stretch(gain=0.9476, gain_power=-0.7156, level=0.0679, level_power=-0.3874, least=0.28, most=3.0267)
"""Of its answers on W2S fields 001-046: see `scripts/pack_default_model.py`."""

_DNCNN = {
    Level.AVG1: ("D_1", "fccf31bc69bb29c098618e098fbe84bcd8e8d081f557d54f166443f7cc81f2f1"),
    Level.AVG2: ("D_2", "df63785a7eec747265cf9343617d2a936b817995603e825dbdd77c027982027e"),
    Level.AVG4: ("D_4", "84cf48b98ee39b2ddae2c5fb869a31ff107fa5ad3baa9b6187baa1dc51badb12"),
    Level.AVG8: ("D_8", "3c54fd084cbdfc844594b42940a93b7c593dcefc34d70177215456615f86b809"),
    Level.AVG16: ("D_16", "192307f99961baee584c29aa4432e3673fbcbf6ee970d2989066e8346e39c7ab"),
}
_MEMNET = {
    Level.AVG1: ("M_1", "e2d8f64e6453abc2c883c0a2b608a8d444cafd14c931e4743cb2b46a76511964"),
    Level.AVG2: ("M_2", "8f511cb02b67e8fd1fd40a50f1c23ed3a1a58320130e80675665bad5c21bf48a"),
    Level.AVG4: ("M_4", "4f25bc1b5f95726ad38ca3116440bd3ee35da584c2abe77e826b52c183da6a48"),
    Level.AVG8: ("M_8", "dae550b7a13fb7c9bce3c3e735f090a66a71308dcbd5e5233bfe0356c444c028"),
    Level.AVG16: ("M_16", "f65edc0d5321a9b17f3aa97b8b2b3cd35f026236ec5651306b0331de56301ab8"),
}

_BFLOAT16_COST_DB: Mapping[str, float] = MappingProxyType(
    {
        "w2s-denoise": 0.0,
        "w2s-jdsr": 0.0,
        "dncnn-avg1": 0.009,
        "dncnn-avg2": 0.004,
        "dncnn-avg4": 0.006,
        "dncnn-avg8": 0.004,
        "dncnn-avg16": 14.486,
        "memnet-avg1": -0.012,
        "memnet-avg2": -0.005,
        "memnet-avg4": -0.009,
        "memnet-avg8": -0.111,
        "memnet-avg16": -0.020,
    }
)
"""Mean loss of PSNR on FOVs 047-056, inner convolutions in bfloat16 against float32: see `benchmarks/precision.py`.

No image lost more than 0.25 dB, but for dncnn-avg16, which needs more digits than bfloat16 has."""


def _upstream_denoiser(
    architecture: str, level: Level, weights: tuple[str, str], *, receptive_field: int, words: str
) -> ModelDescriptor:
    """Describe a denoiser of the authors, trained for one averaging level."""
    method = ARCHITECTURES[architecture]
    folder, sha256 = weights
    name = f"{architecture}-{level}"
    frames = level.frames
    seen = "single frames" if frames == 1 else f"means of {frames} frames"
    costs = {"bfloat16": _BFLOAT16_COST_DB[name]} if name in _BFLOAT16_COST_DB else {}
    return ModelDescriptor(
        name=name,
        title=f"{method.title} ({level})",
        task=Task.DENOISE,
        summary=f"{words} Trained by the W2S authors on {seen} ({level}).",
        architecture=architecture,
        build=method.build,
        licence=_UPSTREAM_LICENCE,
        origin=_UPSTREAM,
        citation=method.citation,
        level=level,
        receptive_field=receptive_field,
        precision_cost_db=costs,
        weights=WeightsSource(
            path=f"net_data/trained_denoisers/{folder}/epoch_49.pth", sha256=sha256, licence=_UPSTREAM_LICENCE
        ),
    )


def _classical(architecture: str, **facts: Any) -> ModelDescriptor:
    """Describe a method without weights."""
    method = ARCHITECTURES[architecture]
    return ModelDescriptor(
        name=architecture,
        title=method.title,
        architecture=architecture,
        build=method.build,
        citation=method.citation,
        frame_context=method.frame_context,
        blended_tile=method.blended_tile,
        normalization=Normalization.NONE,
        **{"licence": _OWN_LICENCE, **facts},
    )


def packaged_unet(sha256: str) -> tuple[ModelDescriptor, ...]:
    """Describe the two models that the packaged U-Net makes: one trunk, two outputs.

    Parameters
    ----------
    sha256 : str
        Hash of its weights file.
    """
    method = ARCHITECTURES["unet"]

    def describe(**facts: Any) -> ModelDescriptor:
        return ModelDescriptor(
            architecture="unet",
            build=method.build_for(facts["output"]),
            citation=method.citation,
            licence=_OWN_LICENCE,
            origin=_OWN_ORIGIN,
            normalization=Normalization.STANDARD,
            size_multiple=8,
            precision_cost_db={"bfloat16": _BFLOAT16_COST_DB[facts["name"]]},
            options={"widths": [64, 96, 128], "blocks": [4, 3, 4], "fold": 2, "detail": 32},
            weights=WeightsSource(path=_UNET_FILE, sha256=sha256, licence=_OWN_LICENCE, place=WeightsPlace.PACKAGED),
            **facts,
        )

    return (
        describe(
            name="w2s-denoise",
            title="W2S denoise",
            task=Task.DENOISE,
            output="denoised",
            receptive_field=311,
            summary="A U-Net that learned all noise levels of W2S at once, at any intensity scale: the first choice.",
        ),
        describe(
            name="w2s-jdsr",
            title="W2S denoise + super-resolve",
            task=Task.JDSR,
            tasks=(Task.SR,),
            output="sim",
            # How bright SIM images are does not follow from the widefield image.
            result=Normalization.UNIT,
            stretch=_UNET_STRETCH,
            scale=2,
            receptive_field=315,
            summary="The same U-Net, which learned what SIM shows of the same field: denoises and doubles the pixels.",
        ),
    )


BUILTIN: tuple[ModelDescriptor, ...] = (
    *packaged_unet(_UNET_SHA256),
    _classical(
        "vst-nlm",
        task=Task.DENOISE,
        summary="Averages alike patches after evening out the noise. For any noise level; needs no training, no GPU.",
        origin="https://scikit-image.org",
        receptive_field=29,
        devices=("cpu",),
    ),
    *(
        _upstream_denoiser(
            "dncnn",
            level,
            _DNCNN[level],
            receptive_field=35,
            words="17 convolutions that predict the noise: the first choice of the two networks.",
        )
        for level in NOISY_LEVELS
    ),
    *(
        _upstream_denoiser(
            "memnet",
            level,
            _MEMNET[level],
            receptive_field=101,
            words="50 thin layers that predict the noise: small weights, slower.",
        )
        for level in NOISY_LEVELS
    ),
    _classical(
        "vst-bm3d",
        task=Task.DENOISE,
        summary="Filters stacks of alike blocks together: the best of the classical methods, for non-commercial use.",
        licence="The package bm3d, its authors' own, is free for non-commercial use only; the rest is BSD-3-Clause.",
        origin="https://pypi.org/project/bm3d",
        devices=("cpu",),
        requires=("bm3d",),
    ),
    _classical(
        "vst-epll",
        task=Task.DENOISE,
        summary="Holds patches to what clean widefield images are made of. For any noise level; on any device.",
        licence="The code is BSD-3-Clause; its prior was fitted to the W2S authors' images.",
        origin=_OWN_ORIGIN,
        receptive_field=71,
        size_multiple=2,
    ),
    _classical(
        "pure-let",
        task=Task.DENOISE,
        summary="Thresholds wavelets so that the estimated error is least: fast, on any device, for any noise level.",
        origin=_OWN_ORIGIN,
        receptive_field=31,
    ),
    _classical(
        "vst-tv",
        task=Task.DENOISE,
        summary="Lessens the total variation: even areas with sharp edges. To compare with.",
        origin="https://scikit-image.org",
        receptive_field=15,
        devices=("cpu",),
    ),
    _classical(
        "vst-wavelet",
        task=Task.DENOISE,
        summary="Thresholds wavelets by a rule of thumb: quick. To compare with.",
        origin="https://scikit-image.org",
        devices=("cpu",),
    ),
    _classical(
        "bicubic",
        task=Task.SR,
        summary="Doubles the pixels smoothly and adds no detail. To go on from a denoiser, or to compare with.",
        origin="https://pytorch.org",
        scale=2,
        receptive_field=5,
    ),
    *trainable(),
)
"""All models that come with the package, in the order in which a person should see them."""


DEFAULT_MODELS = ("w2s-jdsr",)
"""What restores an image if nothing else is asked for: models that need no download, and that double its pixels."""


def default_registry() -> Registry:
    """Return a new registry with all models that come with the package, and then those that the user has trained."""
    registry = Registry(BUILTIN)
    add_trained(registry)
    return registry
