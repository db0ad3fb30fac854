"""Facts of the W2S acquisition and benchmark.

Source: R. Zhou et al., "W2S: Microscopy Data with Joint Denoising and Super-Resolution for Widefield to SIM
Mapping", ECCV Workshops 2020, arXiv:2003.05961, and the files of its releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from napari_w2s._types import Level


@dataclass(frozen=True, slots=True)
class Channel:
    """One fluorescence channel.

    Attributes
    ----------
    index : int
        Channel number in W2S file names.
    excitation_nm : float
        Excitation wavelength in nm, as stated by the authors.
    emission_nm : float
        Typical emission wavelength in nm for a dye excited there (assumed, not stated by the authors).
    colormap : str
        Name of a napari colormap; the three are distinguishable with colour-blind vision.
    """

    index: int
    excitation_nm: float
    emission_nm: float
    colormap: str

    @property
    def label(self) -> str:
        """Name for a person, e.g. ``"488 nm"``."""
        return f"{self.excitation_nm:g} nm"


CHANNELS = MappingProxyType(
    {
        0: Channel(0, 488.0, 525.0, "cyan"),
        1: Channel(1, 561.0, 600.0, "yellow"),
        2: Channel(2, 640.0, 680.0, "magenta"),
    }
)

FRAME_INDICES = MappingProxyType(
    {
        Level.AVG1: range(249, 250),
        Level.AVG2: range(2),
        Level.AVG4: range(4),
        Level.AVG8: range(8),
        Level.AVG16: range(16),
        Level.AVG400: range(400),
    }
)
"""Frames of the 400-frame burst, counted from 0, that each averaging level is the mean of."""

BURST_FRAMES = 400
LR_SIZE = 512
SIM_SCALE = 2

ASSUMED_PIXEL_SIZE_UM = 0.064
"""Widefield pixel size in µm. The authors state none: 16 µm EMCCD pixels behind a 100x objective and a 2.5x relay."""

NUMERICAL_APERTURE = 1.49

TRAIN_FOVS = range(1, 81)
TEST_FOVS = range(81, 121)

NORMALIZED_MEAN = 154.535390853
NORMALIZED_STD = 66.02846351802853
"""The normalised release holds ``(intensity - mean) / std`` with these two numbers in every file."""
