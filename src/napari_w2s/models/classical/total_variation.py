"""Total variation on variance-stabilised intensities: draws the image to one whose slopes add up to little.

L. I. Rudin, S. Osher, E. Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms", Physica D 60, 1992, by the
iteration of A. Chambolle, "An Algorithm for Total Variation Minimization and Applications", JMIV 20, 2004, as
scikit-image has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_w2s.models.classical.stabilised import Stabilised
from napari_w2s.models.classical.vst import FloatArray

WEIGHT = 1.5
"""Of slopes against distances from the noisy image, where the noise's standard deviation is 1."""
ITERATIONS = 8
"""The minimum itself is made of plateaus: on training images of W2S, avg1 to avg16, it is 0.3 to 0.7 dB worse."""


class VSTTotalVariation(Stabilised):
    """Stabilise the noise, go some way to the least total variation, go back.

    Parameters
    ----------
    weight : float
        The higher, the smoother; above 0.
    iterations : int
        How far to go; at least 1.
    """

    def __init__(self, weight: float = WEIGHT, iterations: int = ITERATIONS) -> None:
        super().__init__()
        self.weight = weight
        self.iterations = iterations

    @property
    def receptive_field(self) -> int:
        """Width in pixels of the square that one output pixel depends on: every iteration but one goes a pixel on."""
        return 2 * self.iterations - 1

    def smooth(self, stable: FloatArray) -> FloatArray:
        """Lessen the total variation of an image whose noise has the standard deviation 1."""
        from skimage.restoration import denoise_tv_chambolle

        # With a tolerance, the whole image would say when to stop.
        smooth: FloatArray = denoise_tv_chambolle(stable, weight=self.weight, eps=0.0, max_num_iter=self.iterations)
        return smooth


def build(state: Mapping[str, Any] | None) -> VSTTotalVariation:
    """Make the method; it has no weights."""
    if state:
        raise ValueError("total variation takes no weights")
    return VSTTotalVariation().eval()
