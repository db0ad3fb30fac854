"""The images of a training, from what was chosen. Reads headers, and for the checks some pixels; for a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_w2s._types import Level, Task
from napari_w2s.app.restore import known_range
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.material import Ref, Scene
from napari_w2s.app.training.state import Learn
from napari_w2s.data.image import Image

if TYPE_CHECKING:
    from napari_w2s.training.config import TrainingConfig
    from napari_w2s.training.fields import Field, Gathered


@dataclass(frozen=True)
class TrainData:
    """Fields to learn from and to judge by.

    Attributes
    ----------
    train, validation : sequence of Field
    notes : tuple of str
        What the user should know.
    doubts : tuple of str
        What speaks against going on.
    """

    train: Sequence[Field]
    validation: Sequence[Field]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read_fields(choice: TrainChoice, config: TrainingConfig, images: Mapping[str, Image]) -> TrainData:
    """Find the images, split them, and check them.

    Parameters
    ----------
    choice : TrainChoice
    config : TrainingConfig
    images : mapping of str to Image
        What the layers hold, by their identities.

    Raises
    ------
    InputError
        If they cannot be learned from.
    """
    from napari_w2s.training.checks import check_fields
    from napari_w2s.training.sources import load_fields
    from napari_w2s.training.split import split

    loaded = load_fields(config) if choice.learn is Learn.W2S else split(config, _gather(choice, config, images))
    doubts = check_fields(loaded, config)
    notes = tuple(text for text in loaded.warnings if text not in doubts)
    return TrainData(loaded.train, loaded.validation, notes, tuple(doubts))


def _gather(choice: TrainChoice, config: TrainingConfig, images: Mapping[str, Image]) -> Gathered:
    from napari_w2s.training.burst_fields import fields_of_burst
    from napari_w2s.training.fields import Gathered

    if choice.burst is None:
        return Gathered([_field(choice, scene, images) for scene in choice.scenes])
    burst = images[choice.burst]
    data: Any = burst.data
    if choice.axis != data.ndim - 3:
        data = np.moveaxis(data, choice.axis, -3)
    found = Gathered()
    for index in np.ndindex(*data.shape[:-3]):
        place = f"{burst.name} {list(index)}" if index else burst.name
        found += fields_of_burst(data[index], place, place, config)
    return found


def _field(choice: TrainChoice, scene: Scene, images: Mapping[str, Image]) -> Field:
    """Make a field of a scene. A super-resolution network that does not denoise is given the clean image."""
    from napari_w2s.training.fields import Field

    inputs = scene.inputs
    if choice.task is Task.SR and scene.clean is not None:
        inputs = {Level.AVG400.value: scene.clean}
    first = images[next(iter(inputs.values())).layer]
    return Field(
        name=scene.name,
        group=scene.group,
        inputs={label: _plane(ref, images) for label, ref in inputs.items()},
        denoised=None if scene.clean is None else _plane(scene.clean, images),
        sim=None if scene.sim is None else _plane(scene.sim, images),
        fov=scene.fov,
        split=first.w2s.get("split"),
        intensity_range=known_range(first),
    )


def _plane(ref: Ref, images: Mapping[str, Image]) -> Any:
    """Return one image of a layer; of a lazy one, one that is read when it is looked at."""
    from napari_w2s.training.lazy_images import plane

    return plane(images[ref.layer].data, ref.index)
