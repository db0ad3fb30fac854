"""OME-TIFF in and out: pixels, physical size, channels, and where an image comes from."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._files import replacing
from napari_w2s._types import Cancelled, OutputError, Progress, ProgressFn, StopFn
from napari_w2s.data.colours import from_axes
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.omeplan import iter_strips, needs_bigtiff, plan
from napari_w2s.data.omexml import NAMESPACE, OmeImage, parse_ome
from napari_w2s.data.tiff import open_tiff

if TYPE_CHECKING:
    from napari_w2s.data.omeplan import OmeGroup
    from napari_w2s.data.tiff import TiffSeries

log = logging.getLogger(__name__)


def read_ome_tiff(path: str | os.PathLike[str]) -> list[Image]:
    """Open a TIFF file lazily, with what its OME or ImageJ metadata say of it.

    Parameters
    ----------
    path : path
        An OME-TIFF or any other TIFF file.

    Returns
    -------
    list of Image
        One per image (series) and channel of the file. What `write_ome_tiff` wrote comes back as it was, in order. A
        file that states no pixel size has scale 1 and units ``"pixel"``. ``metadata["w2s"]["source"]`` is this file;
        for a file written by this package ``origin`` is what ``source`` was then.

    Raises
    ------
    UnreadableFileError
        If the file is truncated, damaged or no TIFF file.
    InputError
        If it is missing, or holds complex numbers or no pixel.
    """
    path = Path(path)
    content = open_tiff(path)
    described = parse_ome(content.ome) if content.ome else ()
    if len(described) != len(content.series):
        described = (OmeImage(),) * len(content.series)
    images: list[tuple[int, Image]] = []
    for number, (series, ome) in enumerate(zip(content.series, described, strict=True)):
        noted = _from_note(series, ome.note, path) if ome.note else []
        if noted:
            images += noted
        else:
            several = number if len(content.series) > 1 else None
            images += [(number, image) for image in from_axes(series, ome, path, several)]
    return [image for _, image in sorted(images, key=lambda item: item[0])]


def _from_note(series: TiffSeries, note: Mapping[str, Any], path: Path) -> list[tuple[int, Image]]:
    """Rebuild what this package wrote; nothing if its note does not fit the pixels: another program wrote those."""
    try:
        channels = note["channels"]
        data = series.data.reshape((len(channels), *channels[0]["shape"]))
        return [(int(each["index"]), _noted_image(data[i], each, path)) for i, each in enumerate(channels)]
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        log.warning("%s: its note of %s does not fit its pixels and is left aside (%s).", path, NAMESPACE, exc)
        return []


def _noted_image(data: Any, note: Mapping[str, Any], path: Path) -> Image:
    limits = note["contrast_limits"]
    known = dict(note["w2s"])
    if known.get("source"):
        known["origin"] = known["source"]
    known["source"] = str(path)
    return Image(
        data=data,
        name=str(note["name"]),
        axes=tuple(str(axis) for axis in note["axes"]),
        scale=tuple(float(step) for step in note["scale"]),
        units=tuple(str(unit) for unit in note["units"]),
        translate=tuple(float(place) for place in note["translate"]),
        colormap=note["colormap"],
        contrast_limits=(float(limits[0]), float(limits[1])) if limits else None,
        metadata={METADATA_KEY: known},
    )


def write_ome_tiff(
    images: Sequence[Image],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> Path:
    """Write images to one OME-TIFF file, streaming lazy ones block by block.

    Images of one shape, type, scale and place become channels of one OME image; the others an OME image each.
    BigTIFF is used where the pixels need it. The file appears under its name only when it is complete.

    Parameters
    ----------
    images : sequence of Image
        In the order in which `read_ome_tiff` gives them back. OME-TIFF has no bool, float16 or 64-bit integers: these
        are written as uint8, float32 and 32-bit integers, with the same values.
    path : path
        ``.ome.tif`` is added if it does not end in ``.tif`` or ``.tiff``.
    overwrite : bool
        Replace a file that is there.
    progress : callable, optional
        Gets the pixels written and the pixels in all.
    should_stop : callable, optional
        Polled for every strip.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    InputError
        If there is nothing to write, or an image does not hold real numbers that fit.
    OutputError
        If the file is there already, or the folder, the disk or the permissions do not allow it.
    Cancelled
        If `should_stop` asked for it.
    """
    path = Path(path)
    if path.suffix.lower() not in {".tif", ".tiff"}:
        path = path.with_name(f"{path.name}.ome.tif")
    groups = plan(images)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already. Choose another name, or allow it to be overwritten.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Choose a file name.")
    try:
        with replacing(path) as temporary:
            _write(groups, temporary, path, progress, should_stop)
    except OSError as exc:
        raise OutputError(_explain(exc, path, sum(group.nbytes for group in groups))) from exc
    return path


def _write(
    groups: Sequence[OmeGroup], temporary: Path, path: Path, progress: ProgressFn | None, should_stop: StopFn | None
) -> None:
    import tifffile

    total = sum(group.nbytes // group.dtype.itemsize for group in groups)
    big = needs_bigtiff(sum(group.nbytes for group in groups), sum(group.planes for group in groups))
    title = path.name.removesuffix(path.suffix).removesuffix(".ome")
    done = 0

    def strips(group: OmeGroup) -> Iterator[bytes]:
        nonlocal done
        for image in group.images:
            for strip, pixels in iter_strips(image, group.dtype, group.rows_per_strip):
                if should_stop is not None and should_stop():
                    raise Cancelled(f"Writing {path.name} was cancelled; no file was written.")
                yield strip
                done += pixels
                if progress is not None:
                    progress(Progress(done, total))

    with temporary.open("x+b") as handle:
        writer = tifffile.TiffWriter(handle, bigtiff=big, ome=True, byteorder="<")
        for group in groups:
            writer.write(
                strips(group),
                shape=group.shape,
                dtype=group.dtype,
                photometric="minisblack",
                rowsperstrip=group.rows_per_strip,
                metadata={"Creator": _creator(), **group.metadata(title)},
            )
        # Not a context manager: closing writes the index, which must not happen (and fail again) after an error.
        writer.close()


def _creator() -> str:
    try:
        return f"napari-w2s {version('napari-w2s')}"
    except PackageNotFoundError:
        return "napari-w2s"


def _explain(exc: OSError, path: Path, nbytes: int) -> str:
    """Return what went wrong with writing a file, and what to do."""
    size = f"{nbytes / 2**20:.0f} MiB" if nbytes >= 2**20 else f"{nbytes} bytes"
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} was not written: the disk is full. Free {size} or choose another folder."
    if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} was not written: its folder is read-only or the file is in use. Choose another folder or name."
    if exc.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"{path} was not written: the folder {path.parent} does not exist. Create it or choose another."
    return f"{path} was not written: {exc.strerror or exc}. Choose another folder or name."
