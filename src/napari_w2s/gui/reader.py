"""napari's reader: claims what is shaped like W2S, and opens it lazily.

What is claimed
---------------
- A folder that holds W2S files at any depth that the dataset has, by names only.
- A ``.npy``, ``.png`` or ``.h5`` file whose name (and folder's name) is that of a W2S file.
- A ``.tif`` file that is named like one of W2S, or that this package wrote, or that is a plain stack of grey frames,
  which opens as a burst, or a grey image whose header gives a pixel size, which napari's own reader would drop. All but
  the first are told from the file's header. Pictures in colour, and those without a pixel size, are left to others.
- A list of such paths.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError
from napari_w2s.data.catalog import BURST, LEVEL_ORDER, SIM_INPUT, as_paths, looks_like_w2s
from napari_w2s.data.image import Image
from napari_w2s.gui.layers import LayerData, image_to_layer_data

log = logging.getLogger(__name__)

PathOrPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """Return a function that opens the path, or None if it is nothing for this plugin. Never raises.

    Parameters
    ----------
    path : path or list of path
        A list is claimed if each of its paths is.
    """
    try:
        paths = as_paths(path)
        claimed = bool(paths) and all(_claims(each) for each in paths)
    except (TypeError, ValueError, OSError) as exc:
        log.debug("%r is left to other readers: %s", path, exc)
        return None
    return read if claimed else None


def read(path: PathOrPaths) -> list[LayerData]:
    """Open a path, or several, as layer data tuples.

    Parts that cannot be opened are left out, with a warning in napari. Of several levels of one field of view the
    noisiest is shown at first.

    Raises
    ------
    InputError
        If nothing could be opened.
    """
    from napari_w2s.data.stacks import open_all

    opened = open_all(path)
    for message in (*map(str, opened.problems), *opened.notes):
        _warn(message)
    shown = _shown_at_first(opened.images)
    return [image_to_layer_data(image, visible=show) for image, show in zip(opened.images, shown, strict=True)]


def _claims(path: Path) -> bool:
    if looks_like_w2s(path):
        return True
    if path.suffix.lower() not in {".tif", ".tiff"} or not path.is_file():
        return False
    from napari_w2s.data.omexml import NAMESPACE
    from napari_w2s.data.tiff import first_description, has_pixel_size, is_frame_stack

    try:
        own = f'Namespace="{NAMESPACE}"' in first_description(path)
        return own or is_frame_stack(path) or has_pixel_size(path)
    except InputError as exc:
        log.debug("%s is left to other readers: %s", path, exc)
        return False


def _shown_at_first(images: Sequence[Image]) -> list[bool]:
    """Choose one level of W2S images to show: bursts, else the noisiest; everything else is shown."""
    ranks = [_rank(image) for image in images]
    first = min((rank for rank in ranks if rank is not None), default=None)
    return [rank is None or rank == first for rank in ranks]


def _rank(image: Image) -> tuple[str, int] | None:
    known: Any = image.w2s
    if known.get("release") == "image" or known.get("level") not in LEVEL_ORDER or "restoration" in known:
        return None
    order = {BURST: -1, SIM_INPUT: len(LEVEL_ORDER)}
    level = str(known["level"])
    return str(known.get("release")), order.get(level, LEVEL_ORDER.index(level))


def _warn(message: str) -> None:
    from napari.utils.notifications import show_warning

    log.warning("%s", message)
    show_warning(message)
