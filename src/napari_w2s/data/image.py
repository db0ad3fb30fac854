"""An image with what is known of it: the one record that readers make, models restore and writers save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dask.array as da
    import numpy as np
    import numpy.typing as npt

    AnyArray = npt.NDArray[Any] | da.Array | np.memmap[Any, Any]
else:
    AnyArray = Any

METADATA_KEY = "w2s"
"""Key of an image's (and a napari layer's) metadata under which this package keeps what it knows."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """Pixels and their physical frame of reference.

    Attributes
    ----------
    data : numpy.ndarray, numpy.memmap or dask.array.Array
        Pixels; the last two axes are y and x.
    name : str
        A short name for a person. Never an identity.
    axes : tuple of str
        One lower-case name per axis of `data`, e.g. ``("t", "y", "x")``.
    scale : tuple of float
        Size of one step along each axis in `units`.
    units : tuple of str
        ``"um"`` or ``"pixel"`` (or ``"s"`` for time) per axis.
    translate : tuple of float
        World coordinate of the centre of the first pixel along each axis, in `units`.
    colormap : str or None
        Name of a napari colormap.
    contrast_limits : tuple of float or None
        Suggested display range.
    metadata : mapping
        Anything else; what this package knows is under ``metadata["w2s"]``: ``release``, ``split``, ``fov``,
        ``channel``, ``level``, ``source``, and for results ``restoration`` (provenance).
    """

    data: AnyArray
    name: str
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    translate: tuple[float, ...] = ()
    colormap: str | None = None
    contrast_limits: tuple[float, float] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ndim = self.data.ndim
        if not self.translate:
            object.__setattr__(self, "translate", (0.0,) * ndim)
        for what in ("axes", "scale", "units", "translate"):
            if len(getattr(self, what)) != ndim:
                raise ValueError(f"{what} of image {self.name!r} must have {ndim} entries, got {getattr(self, what)}")

    @property
    def w2s(self) -> Mapping[str, Any]:
        """What this package knows of the image; empty for a foreign one."""
        known = self.metadata.get(METADATA_KEY)
        return known if isinstance(known, Mapping) else {}

    def replace(self, **changes: Any) -> Image:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)
