"""Colours and display ranges of the images in a figure, without napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

NO_VALUE = (0.36, 0.45, 0.62)
"""Colour of pixels that hold no number, between the greys: a blue that no image in grey has."""

_BRIGHTEST = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "bop blue": (0.12, 0.68, 0.97),
    "bop orange": (0.97, 0.68, 0.12),
    "bop purple": (0.87, 0.34, 1.0),
}
_PERCENTILES = (0.1, 99.9)


def colour_map(name: str | None) -> Colormap:
    """Return what shows intensities in the colours of a napari colormap; grey for one that is not known here."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    known = (name or "gray").lower()
    if known in _BRIGHTEST:
        colours: Colormap = LinearSegmentedColormap.from_list(known, [(0.0, 0.0, 0.0), _BRIGHTEST[known]])
    else:
        colours = mpl.colormaps[known if known in mpl.colormaps else "gray"]
    return colours.with_extremes(bad=NO_VALUE)


def display_range(pixels: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the 0.1th and the 99.9th percentile of the finite pixels; 0 and 1 where there are none."""
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite.astype(np.float64), _PERCENTILES)
    return float(low), float(high)
