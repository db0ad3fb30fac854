"""How images are laid out in an OME-TIFF file: which share an OME image, under which axes, types and names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError
from napari_w2s.data.omexml import NAMESPACE, NOTE_KEY, to_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_w2s.data.image import AnyArray, Image

NOTE_VERSION = 1
_SLAB_BYTES = 256 * 2**20
_STRIP_BYTES = 32 * 2**20
_CLASSIC_LIMIT = 2**32 - 2**25
_PLANE_OVERHEAD = 512
_LETTERS = {"t": "T", "z": "Z", "c": "C"}
_COLOURS = {
    "cyan": 0x00FFFFFF,
    "yellow": 0xFFFF00FF,
    "magenta": 0xFF00FFFF,
    "red": 0xFF0000FF,
    "green": 0x00FF00FF,
    "blue": 0x0000FFFF,
    "gray": 0xFFFFFFFF,
}


@dataclass(frozen=True)
class OmeGroup:
    """Images that become the channels of one OME image.

    Attributes
    ----------
    images : tuple of Image
        Of one shape and one frame of reference.
    indices : tuple of int
        Their places among all images that are written.
    dtype : numpy.dtype
        Type of the pixels in the file.
    """

    images: tuple[Image, ...]
    indices: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the file: channels if more than one, leading axes, y, x."""
        lead, frame = self.images[0].data.shape[:-2], self.images[0].data.shape[-2:]
        if self._letters is None:
            lead = (math.prod(lead),)
        return ((len(self.images),) if len(self.images) > 1 else ()) + lead + frame

    @property
    def axes(self) -> str:
        """Axes as tifffile takes them, one letter per entry of `shape`."""
        channels = "C" if len(self.images) > 1 else ""
        return channels + ("T" if self._letters is None else self._letters) + "YX"

    @property
    def nbytes(self) -> int:
        """Size of the pixels in the file."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def planes(self) -> int:
        """Number of pages in the file."""
        return math.prod(self.shape[:-2])

    @property
    def rows_per_strip(self) -> int:
        """Rows that are written at once: a whole plane, unless that is large."""
        height, width = self.shape[-2:]
        rows = min(height, max(1, _STRIP_BYTES // (width * self.dtype.itemsize)))
        chunks = getattr(self.images[0].data, "chunks", None)
        block = chunks[-2][0] if chunks else 1
        return rows if rows == height or rows < block else rows - rows % block

    @property
    def _letters(self) -> str | None:
        """OME letters of the leading axes; None if there are more than OME has: these become one."""
        names = self.images[0].axes[:-2]
        taken = {_LETTERS[name] for name in names if name in _LETTERS}
        if len(self.images) > 1:
            taken.discard("C")
        free = [letter for letter in "TZC" if letter not in taken and not (letter == "C" and len(self.images) > 1)]
        letters = ""
        for name in names:
            letter = _LETTERS.get(name)
            if letter is None or letter not in taken or letter in letters:
                if not free:
                    return None
                letter = free.pop(0)
            letters += letter
        return letters

    def metadata(self, title: str) -> dict[str, Any]:
        """Return what tifffile writes as the OME image's attributes, channels and annotation."""
        first = self.images[0]
        steps = dict(zip(first.axes, zip(first.scale, first.units, strict=True), strict=True))
        metadata: dict[str, Any] = {"axes": self.axes, "Name": _text(first.name if len(self.images) == 1 else title)}
        for axis in "xyz":
            size, unit = steps.get(axis, (0.0, ""))
            if unit == "um" and size > 0:
                metadata[f"PhysicalSize{axis.upper()}"] = float(size)
                metadata[f"PhysicalSize{axis.upper()}Unit"] = "µm"
        size, unit = steps.get("t", (0.0, ""))
        if unit == "s" and size > 0:
            metadata |= {"TimeIncrement": float(size), "TimeIncrementUnit": "s"}
        if "C" not in self.axes or len(self.images) > 1:
            metadata["Channel"] = _channels(self.images)
        metadata["MapAnnotation"] = {"Namespace": NAMESPACE, NOTE_KEY: to_json(self._note())}
        return metadata

    def _note(self) -> dict[str, Any]:
        return {
            "version": NOTE_VERSION,
            "channels": [
                {
                    "index": index,
                    "name": _text(image.name),
                    "shape": [int(size) for size in image.data.shape],
                    "axes": list(image.axes),
                    "scale": [float(step) for step in image.scale],
                    "units": list(image.units),
                    "translate": [float(place) for place in image.translate],
                    "colormap": image.colormap,
                    "contrast_limits": image.contrast_limits and [float(limit) for limit in image.contrast_limits],
                    "w2s": dict(image.w2s),
                }
                for index, image in zip(self.indices, self.images, strict=True)
            ],
        }


