"""Images to napari's layer data tuples and back: two pure functions that touch neither a viewer nor Qt."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from napari_w2s._types import InputError
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.units import canonical_unit

log = logging.getLogger(__name__)

LayerData = tuple[Any, dict[str, Any], str]
LAYER_TYPE = "layer_type"
"""Key in ``metadata["w2s"]`` of an image that is a labels layer in napari."""

_UNNAMED_AXIS = re.compile(r"(axis )?-\d+")


def image_to_layer_data(image: Image, *, visible: bool = True) -> LayerData:
    """Describe an image as a napari layer.

    Parameters
    ----------
    image : Image
    visible : bool
        Whether the layer is shown at first.

    Returns
    -------
    data, attributes, layer_type
        As `napari.layers.Layer.create` takes them. The layer states its units, axis labels and contrast limits, so that
        napari reads no pixel to find them.
    """
    attributes: dict[str, Any] = {
        "name": image.name,
        "scale": image.scale,
        "translate": image.translate,
        "units": image.units,
        "axis_labels": image.axes,
        "metadata": dict(image.metadata),
        "visible": visible,
    }
    if image.w2s.get(LAYER_TYPE) == "labels":
        return image.data, attributes, "labels"
    attributes |= {"rgb": False, "multiscale": False}
    if image.contrast_limits is not None:
        attributes["contrast_limits"] = image.contrast_limits
    if image.colormap is not None and _is_colormap(image.colormap):
        attributes |= {"colormap": image.colormap, "blending": "additive"}
    return image.data, attributes, "image"


def image_from_layer_data(data: Any, attributes: Mapping[str, Any], layer_type: str = "image") -> Image:
    """Make an image of a layer's data and attributes.

    Parameters
    ----------
    data : array or sequence of array
        Of a multiscale layer, level 0 is taken.
    attributes : mapping
        As in a layer data tuple; ``units`` may be strings or pint units, in any unit of length or time.
    layer_type : str

    Returns
    -------
    Image
        Its units are ``"um"``, ``"s"`` or ``"pixel"``, with scale and translate converted.

    Raises
    ------
    InputError
        If the layer is neither an image nor labels, or is RGB.
    """
    name = str(attributes.get("name") or "image")
    if layer_type not in {"image", "labels"}:
        raise InputError(f"Layer {name!r} is a {layer_type} layer, not an image. Choose image layers.")
    if attributes.get("rgb"):
        raise InputError(
            f"Layer {name!r} is RGB; images here have one channel each. Split it first: right-click it > Split RGB."
        )
    if attributes.get("multiscale") or isinstance(data, list | tuple):
        data = data[0]
    ndim = data.ndim
    units, factors = _units(attributes.get("units"), ndim)
    scale, translate = _vector(attributes.get("scale"), ndim, 1.0), _vector(attributes.get("translate"), ndim, 0.0)
    if _is_turned(attributes, ndim):
        log.warning("Layer %r is rotated, sheared or moved by an affine, which is not kept.", name)
    metadata = dict(attributes.get("metadata") or {})
    if layer_type == "labels":
        metadata[METADATA_KEY] = {**(metadata.get(METADATA_KEY) or {}), LAYER_TYPE: "labels"}
    limits = attributes.get("contrast_limits")
    return Image(
        data=data,
        name=name,
        axes=_axes(attributes.get("axis_labels"), ndim),
        scale=tuple(step * factor for step, factor in zip(scale, factors, strict=True)),
        units=units,
        translate=tuple(place * factor for place, factor in zip(translate, factors, strict=True)),
        colormap=_colormap_name(attributes.get("colormap")),
        contrast_limits=None if limits is None else (float(limits[0]), float(limits[1])),
        metadata=metadata,
    )


def _vector(values: Any, ndim: int, default: float) -> tuple[float, ...]:
    """Return one number per axis; napari lets a scale or translate be shorter, meaning the last axes."""
    if values is None:
        return (default,) * ndim
    given = tuple(float(value) for value in values)[-ndim:] if ndim else ()
    return (default,) * (ndim - len(given)) + given


def _units(units: Any, ndim: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    if units is None:
        return ("pixel",) * ndim, (1.0,) * ndim
    given = (units,) * ndim if isinstance(units, str) or not hasattr(units, "__len__") else tuple(units)
    found = [canonical_unit(unit) for unit in given]
    return tuple(name for name, _ in found), tuple(factor for _, factor in found)


def _axes(labels: Any, ndim: int) -> tuple[str, ...]:
    """Return axis names; those that napari made up are replaced, y and x by what they are."""
    made_up = (*(f"axis{i}" for i in range(ndim - 2)), "y", "x")[-ndim:] if ndim else ()
    if labels is None:
        return made_up
    return tuple(
        own if _UNNAMED_AXIS.fullmatch(str(label)) else str(label).lower()
        for label, own in zip(labels, made_up, strict=True)
    )


def _colormap_name(colormap: Any) -> str | None:
    """Return the name of a colormap given as a name, as a napari Colormap or as its state."""
    name = colormap.get("name") if isinstance(colormap, Mapping) else getattr(colormap, "name", colormap)
    return name if isinstance(name, str) and name != "gray" else None


def _is_colormap(name: str) -> bool:
    """Tell whether napari knows a colormap by that name; one that a user made is known in its own session only."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    if name in AVAILABLE_COLORMAPS:
        return True
    log.info("Colormap %r is not known to napari; grey is used.", name)
    return False


def _is_turned(attributes: Mapping[str, Any], ndim: int) -> bool:
    import numpy as np

    identities = {"rotate": np.eye(ndim), "affine": np.eye(ndim + 1)}
    for key, identity in identities.items():
        value = attributes.get(key)
        if value is not None and (np.shape(value) != identity.shape or not np.allclose(value, identity)):
            return True
    shear = attributes.get("shear")
    return shear is not None and bool(np.any(np.asarray(shear)))
