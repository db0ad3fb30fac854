"""What a viewer holds that can be compared, and where it looks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_w2s._types import InputError
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.plan import Candidate
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.units import canonical_unit
from napari_w2s.gui import bridge
from napari_w2s.gui.layers import image_to_layer_data

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


def candidate_of(layer: Layer) -> Candidate:
    """Describe an image layer. No pixel is read."""
    identity = bridge.layer_id(layer)
    problem = bridge.problem_of(layer)
    if problem is None and layer.ndim < 2:
        problem = f"{layer.name} has no axes y and x. Choose another layer."
    if problem is None and _is_turned(layer):
        problem = _turned(layer)
    image = None if problem else image_of(layer)
    return Candidate(identity, layer.name, image, problem)


def image_of(layer: Layer) -> Image:
    """Return an image layer's pixels, which are not copied, and what is known of them, its file included.

    Raises
    ------
    InputError
        If it cannot be compared.
    """
    if _is_turned(layer):
        raise InputError(_turned(layer))
    image = bridge.snapshot_of(layer).image
    path = layer.source.path
    if path is None or image.w2s.get("source") is not None:
        return image
    known = {**image.w2s, "source": str(path)}
    return image.replace(metadata={**image.metadata, METADATA_KEY: known})


def _is_turned(layer: Layer) -> bool:
    """Tell whether more than pixel size and position say where a layer's pixels lie."""
    turn, shear, affine = (np.asarray(part, float) for part in (layer.rotate, layer.shear, layer.affine.affine_matrix))
    upright = np.allclose(turn, np.eye(len(turn))) and np.allclose(affine, np.eye(len(affine)))
    return not (upright and np.allclose(shear, np.eye(len(shear)) if shear.ndim == 2 else 0))


def _turned(layer: Layer) -> str:
    return (
        f"{layer.name} is turned or sheared in napari, and images are laid on one another by pixel size and position "
        "only. Reset its transform, or save it upright."
    )


def candidates(viewer: ViewerModel) -> tuple[Candidate, ...]:
    """Describe the image layers, the top one first; tiles and previews are left out."""
    layers = [layer for layer in reversed(viewer.layers) if bridge.is_image(layer) and not bridge.is_preview(layer)]
    return tuple(candidate_of(layer) for layer in layers)


def selected_image(viewer: ViewerModel) -> str | None:
    """Return the identity of the active layer, or else of the topmost selected or shown image layer."""
    active = viewer.layers.selection.active
    if active is not None and bridge.is_image(active):
        return bridge.layer_id(active)
    images = [layer for layer in reversed(viewer.layers) if bridge.is_image(layer) and not bridge.is_preview(layer)]
    selected = {bridge.layer_id(layer) for layer in viewer.layers.selection}
    for wanted in (lambda layer: bridge.layer_id(layer) in selected, lambda layer: layer.visible):
        found = next((layer for layer in images if wanted(layer)), None)
        if found is not None:
            return bridge.layer_id(found)
    return None


def shown_images(viewer: ViewerModel) -> tuple[str, ...]:
    """Return the identities of the image layers that are shown and can be compared, the bottom one first."""
    images = [layer for layer in viewer.layers if bridge.is_image(layer) and not bridge.is_preview(layer)]
    return tuple(bridge.layer_id(layer) for layer in images if layer.visible and candidate_of(layer).problem is None)


def axis_factors(viewer: ViewerModel) -> tuple[float, ...]:
    """Return for each axis of the viewer's world how many of this package's units one of its units is."""
    ndim = viewer.dims.ndim
    units = viewer.layers.units if len(viewer.layers) else None
    known = tuple(canonical_unit(unit)[1] for unit in units or ())
    return (*(1.0 for _ in range(ndim - len(known))), *known)


def position_of(viewer: ViewerModel) -> tuple[float, ...]:
    """Return where the viewer looks along the axes before y and x, in this package's units."""
    factors = axis_factors(viewer)
    return tuple(float(p) * f for p, f in zip(viewer.dims.point[:-2], factors[:-2], strict=True))


def add_opened(viewer: ViewerModel, comparison: Comparison) -> Comparison:
    """Add the images of a comparison that are not there yet, hidden; return it with the layers' identities as keys."""
    from napari.layers import Layer

    there = [c for c in candidates(viewer) if c.image is not None]
    keys: dict[str, str] = {}
    for tile in comparison.tiles:
        same = next((c.id for c in there if c.id not in keys.values() and _is_same(c.image, tile.image)), None)
        if same is None:
            data, look, kind = image_to_layer_data(tile.image, visible=False)
            layer = Layer.create(data, look, kind)
            bridge.keep_selection(viewer.layers, partial(viewer.layers.append, layer))
            same = bridge.layer_id(layer)
        keys[tile.key] = same
    tiles = tuple(Tile(key=keys[tile.key], image=tile.image, title=tile.title) for tile in comparison.tiles)
    averages = tuple(Tile(key=f"file {t.key}", image=t.image, title=t.title) for t in comparison.averages)
    reference = None if comparison.reference is None else keys[comparison.reference]
    return comparison.replace(tiles=tiles, averages=averages, reference=reference)


def _is_same(one: Image | None, other: Image) -> bool:
    """Tell whether two images are known to be the same: from one file, or made in one way."""
    if one is None or one.w2s.get("source") is None or one.data.shape != other.data.shape:
        return False
    names = ("source", "fov", "channel", "level", "key", "restoration")
    return all(one.w2s.get(name) == other.w2s.get(name) for name in names)
