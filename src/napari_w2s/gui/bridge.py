"""Between napari's layers and this package's images: the one place that reads the former and makes new ones.

Everything here runs in the main thread. A layer is read once, into a snapshot; no thread ever sees the layer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError
from napari_w2s.app.resolve import Candidate
from napari_w2s.app.suggest import ImageReport
from napari_w2s.app.training.material import Material
from napari_w2s.data.image import Image
from napari_w2s.gui.layers import image_from_layer_data
from napari_w2s.gui.samples import PLACEHOLDER_KEY

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer

FloatArray = npt.NDArray[np.float32]
T = TypeVar("T")

NAN_FILL_BYTES = 512 * 2**20
"""Results up to this size start as NaN, which napari draws transparent; filling larger ones would block the window."""


PREVIEW_KEY = "w2s_training_preview"
"""Key in the metadata of a layer that shows how a training goes, which no panel takes for an image of the user's."""


@dataclass(frozen=True)
class Snapshot:
    """What was known of a layer when the user asked for its restoration.

    Attributes
    ----------
    id : str
        Identity of the layer.
    image : Image
        A reference to its pixels (level 0 of a multiscale layer), not a copy.
    frame : mapping
        Its world frame: ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units``, ``axis_labels``.
    look : mapping
        How it is drawn: colormap, contrast limits and so on.
    """

    id: str
    image: Image
    frame: Mapping[str, Any]
    look: Mapping[str, Any]


def layer_id(layer: Layer) -> str:
    """Return the identity of a layer, which a change of its name leaves alone."""
    return str(layer.unique_id)


def find_layer(layers: LayerList, identity: str) -> Layer | None:
    """Return the layer of that identity, or None if it is not in the list any more."""
    return next((layer for layer in layers if layer_id(layer) == identity), None)


def is_image(layer: Layer) -> bool:
    """Tell whether a layer is an image layer, through napari's proxies too."""
    from napari.layers import Image as ImageLayer

    return isinstance(layer, ImageLayer)


def is_preview(layer: Layer) -> bool:
    """Tell whether a layer shows how a training goes."""
    return PREVIEW_KEY in layer.metadata


def problem_of(layer: Layer) -> str | None:
    """Say why an image layer cannot be restored, and what to do; None if it can."""
    if PLACEHOLDER_KEY in layer.metadata:
        return f"{layer.name} is being downloaded. It can be restored when it is here."
    if layer.rgb:
        return f"{layer.name} is an RGB image, and the models take one channel. Split it: right-click > Split RGB."
    shape = _full_data(layer).shape
    if 0 in shape:
        return f"{layer.name} has no pixels (shape {' × '.join(map(str, shape))}). Choose another layer."
    return None


def candidate_of(layer: Layer, report: ImageReport | None = None) -> Candidate:
    """Describe an image layer as a candidate for restoration."""
    return Candidate(layer_id(layer), layer.name, problem_of(layer), report, source_of(layer))


def materials(layers: LayerList) -> tuple[Material, ...]:
    """Describe the image layers as something to learn from, the top one first."""
    return tuple(material_of(layer) for layer in reversed(layers) if is_image(layer) and not is_preview(layer))


def material_of(layer: Layer) -> Material:
    """Describe an image layer as something to learn from. No pixel is read."""
    problem = problem_of(layer)
    shape = tuple(int(n) for n in _full_data(layer).shape)
    if problem is None and len(shape) < 2:
        problem = f"{layer.name} has no axes y and x. Choose another layer."
    if problem is not None:
        return Material(layer_id(layer), layer.name, shape, (), problem=problem)
    image = snapshot_of(layer).image
    return Material(layer_id(layer), layer.name, shape, image.axes, image.w2s)


def source_of(layer: Layer) -> str | None:
    """Return the file or folder that a layer was read from, if there is one."""
    known = layer.metadata.get("w2s")
    path = known.get("source") if isinstance(known, Mapping) and "restoration" not in known else None
    path = path or layer.source.path
    return None if path is None else str(path)


