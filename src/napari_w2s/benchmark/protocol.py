"""How results are made and scored, by name: what has to be equal before two numbers may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_w2s._types import InputError, Task

METRICS = ("psnr", "ssim", "psnr_matched", "ssim_matched", "rmse", "rmse_matched")
"""What can be measured; *matched* is after the affine fit to the reference that `match_affine` makes."""

HIGHER_IS_BETTER = MappingProxyType({name: not name.startswith("rmse") for name in METRICS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Overlapping square tiles that are restored by themselves, and of which the inner parts are kept.

    Attributes
    ----------
    edge, stride : int
        In input pixels. Half of what two neighbours share is kept of each.
    """

    edge: int
    stride: int

    @property
    def margin(self) -> int:
        """Input pixels at an inner edge of a tile that are not kept."""
        return (self.edge - self.stride) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A way to restore and to score. All scores are of intensities in [0, 1]: 8-bit values over 255.

    Attributes
    ----------
    name : str
    words : str
        What it is, for the caption of a table.
    eight_bit : bool
        Images are 8-bit, and so is what a denoiser hands to super-resolution: clipped, and cut to whole values (a
        trained network) or rounded to them (a method without weights).
    clip : bool
        Results are clipped to [0, 1] before they are scored, before an affine match too.
    ssim_range : mapping of Task to float
        Data range of SSIM for a denoised and for a super-resolved image. That of PSNR is 1.
    tiles : Tiles or None
        Of super-resolution networks that work on a fixed intensity range, where their receptive field reaches over the
        margin of a tile; nothing else depends on tiles. None restores the image as a whole.
    metrics : tuple of str
        What is measured if nothing else is asked for.
    """

    name: str
    words: str
    eight_bit: bool
    clip: bool
    ssim_range: Mapping[Task, float]
    tiles: Tiles | None
    metrics: tuple[str, ...]


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                name="w2s-8bit",
                words="as the W2S authors: 8-bit images, denoised images kept as 8-bit before super-resolution, "
                "results clipped; super-resolution in tiles of 128 with stride 64; PSNR with range 1; SSIM with range "
                "1 against widefield and range 2 against SIM",
                eight_bit=True,
                clip=True,
                ssim_range=MappingProxyType({Task.DENOISE: 1.0, Task.SR: 2.0}),
                tiles=Tiles(edge=128, stride=64),
                metrics=("psnr", "ssim", "psnr_matched", "ssim_matched"),
            ),
            Protocol(
                name="float",
                words="floating point throughout: nothing rounded, nothing clipped, whole images; PSNR and SSIM with "
                "range 1",
                eight_bit=False,
                clip=False,
                ssim_range=MappingProxyType({Task.DENOISE: 1.0, Task.SR: 1.0}),
                tiles=None,
                metrics=("psnr", "ssim", "psnr_matched", "ssim_matched"),
            ),
        )
    }
)
"""By name."""


def find_protocol(name: str) -> Protocol:
    """Return a protocol.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in PROTOCOLS:
        raise InputError(f"There is no protocol {name!r}. Choose one of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
