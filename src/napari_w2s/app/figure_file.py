"""Figures as files: raster and vector formats at the resolution and with the fonts that journals ask for."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._files import replacing
from napari_w2s._types import InputError, OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
"""Endings of the files that a figure can be saved as."""

DPI = 300
"""Dots per inch of a PNG, and of what is raster in a vector file and not kept pixel by pixel."""

_LARGEST_KEPT = 1600
_SETTINGS: Mapping[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "napari-w2s", "pdf.fonttype": 42}
_lock = threading.Lock()


def check_figure_path(path: str | Path) -> Path:
    """Return the path of a figure that can be saved.

    Raises
    ------
    InputError
        If its ending names no format that a figure can have.
    """
    path = Path(path)
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        known = ", ".join(FIGURE_SUFFIXES)
        ending = f"has the ending {path.suffix}" if path.suffix else "has no ending"
        raise InputError(f"{path} {ending}; a figure can be saved as {known}. Choose one of these.")
    return path


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Save a figure as PNG, SVG or PDF, by the ending of the path.

    A PNG has 300 dots per inch. In SVG and PDF words stay words, and images of up to 1600 pixels along each side keep
    their own pixels. The same figure gives the same file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or Path
        Its folder is made if it is not there. A file of that name is replaced once the new one is whole.

    Raises
    ------
    InputError
        For another ending.
    OutputError
        If the file cannot be written; nothing half-written is left behind.
    """
    path = check_figure_path(path)
    kind = path.suffix.lower().removeprefix(".")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, _settings():
            _keep_pixels(figure, kind)
            figure.savefig(temporary, format=kind, dpi=DPI, metadata=_metadata(kind))
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Choose another folder.") from error
    return path


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Let letters that the font lacks be drawn as boxes without a warning each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


@contextmanager
def _settings() -> Iterator[None]:
    import matplotlib as mpl

    with _lock, mpl.rc_context(dict(_SETTINGS)), quiet_fonts():
        yield


def _keep_pixels(figure: Figure, kind: str) -> None:
    """In vector files leave it to the viewer to enlarge pixels, unless there are too many of them to keep."""
    for axes in figure.axes:
        for image in axes.get_images():
            small = max(image.get_size()) <= _LARGEST_KEPT
            image.set_interpolation("none" if kind != "png" and small else "auto")


def _metadata(kind: str) -> dict[str, str | None]:
    if kind == "png":
        return {"Software": "napari-w2s"}
    return {"Creator": "napari-w2s", "Date" if kind == "svg" else "CreationDate": None}
