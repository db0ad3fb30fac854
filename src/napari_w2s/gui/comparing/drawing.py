"""How the tiles of a comparison are drawn: display ranges, and where images lie that do not say so themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_w2s._types import StopFn
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.contrast import limits
from napari_w2s.app.comparing.planes import Plane, readable_planes
from napari_w2s.data.image import Image


@dataclass(frozen=True)
class Look:
    """How tiles are drawn.

    Attributes
    ----------
    limits : mapping of str to tuple of float
        Display range by key.
    planes : mapping of str to Plane
        What is shown of each, and where it lies.
    problems : mapping of str to str
        Why others cannot be compared.
    """

    limits: Mapping[str, tuple[float, float]]
    planes: Mapping[str, Plane]
    problems: Mapping[str, str]


def work_out_look(comparison: Comparison, stop: StopFn) -> Look:
    """Work out how the tiles of a comparison are drawn. Tiles that cannot be are told of."""
    planes, problems = readable_planes(comparison, stop=stop)
    return Look(limits(comparison, planes=planes, stop=stop), planes, problems)


def knows_its_place(image: Image, one: Plane) -> bool:
    """Tell whether an image lies where its frame was laid; one that is mirrored is drawn so."""
    sizes, origin = image.scale[-2:], image.translate[-2:]
    if min(sizes) < 0:
        return True
    same_size = np.allclose(sizes, one.scale, rtol=1e-6)
    return bool(image.units[-1] == one.unit and same_size and np.allclose(origin, one.origin, atol=1e-6 * min(sizes)))