def snapshot_of(layer: Layer) -> Snapshot:
    """Read everything that a restoration needs of a layer.

    Raises
    ------
    InputError
        If the layer cannot be restored.
    """
    problem = problem_of(layer)
    if problem is not None:
        raise InputError(problem)
    _, attributes, _ = layer.as_layer_data_tuple()
    # How the layer is turned in the world is kept in `frame`; an image knows only steps and an origin.
    known = {k: v for k, v in attributes.items() if k not in ("rotate", "shear", "affine", "multiscale")}
    image = image_from_layer_data(_full_data(layer), known)
    frame = {
        "scale": np.array(layer.scale, float),
        "translate": np.array(layer.translate, float),
        "rotate": np.array(layer.rotate, float),
        "shear": np.array(layer.shear, float),
        "affine": np.array(layer.affine.affine_matrix, float),
        "units": tuple(str(u) for u in layer.units),
        "axis_labels": tuple(layer.axis_labels),
    }
    look = {
        "colormap": layer.colormap,
        "contrast_limits": tuple(layer.contrast_limits),
        "gamma": layer.gamma,
        "opacity": layer.opacity,
        "interpolation2d": layer.interpolation2d,
        "blending": layer.blending,
    }
    return Snapshot(layer_id(layer), image, frame, look)


def frozen(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with pixels of its own, if they are in memory; those in a file are left there.

    Raises
    ------
    InputError
        If there is not enough memory.
    """
    data = snapshot.image.data
    if not isinstance(data, np.ndarray) or _is_mapped(data):
        return snapshot
    try:
        return replace(snapshot, image=snapshot.image.replace(data=data.copy()))
    except MemoryError as error:
        raise InputError(
            f"There is no memory for a copy of {snapshot.image.name} ({data.nbytes / 2**30:.1f} GiB). Crop it, or save "
            "it and open the file."
        ) from error


def _is_mapped(data: Any) -> bool:
    """Tell whether an array is a view of a file."""
    while isinstance(data, np.ndarray):
        if isinstance(data, np.memmap):
            return True
        data = data.base
    return False


def _full_data(layer: Layer) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def result_frame(frame: Mapping[str, Any], factor: int, origin: Sequence[int] = ()) -> dict[str, Any]:
    """Return the world frame of a result: `factor` output pixels cover one input pixel exactly.

    Parameters
    ----------
    frame : mapping
        Of the layer that was restored, as in `Snapshot`.
    factor : int
        Output pixels per input pixel along the last two axes.
    origin : sequence of int
        First pixel of the restored part, one per axis; the first of the layer if empty.
    """
    ndim = len(frame["scale"])
    step = np.ones(ndim)
    step[-2:] /= factor
    # Of the first output pixel, in input pixels: centres of an even split lie a fraction of a pixel further out.
    first = (np.array(origin, float) if len(origin) else np.zeros(ndim)) + (step - 1.0) / 2.0
    linear = frame["rotate"] @ _shear_matrix(frame["shear"], ndim) @ np.diag(frame["scale"])
    return {**frame, "scale": frame["scale"] * step, "translate": frame["translate"] + linear @ first}


def _shear_matrix(shear: npt.NDArray[Any], ndim: int) -> npt.NDArray[np.float64]:
    if shear.ndim == 2:
        return shear.astype(float)
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, k=1)] = shear
    return matrix


def allocate(shapes: Sequence[tuple[int, ...]]) -> list[FloatArray]:
    """Return float32 arrays for results, NaN where they are small enough to be filled at once, else zero.

    Raises
    ------
    MemoryError
        If they do not fit into the memory that is free.
    """
    sizes = [prod(shape) * 4 for shape in shapes]
    # Linux grants more memory than there is and ends the process later: ask for no more than can be had.
    if sum(sizes) > NAN_FILL_BYTES:
        from napari_w2s.engine.device import available_memory

        if sum(sizes) > available_memory():
            raise MemoryError
    return [
        np.full(shape, np.nan, np.float32) if size <= NAN_FILL_BYTES else np.zeros(shape, np.float32)
        for shape, size in zip(shapes, sizes, strict=True)
    ]


def keep_selection(layers: LayerList, change: Callable[[], T]) -> T:
    """Change the list of layers, and leave selected what the user had selected."""
    selected = set(layers.selection)
    try:
        return change()
    finally:
        layers.selection = selected.intersection(layers)
