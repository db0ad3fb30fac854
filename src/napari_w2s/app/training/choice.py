"""What is to be trained: everything that was chosen in a panel, without a pixel. What a run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_w2s._types import Level, Task
from napari_w2s.app.training.material import Scene
from napari_w2s.app.training.state import Learn


@dataclass(frozen=True, kw_only=True)
class TrainChoice:
    """A training, as it was chosen.

    Attributes
    ----------
    learn : Learn
    task : Task
    name : str
        Of the model that is made.
    size, preset : str
        See `napari_w2s.training.presets`.
    start_from : str or None
        Registered model to go on from, instead of a new network of that size.
    licence : str
        Of the weights that are gone on from, and so of those that are made; empty for a new network's.
    root, fovs, channels
        For a folder of the benchmark.
    scenes : tuple of Scene
        For layers and single images.
    burst : str or None
        Identity of the layer with the frames, for a burst.
    axis : int
        Its axis of the frames.
    patch, batch, learning_rate, loss
        0 and ``"auto"`` are the preset's.
    levels : dict of Level to float
        Empty for the preset's.
    validation_share : float
    device, folder : str
    allow_test_fovs : bool
    """

    learn: Learn
    task: Task
    name: str
    size: str = "small"
    preset: str = "quick"
    start_from: str | None = None
    licence: str = ""
    root: str = ""
    fovs: str = ""
    channels: tuple[int, ...] = (0, 1, 2)
    scenes: tuple[Scene, ...] = ()
    burst: str | None = None
    axis: int = 0
    patch: int = 0
    batch: int = 0
    learning_rate: float = 0.0
    loss: str = "auto"
    levels: Mapping[Level, float] = field(default_factory=dict)
    validation_share: float = 0.15
    device: str = "auto"
    folder: str = ""
    allow_test_fovs: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Identities of all layers that it learns from."""
        refs = [r for s in self.scenes for r in (*s.inputs.values(), s.clean, s.sim) if r is not None]
        return tuple(dict.fromkeys([r.layer for r in refs] + ([self.burst] if self.burst is not None else [])))
