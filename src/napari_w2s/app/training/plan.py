"""What a Train panel shows, and what its button would do: one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from napari_w2s._types import Level, Task
from napari_w2s.app.resolve import LayerRow
from napari_w2s.app.training.choice import TrainChoice
from napari_w2s.app.training.state import Learn

Entries = tuple[tuple[str, str], ...]
"""Entries of a list: value and text."""

_FROM = "from:"


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """Everything that a Train panel shows, and what its button would do.

    Attributes
    ----------
    learn : Learn
    root, fovs, fovs_offered, channels
        Of the folder: what was entered, and what an empty entry means.
    noisy : tuple of LayerRow
        Layers to learn from.
    cleans, sims : entries
        Layers that they may become.
    clean, sim : str
    bursts, burst_axes : entries
    burst : str or None
    axis : int or None
    report : str
        What the choice comes to.
    tasks : tuple of Task
        Those that the images allow.
    task : Task or None
    task_note : str
        Why others are missing.
    networks : entries
        Sizes of new networks, and models to go on from.
    network : str
    network_note : str
    times : entries
    time, time_note : str
    levels : mapping of Level to float
        The averaging levels that there are, with the weights that were given; empty if they are no matter.
    warnings : tuple of str
        What should be known before.
    choice : TrainChoice or None
        What would be run.
    action : str
        What the primary button says.
    missing : str
        What is missing before the button can work; empty if nothing is.
    """

    learn: Learn
    root: str
    fovs: str
    fovs_offered: str
    channels: tuple[int, ...]
    noisy: tuple[LayerRow, ...]
    cleans: Entries
    clean: str
    sims: Entries
    sim: str
    bursts: Entries
    burst: str | None
    burst_axes: Entries
    axis: int | None
    report: str
    tasks: tuple[Task, ...]
    task: Task | None
    task_note: str
    networks: Entries
    network: str
    network_note: str
    times: Entries
    time: str
    time_note: str
    levels: Mapping[Level, float]
    warnings: tuple[str, ...]
    choice: TrainChoice | None
    action: str
    missing: str

    @property
    def intent(self) -> tuple[Learn, TrainChoice | None, str]:
        """What would be run, whatever its model is named, or why nothing can be: another one is another set-up."""
        return self.learn, None if self.choice is None else replace(self.choice, name=""), self.missing


def network_entry(name: str) -> str:
    """Return the value that stands for going on from a model, in the list of networks."""
    return _FROM + name


def parse_network(value: str) -> tuple[str | None, str | None]:
    """Return size and model to go on from of an entry in the list of networks; one of them is None."""
    return (None, value.removeprefix(_FROM)) if value.startswith(_FROM) else (value, None)
