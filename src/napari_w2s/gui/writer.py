"""napari's writers: image layers to OME-TIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_w2s.data.ometiff import write_ome_tiff
from napari_w2s.gui.layers import LayerData, image_from_layer_data


def write_single_image(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Write one image layer.

    Parameters
    ----------
    path : str
        Where to; napari has asked before if the file exists.
    data : array
    meta : mapping
        The layer's attributes.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    InputError
        If the layer cannot be written, e.g. because it is RGB.
    OutputError
        If the folder or disk does not allow it; no half-written file is left.
    """
    return write_images(path, [(data, dict(meta), "image")])


def write_images(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write several layers to one file: as channels of one image where shape, type and place are the same.

    Parameters
    ----------
    path : str
    layers : sequence of (data, attributes, layer_type)

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    InputError, OutputError
        As for `write_single_image`.
    """
    images = [image_from_layer_data(data, attributes, kind) for data, attributes, kind in layers]
    return [str(write_ome_tiff(images, path, overwrite=True))]
