"""What a restoration model is: data that states its needs, and the loaded thing that meets them.

What differs between models is said here, as data, so that nothing else has to ask which model it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import Level, Task

if TYPE_CHECKING:
    from torch import nn


class Normalization(StrEnum):
    """How a frame's intensities reach the range that a model works in."""

    UNIT = "unit"
    """The frame's intensity range is mapped to [0, 1] (8-bit data: divided by 255); the result is mapped back."""
    STANDARD = "standard"
    """The frame's mean becomes 0 and its standard deviation 1, so that neither scale nor offset matters."""
    NONE = "none"
    """The model works in the frame's own intensities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """How bright a finished frame is made, by its own extent: what a SIM image scaled to its own maximum would be.

    The frame, with its least and greatest pixel an extent ``e`` apart, becomes
    ``level * e**level_power + gain * e**gain_power * (frame - mean)``, all in the range of the input frame.

    Attributes
    ----------
    gain, gain_power, level, level_power : float
    least, most : float
        Extents that this was found for. Others count as the nearest of them, and below the least the gain goes down
        with the extent: a field with nothing in it is not blown up.
    """

    gain: float
    gain_power: float
    level: float
    level_power: float
    least: float
    most: float


class WeightsPlace(StrEnum):
    """Where a weights file lies."""

    UPSTREAM = "upstream"
    """In the authors' repository at the pinned commit; fetched on demand."""
    PACKAGED = "packaged"
    """Inside this package."""
    LOCAL = "local"
    """On this computer: a model trained or added by the user."""
    OWN = "own"
    """Nowhere yet: the user trains them, or has a file of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsSource:
    """Where a model's weights come from, and what they must be.

    Attributes
    ----------
    path : str
        Path inside the authors' repository (``net_data/...``) or inside this package, or the absolute path of a local
        file. For weights that the user must bring: the folder of the authors' repository that checkpoints of this kind
        lie in.
    sha256 : str or None
        Hash that the file must have; None for a file that its owner may change.
    licence : str
        Licence of the weights themselves.
    place : WeightsPlace
    """

    path: str
    sha256: str | None
    licence: str
    place: WeightsPlace = WeightsPlace.UPSTREAM


@dataclass(frozen=True, kw_only=True)
class ModelDescriptor:
    """Everything about a model but its numbers. Costs no torch import.

    Attributes
    ----------
    name : str
        Identity in the registry, on the command line and in provenance, e.g. ``"dncnn-avg1"``.
    title : str
        Name for a person, e.g. ``"DnCNN (avg1)"``.
    task : Task
        What it was made for.
    summary : str
        One line for the model's card: what it is and when to choose it.
    architecture : str
        Short name of the method, shared by all levels of it, e.g. ``"dncnn"``.
    build : callable
        Maps a state dict (None for a model without weights) to a `torch.nn.Module` in eval mode that takes
        ``(N, 1, H, W)`` float batches to ``(N, 1, scale * H, scale * W)``. A whole-frame model (`frame_context`) is
        called with a second argument, whatever its own ``frame_context(frame)`` method returned for that frame.
    scale : int
        Output pixels per input pixel along y and x.
    level : Level or None
        The averaging level that it was trained for; None if blind to the level.
    normalization : Normalization
        How a frame's intensities get in.
    result : Normalization or None
        How the answer's intensities get back; None for the way that the frame's got in. Another way is e.g. that of a
        network that takes standardised widefield images and answers with the brightness of SIM images, as a share of
        the range.
    tasks : tuple of Task
        Further tasks that it is good for.
    output : str or None
        Which of its architecture's outputs it answers with, where there is a choice.
    stretch : Stretch or None
        How bright the finished frame is made, where brightness does not follow from the input.
    size_multiple : int
        Height and width of a batch must be multiples of this (the engine pads).
    receptive_field : int or None
        Width in input pixels of the square that one output pixel depends on. None if it is the whole frame: such
        a model's tiles are blended.
    blended_tile : int or None
        Edge of those tiles, without the 32 pixels by which they overlap on each side, so that a frame comes out alike
        on every machine. Frames of up to that size are restored whole. None leaves it to the memory there is.
    frame_context : bool
        True if the model needs statistics of the whole frame (e.g. its noise parameters) beside the tile.
    devices : tuple of str
        Device types that it runs on.
    precision_cost_db : mapping
        Mean loss of PSNR in dB that was measured for a lower precision (``"bfloat16"``, ``"float16"``) against
        float32. A precision that is not listed was not measured and is never chosen automatically.
    licence : str
        Licence of the method's implementation here and of its weights, as a user should know it.
    origin : str
        Where it comes from: a URL or a paper identifier.
    citation : str
        Paper, in one line.
    weights : WeightsSource or None
        None for a model without weights.
    requires : tuple of str
        Packages that it needs and that are not installed with this one: extras of the same names install them.
    options : mapping
        Keyword arguments with which its architecture makes a new network of this size.
    """

    name: str
    title: str
    task: Task
    summary: str
    architecture: str
    build: Callable[[Mapping[str, Any] | None], nn.Module]
    licence: str
    origin: str
    citation: str
    scale: int = 1
    level: Level | None = None
    normalization: Normalization = Normalization.UNIT
    result: Normalization | None = None
    stretch: Stretch | None = None
    tasks: tuple[Task, ...] = ()
    output: str | None = None
    size_multiple: int = 1
    receptive_field: int | None = None
    blended_tile: int | None = None
    frame_context: bool = False
    devices: tuple[str, ...] = ("cpu", "cuda", "mps")
    precision_cost_db: Mapping[str, float] = field(default_factory=dict, hash=False)
    weights: WeightsSource | None = None
    requires: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def serves(self, task: Task) -> bool:
        """Tell whether it is for a task."""
        return task is self.task or task in self.tasks

    @property
    def denoises(self) -> bool:
        """True if it takes noise away itself, so that no other model need do it first."""
        return self.serves(Task.DENOISE) or self.serves(Task.JDSR)

    @property
    def way_back(self) -> Normalization:
        """How the answer's intensities become the frame's own."""
        return self.normalization if self.result is None else self.result

    @property
    def halo(self) -> int | None:
        """Input pixels that a tile needs around it; None if no halo makes a tile exact."""
        return None if self.receptive_field is None else self.receptive_field // 2


@dataclass(frozen=True)
class RestorationModel:
    """A descriptor with its network loaded.

    Attributes
    ----------
    descriptor : ModelDescriptor
    network : torch.nn.Module
        In eval mode, on the CPU, float32. The engine works on its own copy.
    weights_sha256 : str or None
        Hash of the file that the weights were read from; None for a model without weights.
    weights_path : Path or None
    """

    descriptor: ModelDescriptor
    network: nn.Module
    weights_sha256: str | None = None
    weights_path: Path | None = None

    @property
    def name(self) -> str:
        """The descriptor's name."""
        return self.descriptor.name

    @property
    def scale(self) -> int:
        """Output pixels per input pixel."""
        return self.descriptor.scale

    @property
    def stages(self) -> tuple[RestorationModel, ...]:
        """The models run one after the other: itself alone."""
        return (self,)
