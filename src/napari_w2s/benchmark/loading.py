"""The models of a benchmark in one process: loaded when they are needed, a few kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from napari_w2s._types import ProgressFn, StopFn
from napari_w2s.benchmark.config import BenchmarkConfig
from napari_w2s.benchmark.fingerprint import fingerprint
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import RestorationModel
from napari_w2s.models.registry import Registry
from napari_w2s.training.files import expand

_KEPT = 6


@dataclass(frozen=True, slots=True)
class WeightsFrom:
    """Where weights are.

    Attributes
    ----------
    net_data : str or None
        Folder of the authors' weights.
    files : tuple of (str, str)
        Name of a model, and the file of its weights.
    """

    net_data: str | None = None
    files: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, config: BenchmarkConfig) -> WeightsFrom:
        """Return what a config says, as absolute paths.

        Raises
        ------
        InputError
            If one of them is not there.
        """
        folder = None if config.net_data is None else str(expand(config.net_data).absolute())
        files = ((name, str(expand(path).absolute())) for name, path in config.weights.items())
        return cls(folder, tuple(sorted(files)))

    def path(self, name: str) -> str | None:
        """Return the file or the folder to load a model's weights from; None for the usual place."""
        return dict(self.files).get(name, self.net_data)


class Models:
    """Models by name.

    Parameters
    ----------
    registry : Registry
    weights : WeightsFrom
    """

    def __init__(self, registry: Registry, weights: WeightsFrom) -> None:
        self.registry = registry
        self._weights = weights
        self._loaded: OrderedDict[str, RestorationModel] = OrderedDict()
        self._lock = threading.Lock()

    def load(
        self, name: str, *, progress: ProgressFn | None = None, should_stop: StopFn | None = None
    ) -> RestorationModel:
        """Return a model; the last few are kept.

        Raises
        ------
        W2SError
            As `Registry.load`.
        """
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self.registry.load(
                    name, weights=self._weights.path(name), progress=progress, should_stop=should_stop
                )
                while len(self._loaded) > _KEPT:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
            return self._loaded[name]


@lru_cache(maxsize=1)
def models_here(weights: WeightsFrom) -> Models:
    """Return the models of this process, from the registry that every process makes alike."""
    return Models(default_registry(), weights)


@dataclass(frozen=True, slots=True)
class Identity:
    """What decides about the answers of a chain.

    Attributes
    ----------
    facts : tuple of str
        One entry a model: its weights, or the settings of a method without weights, and how it is used.
    weights : str
        Hashes of the weights joined by ``+``; ``-`` stands for a method without weights.
    """

    facts: tuple[str, ...] = field(default=())
    weights: str = ""


def identify(chain: Sequence[str], models: Models, *, should_stop: StopFn | None = None) -> Identity:
    """Load the models of a chain and say what they are.

    Raises
    ------
    W2SError
        If one of them cannot be loaded.
    """
    facts, hashes = [], []
    for name in chain:
        model = models.load(name, should_stop=should_stop)
        said = model.descriptor
        decisive = (said.architecture, said.output, said.normalization, said.result, said.stretch, said.blended_tile)
        what = model.weights_sha256 or fingerprint(model.network, said.requires)
        facts.append(f"{name} {what} {decisive}")
        hashes.append(model.weights_sha256 or "-")
    return Identity(tuple(facts), "+".join(hashes))
