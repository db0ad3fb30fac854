"""Pixels of TIFF files, memory-mapped where the file allows it and page by page where it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError, UnreadableFileError
from napari_w2s.data.lazy import lazy_blocks, lazy_map
from napari_w2s.data.units import canonical_unit
from napari_w2s.data.unreadable import check_pixels, reading

if TYPE_CHECKING:
    import numpy.typing as npt
    import tifffile

    from napari_w2s.data.image import AnyArray

WHAT = "a TIFF image"
_COMPRESSION_HINT = "it is compressed in a way that needs imagecodecs: run `pip install imagecodecs` and open it again"


@dataclass(frozen=True)
class Frame:
    """Step, unit and origin along an axis.

    Attributes
    ----------
    scale : float
        Size of one step in `unit`.
    unit : str
        ``"um"``, ``"s"`` or ``"pixel"``.
    """

    scale: float = 1.0
    unit: str = "pixel"


@dataclass(frozen=True)
class TiffContent:
    """Everything that a TIFF file says of its images, with lazy pixels.

    Attributes
    ----------
    series : tuple of TiffSeries
    ome : str or None
        The OME-XML of the file.
    """

    series: tuple[TiffSeries, ...]
    ome: str | None


@dataclass(frozen=True)
class TiffSeries:
    """One image of a TIFF file.

    Attributes
    ----------
    data : numpy.memmap or dask.array.Array
        Pixels, with one axis per letter of `axes`; byte order is the machine's.
    axes : str
        tifffile's upper-case axes, e.g. ``"TCYX"``.
    name : str
    frames : mapping of str to Frame
        Known step along some of the axes, from ImageJ's metadata.
    """

    data: AnyArray
    axes: str
    name: str
    frames: Mapping[str, Frame]


def open_tiff(path: Path) -> TiffContent:
    """Open a TIFF file lazily.

    Raises
    ------
    UnreadableFileError
        If the file is truncated, damaged or no TIFF file.
    InputError
        If it holds complex numbers or no pixel.
    """
    import tifffile

    with reading(path, WHAT), tifffile.TiffFile(path) as tif:
        _check_page_chain(path, tif)
        frames = _imagej_frames(tif)
        series = tuple(
            TiffSeries(_series_data(path, tif, each), _axes(tif, each), each.name or "", frames) for each in tif.series
        )
        if not series:
            raise UnreadableFileError(f"{path} holds no image. Save it again.")
        return TiffContent(series, tif.ome_metadata)


def is_frame_stack(path: Path) -> bool:
    """Tell from a TIFF file's header whether it is a plain stack of at least two grey frames.

    A file whose metadata says that its pages are slices or channels is none; nor is one in colour or with one page.
    """
    import tifffile

    with reading(path, WHAT), tifffile.TiffFile(path) as tif:
        if tif.is_ome and len(tif.series) > 1:
            return False
        axes = _axes(tif, tif.series[0])
        return len(axes) == 3 and axes[0] in "TIQ" and axes[1:] == "YX"


def has_pixel_size(path: Path) -> bool:
    """Tell from a TIFF file's header whether it is a grey image whose pixel size is known."""
    import tifffile

    with reading(path, WHAT), tifffile.TiffFile(path) as tif:
        if "S" in _axes(tif, tif.series[0]):
            return False
        if tif.ome_metadata:
            return "PhysicalSizeX=" in tif.ome_metadata
        return any(frame.unit == "um" for frame in _imagej_frames(tif).values())


def first_description(path: Path) -> str:
    """Return the ImageDescription of a TIFF file's first page; empty if it has none."""
    import tifffile

    with reading(path, WHAT), tifffile.TiffFile(path) as tif:
        return str(tif.pages.first.description)