def plan(images: Sequence[Image]) -> tuple[OmeGroup, ...]:
    """Group images for writing: those of one shape, type and frame of reference become channels of one OME image.

    Raises
    ------
    InputError
        If there is nothing to write, or an image holds no pixel or no real numbers.
    """
    if not images:
        raise InputError("There is no image to write. Choose at least one image layer.")
    groups: dict[object, tuple[list[Image], list[int], np.dtype[Any]]] = {}
    for index, image in enumerate(images):
        dtype = stored_dtype(image)
        key = (image.data.shape, dtype, image.axes, image.scale, image.units, image.translate)
        members = groups.setdefault(key, ([], [], dtype))
        members[0].append(image)
        members[1].append(index)
    return tuple(OmeGroup(tuple(each), tuple(indices), dtype) for each, indices, dtype in groups.values())


def stored_dtype(image: Image) -> np.dtype[Any]:
    """Return the type of an image's pixels in an OME-TIFF file, which knows no bool, float16 or 64-bit integer."""
    import numpy as np

    dtype = np.dtype(image.data.dtype)
    if dtype.kind not in "buif":
        raise InputError(f"Image {image.name!r} holds {dtype} values; OME-TIFF takes real numbers. Convert it first.")
    if 0 in image.data.shape or image.data.ndim < 2:
        raise InputError(f"Image {image.name!r} has shape {tuple(image.data.shape)}: there is no image to write.")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind == "f":
        return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    return np.dtype(f"{dtype.kind}{min(dtype.itemsize, 4)}")


def needs_bigtiff(nbytes: int, planes: int) -> bool:
    """Tell whether a file is too large for classic TIFF's 32-bit offsets.

    Parameters
    ----------
    nbytes : int
        Size of all pixels.
    planes : int
        Number of pages, each of which takes some room itself.
    """
    return nbytes + planes * _PLANE_OVERHEAD > _CLASSIC_LIMIT


def iter_strips(image: Image, dtype: np.dtype[Any], rows: int) -> Iterator[tuple[bytes, int]]:
    """Yield an image's pixels plane by plane and strip by strip, computing each dask block once.

    Yields
    ------
    strip : bytes
        `rows` rows or, at the end of a plane, fewer.
    pixels : int
        Number of pixels in it.
    """
    import numpy as np

    for frame in _iter_frames(image.data):
        for start in range(0, frame.shape[0], rows):
            strip = np.asarray(frame[start : start + rows])
            yield _convert(strip, dtype, image.name).tobytes(), strip.size


def _iter_frames(data: AnyArray) -> Iterator[AnyArray]:
    """Yield planes in order; those of a dask array that is not too large come computed."""
    import numpy as np

    if not isinstance(data, np.ndarray) and data.nbytes <= _SLAB_BYTES:
        data = np.asarray(data)
    if data.ndim == 2:
        yield data
    elif isinstance(data, np.ndarray):
        for part in data:
            yield from _iter_frames(part)
    else:
        start = 0
        for size in data.chunks[0]:
            slab = data[start : start + size]
            if slab.nbytes <= _SLAB_BYTES or size == 1:
                yield from _iter_frames(np.asarray(slab) if slab.nbytes <= _SLAB_BYTES else slab[0])
            else:
                for place in range(size):
                    yield from _iter_frames(slab[place])
            start += size


def _convert(strip: npt.NDArray[Any], dtype: np.dtype[Any], name: str) -> npt.NDArray[Any]:
    import numpy as np

    if strip.dtype.kind in "ui" and strip.dtype.itemsize > dtype.itemsize:
        info = np.iinfo(dtype)
        if strip.min() < info.min or strip.max() > info.max:
            raise InputError(
                f"Image {name!r} has values outside the {dtype} range, the largest integers of OME-TIFF. "
                "Convert it to float64 first."
            )
    return strip.astype(dtype, copy=False)


def _channels(images: Sequence[Image]) -> dict[str, Any]:
    channels: dict[str, Any] = {"Name": [_text(image.name) for image in images]}
    excitation = [image.w2s.get("excitation_nm") for image in images]
    if all(isinstance(value, int | float) for value in excitation):
        channels["ExcitationWavelength"] = excitation
        channels["ExcitationWavelengthUnit"] = ["nm"] * len(images)
    colours = [_COLOURS.get(image.colormap or "") for image in images]
    if None not in colours:
        # OME colours are signed 32-bit RGBA.
        channels["Color"] = [colour - 2**32 if colour and colour >= 2**31 else colour for colour in colours]
    return channels


def _text(name: str) -> str:
    """Return a name as XML can hold it."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(name))
    return printable.encode("utf-8", "replace").decode("utf-8")
