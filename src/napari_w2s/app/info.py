"""What is known of a file or folder: its images, their geometry and their noise."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_w2s._types import InputError, W2SError
from napari_w2s.data.image import Image

logger = logging.getLogger(__name__)

_TARGETS = frozenset({"sim", "sim_input"})


@dataclass(frozen=True, slots=True)
class NoiseSummary:
    """Poisson-Gaussian noise of one frame: ``variance = gain * mean + offset``.

    Attributes
    ----------
    gain : float
        Slope of the variance over the mean, in intensity units.
    offset_variance : float
        Variance at intensity 0, in squared intensity units.
    read_noise : float
        Standard deviation in the darkest part, in intensity units.
    looks_like : str
        The averaging level of W2S whose noise comes closest.
    description : str
        Words for a person.
    """

    gain: float
    offset_variance: float
    read_noise: float
    looks_like: str
    description: str

    def __str__(self) -> str:
        """Return the verdict and the numbers in one line."""
        return f"looks like {self.looks_like} ({self.description})"


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """What is known of one image without reading all of its pixels.

    Attributes
    ----------
    name : str
    axes : tuple of str
    shape : tuple of int
    dtype : str
    scale : tuple of float
        Size of a step along each axis in `units`.
    units : tuple of str
    nbytes : int
        Size of the pixels in memory.
    w2s : dict
        Release, split, FOV, channel and level, for an image of W2S; ``restoration`` for a result.
    noise : NoiseSummary or None
        Of one frame; None for SIM images and results, if it cannot be estimated, or was not asked for.
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[float, ...]
    units: tuple[str, ...]
    nbytes: int
    w2s: dict[str, Any]
    noise: NoiseSummary | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)


def summarise(
    paths: Sequence[str | Path], *, noise: bool = True, problem: Callable[[str], object] = logger.warning
) -> list[ImageSummary]:
    """Describe the images that opening `paths` gives.

    Parameters
    ----------
    paths : sequence of str or Path
        Files or folders, opened together, as napari would.
    noise : bool
        Estimate the noise of each image; reads one frame of it.
    problem : callable
        Called with a message for each path, or part of one, that cannot be opened while others can.

    Returns
    -------
    list of ImageSummary

    Raises
    ------
    InputError
        If no path can be opened.
    """
    from napari_w2s.data.stacks import open_all

    wrong = {str(p): _unusable(Path(p)) for p in paths}
    problems = [message for message in wrong.values() if message]
    usable = [Path(p) for p in paths if not wrong[str(p)]]
    if not usable and problems:
        raise InputError("\n".join(problems))
    opened = open_all(usable)
    for message in (*problems, *opened.problems):
        problem(str(message))
    for note in opened.notes:
        logger.warning("%s", note)
    return [summarise_image(image, noise=noise) for image in opened.images]


def _unusable(path: Path) -> str:
    if not path.exists():
        return f"{path} does not exist. Check the path."
    if not (path.is_file() or path.is_dir()):
        return f"{path} is neither a file nor a folder. Give an image or a folder."
    return ""


def summarise_image(image: Image, *, noise: bool = True) -> ImageSummary:
    """Describe one image; see `summarise`."""
    return ImageSummary(
        name=image.name,
        axes=image.axes,
        shape=tuple(int(n) for n in image.data.shape),
        dtype=str(image.data.dtype),
        scale=tuple(float(s) for s in image.scale),
        units=image.units,
        nbytes=math.prod(image.data.shape) * image.data.dtype.itemsize,
        w2s=_plain(image.w2s),
        noise=_noise(image) if noise and _is_raw(image) else None,
    )


def _is_raw(image: Image) -> bool:
    """Tell whether the noise of an image is that of a camera: not in a SIM image, nor in a restored one."""
    return image.w2s.get("level") not in _TARGETS and "restoration" not in image.w2s


def _noise(image: Image) -> NoiseSummary | None:
    from napari_w2s.data.noise import estimate_noise, guess_level

    try:
        estimate = estimate_noise(image.data)
        level = guess_level(image.data, estimate).level
    except W2SError as error:
        logger.info("no noise estimate for %s: %s", image.name, error)
        return None
    return NoiseSummary(
        gain=float(estimate.gain),
        offset_variance=float(estimate.offset_variance),
        read_noise=float(estimate.read_noise),
        looks_like=str(level),
        description=estimate.describe(),
    )


def _plain(value: Any) -> Any:
    """Return `value` with mappings as dicts, sequences as lists and everything else as JSON has it."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
