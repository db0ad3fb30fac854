"""From the sources that a config names to fields to learn from and to judge by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from napari_w2s._types import InputError, Task
from napari_w2s.training.burst_fields import gather_bursts
from napari_w2s.training.config import Source, TrainingConfig
from napari_w2s.training.fields import Gathered
from napari_w2s.training.folder_fields import gather_folders, gather_images
from napari_w2s.training.patch_fields import gather_patches
from napari_w2s.training.split import Loaded, split
from napari_w2s.training.w2s_fields import gather_w2s

__all__ = ["Loaded", "load_fields"]


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes
    ----------
    gather : callable
        Returns its fields.
    ways : tuple
        Ways to learn that it is good for, as in `TrainingConfig.self_supervised`.
    what : str
        What it is, for a person.
    """

    gather: Callable[[Source, TrainingConfig], Gathered]
    ways: tuple[str | None, ...]
    what: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "w2s": Kind(gather_w2s, (None, "noise2noise", "noise2void"), "the benchmark"),
        "folders": Kind(gather_folders, (None, "noise2void"), "folders of images"),
        "patches": Kind(gather_patches, (None, "noise2void"), "files of patches"),
        "burst": Kind(gather_bursts, ("noise2noise", "noise2void"), "bursts"),
        "images": Kind(gather_images, ("noise2void",), "noisy images alone"),
    }
)
"""By `napari_w2s.training.config.Source.kind`."""

_WAYS = {None: "with clean images", "noise2noise": "by Noise2Noise", "noise2void": "by Noise2Void"}


def load_fields(config: TrainingConfig) -> Loaded:
    """Find the images that a config learns from and judges by. Reads headers, no pixel.

    Parameters
    ----------
    config : TrainingConfig

    Returns
    -------
    Loaded
        If the config names no validation sources, `validation_share` of the groups are held back for it.

    Raises
    ------
    InputError
        If a source is missing, unreadable, not what its kind says, or no good for the task.
    """
    check_task(config)
    train = _gather(config, config.train)
    return split(config, train, _gather(config, config.validation) if config.validation else None)


def check_task(config: TrainingConfig) -> None:
    """Raise an InputError if a config wants to learn without clean images what only these can teach."""
    way = config.self_supervised
    if way is None:
        return
    if config.task is not Task.DENOISE or config.outputs != ("denoised",):
        raise InputError(
            f"A network learns to denoise {_WAYS[way]}, but not the task {config.task.label!r}: resolution is learned "
            "from SIM images only. Choose the task 'denoise', with losses for 'denoised' alone."
        )


def _gather(config: TrainingConfig, sources: Sequence[Source]) -> Gathered:
    found = Gathered()
    if not sources:
        raise InputError("There is no source of images to learn from. Name one.")
    for source in sources:
        kind = KINDS[source.kind]
        if config.self_supervised not in kind.ways:
            possible = " or ".join(str(way) for way in kind.ways if way is not None)
            raise InputError(
                f"A network does not learn {_WAYS[config.self_supervised]} from {kind.what}. Set self_supervised to "
                f"{possible}{', or leave it out' if None in kind.ways else ''}; or choose another source."
            )
        found += kind.gather(source, config)
    return found
