"""The one visible list of architectures: how each is rebuilt from weights, and made anew. Costs no torch import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from napari_w2s._types import InputError

_NETWORKS = "napari_w2s.models.networks"
_CLASSICAL = "napari_w2s.models.classical"


@dataclass(frozen=True, slots=True)
class Deferred:
    """A function that is imported when it is called: it can be pickled, compared, and costs nothing until then.

    Attributes
    ----------
    module : str
        Full name of its module.
    name : str
    options : tuple of (str, object)
        Keyword arguments that it is always called with.
    """

    module: str
    name: str
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Import the function and call it."""
        return getattr(import_module(self.module), self.name)(*args, **{**dict(self.options), **kwargs})


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A method, whatever its weights.

    Attributes
    ----------
    name : str
        Identity, e.g. ``"dncnn"``.
    title : str
        Name for a person.
    module : str
        Module with a function ``build(state)`` and, for one with weights, ``create(**options)``. Networks made by them
        have an attribute ``receptive_field`` (int, or None for the whole frame).
    citation : str
        Paper, in one line.
    has_weights : bool
        False also for a model that brings its network along.
    outputs : tuple of str
        What a network of it may answer with, where there is a choice: ``build`` then takes one of them as ``output``.
    frame_context : bool
    blended_tile : int or None
        See `napari_w2s.models.descriptor.ModelDescriptor`.
    light : mapping
        Options of a network of at most 1.5 million weights, for a CPU; none where the usual size is that.
    """

    name: str
    title: str
    module: str
    citation: str
    has_weights: bool = True
    outputs: tuple[str, ...] = ()
    frame_context: bool = False
    blended_tile: int | None = None
    light: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def build(self) -> Deferred:
        """Function that rebuilds the network from a state dict (None for a method without weights)."""
        return Deferred(self.module, "build")

    def build_for(self, output: str | None) -> Deferred:
        """Return the function that rebuilds the network so that it answers with one of its outputs.

        Raises
        ------
        InputError
            If networks of this kind have no such output.
        """
        if output is None:
            return self.build
        if output not in self.outputs:
            has = f"only {', '.join(self.outputs)}" if self.outputs else "and no choice of outputs"
            raise InputError(f"{self.title} has no output {output!r}, {has}.")
        return Deferred(self.module, "build", (("output", output),))

    @property
    def create(self) -> Deferred:
        """Function that makes the network with random weights, in training mode; options are keyword arguments."""
        return Deferred(self.module, "create")


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        architecture.name: architecture
        for architecture in (
            Architecture(
                name="dncnn",
                title="DnCNN",
                module=f"{_NETWORKS}.dncnn",
                citation="K. Zhang et al., Beyond a Gaussian Denoiser, IEEE TIP 26, 2017, arXiv:1608.03981",
            ),
            Architecture(
                name="memnet",
                title="MemNet",
                module=f"{_NETWORKS}.memnet",
                citation="Y. Tai et al., MemNet: A Persistent Memory Network for Image Restoration, ICCV 2017, "
                "arXiv:1708.02209",
            ),
            Architecture(
                name="unet",
                title="U-Net",
                module=f"{_NETWORKS}.unet",
                citation="O. Ronneberger, P. Fischer, T. Brox, U-Net, MICCAI 2015, arXiv:1505.04597",
                outputs=("denoised", "sim"),
            ),
            Architecture(
                name="ridnet",
                title="RIDNet",
                module=f"{_NETWORKS}.ridnet",
                citation="S. Anwar, N. Barnes, Real Image Denoising with Feature Attention, ICCV 2019, "
                "arXiv:1904.07396",
                blended_tile=512,
                light=MappingProxyType({"features": 32, "blocks": 2, "reduction": 8}),
            ),
            Architecture(
                name="rcan",
                title="RCAN",
                module=f"{_NETWORKS}.rcan",
                citation="Y. Zhang et al., Image Super-Resolution Using Very Deep Residual Channel Attention Networks, "
                "ECCV 2018, arXiv:1807.02758",
                # With the overlap these are the tiles of 128 pixels that the benchmark's authors evaluate with. What it
                # makes of a frame at once is worse: it learns from patches.
                blended_tile=64,
                light=MappingProxyType({"groups": 4, "blocks": 4, "width": 32, "reduction": 8}),
            ),
            Architecture(
                name="rdn",
                title="RDN",
                module=f"{_NETWORKS}.rdn",
                citation="Y. Zhang et al., Residual Dense Network for Image Super-Resolution, CVPR 2018, "
                "arXiv:1802.08797",
                light=MappingProxyType({"features": 32, "growth": 16, "blocks": 6, "layers": 4}),
            ),
            Architecture(
                name="san",
                title="SAN",
                module=f"{_NETWORKS}.san",
                citation="T. Dai et al., Second-order Attention Network for Single Image Super-Resolution, CVPR 2019",
                # With the overlap these are the tiles of 128 pixels that the authors evaluate with.
                blended_tile=64,
                light=MappingProxyType({"features": 32, "groups": 4, "blocks": 3, "reduction": 8}),
            ),
            Architecture(
                name="srfbn",
                title="SRFBN",
                module=f"{_NETWORKS}.srfbn",
                citation="Z. Li et al., Feedback Network for Image Super-Resolution, CVPR 2019, arXiv:1903.09814",
                light=MappingProxyType({"features": 24, "groups": 3, "steps": 2}),
            ),
            Architecture(
                name="edsr",
                title="EDSR",
                module=f"{_NETWORKS}.edsr",
                citation="B. Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPRW "
                "2017, arXiv:1707.02921",
                light=MappingProxyType({"blocks": 12, "width": 40}),
            ),
            Architecture(
                name="rrdb",
                title="RRDB",
                module=f"{_NETWORKS}.rrdb",
                citation="X. Wang et al., ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, "
                "ECCVW 2018, arXiv:1809.00219",
                light=MappingProxyType({"blocks": 4, "width": 32, "growth": 16}),
            ),
            Architecture(
                name="packaged",
                title="A model from a package",
                module="napari_w2s.models.exchange.network",
                citation="The package's own.",
                has_weights=False,
                frame_context=True,
                blended_tile=512,
            ),
            Architecture(
                name="vst-nlm",
                title="VST + non-local means",
                module=f"{_CLASSICAL}.nlm",
                citation="A. Buades, B. Coll, J.-M. Morel, A Non-Local Algorithm for Image Denoising, CVPR 2005; "
                "M. Mäkitalo, A. Foi, IEEE TIP 22, 2013",
                has_weights=False,
                frame_context=True,
            ),
            Architecture(
                name="vst-bm3d",
                title="VST + BM3D",
                module=f"{_CLASSICAL}.bm3d",
                citation="K. Dabov et al., Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering, "
                "IEEE TIP 16, 2007; M. Mäkitalo, A. Foi, IEEE TIP 22, 2013",
                has_weights=False,
                frame_context=True,
                # Of the size of the benchmark's images, which are so filtered whole.
                blended_tile=512,
            ),
            Architecture(
                name="vst-epll",
                title="VST + EPLL",
                module=f"{_CLASSICAL}.epll",
                citation="D. Zoran, Y. Weiss, From Learning Models of Natural Image Patches to Whole Image "
                "Restoration, ICCV 2011; M. Mäkitalo, A. Foi, IEEE TIP 22, 2013",
                has_weights=False,
                frame_context=True,
            ),
            Architecture(
                name="pure-let",
                title="PURE-LET",
                module=f"{_CLASSICAL}.pure_let",
                citation="F. Luisier, T. Blu, M. Unser, Image Denoising in Mixed Poisson-Gaussian Noise, IEEE TIP 20, "
                "2011",
                has_weights=False,
                frame_context=True,
            ),
            Architecture(
                name="vst-tv",
                title="VST + total variation",
                module=f"{_CLASSICAL}.total_variation",
                citation="A. Chambolle, An Algorithm for Total Variation Minimization and Applications, JMIV 20, 2004; "
                "M. Mäkitalo, A. Foi, IEEE TIP 22, 2013",
                has_weights=False,
                frame_context=True,
            ),
            Architecture(
                name="vst-wavelet",
                title="VST + wavelets",
                module=f"{_CLASSICAL}.wavelet",
                citation="S. G. Chang, B. Yu, M. Vetterli, Adaptive Wavelet Thresholding for Image Denoising and "
                "Compression, IEEE TIP 9, 2000; M. Mäkitalo, A. Foi, IEEE TIP 22, 2013",
                has_weights=False,
                frame_context=True,
                blended_tile=512,
            ),
            Architecture(
                name="bicubic",
                title="Bicubic",
                module=f"{_CLASSICAL}.bicubic",
                citation="R. G. Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE TASSP, 1981",
                has_weights=False,
            ),
        )
    }
)


def architecture(name: str) -> Architecture:
    """Return an architecture by name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in ARCHITECTURES:
        raise InputError(f"There is no architecture {name!r}. Known are: {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]