def _axes(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> str:
    """Return a series' axes, with what tifffile wrote as separate colour planes as what it is: a stack of frames.

    Unless told otherwise, tifffile up to now stores an array of 3 or 4 frames as planes of an RGB image.
    """
    axes = str(series.axes)
    return axes.replace("S", "I") if tif.is_shaped and axes.startswith("S") else axes


def _check_page_chain(path: Path, tif: tifffile.TiffFile) -> None:
    """Raise if the list of pages breaks off, which tifffile only logs: the file would open with fewer frames."""
    place = tif.pages.next_page_offset
    if place is None or tif.is_ndpi:
        return
    size = 8 if tif.is_bigtiff else 4
    tif.filehandle.seek(place)
    after_last = tif.filehandle.read(size)
    if len(after_last) < size or any(after_last):
        raise UnreadableFileError(
            f"{path} is truncated: its list of pages breaks off after {len(tif.pages)}. Copy or download it again."
        )


def _imagej_frames(tif: tifffile.TiffFile) -> dict[str, Frame]:
    """Return the steps that ImageJ notes: pixels per unit in the resolution tags, the rest in its description."""
    metadata = tif.imagej_metadata
    if not metadata:
        return {}
    frames = {}
    unit, factor = canonical_unit(metadata.get("unit"))
    if unit == "um":
        for axis, tag in (("X", "XResolution"), ("Y", "YResolution")):
            found = tif.pages.first.tags.get(tag)
            if found is not None and found.value[0] > 0 and found.value[1] > 0:
                frames[axis] = Frame(factor * found.value[1] / found.value[0], unit)
        spacing = float(metadata.get("spacing") or 0)
        if spacing > 0:
            frames["Z"] = Frame(factor * spacing, unit)
    interval = float(metadata.get("finterval") or 0)
    if interval > 0:
        frames["T"] = Frame(interval, "s")
    return frames


def _series_data(path: Path, tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> AnyArray:
    import numpy as np

    shape = tuple(int(size) for size in series.shape)
    if series.dtype is None:
        raise UnreadableFileError(f"{path} has pixels of a type that TIFF readers do not know. Save it again.")
    check_pixels(path, shape, series.dtype)
    if series.dataoffset is not None:
        dtype = np.dtype(tif.byteorder + series.dtype.char)
        # Raises if the file is shorter than its header says.
        mapped = np.memmap(path, dtype, "r", series.dataoffset, shape)
        if not dtype.isnative:
            return lazy_map(mapped)
        return mapped
    return _paged(path, series, shape)


def _paged(path: Path, series: tifffile.TiffPageSeries, shape: tuple[int, ...]) -> AnyArray:
    """Return a series as one dask block per page."""
    page_size = math.prod(series.keyframe.shape)
    leading = next((n for n in range(len(shape)) if math.prod(shape[n:]) == page_size), None)
    if leading is None or math.prod(shape[:leading]) != len(series.pages):
        raise UnreadableFileError(f"{path}: its pages do not make up the {shape} pixels of its header. Save it again.")
    places = tuple(
        None if page is None else (Path(page.parent.filehandle.path), int(page.index)) for page in series.pages
    )
    dtype = series.dtype.newbyteorder("=")
    return lazy_blocks(
        _read_page,
        tuple((1,) * size for size in shape[:leading]) + tuple((size,) for size in shape[leading:]),
        dtype,
        path=path,
        places=places,
        leading=shape[:leading],
        page_shape=shape[leading:],
        pixel_type=dtype,
    )


def _read_page(
    *,
    block_id: tuple[int, ...],
    path: Path,
    places: tuple[tuple[Path, int] | None, ...],
    leading: tuple[int, ...],
    page_shape: tuple[int, ...],
    pixel_type: npt.DTypeLike,
) -> npt.NDArray[Any]:
    import numpy as np
    import tifffile

    number = int(np.ravel_multi_index(block_id[: len(leading)], leading)) if leading else 0
    place = places[number]
    if place is None:
        raise UnreadableFileError(f"{path}: plane {number} is missing from the file. Save it again.")
    with reading(place[0], WHAT), tifffile.TiffFile(place[0]) as tif:
        page = tif.pages[place[1]]
        ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if max(ends, default=0) > tif.filehandle.size:
            raise UnreadableFileError(
                f"{place[0]} is truncated: page {place[1]} is cut off. Copy or download it again."
            )
        try:
            pixels: npt.NDArray[Any] = page.asarray()
        except ValueError as exc:
            if "imagecodecs" in str(exc):
                raise InputError(f"{place[0]} cannot be decoded: {_COMPRESSION_HINT}.") from exc
            raise
        return pixels.reshape((1,) * len(leading) + page_shape).astype(pixel_type, copy=False)
