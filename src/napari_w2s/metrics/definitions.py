"""What each number means, and the paper that defines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A number and where it comes from.

    Attributes
    ----------
    key : str
        Its identifier.
    label : str
        Head of a table's column.
    unit : str
        Empty for a number without one; ``"intensity"`` for the images' own.
    better : "higher", "lower" or None
        None if neither is better in itself.
    meaning : str
        A few sentences for a person.
    citation, url : str
        The paper; empty if there is none.
    """

    key: str
    label: str
    unit: str
    better: Literal["higher", "lower"] | None
    meaning: str
    citation: str = ""
    url: str = ""


_PSNR = "Huynh-Thu and Ghanbari, Scope of validity of PSNR in image/video quality assessment, Electronics Letters 2008"
_PSNR_URL = "https://doi.org/10.1049/el:20080522"
_SSIM = (
    "Wang et al., Image quality assessment: from error visibility to structural similarity, "
    "IEEE Transactions on Image Processing 2004"
)
_SSIM_URL = "https://doi.org/10.1109/TIP.2003.819861"
_MATCHED = (
    "Weigert et al., Content-aware image restoration: pushing the limits of fluorescence microscopy, "
    "Nature Methods 2018"
)
_MATCHED_URL = "https://doi.org/10.1038/s41592-018-0216-7"
_W2S = (
    "Zhou et al., W2S: microscopy data with joint denoising and super-resolution for widefield to SIM mapping, "
    "ECCV Workshops 2020"
)
_W2S_URL = "https://arxiv.org/abs/2003.05961"
_AFTER_MATCH = (
    "after the gain and offset that bring the image closest to the reference (least squares), since widefield and SIM "
    "share no intensity scale"
)

_ALL = (
    Definition(
        key="psnr",
        label="PSNR",
        unit="dB",
        better="higher",
        meaning="Peak signal-to-noise ratio: 20 log10 of the data range over the RMSE. 6 dB more is half the error. "
        "It depends on the data range, which stands beside it.",
        citation=_PSNR,
        url=_PSNR_URL,
    ),
    Definition(
        key="psnr_matched",
        label="PSNR matched",
        unit="dB",
        better="higher",
        meaning=f"PSNR {_AFTER_MATCH}. It compares structure, not brightness.",
        citation=_MATCHED,
        url=_MATCHED_URL,
    ),
    Definition(
        key="ssim",
        label="SSIM",
        unit="",
        better="higher",
        meaning="Structural similarity in 7 x 7 windows, averaged: 1 for identical images. It depends on the data "
        "range, which stands beside it: a wider range gives higher values.",
        citation=_SSIM,
        url=_SSIM_URL,
    ),
    Definition(
        key="ssim_matched",
        label="SSIM matched",
        unit="",
        better="higher",
        meaning=f"SSIM {_AFTER_MATCH}.",
        citation=_MATCHED,
        url=_MATCHED_URL,
    ),
    Definition(
        key="rmse",
        label="RMSE",
        unit="intensity",
        better="lower",
        meaning="Root of the mean squared difference to the reference, in its intensities.",
    ),
    Definition(
        key="rmse_matched",
        label="RMSE matched",
        unit="intensity",
        better="lower",
        meaning=f"RMSE {_AFTER_MATCH}.",
        citation=_MATCHED,
        url=_MATCHED_URL,
    ),
    Definition(
        key="frc",
        label="FRC",
        unit="nm",
        better="lower",
        meaning="Resolution of one image: the period at which the correlation of its two halves, split by its own "
        "noise, falls below the threshold. It holds for images as a camera took them. For restored, filtered or "
        "reconstructed images it says where their spectrum ends, not whether detail is true.",
        citation="Rieger et al., Single image Fourier ring correlation, Optics Express 2024",
        url="https://doi.org/10.1364/OE.524683",
    ),
    Definition(
        key="frc_two",
        label="FRC to reference",
        unit="nm",
        better="lower",
        meaning="The period at which the correlation of the image with the reference falls below the threshold. The "
        "two must have independent noise: frames that are known to be in both are taken out of the reference; where "
        "they cannot be, ≥ says that the number looks finer than it is. "
        "It compares images with each other, not with the resolution of one image.",
        citation="Nieuwenhuizen et al., Measuring image resolution in optical nanoscopy, Nature Methods 2013",
        url="https://doi.org/10.1038/nmeth.2448",
    ),
    Definition(
        key="noise",
        label="Noise",
        unit="intensity",
        better="lower",
        meaning="Standard deviation of the noise at the median intensity, estimated from the image alone by a "
        "Poisson-Gaussian model. Only noise that is independent from pixel to pixel is seen.",
        citation="Foi et al., Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data, "
        "IEEE Transactions on Image Processing 2008",
        url="https://doi.org/10.1109/TIP.2008.2001399",
    ),
    Definition(
        key="worth",
        label="Worth",
        unit="frames",
        better="higher",
        meaning="How many frames of this field an average needs to be as close to avg400: where the image's error lies "
        "on the field's own curve of error against frames.",
        citation=_W2S,
        url=_W2S_URL,
    ),
    Definition(
        key="microssim",
        label="MicroSSIM",
        unit="",
        better="higher",
        meaning="SSIM after taking off the background and scaling the image by the factor that makes it highest, so "
        "that intensity scales do not matter: 1 for images that differ in scale and offset only.",
        citation="Ashesh et al., MicroSSIM: improved structural similarity for comparing microscopy data, arXiv 2024",
        url="https://arxiv.org/abs/2408.08747",
    ),
    Definition(
        key="unsupported",
        label="Unsupported",
        unit="%",
        better="lower",
        meaning="Share of the area where the result, blurred back to the input's resolution and matched in gain and "
        "offset, differs from the input by more than the input's noise allows. Detail finer than the input's "
        "resolution cannot be tested.",
        citation="Culley et al., Quantitative mapping and minimization of super-resolution optical imaging artifacts, "
        "Nature Methods 2018",
        url="https://doi.org/10.1038/nmeth.4605",
    ),
    Definition(
        key="spread",
        label="Spread",
        unit="intensity",
        better="lower",
        meaning="Standard deviation over the model's answers to the image in its 8 orientations: where the model "
        "contradicts itself. Orientations may share an error.",
    ),
)

DEFINITIONS: Mapping[str, Definition] = MappingProxyType({definition.key: definition for definition in _ALL})
"""By key, in the order of a table."""
