"""Models run one after the other, as one."""

from __future__ import annotations

from math import prod

from napari_w2s._types import InputError, Task
from napari_w2s.models.descriptor import RestorationModel


class Pipeline:
    """A chain of models that is used like a single one, e.g. a denoiser and then a super-resolution network.

    Intensities pass from stage to stage as float32 on the image's own scale; nothing is clipped or quantised.

    Parameters
    ----------
    *models : RestorationModel or Pipeline
        In the order in which they run.

    Raises
    ------
    InputError
        If no model is given, or an image would be denoised after it was super-resolved.
    """

    def __init__(self, *models: RestorationModel | Pipeline) -> None:
        self._stages = tuple(stage for model in models for stage in model.stages)
        if not self._stages:
            raise InputError("A pipeline needs at least one model.")
        seen_sr: RestorationModel | None = None
        for stage in self._stages:
            if seen_sr is not None:
                raise InputError(
                    f"{stage.name} cannot follow {seen_sr.name}: nothing comes after super-resolution. "
                    "Name the denoiser first, e.g. vst-nlm+bicubic."
                )
            if stage.scale > 1:
                seen_sr = stage

    @property
    def stages(self) -> tuple[RestorationModel, ...]:
        """The models, in the order in which they run."""
        return self._stages

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along y and x."""
        return prod(stage.scale for stage in self._stages)

    @property
    def name(self) -> str:
        """The models' names joined by ``+``, as the command line takes them."""
        return "+".join(stage.name for stage in self._stages)

    @property
    def title(self) -> str:
        """The models' titles, for a person."""
        return " → ".join(stage.descriptor.title for stage in self._stages)

    @property
    def task(self) -> Task:
        """What the chain does as a whole."""
        tasks = {stage.descriptor.task for stage in self._stages}
        return tasks.pop() if len(tasks) == 1 else Task.JDSR

    def __repr__(self) -> str:
        return f"Pipeline({self.name})"
